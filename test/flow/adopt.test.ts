import test from 'ava';
import {
  Action,
  CONTROL_BASE,
  CONTROL_BYTES,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_LAYOUT_OFF,
  COUNTERS_BASE,
  COUNTERS_BYTES,
  FLOW4_SIZE,
  FLOW4_SRC_OFF,
  FLOW_ACTION_OFF,
  FLOW_PORTS_OFF,
  FLOW_SEQ_OFF,
  LaneCounter,
  RegionId,
  TALLY_FLAGS_OFF,
  TALLY_PARTNER_OFF,
  TALLY_SIZE,
  TALLY_STATE_OFF,
  TcpState,
  Verdict,
} from '../../assembly/abi.js';
import { createCore } from '../../src/core/instance.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { put, ready, slice, webService } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  type FlowRow,
  IF,
  REMOTE4,
  openEngine,
} from '../support/engine.js';
import { packet } from '../support/frames.js';

const VIP = '10.96.0.10';
const tcp = (flags: string) =>
  packet({ proto: 'tcp', src: A4, dst: VIP, sport: 40000, dport: 80, flags });

/** A node with one translated connection, ten UDP flows of IPv4 and five echoes of IPv6. */
function busy(): Engine {
  const engine = openEngine();
  engine.apply(
    put('Service', webService('web', VIP)),
    put('EndpointSlice', slice('web-1', 'web', [ready(B4)])),
  );
  engine.send(IF.POD_A, tcp('S'));
  for (let i = 0; i < 10; i++) {
    engine.send(IF.POD_A, packet({ proto: 'udp', src: A4, dst: B4, sport: 100 + i, dport: 53 }));
  }
  for (let id = 0; id < 5; id++) {
    engine.send(IF.POD_A, packet({ proto: 'icmp', src: A6, dst: B6, id }));
  }
  return engine;
}

/** Another agent over the same pinned tables: everything else in its memory is new. */
function successor(old: Engine): Engine {
  const core = createCore(SMALL_CAPACITIES);
  const copy = (base: number, length: number): void => {
    core.view.set(old.core.view.subarray(base, base + length), base);
  };
  copy(CONTROL_BASE, CONTROL_BYTES);
  copy(COUNTERS_BASE, COUNTERS_BYTES);
  for (const id of [RegionId.FLOWS4, RegionId.TALLY4, RegionId.FLOWS6, RegionId.TALLY6]) {
    const { base, rowSize, capacity } = core.region(id);
    copy(base, rowSize * capacity);
  }
  return openEngine({ core, nowMs: old.nowMs + 2000 });
}

const tuples = (engine: Engine): string[] =>
  engine.flows().map((row) => `${row.src}:${row.sport}>${row.dst}:${row.dport}/${row.proto}`);

test('adopt: an agent that is started again takes over every row and goes on', (t) => {
  const old = busy();
  const next = successor(old);
  t.is(next.flows().length, 32);
  t.deepEqual(tuples(next), tuples(old));
  t.is(next.counter(LaneCounter.FLOWS_ADOPTED), 32);
  t.is(next.counter(LaneCounter.FLOWS_REJECTED), 0);
  t.is(next.control(CONTROL_FLOWS4_LIVE_OFF), 22);
  // The service has other endpoints by now; the connection keeps its own.
  next.apply(
    put('Service', webService('web', VIP)),
    put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])),
  );
  const back = packet({ proto: 'tcp', src: B4, dst: A4, sport: 8080, dport: 40000, flags: 'SA' });
  t.like(next.send(IF.POD_B, back).seen, { src: VIP, sport: 80, isSound: true });
  t.like(next.send(IF.POD_A, tcp('A')).seen, { dst: B4, dport: 8080, isSound: true });
  t.is(next.counter(LaneCounter.FLOWS_CREATED), old.counter(LaneCounter.FLOWS_CREATED));
});

test('adopt: counters and the clock of silence go on where they were', (t) => {
  const old = busy();
  old.nowMs += 20_000;
  old.send(IF.POD_A, packet({ proto: 'udp', src: A4, dst: B4, sport: 104, dport: 53 }));
  const next = successor(old);
  next.nowMs += 10_000;
  next.sweepAll();
  const ports = next.flows().filter((row) => row.proto === 17 && !row.isReply);
  t.deepEqual(
    ports.map((row) => row.sport),
    [104],
  );
  t.is(next.counter(LaneCounter.RX_PACKETS), old.counter(LaneCounter.RX_PACKETS));
});

test('adopt: what the old agent never saw end is as alive as the kernel says', (t) => {
  const old = busy();
  old.nowMs += 60_000;
  old.kernelHit(old.flow(A4, 103, B4, 53));
  const next = successor(old);
  next.sweepAll();
  const ports = next.flows().filter((row) => row.proto === 17 && !row.isReply);
  t.deepEqual(
    ports.map((row) => row.sport),
    [103],
  );
});

