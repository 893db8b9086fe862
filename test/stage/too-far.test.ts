import test from 'ava';
import {
  Action,
  CONTROL_BASE,
  CONTROL_NODE_ADDR4_OFF,
  CONTROL_NODE_ADDR6_OFF,
  Drop,
  FLOW4_MTU_OFF,
  FLOW6_MTU_OFF,
  LaneCounter,
  ROUTE_ACTION_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_MTU_OFF,
  ROUTE_SIZE,
  ROW_STATE_OFF,
  RegionId,
  RowState,
  Verdict,
} from '../../assembly/abi.js';
import { put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Decided,
  type Engine,
  IF,
  LINKS,
  MAC,
  NODE4,
  NODE6,
  REMOTE4,
  REMOTE6,
  openEngine,
} from '../support/engine.js';
import { type PacketSpec, hexOf, packet } from '../support/frames.js';
import { icmpError, l3 } from '../support/pieces.js';

const VIP = '10.96.0.10';
const VIP6 = 'fd00:10:96::a';
const PORTS = [{ name: 'u', port: 80, protocol: 'UDP' }];
const TARGETS = [{ name: 'u', port: 8080, protocol: 'UDP' }];

/** A node whose pods and uplink take 1500 bytes but pod B, and the services of both families. */
function node(mtuOfB = 1500, backends: readonly [string, string] = [B4, B6]): Engine {
  const links = LINKS.map((link) => (link.ifindex === IF.POD_B ? { ...link, mtu: mtuOfB } : link));
  const engine = openEngine({ links });
  for (const [name, clusterIP, backend] of [
    ['four', VIP, backends[0]],
    ['six', VIP6, backends[1]],
  ] as const) {
    engine.apply(
      put('Service', service(name, { clusterIP, ports: PORTS })),
      put('EndpointSlice', slice(`${name}-1`, name, [ready(backend)], TARGETS)),
    );
  }
  return engine;
}

const quoteOf = ({ frame }: Decided, isIpv4: boolean): Uint8Array =>
  frame.subarray(14 + (isIpv4 ? 28 : 48));

for (const [family, client, vip, nodeAddr, pod, off] of [
  ['IPv4', A4, VIP, NODE4, B4, CONTROL_NODE_ADDR4_OFF],
  ['IPv6', A6, VIP6, NODE6, B6, CONTROL_NODE_ADDR6_OFF],
] as const) {
  const isIpv4 = family === 'IPv4';
  const udp = { proto: 'udp', src: client, sport: 1000, dport: 80, payload: 'data' } as const;

  for (const dst of [pod, vip]) {
    for (const ttl of [0, 1]) {
      test(`too far: the node tells the sender that ${dst} is beyond TTL ${String(ttl)} [proxy 111]`, (t) => {
        const engine = node();
        const frame = packet({ ...udp, dst, ttl });
        const sent = engine.send(IF.POD_A, frame);
        t.is(sent.verdict, Verdict.TX);
        t.is(sent.action, Action.POD);
        t.is(sent.outIfindex, IF.POD_A);
        t.like(sent.seen, { src: nodeAddr, dst: client, type: isIpv4 ? 11 : 3, isSound: true });
        t.like(sent.seen, { dstMac: MAC.POD_A });
        t.is(hexOf(quoteOf(sent, isIpv4)), hexOf(l3(frame)), 'as the sender knows it');
        t.is(engine.counter(LaneCounter.ANSWERED), 1);
      });
    }
  }

  test(`too far: without an ${family} address of its own the node leaves the answer to the host`, (t) => {
    const engine = node();
    engine.core.view.fill(0, CONTROL_BASE + off, CONTROL_BASE + off + 16);
    const frame = packet({ ...udp, dst: vip, ttl: 1 });
    const sent = engine.send(IF.POD_A, frame);
    t.is(sent.verdict, Verdict.PUNT);
    t.is(hexOf(sent.frame), hexOf(frame));
  });

  test(`too far: an ${family} error is not answered by another`, (t) => {
    const engine = node();
    const quote = l3(packet({ ...udp, src: pod, dst: client }));
    const error = { src: client, dst: pod, type: isIpv4 ? 3 : 1, code: 3, quote, ttl: 1 };
    t.is(engine.send(IF.POD_A, icmpError(error)).drop, Drop.TTL_EXCEEDED);
  });

  /** A datagram of so many bytes of IP. */
  const long = (bytes: number, extra: Partial<PacketSpec> = {}): Uint8Array =>
    packet({ ...udp, dst: vip, payload: new Uint8Array(bytes - (isIpv4 ? 28 : 48)), ...extra });

  test(`too big: an ${family} packet longer than the way to the backend is answered with its MTU [proxy 110]`, (t) => {
    const engine = node(1400);
    t.like(engine.send(IF.POD_A, long(1400)).seen, { dst: pod, isSound: true });
    const sent = engine.send(IF.POD_A, long(1401));
    const type = isIpv4 ? 3 : 2;
    t.like(sent.seen, { src: nodeAddr, dst: client, type, isSound: true });
    const word = new DataView(sent.frame.buffer).getUint32(14 + (isIpv4 ? 24 : 44));
    t.is(word, 1400);
    const quoted = quoteOf(sent, isIpv4);
    t.is(hexOf(quoted), hexOf(l3(long(1401)).slice(0, quoted.length)));
    t.is(sent.frame.length, 14 + (isIpv4 ? 576 : 1280));
  });

  test(`too big: the ${family} reply is measured by the way back`, (t) => {
    const engine = node(1400);
    engine.send(IF.POD_B, packet({ ...udp, src: pod, dst: vip }));
    const rows = engine
      .flows()
      .map(({ ptr, outIfindex }) => [
        outIfindex,
        engine.core.words.getUint16(ptr + (isIpv4 ? FLOW4_MTU_OFF : FLOW6_MTU_OFF), true),
      ]);
    for (const [ifindex, mtu] of rows) t.is(mtu, ifindex === IF.POD_B ? 1400 : 1500);
  });
}

