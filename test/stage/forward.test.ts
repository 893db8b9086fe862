import test from 'ava';
import { Action, Drop, LaneCounter, Verdict } from '../../assembly/abi.js';
import {
  A4,
  A6,
  B4,
  B6,
  IF,
  MAC,
  NODE4,
  OUTSIDE4,
  OUTSIDE6,
  REMOTE4,
  openEngine,
} from '../support/engine.js';
import { type PacketSpec, packet } from '../support/frames.js';

const UDP = { proto: 'udp', src: A4, dst: B4, sport: 1000, dport: 2000, payload: 'data' } as const;
const UDP6 = { ...UDP, src: A6, dst: B6 } as const;

for (const [family, src, dst] of [
  ['IPv4', A4, B4],
  ['IPv6', A6, B6],
] as const) {
  test(`forward: an echo from pod to pod and its reply pass untranslated, ${family}`, (t) => {
    const engine = openEngine();
    const ping = { proto: 'icmp', src, dst, id: 77, payload: 'ping' } as const;
    const sent = engine.send(IF.POD_A, packet(ping));
    t.is(sent.outIfindex, IF.POD_B);
    t.like(sent.seen, { src, dst, id: 77, ttl: 63, payload: 'ping', isSound: true });
    t.like(sent.seen, { dstMac: MAC.POD_B, srcMac: MAC.GATEWAY });
    const pong = { ...ping, src: dst, dst: src, isReply: true };
    const reply = engine.send(IF.POD_B, packet(pong));
    t.is(reply.outIfindex, IF.POD_A);
    t.like(reply.seen, { src: dst, dst: src, id: 77, ttl: 63, isSound: true });
    t.is(engine.flows().length, 2);
    t.is(engine.counter(LaneCounter.FLOWS_CREATED), 1);
  });
}

test('forward: two pings with one identifier from one pod to two pods are two flows', (t) => {
  const engine = openEngine();
  for (const dst of [B4, REMOTE4]) {
    engine.send(IF.POD_A, packet({ proto: 'icmp', src: A4, dst, id: 5 }));
  }
  t.is(engine.flows().length, 4);
});

test('forward: what no row describes is routed without one', (t) => {
  const engine = openEngine();
  const payload = new Uint8Array(64);
  const gre = packet(UDP);
  gre[14 + 9] = 47;
  const later = packet({ ...UDP, payload, fragment: { offset: 4, more: false } });
  later[14 + 9] = 47;
  const none6 = packet(UDP6);
  none6[14 + 6] = 59; // no next header
  for (const frame of [withIpv4Checksum(gre), withIpv4Checksum(later), none6]) {
    const sent = engine.send(IF.POD_A, frame);
    t.is(sent.verdict, Verdict.TX);
    t.is(sent.outIfindex, IF.POD_B);
    t.is(sent.row, 0);
  }
  t.is(engine.flows().length, 0);
});

test('forward: a datagram with IPv4 options is forwarded, checksums sound', (t) => {
  const engine = openEngine();
  const sent = engine.send(IF.POD_A, packet({ ...UDP, options: Uint8Array.of(1, 1, 1, 0) }));
  t.like(sent.seen, { dst: B4, ttl: 63, payload: 'data', isSound: true });
});

test('forward: an 802.1Q tag stays where it is', (t) => {
  const engine = openEngine();
  const sent = engine.send(IF.POD_A, packet({ ...UDP, vlan: 100 }));
  t.like(sent.seen, { vlan: 100, dst: B4, ttl: 63, isSound: true, dstMac: MAC.POD_B });
});

test('forward: bytes behind the datagram change nothing', (t) => {
  const engine = openEngine();
  const padded = Uint8Array.from([...packet(UDP), 1, 2, 3]);
  const sent = engine.send(IF.POD_A, padded);
  t.like(sent.seen, { payload: 'data', isSound: true });
  t.is(sent.frame.length, padded.length);
});

