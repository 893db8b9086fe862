import test from 'ava';
import { Drop } from '../../assembly/abi.js';
import { pseudoHeader, rfc1071 } from './oracle.js';
import {
  arpFields,
  ethFields,
  icmpFields,
  icmpv6Fields,
  ipv4Fields,
  ipv6Fields,
  ndFields,
  parse,
  sctpFields,
  tcpFields,
  udpFields,
  walkFields,
} from './parsed.js';
import { bytesOf, packet, packets, type Vector } from './vectors.js';
import { wireCore } from './wire-core.js';

const WALK_F_FRAGMENT = 2;
const WALK_F_ROUTED = 16;
const IPV4_FRAGMENT_BITS = 0x3fff;

const cores = { release: await wireCore('release'), debug: await wireCore('debug') };

for (const [variant, core] of Object.entries(cores)) {
  for (const vector of packets) {
    test(`parse: ${variant} reads from "${vector.name}" what scapy reads`, (t) => {
      const frame = bytesOf(vector.hex);
      t.is(parse(core, frame), vector.drop);
      const { isGroup, ...eth } = ethFields(core);
      t.deepEqual(eth, vector.eth);
      t.is(isGroup, ((frame[0] ?? 0) & 1) === 1);
      if (vector.drop !== 'NONE') return;

      if (vector.arp) t.deepEqual(arpFields(core), vector.arp);
      if (vector.ipv4) {
        const { version, verdict, header } = ipv4Fields(core);
        t.deepEqual([version, verdict], [4, 'NONE']);
        t.deepEqual(header, vector.ipv4);
      }
      if (vector.ipv6) {
        const { version, header } = ipv6Fields(core);
        t.is(version, 6);
        t.deepEqual(header, vector.ipv6);
      }
      if (vector.walk) t.deepEqual(walkFields(core).walk, vector.walk);

      const transportOff = vector.eth.hlen + (vector.walk?.offset ?? 0);
      const ports = new DataView(frame.buffer);
      if (vector.tcp) {
        const { portsBe, header } = tcpFields(core);
        t.deepEqual(header, vector.tcp);
        t.is(portsBe, ports.getUint32(transportOff, true));
      }
      if (vector.udp) {
        const { portsBe, header } = udpFields(core);
        t.deepEqual(header, vector.udp);
        t.is(portsBe, ports.getUint32(transportOff, true));
      }
      if (vector.sctp) {
        const { portsBe, header } = sctpFields(core);
        t.deepEqual(header, vector.sctp);
        t.is(portsBe, ports.getUint32(transportOff, true));
      }
      if (vector.icmp) {
        const { quote, header } = icmpFields(core);
        t.is(quote, 8);
        t.like(header, known(vector.icmp));
      }
      if (vector.icmpv6) {
        const { quote, header } = icmpv6Fields(core);
        t.is(quote, 8);
        t.like(header, known(vector.icmpv6));
      }
      if (vector.nd) t.deepEqual(ndFields(core, core.end - frame.length + transportOff), vector.nd);
    });
  }
}

/** The fields that scapy has a value for. */
function known(fields: Record<string, number | null>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, number] => entry[1] !== null),
  );
}

const core = cores.release;

for (const vector of packets.filter(hasWholeTransport)) {
  test(`checksum: the transport checksum of "${vector.name}" is the one scapy computed`, (t) => {
    const frame = bytesOf(vector.hex);
    parse(core, frame);
    const { walk, end } = walkFields(core);
    const ip = core.end - frame.length + vector.eth.hlen;
    const length = end - walk.offset;
    let total = core.call64('sum', ip + walk.offset, length);
    if (vector.ipv4 && !vector.icmp) {
      const [src, dst] = [12, 16].map((off) => core.view.getUint32(ip + off, true));
      total += core.call64('pseudoSum4', src ?? 0, dst ?? 0, walk.proto, length);
    }
    if (vector.ipv6) total += core.call64('pseudoSum6', ip + 8, walk.proto, length);
    t.is(core.call('finish', total), 0);

    // The plain-JS oracle agrees, so it is fit to judge the rest.
    const datagram = frame.subarray(vector.eth.hlen, vector.eth.hlen + end);
    const addresses = vector.ipv4 ? datagram.subarray(12, 20) : datagram.subarray(8, 40);
    const pseudo = vector.icmp ? new Uint8Array() : pseudoHeader(addresses, walk.proto, length);
    t.is(rfc1071(pseudo, datagram.subarray(walk.offset)), 0);
  });
}

/** A transport header with a checksum over bytes that are all here, to the addresses shown. */
function hasWholeTransport(vector: Vector): boolean {
  if (!vector.walk || vector.drop !== 'NONE') return false;
  if (!vector.tcp && !vector.udp && !vector.icmp && !vector.icmpv6 && !vector.nd) return false;
  if (vector.walk.flags & (WALK_F_FRAGMENT | WALK_F_ROUTED)) return false;
  if (vector.ipv4 && vector.ipv4.fragment & IPV4_FRAGMENT_BITS) return false;
  return vector.udp?.checksum !== 0;
}

