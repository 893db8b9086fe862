import test from 'ava';
import {
  CONTROL_FLOWS4_LIVE_OFF,
  FLOW4_SIZE,
  LaneCounter,
  RegionId,
  TALLY_STATE_OFF,
  TcpState,
} from '../../assembly/abi.js';
import { A4, B4, type Engine, IF, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';

/** Of FLOW_PROBE_MAX slots every run is the whole table: it takes rows until all are taken. */
const ROWS = 64;

const udp = (sport: number) => packet({ proto: 'udp', src: A4, dst: B4, sport, dport: 80 });
const answer = (sport: number) =>
  packet({ proto: 'udp', src: B4, dst: A4, sport: 80, dport: sport });
const syn = (sport: number) => packet({ proto: 'tcp', src: A4, dst: B4, sport, flags: 'S' });

/** Connections from ports 1000 on, all in one state. */
function connect(engine: Engine, count: number, state: TcpState): void {
  for (let i = 0; i < count; i++) {
    engine.send(IF.POD_A, syn(1000 + i));
    const row = engine.flow(A4, 1000 + i, B4, 80);
    engine.core.words.setUint8(row.tally + TALLY_STATE_OFF, state);
  }
}

/** Answered flows from ports 5000 on. */
function converse(engine: Engine, count: number): void {
  for (let i = 0; i < count; i++) {
    engine.send(IF.POD_A, udp(5000 + i));
    engine.send(IF.POD_B, answer(5000 + i));
  }
}

const crowd = (): Engine => openEngine({ capacities: { flows4: ROWS, flows6: 16 } });
const share = (engine: Engine): number => engine.control(CONTROL_FLOWS4_LIVE_OFF) / ROWS;

test('crowded: up to half a table, closed connections rest for all of their time', (t) => {
  const engine = crowd();
  connect(engine, ROWS / 4, TcpState.TIME_WAIT);
  t.is(share(engine), 0.5);
  engine.nowMs += 119_000;
  t.is(engine.sweepAll(), 0);
  engine.nowMs += 2_000;
  t.is(engine.sweepAll(), ROWS / 4);
});

test('crowded: between half and three quarters, they rest the shorter the fuller it is', (t) => {
  const engine = crowd();
  // 5/8 of the rows: half way, so half of the 120 s.
  converse(engine, ROWS / 16);
  connect(engine, ROWS / 4, TcpState.TIME_WAIT);
  t.is(share(engine), 0.625);
  engine.nowMs += 59_000;
  t.is(engine.sweepAll(), 0);
  engine.nowMs += 2_000;
  t.true(engine.sweepAll() > 0);
  const left = share(engine);
  t.true(left > 0.5 && left < 0.625, `it stops where their time is not up: ${left}`);
});

test('crowded: from three quarters on, two seconds are left, and what is open stays', (t) => {
  const engine = crowd();
  converse(engine, ROWS / 16);
  connect(engine, ROWS / 4 + ROWS / 16, TcpState.TIME_WAIT);
  t.is(share(engine), 0.75);
  engine.nowMs += 2_000;
  t.is(engine.sweepAll(), 0, 'the ACK of the last FIN may be on its way');
  engine.nowMs += 1;
  t.true(engine.sweepAll() > 0);
  t.is(engine.flows().filter((row) => row.proto === 17).length, ROWS / 8);
});

test('crowded: what nobody has answered goes as early', (t) => {
  const engine = crowd();
  converse(engine, ROWS / 16);
  connect(engine, ROWS / 4 + ROWS / 16, TcpState.SYN_SENT);
  engine.nowMs += 2_001;
  t.true(engine.sweepAll() > 0);
});

test('crowded: established connections rest for days in however full a table', (t) => {
  const engine = crowd();
  connect(engine, (ROWS * 3) / 8, TcpState.ESTABLISHED);
  t.is(share(engine), 0.75);
  engine.nowMs += 400_000_000;
  t.is(engine.sweepAll(), 0);
});

test('crowded: a SYN that is repeated belongs to the flow that waits, not to another', (t) => {
  const engine = crowd();
  connect(engine, (ROWS * 3) / 8, TcpState.SYN_SENT);
  const created = engine.counter(LaneCounter.FLOWS_CREATED);
  engine.nowMs += 3_000;
  engine.send(IF.POD_A, syn(1000));
  t.is(engine.counter(LaneCounter.FLOWS_CREATED), created);
});

/** Slots that were used at some time. */
function used({ core }: Engine): number {
  const { base, capacity } = core.region(RegionId.FLOWS4);
  const slots = Array.from({ length: capacity }, (_, i) => base + i * FLOW4_SIZE);
  return slots.filter((at) => core.words.getUint32(at, true) !== 0).length;
}

test('crowded: a table without a slot left that was never used becomes like new again', (t) => {
  const rows = 256;
  const engine = openEngine({ capacities: { flows4: rows, flows6: 16 } });
  for (let i = 0; used(engine) < rows; i++) {
    if (i > 4 * rows) return t.fail(`${used(engine)} of ${rows} slots after ${i} flows`);
    engine.send(IF.POD_A, udp(5000 + i));
  }
  engine.nowMs += 31_000;
  engine.sweepAll();
  t.is(engine.flows().length, 0);
  engine.nowMs += 1_000;
  engine.sweepAll();
  return t.is(used(engine), 0);
});

test('crowded: whatever goes, searches for what stays still find it', (t) => {
  const engine = openEngine({ capacities: { flows4: 256, flows6: 16 } });
  let random = 20_250_101;
  const next = (): number => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return random >>> 8;
  };
  let reclaimed = 0;
  for (let turn = 0; turn < 800; turn++) {
    for (let i = next() % 24; i > 0; i--) {
      const sport = 1000 + (next() % 50);
      engine.send(IF.POD_A, udp(sport));
      if (sport % 3 === 0) engine.send(IF.POD_B, answer(sport));
    }
    engine.nowMs += next() % 8_000;
    const before = used(engine);
    // Slices of no particular size.
    for (let i = 0; i < 6; i++) engine.core.exports.sweep(engine.nowMs, 1 + (next() % 90));
    reclaimed += before - used(engine);
    // Whoever is asked for lives on.
    if (turn % 8 !== 0) continue;
    const created = engine.counter(LaneCounter.FLOWS_CREATED);
    for (const row of engine.flows().filter(({ isReply }) => !isReply)) {
      const isFound = engine.send(IF.POD_A, udp(row.sport)).row === row.ptr;
      if (!isFound) return t.fail(`turn ${turn}: port ${row.sport} is not found`);
    }
    if (engine.counter(LaneCounter.FLOWS_CREATED) !== created) return t.fail(`turn ${turn}`);
  }
  return t.true(reclaimed > 500, `${reclaimed} slots reclaimed`);
});