test("forward: everything unknown is the host's", (t) => {
  const engine = openEngine();
  const sent = engine.send(IF.POD_A, packet({ ...UDP, dst: OUTSIDE4, ttl: 1 }));
  t.is(sent.verdict, Verdict.TX);
  t.is(sent.action, Action.HOST);
  t.is(sent.seen.ttl, 1);
  t.is(engine.send(IF.POD_A, packet({ ...UDP, dst: NODE4 })).action, Action.HOST);
});

test("forward: the host's own packets do not go back to the host", (t) => {
  const engine = openEngine();
  const frame = packet({ ...UDP, src: NODE4, dst: OUTSIDE4 });
  t.is(engine.send(IF.TRUNK, frame).drop, Drop.NO_ROUTE);
});

test("forward: replies to a flow out of the uplink may come by any link that is no pod's", (t) => {
  const engine = openEngine();
  engine.send(IF.POD_A, packet({ ...UDP, dst: REMOTE4 }));
  const reply = packet({ ...UDP, src: REMOTE4, dst: A4, sport: 2000, dport: 1000 });
  t.is(engine.send(IF.UPLINK, reply).outIfindex, IF.POD_A);
  t.is(engine.send(IF.TRUNK, reply).outIfindex, IF.POD_A);
  t.is(engine.send(IF.POD_B, reply).drop, Drop.SPOOFED_SOURCE);
});

const SPOOFED: readonly Partial<PacketSpec>[] = [
  { src: B4 },
  { src: NODE4 },
  { src: '0.0.0.0' },
  { src: '127.0.0.1' },
  { src: B6, dst: B6 },
  { src: '::1', dst: B6 },
];
for (const spec of SPOOFED) {
  test(`forward: a pod may not speak as ${String(spec.src)}`, (t) => {
    const engine = openEngine();
    const spoofed = engine.send(IF.POD_A, packet({ ...UDP, ...spec }));
    t.is(spoofed.drop, Drop.SPOOFED_SOURCE);
    t.is(engine.flows().length, 0);
  });
}

test('forward: a pod may not speak as another on a flow of that other', (t) => {
  const engine = openEngine();
  const frame = packet(UDP);
  engine.send(IF.POD_A, frame);
  t.is(engine.send(IF.POD_B, frame).drop, Drop.SPOOFED_SOURCE);
  t.is(engine.flows().length, 2);
});

/** An IPv6 packet whose source is the mapped form of an IPv4 address. */
function mappedSource(): Uint8Array {
  const frame = packet({ ...UDP6, src: OUTSIDE6 });
  frame.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 244, 1, 3], 14 + 8);
  return frame;
}

test("forward: nobody outside may speak as a pod, nor end that pod's flow", (t) => {
  const engine = openEngine();
  t.is(engine.send(IF.POD_A, packet(UDP)).outIfindex, IF.POD_B);
  t.is(engine.send(IF.UPLINK, packet(UDP)).drop, Drop.SPOOFED_SOURCE);
  const again = engine.send(IF.POD_A, packet(UDP));
  t.is(again.outIfindex, IF.POD_B);
  t.is(engine.counter(LaneCounter.FLOWS_CREATED), 1);
});

test('forward: sources that nobody may have are martians, also from outside', (t) => {
  const engine = openEngine();
  for (const src of ['127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255']) {
    t.is(engine.send(IF.UPLINK, packet({ ...UDP, src })).drop, Drop.MARTIAN_SOURCE, src);
  }
  for (const src of ['::1', 'ff02::1', '::', 'fe80::1']) {
    t.is(engine.send(IF.UPLINK, packet({ ...UDP6, src })).drop, Drop.MARTIAN_SOURCE, src);
  }
  t.is(engine.send(IF.UPLINK, mappedSource()).drop, Drop.MARTIAN_SOURCE);
});

