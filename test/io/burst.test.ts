import test from 'ava';
import {
  Action,
  BURST_MAX,
  CONTROL_HEARTBEAT_NS_OFF,
  CONTROL_BASE,
  CONTROL_KICK_MASK_OFF,
  Drop,
  FRAME_HEADROOM,
  KICK_RX_SHIFT,
  LaneCounter,
  PORT_COMP_OFF,
  PORT_FILL_OFF,
  PORT_RX_OFF,
  PORT_TX_OFF,
  PortKind,
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_FLAGS_OFF,
  RING_PRODUCER_OFF,
  XDP_DESC_LEN_OFF,
} from '../../assembly/abi.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { portRecord } from '../../src/port/port.js';
import { put, ready, slice, webService } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  type Engine,
  IF,
  LINKS,
  MAC,
  NODE4,
  OUTSIDE4,
  REMOTE4,
  openEngine,
  openPorts,
  readStamp,
  stamped,
} from '../support/engine.js';
import { arp, packet, see, seeArp, solicit } from '../support/frames.js';

const UDP = { proto: 'udp', src: A4, dst: B4, sport: 1000, dport: 2000, payload: 'data' } as const;
const run = (engine: Engine, budget = 64): number =>
  engine.core.exports.runBurst(budget, engine.nowMs);

test('burst: a frame climbs by its stamp and comes down with one that says where to', (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine);
  t.true(trunk?.push(stamped(IF.POD_A, packet(UDP))));
  t.is(run(engine), 1);
  const sent = trunk?.take() ?? new Uint8Array();
  t.deepEqual(readStamp(sent), { action: Action.POD, ifindex: IF.POD_B });
  t.like(see(sent), { src: A4, dst: B4, ttl: 63, payload: 'data', isSound: true });
  t.is(trunk?.take(), undefined);
  t.is(run(engine), 0);
});

test('burst: a connection through the ClusterIP over the trunk', (t) => {
  const engine = openEngine();
  engine.apply(
    put('Service', webService('web', '10.96.0.10')),
    put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])),
  );
  const [trunk] = openPorts(engine);
  const exchange = (ifindex: number, frame: Uint8Array): Uint8Array => {
    trunk?.push(stamped(ifindex, frame));
    run(engine);
    return trunk?.take() ?? new Uint8Array();
  };
  const tcp = { proto: 'tcp', src: A4, dst: '10.96.0.10', sport: 40000, dport: 80 } as const;
  const there = exchange(IF.POD_A, packet({ ...tcp, flags: 'S' }));
  t.deepEqual(readStamp(there), { action: Action.UPLINK, ifindex: IF.UPLINK });
  t.like(see(there), { dst: REMOTE4, dport: 8080, isSound: true });
  const answer = { proto: 'tcp', src: REMOTE4, dst: A4, sport: 8080, dport: 40000 } as const;
  const back = exchange(IF.UPLINK, packet({ ...answer, flags: 'SA' }));
  t.deepEqual(readStamp(back), { action: Action.POD, ifindex: IF.POD_A });
  t.like(see(back), { src: '10.96.0.10', sport: 80, isSound: true });
});

test("burst: answers and what is the host's go out by the trunk, each with its action", (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine);
  trunk?.push(stamped(IF.POD_A, arp({ sender: A4, target: '169.254.1.1' })));
  trunk?.push(stamped(IF.POD_A, solicit({ src: A6, target: 'fe80::1', bare: true })));
  trunk?.push(stamped(IF.POD_A, packet({ ...UDP, ttl: 1 })));
  trunk?.push(stamped(IF.POD_A, packet({ ...UDP, dst: OUTSIDE4 })));
  t.is(run(engine), 4);
  const sent = [0, 1, 2, 3].map(() => trunk?.take() ?? new Uint8Array());
  t.deepEqual(sent.map(readStamp), [
    { action: Action.POD, ifindex: IF.POD_A },
    { action: Action.POD, ifindex: IF.POD_A },
    { action: Action.POD, ifindex: IF.POD_A },
    { action: Action.HOST, ifindex: 0 },
  ]);
  t.like(seeArp(sent[0] ?? new Uint8Array()), { op: 2, senderMac: MAC.GATEWAY, target: A4 });
  t.is(sent[1]?.length, 86);
  t.like(see(sent[2] ?? new Uint8Array()), { src: NODE4, dst: A4, type: 11, isSound: true });
  t.is(engine.counter(LaneCounter.PUNTED), 0);
  t.is(engine.counter(LaneCounter.ANSWERED), 3);
});

