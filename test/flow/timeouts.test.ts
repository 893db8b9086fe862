import test from 'ava';
import {
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_FLOWS6_LIVE_OFF,
  FLOW4_SIZE,
  LaneCounter,
  RegionId,
  TALLY_KERNEL_TCP_OFF,
  TALLY_STATE_OFF,
  TcpState,
} from '../../assembly/abi.js';
import { A4, A6, B4, B6, type Engine, IF, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';

const PORTS = { sport: 1000, dport: 2000 } as const;
const THERE = { src: A4, dst: B4, ...PORTS } as const;
const BACK = { src: B4, dst: A4, sport: 2000, dport: 1000 } as const;

const syn = (engine: Engine): void => {
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'tcp', flags: 'S' }));
};
const original = (engine: Engine) => engine.flow(A4, 1000, B4, 2000);
const reply = (engine: Engine) => engine.flow(B4, 2000, A4, 1000);

/** Whether the flow is still there after so much silence more. */
function survives(engine: Engine, ms: number): boolean {
  engine.nowMs += ms;
  engine.sweepAll();
  return engine.flows().length === 2;
}

const TCP_SECONDS = {
  SYN_SENT: 120,
  SYN_RECV: 60,
  ESTABLISHED: 432000,
  FIN_WAIT: 120,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  TIME_WAIT: 120,
  CLOSE: 10,
  SYN_SENT2: 120,
} as const;
for (const [name, seconds] of Object.entries(TCP_SECONDS)) {
  test(`sweep: a silent flow in ${name} lives ${seconds} s and no longer`, (t) => {
    const engine = openEngine();
    syn(engine);
    const state = TcpState[name as keyof typeof TCP_SECONDS];
    engine.core.words.setUint8(original(engine).tally + TALLY_STATE_OFF, state);
    t.true(survives(engine, seconds * 1000));
    t.false(survives(engine, 1));
    t.is(engine.flows().length, 0);
    t.is(engine.counter(LaneCounter.FLOWS_EXPIRED), 1);
    t.is(engine.control(CONTROL_FLOWS4_LIVE_OFF), 0);
  });
}

test('sweep: UDP lives 30 s unanswered and 120 s answered', (t) => {
  const engine = openEngine();
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp' }));
  t.true(survives(engine, 30_000));
  t.false(survives(engine, 1));
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp' }));
  engine.send(IF.POD_B, packet({ ...BACK, proto: 'udp' }));
  t.true(survives(engine, 120_000));
  t.false(survives(engine, 1));
});

test('sweep: UDP answered in the kernel only counts as answered', (t) => {
  const engine = openEngine();
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp' }));
  engine.kernelHit(reply(engine));
  t.true(survives(engine, 120_000));
  t.false(survives(engine, 1));
});

test('sweep: an echo conversation lives 30 s, of either family', (t) => {
  for (const [src, dst] of [
    [A4, B4],
    [A6, B6],
  ] as const) {
    const engine = openEngine();
    engine.send(IF.POD_A, packet({ proto: 'icmp', src, dst, id: 1 }));
    engine.send(IF.POD_B, packet({ proto: 'icmp', src: dst, dst: src, id: 1, isReply: true }));
    t.true(survives(engine, 30_000));
    t.false(survives(engine, 1));
    t.is(engine.control(CONTROL_FLOWS6_LIVE_OFF), 0);
  }
});

test('sweep: packets of either direction keep a flow alive, by lane or by kernel', (t) => {
  const engine = openEngine();
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp' }));
  engine.send(IF.POD_B, packet({ ...BACK, proto: 'udp' }));
  for (const touch of [
    () => engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp' })),
    () => engine.send(IF.POD_B, packet({ ...BACK, proto: 'udp' })),
    () => {
      engine.kernelHit(original(engine));
    },
    () => {
      engine.kernelHit(reply(engine));
    },
  ]) {
    t.true(survives(engine, 119_000));
    touch();
  }
  t.true(survives(engine, 119_000));
  t.false(survives(engine, 1001));
});

test('sweep: a kernel stamp younger than this turn is no silence', (t) => {
  const engine = openEngine();
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp' }));
  engine.nowMs += 10_000;
  engine.kernelHit(original(engine));
  engine.nowMs -= 9000;
  t.true(survives(engine, 0));
});

test('sweep: a clock that goes back a little, as in a capture, forgets nothing', (t) => {
  const engine = openEngine();
  syn(engine);
  t.true(survives(engine, -50));
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'tcp', flags: 'S' }));
  t.is(engine.counter(LaneCounter.FLOWS_CREATED), 1);
});

test('sweep: the millisecond clock may wrap', (t) => {
  const engine = openEngine({ nowMs: 2 ** 32 - 15_000 });
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp' }));
  t.true(survives(engine, 30_000));
  t.false(survives(engine, 1));
});

test('sweep: data counted by the kernel completes the handshake the lane did not see end', (t) => {
  const engine = openEngine();
  syn(engine);
  engine.send(IF.POD_B, packet({ ...BACK, proto: 'tcp', flags: 'SA' }));
  t.is(original(engine).state, TcpState.SYN_RECV);
  engine.kernelHit(original(engine));
  t.true(survives(engine, 61_000));
  t.true(survives(engine, 431_000_000));
  // A FIN continues from ESTABLISHED.
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'tcp', flags: 'FA' }));
  t.is(original(engine).state, TcpState.FIN_WAIT);
});

test('sweep: data of the backend alone does not complete a handshake', (t) => {
  const engine = openEngine();
  syn(engine);
  engine.send(IF.POD_B, packet({ ...BACK, proto: 'tcp', flags: 'SA' }));
  engine.kernelHit(reply(engine));
  t.false(survives(engine, 61_000));
});

