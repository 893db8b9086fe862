import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { Drop, DROP_COUNT } from '../../assembly/abi.js';
import { parse, placeAtEnd } from './parsed.js';
import { bytesOf, packet, packets, type Vector } from './vectors.js';
import { wireCore } from './wire-core.js';

// Every frame lies at the very end of the memory: reading one byte too many traps.

const WALK_F_FRAGMENT = 2;
const WALK_F_LATER = 8;
const IPV4_FRAGMENT_BITS = 0x3fff;
const IPV4_OFFSET_BITS = 0x1fff;
const IPPROTO_ICMPV6_ND = [135, 136];

const cores = { release: await wireCore('release'), debug: await wireCore('debug') };

for (const [variant, core] of Object.entries(cores)) {
  for (const vector of packets) {
    test(`bounds: ${variant} names the reason for every truncation of "${vector.name}"`, (t) => {
      const frame = bytesOf(vector.hex);
      for (let len = 0; len < frame.length; len++) {
        t.is(parse(core, frame.subarray(0, len)), reasonWhenCut(vector, len), `${len} bytes`);
      }
    });
  }

  for (const vector of packets.filter(({ walk, drop }) => walk && drop === 'NONE')) {
    test(`bounds: ${variant} names the reason when "${vector.name}" says it is shorter`, (t) => {
      const { hlen } = vector.eth;
      const frame = bytesOf(vector.hex);
      for (let end = headerLen(vector); end < frame.length - hlen; end++) {
        const short = frame.slice(0, hlen + end);
        const length = vector.ipv4 ? end : end - 40;
        new DataView(short.buffer).setUint16(hlen + (vector.ipv4 ? 2 : 4), length);
        t.is(parse(core, short), reasonWhenShort(vector, end), `${end} bytes`);
      }
      t.pass();
    });
  }
}

/** What a frame that ends early is refused for: the header that is cut, or the IP length. */
function reasonWhenCut({ eth, arp, ipv4, ipv6 }: Vector, len: number): string {
  if (len < 14) return 'SHORT_ETHERNET';
  if (len < eth.hlen) return 'SHORT_VLAN';
  const rest = len - eth.hlen;
  if (arp) return rest < 28 ? 'SHORT_ARP' : 'BAD_ARP';
  if (ipv4) return rest < ipv4.hlen ? 'SHORT_IPV4' : 'BAD_IPV4_LENGTH';
  if (ipv6) return rest < 40 ? 'SHORT_IPV6' : 'BAD_IPV6_LENGTH';
  return 'UNKNOWN_ETHERTYPE';
}

function headerLen({ ipv4 }: Vector): number {
  return ipv4 ? ipv4.hlen : 40;
}

/** What a datagram of `end` bytes is refused for, its IP length being right. */
function reasonWhenShort(vector: Vector, end: number): string {
  const { walk, tcp, udp, sctp, icmp, icmpv6, ipv4 } = vector;
  if (!walk) return 'NONE';
  if (end < walk.offset) return 'IPV6_EXT_SHORT';
  const rest = end - walk.offset;
  const fragment = ipv4 ? ipv4.fragment & IPV4_FRAGMENT_BITS : walk.flags & WALK_F_FRAGMENT;
  const later = ipv4 ? ipv4.fragment & IPV4_OFFSET_BITS : walk.flags & WALK_F_LATER;
  if (later) return 'NONE';
  if (tcp && rest < 20) return 'SHORT_TCP';
  if (tcp && rest < tcp.hlen) return 'BAD_TCP_OFFSET';
  if (udp && rest < 8) return 'SHORT_UDP';
  if (udp && rest < udp.length && !fragment) return 'BAD_UDP_LENGTH';
  if (sctp && (rest < 16 || (!fragment && isChunkCut(vector, rest)))) return 'SHORT_SCTP';
  if (icmp && rest < 8) return 'SHORT_ICMP';
  if (icmpv6 && rest < (IPPROTO_ICMPV6_ND.includes(icmpv6.type) ? 24 : 8)) return 'SHORT_ICMPV6';
  return 'NONE';
}

/** Whether the first `rest` bytes of an SCTP packet end within a chunk. */
function isChunkCut({ hex, eth, walk }: Vector, rest: number): boolean {
  const part = Buffer.from(bytesOf(hex).subarray(eth.hlen + (walk?.offset ?? 0)));
  for (let at = 12; at + 4 <= rest; at += (part.readUInt16BE(at + 2) + 3) & ~3) {
    if (at + part.readUInt16BE(at + 2) > rest) return true;
    if (part.readUInt8(at) === 0) return false;
  }
  return false;
}

const core = cores.release;

