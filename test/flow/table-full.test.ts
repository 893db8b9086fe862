import test from 'ava';
import {
  CONTROL_FLOWS4_LIVE_OFF,
  Drop,
  LaneCounter,
  TALLY_STATE_OFF,
  TcpState,
  Verdict,
} from '../../assembly/abi.js';
import { put, ready, service, slice } from '../model/objects.js';
import { A4, B4, type Engine, IF, openEngine } from '../support/engine.js';
import { type ChunkName, packet } from '../support/frames.js';

const VIP = '10.96.0.10';
/** Of fewer than FLOW_PROBE_MAX slots, every run is the whole table: 8 flows fill it. */
const TINY = { flows4: 16, flows6: 16 } as const;

function tiny(): Engine {
  const engine = openEngine({ capacities: TINY });
  const ports = [
    { name: 't', port: 80, protocol: 'TCP' },
    { name: 'u', port: 80, protocol: 'UDP' },
  ];
  engine.apply(
    put('Service', service('web', { clusterIP: VIP, ports })),
    put('EndpointSlice', slice('web-1', 'web', [ready(B4)], ports)),
  );
  return engine;
}

const udp = (sport: number, dst = B4) => packet({ proto: 'udp', src: A4, dst, sport, dport: 80 });
const answer = (sport: number) =>
  packet({ proto: 'udp', src: B4, dst: A4, sport: 80, dport: sport });

/** A table full of answered UDP flows from ports 100..107. */
function fullOfStreams(): Engine {
  const engine = tiny();
  for (let i = 0; i < 8; i++) {
    engine.send(IF.POD_A, udp(100 + i));
    engine.send(IF.POD_B, answer(100 + i));
  }
  return engine;
}

test('table full: what needs no translation passes without a row', (t) => {
  const engine = fullOfStreams();
  t.is(engine.flows().length, 16);
  const sent = engine.send(IF.POD_A, udp(999));
  t.is(sent.verdict, Verdict.TX);
  t.like(sent.seen, { src: A4, dst: B4, sport: 999, ttl: 63, isSound: true });
  t.is(sent.row, 0);
  t.is(engine.flows().length, 16);
  t.is(engine.counter(LaneCounter.FLOWS_CREATED), 8);
});

test('table full: what needs translation is dropped by name', (t) => {
  const engine = fullOfStreams();
  t.is(engine.send(IF.POD_A, udp(999, VIP)).drop, Drop.FLOW_TABLE_FULL);
  t.is(engine.drops(Drop.FLOW_TABLE_FULL), 1);
  t.is(engine.flows().length, 16);
});

test('table full: an expired flow makes room, and no other is touched', (t) => {
  const engine = fullOfStreams();
  engine.nowMs += 100_000;
  for (let i = 0; i < 8; i++) if (i !== 3) engine.send(IF.POD_A, udp(100 + i));
  engine.nowMs += 100_000;
  t.is(engine.send(IF.POD_A, udp(999, VIP)).verdict, Verdict.TX);
  const ports = engine
    .flows()
    .filter((row) => !row.isReply)
    .map((row) => row.sport);
  t.deepEqual(
    ports.sort((a, b) => a - b),
    [100, 101, 102, 104, 105, 106, 107, 999],
  );
  t.is(engine.control(CONTROL_FLOWS4_LIVE_OFF), 16);
});

test('table full: an unanswered flow makes room before an answered one', (t) => {
  const engine = tiny();
  for (let i = 0; i < 8; i++) {
    engine.send(IF.POD_A, udp(100 + i));
    if (i !== 5) engine.send(IF.POD_B, answer(100 + i));
  }
  t.is(engine.send(IF.POD_A, udp(999, VIP)).verdict, Verdict.TX);
  const ports = engine
    .flows()
    .filter((row) => !row.isReply)
    .map((row) => row.sport);
  t.false(ports.includes(105));
  t.is(ports.length, 8);
});

test('table full: a connection that waits for its SYN-ACK makes room, an established one not', (t) => {
  const engine = tiny();
  for (let i = 0; i < 8; i++) {
    engine.send(IF.POD_A, packet({ proto: 'tcp', src: A4, dst: B4, sport: 100 + i, flags: 'S' }));
    if (i === 2) continue;
    const row = engine.flow(A4, 100 + i, B4, 80);
    engine.core.words.setUint8(row.tally + TALLY_STATE_OFF, TcpState.ESTABLISHED);
  }
  const syn = (sport: number) => packet({ proto: 'tcp', src: A4, dst: VIP, sport, flags: 'S' });
  t.is(engine.send(IF.POD_A, syn(999)).verdict, Verdict.TX);
  const states = engine
    .flows()
    .filter((row) => !row.isReply)
    .map((row) => row.state);
  t.is(states.filter((state) => state === TcpState.ESTABLISHED).length, 7);
  const next = engine.send(IF.POD_A, syn(998));
  t.is(next.verdict, Verdict.TX, 'the newest waits itself and is the next to go');
  t.throws(() => engine.flow(A4, 999, VIP, 80));
});