const [FIN, SYN, RST] = [1, 2, 4];

/** What the kernel programs note when they execute a segment with such flags. */
function kernelTurn(engine: Engine, row: ReturnType<typeof original>, flags: number): void {
  engine.kernelHit(row);
  const at = row.tally + TALLY_KERNEL_TCP_OFF;
  engine.core.words.setUint8(at, engine.core.words.getUint8(at) | flags);
}

test('sweep: a handshake that the kernel carried on is open until its client speaks', (t) => {
  const engine = openEngine();
  syn(engine);
  kernelTurn(engine, reply(engine), SYN);
  t.false(survives(engine, 61_000), 'SYN_RECV: 60 s');
  const done = openEngine();
  syn(done);
  kernelTurn(done, reply(done), SYN);
  done.kernelHit(original(done));
  t.true(survives(done, 431_000_000), 'ESTABLISHED');
});

test('sweep: FIN and RST that the kernel carried end the connection', (t) => {
  for (const [ends, seconds] of [
    [[['there', FIN]], 60],
    [[['back', FIN]], 60],
    [
      [
        ['there', FIN],
        ['back', FIN],
      ],
      120,
    ],
    [[['back', RST]], 10],
  ] as const) {
    const engine = openEngine();
    syn(engine);
    kernelTurn(engine, reply(engine), SYN);
    engine.kernelHit(original(engine));
    for (const [end, flag] of ends) {
      kernelTurn(engine, end === 'there' ? original(engine) : reply(engine), flag);
    }
    t.true(survives(engine, seconds * 1000 - 1), JSON.stringify(ends));
    t.false(survives(engine, 1002), JSON.stringify(ends));
  }
});

test('sweep: a SYN over a connection that ended in the kernel begins a new one', (t) => {
  for (const flags of [
    [FIN, FIN],
    [RST, 0],
  ] as const) {
    const engine = openEngine();
    syn(engine);
    kernelTurn(engine, reply(engine), SYN);
    engine.kernelHit(original(engine));
    kernelTurn(engine, original(engine), flags[0]);
    kernelTurn(engine, reply(engine), flags[1]);
    syn(engine);
    t.is(original(engine).state, TcpState.SYN_SENT);
    t.is(engine.core.words.getUint8(reply(engine).tally + TALLY_KERNEL_TCP_OFF), 0);
  }
  const alive = openEngine();
  syn(alive);
  kernelTurn(alive, reply(alive), SYN);
  alive.kernelHit(original(alive));
  kernelTurn(alive, original(alive), FIN);
  syn(alive);
  t.not(original(alive).state, TcpState.SYN_SENT, 'half closed is alive');
});

test('sweep: what the kernel had counted in forgotten rows is kept in the counters', (t) => {
  const engine = openEngine();
  syn(engine);
  engine.kernelHit(original(engine), 7);
  engine.kernelHit(reply(engine), 5);
  engine.nowMs += 500_000_000;
  engine.sweepAll();
  t.is(engine.counter(LaneCounter.RETIRED_KERNEL_PACKETS), 12);
  t.is(engine.counter(LaneCounter.RETIRED_KERNEL_BYTES), 1200);
});

test('sweep: a budget walks the whole table in as many calls as it takes', (t) => {
  const engine = openEngine({ capacities: { flows4: 1024, flows6: 16 } });
  for (let i = 0; i < 100; i++) {
    engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp', sport: 5000 + i }));
  }
  t.is(engine.flows().length, 200);
  engine.nowMs += 31_000;
  let gone = 0;
  for (let call = 0; call < 16; call++) gone += engine.core.exports.sweep(engine.nowMs, 64);
  t.is(gone, 100);
  t.is(engine.flows().length, 0);
});

test('sweep: deleted slots rest a second and then become never-used ones', (t) => {
  const engine = openEngine({ capacities: { flows4: 256, flows6: 16 } });
  for (let i = 0; i < 60; i++) {
    engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp', sport: 5000 + i }));
  }
  const { base, capacity } = engine.core.region(RegionId.FLOWS4);
  const used = (): number => {
    let count = 0;
    for (let i = 0; i < capacity; i++) {
      if (engine.core.words.getUint32(base + i * FLOW4_SIZE, true) !== 0) count++;
    }
    return count;
  };
  t.is(used(), 120);
  engine.nowMs += 31_000;
  engine.sweepAll();
  t.is(engine.flows().length, 0);
  t.is(used(), 120, 'a kernel program may still be reading them');
  engine.nowMs += 999;
  engine.sweepAll();
  t.is(used(), 120);
  engine.nowMs += 1;
  // A run that wraps round the end of the table takes a second pass.
  engine.sweepAll();
  engine.sweepAll();
  t.is(used(), 0);
});

test('sweep: a living row keeps the deleted slots before it in their run', (t) => {
  const engine = openEngine({ capacities: { flows4: 64, flows6: 16 } });
  // Half a table of flows, of which one is spoken to again.
  for (let i = 0; i < 12; i++) {
    engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp', sport: 5000 + i }));
  }
  engine.nowMs += 20_000;
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp', sport: 5011 }));
  engine.nowMs += 15_000;
  for (let pass = 0; pass < 4; pass++) {
    engine.sweepAll();
    engine.nowMs += 2000;
  }
  t.is(engine.flows().length, 2);
  engine.send(IF.POD_A, packet({ ...THERE, proto: 'udp', sport: 5011 }));
  engine.send(IF.POD_B, packet({ ...BACK, proto: 'udp', dport: 5011 }));
  t.is(engine.flows().length, 2);
  t.is(engine.counter(LaneCounter.FLOWS_CREATED), 12);
});