test('too big: with IP options as well [proxy 110]', (t) => {
  const engine = node(1400);
  const frame = packet({
    proto: 'udp',
    src: A4,
    dst: VIP,
    dport: 80,
    payload: new Uint8Array(1400),
    options: Uint8Array.of(1, 1, 1, 0),
  });
  const sent = engine.send(IF.POD_A, frame);
  t.like(sent.seen, { src: NODE4, dst: A4, type: 3, isSound: true });
  t.is(hexOf(quoteOf(sent, true)), hexOf(l3(frame).slice(0, 548)));
});

test('too big: IPv4 that may be fragmented goes on as it is', (t) => {
  const engine = node(1400);
  const frame = packet({
    proto: 'udp',
    src: A4,
    dst: VIP,
    dport: 80,
    payload: new Uint8Array(1420),
  });
  frame[14 + 6] = 0; // no DF
  // The checksum of the header: one's complement, the word has lost 0x4000.
  const view = new DataView(frame.buffer);
  const sum = view.getUint16(24) + 0x4000;
  view.setUint16(24, (sum & 0xffff) + (sum >>> 16));
  t.like(engine.send(IF.POD_A, frame).seen, { dst: B4, isSound: true });
});

test('too big: a route may be narrower than its link, there and back', (t) => {
  const engine = node(1500, [REMOTE4, REMOTE6]);
  const { words } = engine.core;
  const routes = engine.core.region(RegionId.ROUTES);
  for (let idx = 0; idx < routes.capacity; idx++) {
    const row = routes.base + idx * ROUTE_SIZE;
    if (words.getUint32(row + ROW_STATE_OFF, true) !== RowState.LIVE) continue;
    const isRemote = words.getUint32(row + ROUTE_IFINDEX_OFF, true) === IF.UPLINK;
    if (isRemote && words.getUint8(row + ROUTE_ACTION_OFF) === Action.UPLINK) {
      words.setUint32(row + ROUTE_MTU_OFF, 1450, true);
    }
  }
  const mtus = (): number[] =>
    engine.flows().map(({ ptr }) => words.getUint16(ptr + FLOW4_MTU_OFF, true));
  engine.send(IF.POD_A, packet({ proto: 'udp', src: A4, dst: VIP, dport: 80 }));
  t.deepEqual(mtus().sort(), [1450, 1500]);
  const there = new Set(engine.flows().map(({ ptr }) => ptr));
  engine.send(IF.UPLINK, packet({ proto: 'udp', src: REMOTE4, dst: B4 }));
  const back = engine.flows().filter(({ ptr, isReply }) => isReply && !there.has(ptr));
  t.deepEqual(
    back.map(({ ptr }) => words.getUint16(ptr + FLOW4_MTU_OFF, true)),
    [1450],
  );
});

test('too big: where no answer may be sent the packet is dropped by name', (t) => {
  const engine = node(1400);
  engine.core.view.fill(
    0,
    CONTROL_BASE + CONTROL_NODE_ADDR4_OFF,
    CONTROL_BASE + CONTROL_NODE_ADDR4_OFF + 16,
  );
  const frame = packet({
    proto: 'udp',
    src: A4,
    dst: VIP,
    dport: 80,
    payload: new Uint8Array(1400),
  });
  t.is(engine.send(IF.POD_A, frame).drop, Drop.PACKET_TOO_BIG);
});
