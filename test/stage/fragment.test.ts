import test from 'ava';
import {
  Action,
  CONTROL_FRAGMENTS_HELD_OFF,
  Drop,
  FRONTEND_ADDR_OFF,
  FRONTEND_KIND_OFF,
  FRONTEND_PORT_OFF,
  FRONTEND_SIZE,
  FrontendKind,
  LaneCounter,
  Op,
  RegionId,
  RowState,
  TALLY_F_RESET,
  TALLY_FLAGS_OFF,
  TableId,
  Verdict,
} from '../../assembly/abi.js';
import { parseAddress } from '../../src/addr.js';
import { createDeltaWriter } from '../../src/core/delta-writer.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { auditFrames } from '../fuzz/audit.js';
import { put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  IF,
  NODE4,
  OUTSIDE4,
  REMOTE4,
  openEngine,
  openPorts,
  readStamp,
  stamped,
} from '../support/engine.js';
import { hexOf, packet, see } from '../support/frames.js';
import { fragmentsOf, l3, reassemble } from '../support/pieces.js';

const VIP = '10.96.0.10';
const VIP6 = 'fd00:10:96::a';
const PORTS = [
  { name: 't', port: 80, protocol: 'TCP' },
  { name: 'u', port: 80, protocol: 'UDP' },
];
const TARGETS = PORTS.map((port) => ({ ...port, port: 8080 }));
const FRAGMENT_TIMEOUT_MS = 30_000;

function node(...backends: string[]): Engine {
  const engine = openEngine();
  for (const [name, clusterIP, family] of [
    ['four', VIP, '.'],
    ['six', VIP6, ':'],
  ] as const) {
    const endpoints = backends.filter((ip) => ip.includes(family)).map((ip) => ready(ip));
    engine.apply(
      put('Service', service(name, { clusterIP, ports: PORTS })),
      put('EndpointSlice', slice(`${name}-1`, name, endpoints, TARGETS)),
    );
  }
  return engine;
}

/** A node with a trunk, and what comes out of it. */
function withTrunk(engine = node(B4, B6)) {
  const [trunk] = openPorts(engine, [{ ifindex: 0, ringSize: 512 }]);
  if (trunk === undefined) throw new Error('no trunk');
  return {
    engine,
    /** Let the frames climb in one turn. @returns what was sent, and where to */
    exchange: (ifindex: number, ...frames: Uint8Array[]) => {
      for (const frame of frames) trunk.push(stamped(ifindex, frame));
      engine.core.exports.runBurst(256, engine.nowMs);
      const sent: { frame: Uint8Array; to: ReturnType<typeof readStamp> }[] = [];
      for (let frame = trunk.take(); frame !== undefined; frame = trunk.take()) {
        sent.push({ frame, to: readStamp(frame) });
      }
      engine.core.exports.runBurst(0, engine.nowMs);
      return sent;
    },
    /** What is wrong with the frames of UMEM. */
    audit: () => [
      ...auditFrames(engine.core, 1),
      ...(engine.core.exports.census() === SMALL_CAPACITIES.frames ? [] : ['census']),
    ],
    held: () => engine.control(CONTROL_FRAGMENTS_HELD_OFF),
  };
}

const text = 'abcdefgh'.repeat(20);
const question = (extra: object = {}): Uint8Array =>
  packet({ proto: 'udp', src: A4, dst: VIP, sport: 5000, dport: 80, payload: text, ...extra });
const question6 = (): Uint8Array => question({ src: A6, dst: VIP6 });

/** Every order of three. */
const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

for (const [family, whole, backend] of [
  ['IPv4', question(), B4],
  ['IPv6', question6(), B6],
] as const) {
  for (const order of ORDERS) {
    test(`fragment: ${family} fragments to a service in the order ${order.join(' ')} reach one backend whole`, (t) => {
      const { engine, exchange, audit, held } = withTrunk();
      const pieces = fragmentsOf(whole, 64, 0xbeef);
      t.is(pieces.length, 3);
      const sent = order.flatMap((i) => exchange(IF.POD_A, pieces[i] ?? whole));
      t.is(sent.length, 3);
      for (const { to } of sent) t.deepEqual(to, { action: Action.POD, ifindex: IF.POD_B });
      const received = reassemble(sent.map(({ frame }) => frame));
      const { src } = see(whole);
      const seen = { src, dst: backend, sport: 5000, dport: 8080, payload: text, isSound: true };
      t.like(see(received ?? new Uint8Array(64)), { ...seen, ttl: 63 });
      t.is(engine.flows().length, 2);
      t.is(held(), 0);
      t.is(engine.counter(LaneCounter.FRAGMENTS_FOLLOWED), 2);
      t.deepEqual(audit(), []);
    });
  }

  test(`fragment: the backend's ${family} answer in pieces comes back as the service's`, (t) => {
    const { exchange } = withTrunk();
    exchange(IF.POD_A, ...fragmentsOf(whole, 64, 1));
    const { src: client = '', dst: vip } = see(whole);
    const answer = packet({
      proto: 'udp',
      src: backend,
      dst: client,
      sport: 8080,
      dport: 5000,
      payload: `${text}!`,
    });
    const sent = exchange(IF.POD_B, ...fragmentsOf(answer, 64, 1).reverse());
    const received = reassemble(sent.map(({ frame }) => frame)) ?? new Uint8Array(64);
    t.like(see(received), { src: vip, dst: client, sport: 80, dport: 5000, isSound: true });
    t.is(see(received).payload, `${text}!`);
    for (const { to } of sent) t.is(to?.ifindex, IF.POD_A);
  });
}