test('table full: a connection that both ends have closed makes room before one that waits', (t) => {
  const engine = tiny();
  for (let i = 0; i < 8; i++) {
    engine.send(IF.POD_A, packet({ proto: 'tcp', src: A4, dst: B4, sport: 100 + i, flags: 'S' }));
    const row = engine.flow(A4, 100 + i, B4, 80);
    const state = i === 6 ? TcpState.TIME_WAIT : i === 2 ? TcpState.SYN_SENT : TcpState.FIN_WAIT;
    engine.core.words.setUint8(row.tally + TALLY_STATE_OFF, state);
  }
  t.is(engine.send(IF.POD_A, udp(999, VIP)).verdict, Verdict.TX);
  engine.send(IF.POD_B, answer(999));
  t.throws(() => engine.flow(A4, 106, B4, 80));
  t.is(engine.send(IF.POD_A, udp(998, VIP)).verdict, Verdict.TX, 'now the one that waits');
  t.throws(() => engine.flow(A4, 102, B4, 80));
  engine.send(IF.POD_B, answer(998));
  t.is(engine.send(IF.POD_A, udp(997, VIP)).drop, Drop.FLOW_TABLE_FULL, 'half closed is open');
});

test('table full: a table takes living flows up to half of its rows, whatever their tuples', (t) => {
  const rows = 16384;
  const engine = openEngine({ capacities: { flows4: rows } });
  // As a client's system hands out ports: in steps of two.
  const flows = rows / 4;
  for (let i = 0; i < flows; i++) {
    const sport = 1025 + 2 * i;
    engine.send(IF.POD_A, udp(sport));
    engine.send(IF.POD_B, answer(sport));
  }
  t.is(engine.flows().length, 2 * flows);
});

test('table full: a flow that the kernel has seen answered stays', (t) => {
  const engine = tiny();
  for (let i = 0; i < 8; i++) {
    engine.send(IF.POD_A, udp(100 + i));
    engine.kernelHit(engine.flow(B4, 80, A4, 100 + i));
  }
  t.is(engine.send(IF.POD_A, udp(999, VIP)).drop, Drop.FLOW_TABLE_FULL);
});

test('table full: rows always come in pairs and the count of living ones is right', (t) => {
  const engine = tiny();
  for (let i = 0; i < 3000; i++) {
    const sport = 100 + (Math.imul(i, 2654435761) >>> 24);
    engine.send(IF.POD_A, udp(sport, i % 3 === 0 ? VIP : B4));
    if (i % 5 === 0) engine.send(IF.POD_B, answer(sport));
    engine.nowMs += i % 7 === 0 ? 5000 : 10;
    if (i % 50 === 0) engine.sweepAll();
    const rows = engine.flows();
    const replies = rows.filter((row) => row.isReply).length;
    if (rows.length !== 2 * replies)
      return t.fail(`${rows.length} rows, ${replies} replies at ${i}`);
    if (rows.length !== engine.control(CONTROL_FLOWS4_LIVE_OFF)) return t.fail(`live at ${i}`);
  }
  return t.pass();
});

test('table full: a table of one row holds no flow and breaks nothing', (t) => {
  const engine = openEngine({ capacities: { flows4: 1, flows6: 1 } });
  for (let i = 0; i < 10; i++) {
    t.is(engine.send(IF.POD_A, udp(100 + i)).verdict, Verdict.TX);
    t.is(engine.flows().length, 0);
    t.is(engine.control(CONTROL_FLOWS4_LIVE_OFF), 0);
  }
});

test('table full: an association that nobody has answered makes room, an open one does not', (t) => {
  const sctp = (sport: number, chunk: ChunkName, isReply = false) =>
    packet({
      proto: 'sctp',
      ...(isReply ? { src: B4, dst: A4, sport: 80, dport: sport } : { src: A4, dst: B4, sport }),
      chunks: [chunk],
    });
  const engine = tiny();
  for (let sport = 100; sport < 108; sport++) {
    engine.send(IF.POD_A, sctp(sport, 'INIT'));
    if (sport === 104) continue;
    engine.send(IF.POD_B, sctp(sport, 'INIT_ACK', true));
    engine.send(IF.POD_A, sctp(sport, 'COOKIE_ECHO'));
  }
  t.is(engine.send(IF.POD_A, udp(999, VIP)).verdict, Verdict.TX);
  engine.send(IF.POD_B, answer(999));
  t.is(engine.send(IF.POD_A, udp(998, VIP)).drop, Drop.FLOW_TABLE_FULL);
  const ports = engine.flows().flatMap((row) => (row.proto === 132 ? [row.sport, row.dport] : []));
  t.false(ports.includes(104));
});
