/**
 * What a node's ordinary traffic looks like: frames of all sorts to it and from it, none of them
 * for a service, many of them as near to one as can be.
 */
import { arp, mac, packet, type PacketSpec, solicit, wireAddress } from '../../support/frames.js';
import { pseudoHeader, rfc1071 } from '../../wire/oracle.js';

export const NODE = { ipv4: '192.0.2.1', ipv6: '2001:db8::1', mac: '0a:00:00:00:00:01' } as const;
export const PEER = { ipv4: '192.0.2.2', ipv6: '2001:db8::2', mac: '0a:00:00:00:00:02' } as const;
/** The node port of the manifests: its neighbours in port, protocol and address are the host's. */
export const NODE_PORT = 30080;
/** Hosts behind the peer, of which its own stack knows nothing. */
const FAR4 = '203.0.113.5';
const FAR6 = '2001:db8:5::5';
/** Where the node forwards to. */
const BEYOND4 = '198.51.100.77';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const SSH = 22;
const DHCP_SERVER = 67;
const DHCP_CLIENT = 68;
const MDNS = 5353;
/** RFC 2113: router alert, an IPv4 option of four bytes. */
const ROUTER_ALERT = Uint8Array.of(0x94, 4, 0, 0);
/** Shortest frame of a wire, without its checksum (IEEE 802.3). */
const ETH_MIN = 60;
const RANDOM_DATAGRAMS = 12;
export const END_FRAME = raw(0x88b6, new Uint8Array(46), PEER.mac, BROADCAST);

/** Small numbers that are the same in every run (Park and Miller). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 0x7fffffff;
    return state % below;
  };
}

function raw(type: number, payload: Uint8Array, srcMac: string, dstMac: string): Uint8Array {
  return Uint8Array.from([...mac(dstMac), ...mac(srcMac), type >>> 8, type & 0xff, ...payload]);
}

function padded(frame: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.max(frame.length, ETH_MIN)).fill(0xa5);
  whole.set(frame);
  return whole;
}

/** A frame with some bytes overwritten, wrong as it may be then. */
function spoilt(frame: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = frame.slice();
  copy.set(bytes, at);
  return copy;
}

interface Ends {
  readonly srcMac: string;
  readonly dstMac: string;
  readonly src4: string;
  readonly dst4: string;
  readonly src6: string;
  readonly dst6: string;
}