/** Give the UDP service behind VIP a node port. The control plane's rows are not asked. */
function addNodePort(engine: Engine, port: number): void {
  const { core } = engine;
  const { base, capacity } = core.region(RegionId.FRONTENDS);
  const key = Uint8Array.from([...parseAddress(VIP).bytes, 0, 80, 17]);
  const row = Array.from({ length: capacity }, (_, i) => base + i * FRONTEND_SIZE).find(
    (at) =>
      core.words.getUint32(at, true) === RowState.LIVE &&
      hexOf(core.view.slice(at + FRONTEND_ADDR_OFF, at + FRONTEND_ADDR_OFF + key.length)) ===
        hexOf(key),
  );
  if (row === undefined) throw new Error('no such frontend');
  const image = core.view.slice(row, row + FRONTEND_SIZE);
  image.set(parseAddress(NODE4).bytes, FRONTEND_ADDR_OFF);
  new DataView(image.buffer).setUint16(FRONTEND_PORT_OFF, port);
  image[FRONTEND_KIND_OFF] = FrontendKind.NODE_PORT;
  const writer = createDeltaWriter();
  writer.keyed(Op.PUT, TableId.FRONTEND, image);
  core.apply(writer.take());
}

for (const order of ORDERS) {
  test(`fragment: fragments from outside to a node port in the order ${order.join(' ')} reach one backend, masqueraded alike [proxy 113]`, (t) => {
    const { engine, exchange, audit } = withTrunk(node(B4, REMOTE4, A4));
    addNodePort(engine, 30080);
    for (let sport = 6000; sport < 6010; sport++) {
      const whole = question({ src: OUTSIDE4, dst: NODE4, dport: 30080, sport });
      const pieces = fragmentsOf(whole, 64, sport);
      const sent = order.flatMap((i) => exchange(IF.UPLINK, pieces[i] ?? whole));
      const received = reassemble(sent.map(({ frame }) => frame)) ?? new Uint8Array(64);
      const flow = engine.flow(OUTSIDE4, sport, NODE4, 30080);
      const seen = { src: NODE4, dst: flow.newDst, sport: flow.newSport, dport: 8080 };
      t.like(see(received), { ...seen, payload: text, isSound: true });
      t.is(new Set(sent.map(({ to }) => to?.ifindex)).size, 1);
    }
    t.deepEqual(audit(), []);
  });
}

test('fragment: fragments go through processFrame once the first one was there', (t) => {
  const engine = node(B4);
  const [first, ...later] = fragmentsOf(question(), 64, 7);
  for (const piece of later) {
    t.is(engine.send(IF.POD_A, piece).drop, Drop.FRAGMENT_BEFORE_FIRST);
  }
  const pieces = [first ?? question(), ...later];
  const sent = pieces.map((piece) => engine.send(IF.POD_A, piece).frame);
  t.like(see(reassemble(sent) ?? new Uint8Array(64)), { dst: B4, dport: 8080, isSound: true });
});

test('fragment: two datagrams of two clients, interleaved, each reach their backend', (t) => {
  const { exchange } = withTrunk(node(REMOTE4));
  const one = fragmentsOf(question({ sport: 1111, payload: 'A'.repeat(160) }), 64, 5);
  const two = fragmentsOf(question({ sport: 2222, payload: 'B'.repeat(160) }), 64, 6);
  const mixed = [two[2], one[1], two[0], one[2], two[1], one[0]];
  const sent = exchange(IF.POD_A, ...mixed.flatMap((piece) => (piece ? [piece] : [])));
  t.is(sent.length, 6);
  const received = [5, 6].map((id) => {
    const own = sent.filter(({ frame }) => frame[14 + 5] === id);
    return see(reassemble(own.map(({ frame }) => frame)) ?? new Uint8Array(64));
  });
  t.like(received[0], { dst: REMOTE4, sport: 1111, payload: 'A'.repeat(160), isSound: true });
  t.like(received[1], { dst: REMOTE4, sport: 2222, payload: 'B'.repeat(160), isSound: true });
});