test('burst: a frame on the trunk without a stamp belongs to no link', (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine);
  trunk?.push(packet(UDP));
  trunk?.push(packet(UDP).slice(0, 10));
  run(engine);
  t.is(trunk?.take(), undefined);
  t.is(engine.drops(Drop.UNKNOWN_LINK), 1);
  t.is(engine.drops(Drop.SHORT_ETHERNET), 1);
  t.is(engine.core.exports.census(), SMALL_CAPACITIES.frames);
});

/** The uplink with a port of its own beside the trunk. */
function withUplinkPort(kind: PortKind.FRAMES | PortKind.VNET = PortKind.FRAMES) {
  const links = LINKS.map((link) => (link.kind === 'uplink' ? { ...link, ioPort: 1 } : link));
  const engine = openEngine({ links });
  const [trunk, uplink] = openPorts(engine, [{ ifindex: 0 }, { ifindex: IF.UPLINK, kind }]);
  if (!trunk || !uplink) throw new Error('no ports');
  return { engine, trunk, uplink };
}

const OUT_MAC = '02:00:00:00:99:01';
const FROM_WIRE = { dstMac: MAC.UPLINK, srcMac: OUT_MAC } as const;

test('burst: a frame from the wire is answered on the wire, to the hop it came from', (t) => {
  const { engine, trunk, uplink } = withUplinkPort();
  uplink.push(packet({ ...UDP, ...FROM_WIRE, src: OUTSIDE4, dst: A4 }));
  run(engine);
  t.deepEqual(readStamp(trunk.take() ?? new Uint8Array()), {
    action: Action.POD,
    ifindex: IF.POD_A,
  });
  const reply = packet({ ...UDP, src: A4, dst: OUTSIDE4, sport: 2000, dport: 1000 });
  trunk.push(stamped(IF.POD_A, reply));
  run(engine);
  const sent = uplink.take() ?? new Uint8Array();
  t.like(see(sent), { dstMac: OUT_MAC, srcMac: MAC.UPLINK, dst: OUTSIDE4, ttl: 63, isSound: true });
});

test('burst: a frame whose next hop only the kernel knows leaves by the trunk', (t) => {
  const { engine, trunk, uplink } = withUplinkPort();
  trunk.push(stamped(IF.POD_A, packet({ ...UDP, dst: REMOTE4 })));
  run(engine);
  t.is(uplink.take(), undefined);
  const sent = trunk.take() ?? new Uint8Array();
  t.deepEqual(readStamp(sent), { action: Action.UPLINK, ifindex: IF.UPLINK });
});

test('burst: a wire to wire frame keeps to the uplink port when its next hop is known', (t) => {
  const { engine, trunk, uplink } = withUplinkPort();
  const there = packet({ ...UDP, ...FROM_WIRE, src: OUTSIDE4, dst: REMOTE4 });
  uplink.push(there);
  run(engine);
  t.truthy(trunk.take());
  uplink.push(packet({ ...UDP, src: REMOTE4, dst: OUTSIDE4, sport: 2000, dport: 1000 }));
  run(engine);
  t.like(see(uplink.take() ?? new Uint8Array()), { dstMac: OUT_MAC, srcMac: MAC.UPLINK });
});

test('burst: without a trunk there is no way out, and that has a name', (t) => {
  const engine = openEngine();
  const [uplink] = openPorts(engine, [{ ifindex: IF.UPLINK }]);
  uplink?.push(packet({ ...UDP, src: OUTSIDE4, dst: A4 }));
  run(engine);
  t.is(engine.drops(Drop.NO_TX_PORT), 1);
  t.is(engine.core.exports.census(), SMALL_CAPACITIES.frames);
});

test('burst: a full tx ring drops by name, and what was sent before it comes back', (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine, [{ ifindex: 0, ringSize: 64 }]);
  const frame = stamped(IF.POD_A, packet(UDP));
  let pushed = 0;
  for (let round = 0; round < 3; round++) {
    while (trunk?.push(frame)) pushed++;
    run(engine, BURST_MAX);
    t.is(engine.core.exports.census(), SMALL_CAPACITIES.frames);
  }
  t.is(pushed, 192);
  t.is(engine.drops(Drop.TX_RING_FULL), 128);
  t.is(engine.counter(LaneCounter.TX_PACKETS), 64);
  let taken = 0;
  while (trunk?.take()) taken++;
  t.is(taken, 64);
  trunk?.push(frame);
  run(engine);
  t.truthy(trunk?.take());
});