/** One byte of a vector replaced; `offset` counts from the end of the Ethernet header. */
const malformed: [name: string, offset: number, value: number, reason: string][] = [
  ['tcp4 syn with options', 0, 0x65, 'BAD_IPV4_VERSION'],
  ['tcp4 syn with options', 0, 0x44, 'BAD_IPV4_IHL'],
  ['tcp4 syn with options', 0, 0x40, 'BAD_IPV4_IHL'],
  ['udp4 empty', 0, 0x4f, 'SHORT_IPV4'],
  ['tcp4 syn with options', 3, 19, 'BAD_IPV4_LENGTH'],
  ['tcp4 syn with options', 3, 61, 'BAD_IPV4_LENGTH'],
  ['tcp4 syn with options', 32, 0x40, 'BAD_TCP_OFFSET'],
  ['tcp4 syn with options', 32, 0xb0, 'BAD_TCP_OFFSET'],
  ['udp4', 25, 7, 'BAD_UDP_LENGTH'],
  ['udp4', 25, 14, 'BAD_UDP_LENGTH'],
  ['udp4 first fragment', 24, 0, 'NONE'],
  ['sctp4 init', 35, 3, 'SHORT_SCTP'],
  ['sctp4 init', 35, 21, 'SHORT_SCTP'],
  ['udp6', 0, 0x40, 'BAD_IPV6_VERSION'],
  ['udp6', 4, 1, 'BAD_IPV6_LENGTH'],
  ['udp6 behind destination options', 41, 2, 'IPV6_EXT_SHORT'],
  ['udp6 behind destination options', 41, 255, 'IPV6_EXT_SHORT'],
  ['tcp6 behind ah', 41, 255, 'IPV6_EXT_SHORT'],
  ['arp request', 1, 2, 'BAD_ARP'],
  ['arp request', 2, 0x86, 'BAD_ARP'],
  ['arp request', 4, 8, 'BAD_ARP'],
  ['arp request', 5, 16, 'BAD_ARP'],
];

for (const [name, offset, value, reason] of malformed) {
  test(`bounds: byte ${offset} of "${name}" set to ${value} gives ${reason}`, (t) => {
    const vector = packet(name);
    const frame = bytesOf(vector.hex);
    frame[vector.eth.hlen + offset] = value;
    t.is(parse(core, frame), reason);
  });
}

test('bounds: padding behind the datagram is not part of it', (t) => {
  for (const vector of packets.filter(({ walk }) => walk)) {
    const padded = Uint8Array.from([...bytesOf(vector.hex), ...new Uint8Array(18)]);
    t.is(parse(core, padded), vector.drop, vector.name);
  }
});

testProp(
  'bounds: no mutation of any packet traps or has an unnamed reason',
  [
    fc.constantFrom(...packets),
    fc.array(fc.record({ at: fc.nat(200), value: fc.nat(255) }), { maxLength: 6 }),
    fc.nat(200),
  ],
  (t, vector, edits, cut) => {
    const frame = bytesOf(vector.hex);
    for (const { at, value } of edits) frame[at % frame.length] = value;
    const reason = parse(
      core,
      frame.subarray(0, Math.max(0, frame.length - Math.max(0, cut - 100))),
    );
    t.true(reason in Drop, reason);
  },
  { numRuns: 5000 },
);

testProp(
  'bounds: no bytes trap the IPv6 walk, and its offset stays within the datagram',
  [fc.uint8Array({ minLength: 40, maxLength: 200 }), fc.constantFrom(0, 43, 44, 51, 60)],
  (t, datagram, next) => {
    datagram[6] = next;
    for (let off = 40; off < datagram.length; off += 8) {
      if ((datagram[off] ?? 0) & 1) datagram[off] = 60; // half of the time one more header
      if (off + 1 < datagram.length) datagram[off + 1] = (datagram[off + 1] ?? 0) & 1;
    }
    const walk = core.call64('walkIpv6', placeAtEnd(core, datagram), datagram.length);
    const drop = core.call('walkDrop', walk);
    t.true(drop < DROP_COUNT);
    if (drop === Drop.NONE) t.true(core.call('walkOffset', walk) <= datagram.length);
  },
  { numRuns: 2000 },
);

testProp(
  'nd: no options trap the search for an address, and what it finds is whole',
  [fc.uint8Array({ minLength: 24, maxLength: 120 }), fc.constantFrom(1, 2)],
  (t, message, type) => {
    for (let off = 24; off + 1 < message.length; off += 8) {
      message[off] = (message[off] ?? 0) & 3;
      message[off + 1] = (message[off + 1] ?? 0) & 3;
    }
    const ptr = placeAtEnd(core, message);
    const mac = core.call('ndFindMac', ptr, message.length, type);
    if (mac === 0) return t.pass();
    t.is(core.bytes[mac - 2], type);
    t.is(core.bytes[mac - 1], 1);
    return t.true(mac + 6 <= core.end);
  },
  { numRuns: 2000 },
);
