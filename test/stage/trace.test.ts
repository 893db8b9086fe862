/** A traced frame is decided as a real one would be, and nothing of it stays. */
import test from 'ava';
import {
  CONTROL_BASE,
  CONTROL_BYTES,
  CONTROL_HEARTBEAT_NS_OFF,
  CONTROL_NOW_MS_OFF,
  COUNTERS_BASE,
  COUNTERS_BYTES,
  DYNAMIC_BASE,
  Drop,
  PKT_BACKEND_OFF,
  PKT_DROP_OFF,
  PKT_NEW_DST_OFF,
  PKT_OUT_IFINDEX_OFF,
  PORTS_BASE,
  PORTS_BYTES,
  TALLY_STATE_OFF,
  TcpState,
  Verdict,
} from '../../assembly/abi.js';
import { traceIn } from '../../src/core/trace.js';
import type { Traced } from '../../src/core/trace.js';
import { put, ready, service, slice } from '../model/objects.js';
import { A4, A6, B4, B6, type Engine, IF, OUTSIDE4, addressAt } from '../support/engine.js';
import { packet, see } from '../support/frames.js';
import { VIP, VIP6, back, tcp, webOver } from './web.js';

/** Everything that outlives a frame, the clock aside: CONTROL, COUNTERS, PORTS, all tables. */
function snapshot({ core: { view } }: Engine): Uint8Array[] {
  const control = view.slice(CONTROL_BASE, CONTROL_BASE + CONTROL_BYTES);
  control.fill(0, CONTROL_NOW_MS_OFF, CONTROL_NOW_MS_OFF + 4);
  control.fill(0, CONTROL_HEARTBEAT_NS_OFF, CONTROL_HEARTBEAT_NS_OFF + 8);
  return [
    control,
    view.slice(COUNTERS_BASE, COUNTERS_BASE + COUNTERS_BYTES),
    view.slice(PORTS_BASE, PORTS_BASE + PORTS_BYTES),
    view.slice(DYNAMIC_BASE),
  ];
}

/** Trace, and see that memory is what it was. */
function traced(
  t: import('ava').ExecutionContext,
  engine: Engine,
  frame: Uint8Array,
  from: number,
) {
  const before = snapshot(engine);
  const found = traceIn(engine.core, from, frame, engine.nowMs + 5_000);
  const after = snapshot(engine);
  t.true(before.every((part, i) => Buffer.compare(part, after[i] ?? new Uint8Array()) === 0));
  return found;
}

const wordsOf = ({ pkt }: Traced) => new DataView(pkt.buffer, pkt.byteOffset, pkt.byteLength);
const dropOf = ({ pkt }: Traced): Drop => pkt[PKT_DROP_OFF] ?? 0;

test('trace: the first packet of a flow finds backend and way, and makes no row', (t) => {
  const engine = webOver(B4);
  const found = traced(t, engine, tcp('S'), IF.POD_A);
  t.is(found.verdict, Verdict.TX);
  t.is(found.met, undefined);
  t.is(wordsOf(found).getUint32(PKT_OUT_IFINDEX_OFF, true), IF.POD_B);
  t.deepEqual([...found.pkt.slice(PKT_NEW_DST_OFF + 12, PKT_NEW_DST_OFF + 16)].join('.'), B4);
  t.is(engine.flows().length, 0);
});

test('trace: IPv6 likewise', (t) => {
  const engine = webOver();
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  engine.apply(
    put('Service', service('six', { clusterIP: VIP6, ports })),
    put('EndpointSlice', slice('six-1', 'six', [ready(B6)])),
  );
  const frame = packet({ proto: 'tcp', src: A6, dst: VIP6, flags: 'S' });
  t.is(traced(t, engine, frame, IF.POD_A).verdict, Verdict.TX);
});