test('burst: budget bounds the frames of one port, and the next turn goes on', (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine);
  for (let i = 0; i < 20; i++) trunk?.push(stamped(IF.POD_A, packet({ ...UDP, sport: 1000 + i })));
  t.is(run(engine, 8), 8);
  t.is(run(engine, 8), 8);
  t.is(run(engine, 8), 4);
  const ports = Array.from({ length: 20 }, () => see(trunk?.take() ?? new Uint8Array()).sport);
  t.deepEqual(
    ports,
    Array.from({ length: 20 }, (_, i) => 1000 + i),
  );
});

test('burst: a descriptor beyond its UMEM frame is dropped, and one beyond UMEM never lent', (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine);
  const { words } = engine.core;
  const rx = portRecord(0) + PORT_RX_OFF;
  const descriptor = (n: number): number => words.getUint32(rx + RING_DESC_OFF, true) + n * 16;
  trunk?.push(stamped(IF.POD_A, packet(UDP)));
  words.setUint32(descriptor(0) + XDP_DESC_LEN_OFF, 4096 - FRAME_HEADROOM + 1, true);
  trunk?.push(stamped(IF.POD_A, packet(UDP)));
  words.setBigUint64(descriptor(1), 0xffff_ffffn, true);
  trunk?.push(stamped(IF.POD_A, packet(UDP)));
  words.setUint32(descriptor(2) + XDP_DESC_LEN_OFF, 0xffff_ffff, true);
  run(engine);
  t.is(engine.drops(Drop.BAD_RX_DESCRIPTOR), 3);
  // The second was no frame of ours: one is missing, and census() says so.
  t.is(engine.core.exports.census(), SMALL_CAPACITIES.frames - 1);
  t.is(trunk?.take(), undefined);
});

test('burst: a turn beats the heart and asks for the kicks that the rings want', (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine);
  const { words } = engine.core;
  run(engine);
  const heartbeat = words.getBigUint64(CONTROL_BASE + CONTROL_HEARTBEAT_NS_OFF, true);
  t.is(heartbeat, BigInt(engine.nowMs) * 1_000_000n);
  t.is(engine.control(CONTROL_KICK_MASK_OFF), 0);
  const wantWakeup = (ring: number): void => {
    words.setUint32(words.getUint32(portRecord(0) + ring + RING_FLAGS_OFF, true), 1, true);
  };
  wantWakeup(PORT_TX_OFF);
  run(engine);
  t.is(engine.control(CONTROL_KICK_MASK_OFF), 0, 'nothing to send: no kick');
  trunk?.push(stamped(IF.POD_A, packet(UDP)));
  run(engine);
  t.is(engine.control(CONTROL_KICK_MASK_OFF), 1);
  wantWakeup(PORT_FILL_OFF);
  run(engine);
  t.is(engine.control(CONTROL_KICK_MASK_OFF), 1 | (1 << KICK_RX_SHIFT));
});

test('burst: ring indices run on past 2^32', (t) => {
  const engine = openEngine();
  const { words } = engine.core;
  const [trunk] = openPorts(engine, [{ ifindex: 0, ringSize: 64 }]);
  run(engine);
  // Move all eight indices as if almost 2^32 entries had gone through each ring. The fill ring's
  // entries stay in their slots: the shift is a multiple of its size.
  const far = 2 ** 32 - 64;
  for (const ring of [PORT_RX_OFF, PORT_TX_OFF, PORT_FILL_OFF, PORT_COMP_OFF]) {
    for (const index of [RING_PRODUCER_OFF, RING_CONSUMER_OFF]) {
      const at = words.getUint32(portRecord(0) + ring + index, true);
      words.setUint32(at, (words.getUint32(at, true) + far) >>> 0, true);
    }
  }
  for (let i = 0; i < 200; i++) {
    t.true(trunk?.push(stamped(IF.POD_A, packet(UDP))));
    t.is(run(engine), 1);
    t.truthy(trunk?.take());
  }
  run(engine);
  t.is(engine.core.exports.census(), SMALL_CAPACITIES.frames);
});