test('fragment: the same identification from another link is another datagram', (t) => {
  const { exchange, held } = withTrunk();
  const pieces = fragmentsOf(question({ src: OUTSIDE4 }), 64, 5);
  t.is(exchange(IF.TRUNK, pieces[1] ?? question()).length, 0);
  t.is(exchange(IF.UPLINK, pieces[0] ?? question()).length, 1);
  t.is(held(), 1);
});

test('fragment: an identification used again is told by its new first fragment', (t) => {
  const { exchange } = withTrunk();
  exchange(IF.POD_A, ...fragmentsOf(question({ sport: 1111 }), 64, 5));
  const again = exchange(IF.POD_A, ...fragmentsOf(question({ sport: 2222 }), 64, 5));
  const received = reassemble(again.map(({ frame }) => frame)) ?? new Uint8Array(64);
  t.like(see(received), { dst: B4, sport: 2222, dport: 8080, payload: text, isSound: true });
});

test('fragment: a large ping between pods arrives whole in any order', (t) => {
  const { exchange, engine } = withTrunk();
  const ping = packet({ proto: 'icmp', src: A4, dst: B4, id: 9, payload: text });
  const sent = exchange(IF.POD_A, ...fragmentsOf(ping, 64, 5).reverse());
  const received = reassemble(sent.map(({ frame }) => frame)) ?? new Uint8Array(64);
  t.like(see(received), { src: A4, dst: B4, id: 9, payload: text, isSound: true });
  t.is(engine.flows().length, 2);
});

test('fragment: TCP in pieces is one segment to the state of its flow', (t) => {
  const { exchange, engine } = withTrunk();
  const segment = { proto: 'tcp', src: A4, dst: VIP, sport: 5000, dport: 80 } as const;
  exchange(IF.POD_A, packet({ ...segment, flags: 'S' }));
  const answer = { proto: 'tcp', src: B4, dst: A4, sport: 8080, dport: 5000, flags: 'SA' } as const;
  exchange(IF.POD_B, packet(answer));
  const whole = packet({ ...segment, flags: 'PA', payload: text });
  const sent = exchange(IF.POD_A, ...fragmentsOf(whole, 64, 5).reverse());
  const received = reassemble(sent.map(({ frame }) => frame)) ?? new Uint8Array(64);
  t.like(see(received), { dst: B4, dport: 8080, flags: 'PA', payload: text, isSound: true });
  t.is(engine.drops(Drop.TCP_INVALID_STATE), 0);
});

test('fragment: a TCP header in two fragments is refused, whichever comes first (RFC 3128)', (t) => {
  const { exchange, engine, held } = withTrunk();
  const whole = packet({ proto: 'tcp', src: A4, dst: VIP, dport: 80, flags: 'S', payload: text });
  const [first, second] = fragmentsOf(whole, 8, 5);
  t.is(exchange(IF.POD_A, second ?? whole, first ?? whole).length, 0);
  t.is(engine.drops(Drop.SHORT_TCP), 2);
  t.is(held(), 0);
  t.is(engine.flows().length, 0);
});

test('fragment: of a reset flow, later fragments are not answered', (t) => {
  const { exchange, engine } = withTrunk();
  const segment = { proto: 'tcp', src: A4, dst: VIP, sport: 5000, dport: 80 } as const;
  exchange(IF.POD_A, packet({ ...segment, flags: 'S' }));
  const flow = engine.flow(A4, 5000, VIP, 80);
  engine.core.words.setUint8(flow.tally + TALLY_FLAGS_OFF, TALLY_F_RESET);
  const whole = packet({ ...segment, flags: 'PA', payload: text });
  const sent = exchange(IF.POD_A, ...fragmentsOf(whole, 64, 5));
  t.deepEqual(
    sent.map(({ frame }) => see(frame).flags),
    ['R'],
  );
  t.true(engine.drops(Drop.ERROR_NOT_ANSWERED) > 0);
});

test('fragment: to a service without backends the first is refused and the others go nowhere', (t) => {
  const { exchange, engine, held } = withTrunk(node());
  const [first, ...later] = fragmentsOf(question(), 64, 5);
  const sent = exchange(IF.POD_A, ...later, first ?? question());
  t.deepEqual(
    sent.map(({ frame }) => see(frame).type),
    [3],
  );
  t.is(engine.drops(Drop.FRAGMENT_OF_SERVICE), 2);
  t.is(held(), 0);
});