test('ipv4: a header with one bit changed has a bad checksum', (t) => {
  const frame = bytesOf(packet('tcp4 syn with options').hex);
  for (let bit = 8 * 22; bit < 8 * 34; bit++) {
    const bad = frame.slice();
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    parse(core, bad);
    t.is(ipv4Fields(core).verdict, 'BAD_IPV4_CHECKSUM', `bit ${bit}`);
  }
});

test('tcp: the valid flag sets are those of Linux tcp_valid_flags', (t) => {
  const [fin, syn, rst, ack, urg] = [0x01, 0x02, 0x04, 0x10, 0x20];
  const valid = new Set([
    syn,
    syn | urg,
    syn | ack,
    rst,
    rst | ack,
    fin | ack,
    fin | ack | urg,
    ack,
    ack | urg,
  ]);
  const ignored = 0x08 | 0x40 | 0x80; // PSH, ECE, CWR
  for (let flags = 0; flags < 256; flags++) {
    t.is(core.call('tcpFlagsValid', flags) === 1, valid.has(flags & ~ignored), `flags ${flags}`);
  }
});

test('icmp: echo and error are told by type, and echo by code 0 only', (t) => {
  const echo4 = types((type) => core.call('icmpIsEcho', type, 0));
  const error4 = types((type) => core.call('icmpIsError', type));
  const echo6 = types((type) => core.call('icmpv6IsEcho', type, 0));
  t.deepEqual(echo4, [0, 8]);
  t.deepEqual(error4, [3, 4, 5, 11, 12]);
  t.deepEqual(echo6, [128, 129]);
  t.is(types((type) => core.call('icmpIsEcho', type, 1)).length, 0);
  t.is(types((type) => core.call('icmpv6IsEcho', type, 1)).length, 0);
  t.deepEqual(
    types((type) => core.call('icmpv6IsError', type)),
    Array.from({ length: 128 }, (_, type) => type),
  );
  t.deepEqual(
    types((type) => core.call('icmpv6IsLinkLocal', type)),
    [130, 131, 132, 133, 134, 135, 136, 137, 143],
  );
});

/** The types for which a predicate holds. */
function types(holds: (type: number) => number): number[] {
  return Array.from({ length: 256 }, (_, type) => type).filter((type) => holds(type) === 1);
}

test('addresses: the ranges that may not be a source are refused', (t) => {
  const v4 = (...bytes: number[]) =>
    core.call('ipv4IsMartian', new DataView(Uint8Array.from(bytes).buffer).getInt32(0, true));
  for (const first of [0, 127, 224, 239, 240, 255]) t.is(v4(first, 1, 2, 3), 1, `${first}`);
  for (const first of [1, 10, 100, 126, 128, 169, 192, 223]) t.is(v4(first, 0, 0, 127), 0);

  const AREA = 0x80000;
  const v6 = (name: string, hex: string) => {
    core.bytes.set(bytesOf(hex), AREA);
    return core.call(name, AREA);
  };
  const zeros = '0'.repeat(24);
  t.is(v6('ipv6IsMartian', `${zeros}00000001`), 1, '::1');
  t.is(v6('ipv6IsMartian', `${zeros.slice(4)}ffff0a000001`), 1, '::ffff:10.0.0.1');
  t.is(v6('ipv6IsMartian', `ff02${zeros}0001`), 1, 'ff02::1');
  t.is(v6('ipv6IsMartian', `fd00${zeros}0001`), 0, 'fd00::1');
  t.is(v6('ipv6IsMartian', `${zeros}00000000`), 0, ':: is duplicate address detection');
  t.is(v6('ipv6IsUnspecified', `${zeros}00000000`), 1);
  t.is(v6('ipv6IsUnspecified', `${zeros}00000100`), 0);
  t.is(v6('ipv6IsMulticast', `ff02${zeros}0001`), 1);
  t.is(v6('ipv6IsMulticast', `fe80${zeros}0001`), 0);
  for (const [head, is] of [
    ['fe80', 1],
    ['febf', 1],
    ['fec0', 0],
    ['fe7f', 0],
    ['fd80', 0],
  ] as const) {
    t.is(v6('ipv6IsLinkLocal', `${head}${zeros}0001`), is, head);
  }
});

test('bytes: the swaps reverse', (t) => {
  t.is(core.call('be16', 0x1234), 0x3412);
  t.is(core.call('be32', 0x12345678), 0x78563412);
  t.is(core.call64('be64', 0x0123456789abcdefn), 0xefcdab8967452301n);
});

test('parse: the reasons used here are reasons of the ABI', (t) => {
  for (const { drop } of packets) t.is(typeof Drop[drop], 'number');
});