/** BOOTP as RFC 951 has it, with the option that makes it DHCP (RFC 2131). */
function dhcp(op: 1 | 2, message: number): Uint8Array {
  const body = new Uint8Array(300);
  body.set([op, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
  body.set(mac(NODE.mac), 28);
  body.set([0x63, 0x82, 0x53, 0x63, 53, 1, message, 255], 236);
  return body;
}

/** An ICMP error about a connection of the host's own: a quotation of its first bytes. */
function icmpError({ srcMac, dstMac, src4, dst4 }: Ends): Uint8Array {
  const quoted = packet({ proto: 'tcp', src: dst4, dst: src4, sport: SSH, dport: 50022 });
  const text = quoted.subarray(14, 14 + 28);
  const frame = packet({ proto: 'icmp', src: src4, dst: dst4, srcMac, dstMac, payload: text });
  const typed = spoilt(frame, 34, 3, 1, 0, 0, 0, 0, 0, 0);
  const sum = rfc1071(typed.subarray(34));
  return spoilt(typed, 36, sum >>> 8, sum & 0xff);
}

function advertisement({ srcMac, dstMac, src6, dst6 }: Ends): Uint8Array {
  const [src, dst] = [wireAddress(src6), wireAddress(dst6)];
  const body = Uint8Array.from([136, 0, 0, 0, 0x40, 0, 0, 0, ...src, 2, 1, ...mac(srcMac)]);
  const sum = rfc1071(pseudoHeader(Uint8Array.from([...src, ...dst]), 58, body.length), body);
  body.set([sum >>> 8, sum & 0xff], 2);
  const head = [0x60, 0, 0, 0, 0, body.length, 58, 255, ...src, ...dst];
  return raw(0x86dd, Uint8Array.from([...head, ...body]), srcMac, dstMac);
}

/** Sessions and datagrams between two hosts, in either direction. */
function conversation(ends: Ends, [sport, dport]: readonly [number, number], seed: number) {
  const { srcMac, dstMac, src4, dst4, src6, dst6 } = ends;
  const from4 = { src: src4, dst: dst4, srcMac, dstMac };
  const from6 = { src: src6, dst: dst6, srcMac, dstMac };
  const pick = random(seed);
  const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => pick(256));
  const tcp = (flags: string, payload: Uint8Array | string = ''): Uint8Array[] =>
    [from4, from6].map((from) => packet({ ...from, proto: 'tcp', sport, dport, flags, payload }));
  const datagrams = Array.from({ length: RANDOM_DATAGRAMS }, () => {
    const ports = { sport: 1024 + pick(60000), dport: 1024 + pick(28000) };
    const payload = noise(pick(1400));
    return packet({ ...(pick(2) ? from4 : from6), proto: 'udp', ...ports, payload });
  });
  const half = noise(1200);
  const fragments = (from: Pick<PacketSpec, 'src' | 'dst' | 'srcMac' | 'dstMac'>): Uint8Array[] => {
    const spec: PacketSpec = { ...from, proto: 'udp', sport: 4000, dport: 4001, payload: half };
    const [offset, more] = [(8 + half.length) / 8, false];
    return [
      packet({ ...spec, fragment: { offset: 0, more: true } }),
      packet({ ...spec, fragment: { offset, more } }),
    ];
  };
  const udp = packet({ ...from4, proto: 'udp', sport: 7, dport: 9, payload: 'options' });
  return [
    ...tcp('S'),
    ...tcp('A'),
    ...tcp('PA', 'SSH-2.0-OpenSSH_9.6\r\n'),
    ...tcp('PA', noise(1300)),
    ...tcp('FA'),
    ...datagrams,
    ...fragments(from4),
    ...fragments(from6),
    packet({ ...from4, proto: 'udp', sport: 1, dport: 2, noChecksum: true, payload: 'no sum' }),
    packet({ ...from4, proto: 'udp', sport: 7, dport: 9, options: ROUTER_ALERT }),
    padded(packet({ ...from4, proto: 'udp', sport: 7, dport: 9, payload: 'x' })),
    packet({ ...from4, proto: 'icmp', id: 77, payload: noise(56) }),
    packet({ ...from6, proto: 'icmp', id: 78, payload: noise(56) }),
    icmpError(ends),
    advertisement(ends),
    // Another VLAN, and one within another (IEEE 802.1ad).
    packet({ ...from4, proto: 'tcp', sport: 50000, dport: NODE_PORT, flags: 'S', vlan: 100 }),
    raw(0x88a8, Uint8Array.from([0, 7, 0x08, 0, ...udp.subarray(14)]), srcMac, dstMac),
    // Ether types nobody knows, a neighbour's name, a bridge's vote.
    raw(0x88b5, noise(60), srcMac, dstMac),
    raw(0x88cc, noise(46), srcMac, '01:80:c2:00:00:0e'),
    raw(46, noise(46), srcMac, '01:80:c2:00:00:00'),
    // To groups.
    packet({
      ...from4,
      dst: '224.0.0.251',
      dstMac: '01:00:5e:00:00:fb',
      proto: 'udp',
      dport: MDNS,
    }),
    packet({ ...from6, dst: 'ff02::fb', dstMac: '33:33:00:00:00:fb', proto: 'udp', dport: MDNS }),
    // Protocols without ports: GRE, ESP, OSPF, SCTP, and one that nobody has.
    ...[47, 50, 89, 132, 253].map((proto) => {
      const frame = spoilt(udp, 23, proto, 0, 0);
      const sum = rfc1071(frame.subarray(14, 34));
      return spoilt(frame, 24, sum >>> 8, sum & 0xff);
    }),
    // Broken: version, header length, checksum, total length, an end within the header.
    spoilt(udp, 14, 0x55),
    spoilt(udp, 14, 0x41),
    spoilt(udp, 24, 0xba, 0xad),
    spoilt(udp, 16, 0xff, 0xff),
    udp.slice(0, 30),
  ];
}

const NODE_ENDS: Ends = {
  srcMac: NODE.mac,
  dstMac: PEER.mac,
  src4: NODE.ipv4,
  dst4: FAR4,
  src6: NODE.ipv6,
  dst6: FAR6,
};
const PEER_ENDS: Ends = {
  srcMac: PEER.mac,
  dstMac: NODE.mac,
  src4: FAR4,
  dst4: NODE.ipv4,
  src6: FAR6,
  dst6: NODE.ipv6,
};

export function framesToNode(): Uint8Array[] {
  const [srcMac, dstMac] = [PEER.mac, NODE.mac];
  const near = { src: FAR4, dst: NODE.ipv4, srcMac, dstMac } as const;
  return [
    ...conversation(PEER_ENDS, [50022, SSH], 11),
    packet({ ...near, proto: 'tcp', dport: NODE_PORT + 1, flags: 'S' }),
    packet({ ...near, proto: 'udp', dport: NODE_PORT, payload: 'the other protocol' }),
    packet({ ...near, dst: '127.0.0.1', proto: 'tcp', dport: NODE_PORT, flags: 'S' }),
    packet({ ...near, dst: BEYOND4, proto: 'tcp', dport: NODE_PORT, flags: 'S' }),
    packet({ ...near, dstMac: '0a:00:00:00:00:99', proto: 'tcp', dport: NODE_PORT, flags: 'S' }),
    packet({
      proto: 'udp',
      src: PEER.ipv4,
      dst: '255.255.255.255',
      srcMac,
      dstMac: BROADCAST,
      sport: DHCP_SERVER,
      dport: DHCP_CLIENT,
      payload: dhcp(2, 2),
    }),
    arp({ srcMac, sender: PEER.ipv4, target: NODE.ipv4 }),
    arp({ op: 2, srcMac, sender: PEER.ipv4, target: PEER.ipv4 }),
    solicit({ srcMac, src: PEER.ipv6, target: NODE.ipv6 }),
  ];
}

export function framesFromNode(): Uint8Array[] {
  const srcMac = NODE.mac;
  return [
    ...conversation(NODE_ENDS, [SSH, 50022], 22),
    packet({
      proto: 'udp',
      src: '0.0.0.0',
      dst: '255.255.255.255',
      srcMac,
      dstMac: BROADCAST,
      sport: DHCP_CLIENT,
      dport: DHCP_SERVER,
      payload: dhcp(1, 1),
    }),
    arp({ srcMac, sender: NODE.ipv4, target: '192.0.2.99' }),
    solicit({ srcMac, src: NODE.ipv6, target: '2001:db8::99' }),
  ];
}