for (const [what, dst] of [
  ['the host itself', NODE4],
  ['somebody beyond it', '192.0.2.77'],
] as const) {
  test(`fragment: what comes from outside for ${what} is handed to the host unchanged, waiting ones as well`, (t) => {
    const { exchange, engine, audit } = withTrunk();
    const whole = question({ src: OUTSIDE4, dst, dport: 9999 });
    const [first = whole, second = whole, third = whole] = fragmentsOf(whole, 64, 5);
    t.is(exchange(IF.UPLINK, third).length, 0);
    const sent = [...exchange(IF.UPLINK, first), ...exchange(IF.UPLINK, second)];
    t.deepEqual(
      sent.map(({ frame }) => hexOf(l3(frame))),
      [first, third, second].map((frame) => hexOf(l3(frame))),
    );
    for (const { to } of sent) t.deepEqual(to, { action: Action.HOST, ifindex: IF.UPLINK });
    t.is(engine.flows().length, 0);
    t.deepEqual(audit(), []);
  });
}

test('fragment: a protocol without ports waits for nothing', (t) => {
  const engine = node(B4);
  const esp = (piece: Uint8Array): Uint8Array => {
    const made = piece.slice();
    made[14 + 9] = 50;
    const view = new DataView(made.buffer);
    const sum = view.getUint16(24) + 17 - 50;
    view.setUint16(24, sum < 0 ? sum + 0xffff : sum);
    return made;
  };
  for (const piece of fragmentsOf(question({ dst: B4 }), 64, 5).reverse()) {
    t.is(engine.send(IF.POD_A, esp(piece)).verdict, Verdict.TX);
  }
});

test('fragment: at most 64 wait for one first fragment', (t) => {
  const { exchange, engine, held, audit } = withTrunk();
  const pieces = fragmentsOf(question({ payload: new Uint8Array(8 * 80) }), 8, 5);
  const [first = question(), ...later] = pieces;
  t.is(later.length, 80);
  t.is(exchange(IF.POD_A, ...later).length, 0);
  t.is(held(), 64);
  t.is(engine.drops(Drop.FRAGMENTS_FULL), 16);
  t.is(engine.counter(LaneCounter.FRAGMENTS_HELD), 64);
  t.is(exchange(IF.POD_A, first).length, 65);
  t.deepEqual(audit(), []);
});

test('fragment: at most an eighth of all frames waits', (t) => {
  const { exchange, engine, held } = withTrunk();
  const most = SMALL_CAPACITIES.frames / 8;
  for (let id = 1; id <= most + 10; id++) {
    exchange(IF.POD_A, fragmentsOf(question(), 64, id)[1] ?? question());
  }
  t.is(held(), most);
  t.is(engine.drops(Drop.FRAGMENTS_FULL), 10);
  t.is(engine.core.exports.census(), SMALL_CAPACITIES.frames);
});

test('fragment: who waits 30 s for a first fragment waits no longer', (t) => {
  const { exchange, engine, held, audit } = withTrunk();
  const [first = question(), ...later] = fragmentsOf(question(), 64, 5);
  exchange(IF.POD_A, ...later);
  engine.nowMs += FRAGMENT_TIMEOUT_MS - 1;
  engine.sweepAll();
  t.is(held(), 2);
  engine.nowMs += 1;
  engine.sweepAll();
  t.is(held(), 0);
  t.is(engine.drops(Drop.FRAGMENT_TIMEOUT), 2);
  t.deepEqual(audit(), []);
  t.is(exchange(IF.POD_A, first).length, 1);
});

test('fragment: without a sweep in between, the next fragment finds the time is up', (t) => {
  const { exchange, engine, held } = withTrunk();
  const [first = question(), ...later] = fragmentsOf(question(), 64, 5);
  exchange(IF.POD_A, ...later);
  engine.nowMs += FRAGMENT_TIMEOUT_MS;
  t.is(exchange(IF.POD_A, first).length, 1);
  t.is(engine.drops(Drop.FRAGMENT_TIMEOUT), 2);
  t.is(held(), 0);
});

test('fragment: with more datagrams than rows the newest first fragments are followed', (t) => {
  const engine = openEngine({ capacities: { fragments: 8 } });
  engine.apply(
    put('Service', service('web', { clusterIP: VIP, ports: PORTS })),
    put('EndpointSlice', slice('web-1', 'web', [ready(B4)], TARGETS)),
  );
  for (let id = 1; id <= 200; id++) {
    engine.nowMs += 1;
    const [first = question(), later = question()] = fragmentsOf(question(), 128, id);
    t.is(engine.send(IF.POD_A, first).verdict, Verdict.TX);
    t.is(engine.send(IF.POD_A, later).verdict, Verdict.TX, String(id));
  }
});