test('forward: a source that means something on its own link only is not forwarded', (t) => {
  const engine = openEngine();
  for (const src of ['fe80::1', '::']) {
    t.is(engine.send(IF.POD_A, packet({ ...UDP6, src })).drop, Drop.MARTIAN_SOURCE, src);
  }
  t.is(engine.flows().length, 0);
});

test('forward: no group is routed', (t) => {
  const engine = openEngine();
  for (const dst of ['224.0.0.251', '239.1.2.3', '255.255.255.255']) {
    t.is(engine.send(IF.POD_A, packet({ ...UDP, dst })).drop, Drop.MULTICAST, dst);
  }
  t.is(engine.send(IF.POD_A, packet({ ...UDP6, dst: 'ff02::fb' })).drop, Drop.MULTICAST);
});

test('forward: a frame of a link that nobody has named is dropped as such', (t) => {
  const engine = openEngine();
  t.is(engine.send(99, packet(UDP)).drop, Drop.UNKNOWN_LINK);
  t.is(engine.send(0, packet(UDP)).drop, Drop.UNKNOWN_LINK);
});

/** Frames that are not what they say, and the name of what is wrong. */
const BAD: readonly [string, Drop, (frame: Uint8Array) => Uint8Array][] = [
  ['an empty frame', Drop.SHORT_ETHERNET, (frame) => frame.slice(0, 0)],
  ['thirteen bytes', Drop.SHORT_ETHERNET, (frame) => frame.slice(0, 13)],
  ['a tag cut off', Drop.SHORT_VLAN, () => packet({ ...UDP, vlan: 1 }).slice(0, 17)],
  ['an unknown EtherType', Drop.UNKNOWN_ETHERTYPE, (frame) => with8(frame, 12, 0x88)],
  ['a cut IPv4 header', Drop.SHORT_IPV4, (frame) => frame.slice(0, 33)],
  ['IPv4 that says version 6', Drop.BAD_IPV4_VERSION, (frame) => with8(frame, 14, 0x65)],
  ['an IHL of four words', Drop.BAD_IPV4_IHL, (frame) => with8(frame, 14, 0x44)],
  ['a total length beyond the frame', Drop.BAD_IPV4_LENGTH, (frame) => with8(frame, 16, 0x7f)],
  ['a wrong header checksum', Drop.BAD_IPV4_CHECKSUM, (frame) => with8(frame, 24, 0)],
  ['a UDP length beyond the datagram', Drop.BAD_UDP_LENGTH, (frame) => with8(frame, 38, 0x7f)],
  ['a cut IPv6 header', Drop.SHORT_IPV6, () => packet(UDP6).slice(0, 53)],
  ['a payload length beyond the frame', Drop.BAD_IPV6_LENGTH, () => with8(packet(UDP6), 18, 1)],
  ['SYN and FIN together', Drop.BAD_TCP_FLAGS, () => packet({ ...UDP, proto: 'tcp', flags: 'SF' })],
  [
    'a data offset of four words',
    Drop.BAD_TCP_OFFSET,
    () => with8(packet({ ...UDP, proto: 'tcp' }), 46, 0x40),
  ],
];
for (const [what, reason, make] of BAD) {
  test(`forward: ${what} is dropped as ${Drop[reason]}`, (t) => {
    const engine = openEngine();
    t.is(Drop[engine.send(IF.POD_A, make(packet(UDP))).drop], Drop[reason]);
    t.is(engine.drops(reason), 1);
    t.is(engine.counter(LaneCounter.DROPPED), 1);
  });
}

function with8(frame: Uint8Array, at: number, value: number): Uint8Array {
  const changed = frame.slice();
  changed[at] = value;
  return changed;
}

/** Make the IPv4 header checksum right again: one's-complement sum over its ten words. */
function withIpv4Checksum(frame: Uint8Array): Uint8Array {
  const fixed = frame.slice();
  const view = new DataView(fixed.buffer);
  view.setUint16(24, 0);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  view.setUint16(24, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  return fixed;
}