/** What can be wrong with a row, done to the one of port 105. */
const DAMAGE: Readonly<Record<string, (words: DataView, row: FlowRow) => void>> = {
  'no action': (words, { ptr }) => {
    words.setUint8(ptr + FLOW_ACTION_OFF, Action.NONE);
  },
  'an action that there is not': (words, { ptr }) => {
    words.setUint8(ptr + FLOW_ACTION_OFF, 9);
  },
  'another address than its place': (words, { ptr }) => {
    words.setUint32(ptr + FLOW4_SRC_OFF, 1);
  },
  'other ports than its place': (words, { ptr }) => {
    words.setUint16(ptr + FLOW_PORTS_OFF, 7);
  },
  'a partner out of range': (words, { tally }) => {
    words.setUint32(tally + TALLY_PARTNER_OFF, 0xffff_ffff, true);
  },
  'a partner that has another one': (words, { tally }) => {
    words.setUint32(tally + TALLY_PARTNER_OFF, 0, true);
  },
  'a state that there is not': (words, { tally }) => {
    words.setUint8(tally + TALLY_STATE_OFF, 77);
  },
  'the same direction as its partner': (words, { tally }) => {
    words.setUint8(tally + TALLY_FLAGS_OFF, words.getUint8(tally + TALLY_FLAGS_OFF) ^ 1);
  },
};
for (const [what, damage] of Object.entries(DAMAGE)) {
  for (const direction of ['original', 'reply'] as const) {
    test(`adopt: an ${direction} row with ${what} goes, its partner with it, and no other`, (t) => {
      const old = busy();
      const row = direction === 'original' ? old.flow(A4, 105, B4, 53) : old.flow(B4, 53, A4, 105);
      const whole = tuples(old).filter((tuple) => !tuple.includes(':105'));
      damage(old.core.words, row);
      const next = successor(old);
      t.deepEqual(tuples(next), whole);
      t.is(next.control(CONTROL_FLOWS4_LIVE_OFF), 20);
      t.is(next.counter(LaneCounter.FLOWS_REJECTED), 2);
    });
  }
}

test("adopt: a row that was being written when the agent died is nobody's", (t) => {
  const old = busy();
  const row = old.flow(B4, 53, A4, 105);
  const { words } = old.core;
  words.setUint32(row.ptr + FLOW_SEQ_OFF, words.getUint32(row.ptr, true) | 1, true);
  const next = successor(old);
  t.throws(() => next.flow(A4, 105, B4, 53));
  t.is(next.flows().length, 30);
  // Its place is used again.
  const frame = packet({ proto: 'udp', src: A4, dst: B4, sport: 105, dport: 53 });
  t.is(next.send(IF.POD_A, frame).verdict, Verdict.TX);
  t.is(next.flows().length, 32);
});

test('adopt: two rows with one tuple do not both live', (t) => {
  const old = busy();
  const { words, view } = old.core;
  const row = old.flow(A4, 105, B4, 53);
  const flows = old.core.region(RegionId.FLOWS4);
  const tallies = old.core.region(RegionId.TALLY4);
  const spare = (row.idx + 1) % flows.capacity;
  t.is(words.getUint32(flows.base + spare * FLOW4_SIZE, true), 0, 'the next slot is free');
  view.copyWithin(flows.base + spare * FLOW4_SIZE, row.ptr, row.ptr + FLOW4_SIZE);
  view.copyWithin(tallies.base + spare * TALLY_SIZE, row.tally, row.tally + TALLY_SIZE);
  const next = successor(old);
  t.is(next.flows().length, 32);
  t.is(next.flow(A4, 105, B4, 53).idx, row.idx);
});

test('adopt: random rubbish in the tables is taken for nothing and breaks nothing', (t) => {
  const old = busy();
  let seed = 7;
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
  for (const id of [RegionId.FLOWS4, RegionId.TALLY4, RegionId.FLOWS6, RegionId.TALLY6]) {
    const { base, rowSize, capacity } = old.core.region(id);
    for (let at = 0; at < rowSize * capacity; at += 4) {
      if (random() % 3 === 0) old.core.words.setUint32(base + at, random(), true);
    }
  }
  const next = successor(old);
  t.true(next.flows().length <= 32);
  next.sweepAll();
  for (let i = 0; i < 200; i++) {
    next.send(IF.POD_A, packet({ proto: 'udp', src: A4, dst: B4, sport: 3000 + i, dport: 53 }));
  }
  t.is(next.flows().length % 2, 0);
  t.is(next.control(CONTROL_FLOWS4_LIVE_OFF), next.flows().filter((r) => r.family === 4).length);
});

test('adopt: tables of another layout are not taken over', (t) => {
  const old = busy();
  const core = createCore(SMALL_CAPACITIES);
  core.view.set(old.core.view.subarray(CONTROL_BASE, CONTROL_BASE + CONTROL_BYTES), CONTROL_BASE);
  core.words.setUint32(CONTROL_BASE + CONTROL_LAYOUT_OFF, 12345, true);
  t.false(core.start({ offload: true, nowMs: 1 }));
});

test('adopt: a connection in the middle of its life keeps its state', (t) => {
  const old = busy();
  old.send(
    IF.POD_B,
    packet({ proto: 'tcp', src: B4, dst: A4, sport: 8080, dport: 40000, flags: 'SA' }),
  );
  old.send(IF.POD_A, tcp('A'));
  const next = successor(old);
  t.is(next.flow(A4, 40000, VIP, 80).state, TcpState.ESTABLISHED);
  next.send(IF.POD_A, tcp('FA'));
  t.is(next.flow(A4, 40000, VIP, 80).state, TcpState.FIN_WAIT);
});