test('trace: a hit shows the row and leaves its state and its tallies alone', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  const there = engine.flow(A4, 40000, VIP, 80);
  const found = traced(t, engine, back(B4, 'SA'), IF.POD_B);
  t.is(found.verdict, Verdict.TX);
  t.is(found.met?.idx, engine.flow(B4, 8080, A4, 40000).idx);
  t.like(see(found.frame), { src: VIP, sport: 80, dst: A4, dport: 40000, isSound: true });
  t.is(engine.flow(A4, 40000, VIP, 80).state, TcpState.SYN_SENT);
  engine.send(IF.POD_B, back(B4, 'SA'));
  const again = traced(t, engine, tcp('A'), IF.POD_A);
  t.is(again.met?.idx, there.idx);
  t.is(again.met?.tally[TALLY_STATE_OFF], TcpState.SYN_RECV);
  t.like(see(again.frame), { src: A4, dst: B4, dport: 8080, isSound: true });
});

test('trace: UDP and its replies likewise', (t) => {
  const engine = webOver();
  const port = { name: 'dns', port: 53, protocol: 'UDP' };
  engine.apply(
    put('Service', service('dns', { clusterIP: VIP, ports: [port] })),
    put('EndpointSlice', slice('dns-1', 'dns', [ready(B4)], [{ ...port, port: 5353 }])),
  );
  const query = packet({ proto: 'udp', src: A4, dst: VIP, sport: 999, dport: 53 });
  const reply = packet({ proto: 'udp', src: B4, dst: A4, sport: 5353, dport: 999 });
  t.is(traced(t, engine, query, IF.POD_A).verdict, Verdict.TX);
  engine.send(IF.POD_A, query);
  t.not(traced(t, engine, reply, IF.POD_B).met, undefined);
});

test('trace: a SYN on a closed flow is a new one, and the old one stays', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  engine.send(IF.POD_B, back(B4, 'R'));
  const found = traced(t, engine, tcp('S'), IF.POD_A);
  t.is(found.met, undefined);
  t.is(engine.flow(A4, 40000, VIP, 80).state, TcpState.CLOSE);
});

test('trace: a rejection lies where the frame was and takes nothing from the rate limit', (t) => {
  const engine = webOver();
  const found = traced(t, engine, tcp('S'), IF.POD_A);
  t.is(found.verdict, Verdict.TX);
  t.like(see(found.frame), { src: VIP, dst: A4, isSound: true });
});

test('trace: a drop has its name and is counted nowhere', (t) => {
  const engine = webOver(B4);
  const spoofed = tcp('S', { src: B4 });
  t.is(dropOf(traced(t, engine, spoofed, IF.POD_A)), Drop.SPOOFED_SOURCE);
  t.is(dropOf(traced(t, engine, tcp('S'), 99)), Drop.UNKNOWN_LINK);
  t.is(dropOf(traced(t, engine, tcp('A'), IF.POD_A)), Drop.NONE, 'TCP picked up in the middle');
  t.is(dropOf(traced(t, engine, tcp('SA'), IF.POD_A)), Drop.TCP_INVALID_STATE);
  const runt = tcp('S').slice(0, 10);
  t.is(dropOf(traced(t, engine, runt, IF.POD_A)), Drop.SHORT_ETHERNET);
});

test('trace: a masqueraded flow takes no number from the ports', (t) => {
  const engine = webOver(A4);
  t.is(traced(t, engine, tcp('S'), IF.POD_A).verdict, Verdict.TX, 'a pod that is its own backend');
  const outside = tcp('S', { src: OUTSIDE4 });
  t.is(traced(t, engine, outside, IF.UPLINK).verdict, Verdict.TX);
});

test('trace: neither a random choice nor an affinity is used up', (t) => {
  const engine = webOver(B4, A4);
  const sticky = { clusterIP: VIP, sessionAffinity: 'ClientIP' };
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  engine.apply(put('Service', service('web', { ...sticky, ports })));
  const first = traced(t, engine, tcp('S'), IF.POD_A);
  const backend = wordsOf(first).getUint32(PKT_BACKEND_OFF, true);
  const sent = engine.send(IF.POD_A, tcp('S'));
  const region = engine.flow(A4, 40000, VIP, 80);
  t.is(sent.row, region.ptr);
  const chosen = addressAt(engine.core, region.ptr + 52, 4);
  t.deepEqual(first.pkt.slice(PKT_NEW_DST_OFF + 12, PKT_NEW_DST_OFF + 16).join('.'), chosen);
  const bound = traced(t, engine, tcp('S', { sport: 40001 }), IF.POD_A);
  t.is(wordsOf(bound).getUint32(PKT_BACKEND_OFF, true), backend);
});
