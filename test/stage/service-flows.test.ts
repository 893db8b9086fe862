import test from 'ava';
import { Drop, LaneCounter, TcpState, Verdict } from '../../assembly/abi.js';
import { drop, put, ready, slice, webService } from '../model/objects.js';
import { A4, A6, B4, IF, NODE4, NODE6, REMOTE4, openEngine } from '../support/engine.js';
import { VIP, VIP6, back, tcp, webOver } from './web.js';

test('service: a flow keeps its backend after that has left the service [proxy 106]', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  engine.send(IF.POD_B, back(B4, 'SA'));
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
  t.like(engine.send(IF.POD_A, tcp('A')).seen, { dst: B4, dport: 8080, isSound: true });
  engine.apply(drop('Service', 'web'), drop('EndpointSlice', 'web-1'));
  t.like(engine.send(IF.POD_A, tcp('PA', { payload: 'x' })).seen, { dst: B4, isSound: true });
  t.like(engine.send(IF.POD_B, back(B4, 'A')).seen, { src: VIP, isSound: true });
});

test('service: a repeated SYN keeps the backend of a living flow [proxy 102]', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
  t.like(engine.send(IF.POD_A, tcp('S')).seen, { dst: B4 });
});

/** How a connection can be over, from the pod's side `>` or the backend's `<`. */
const ENDINGS = {
  'a reset from the backend': ['>S', '<RA'],
  'a reset from the client': ['>S', '<SA', '>A', '>R'],
  'both FINs and the last ACK': ['>S', '<SA', '>A', '>FA', '<FA', '>A'],
  // The last ACK has no flag that climbs: the kernel executes it and the lane never sees it.
  'both FINs, the last ACK in the kernel': ['>S', '<SA', '>A', '>FA', '<FA'],
  'both FINs, the server first': ['>S', '<SA', '>A', '<FA', '>A', '>FA'],
};
for (const [ending, segments] of Object.entries(ENDINGS)) {
  test(`service: after ${ending} a new SYN selects anew [proxy 103]`, (t) => {
    const engine = webOver(B4);
    for (const segment of segments) {
      const flags = segment.slice(1);
      if (segment.startsWith('>')) engine.send(IF.POD_A, tcp(flags));
      else engine.send(IF.POD_B, back(B4, flags));
    }
    engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
    t.like(engine.send(IF.POD_A, tcp('S')).seen, { dst: REMOTE4, flags: 'S', isSound: true });
    t.is(engine.flow(A4, 40000, VIP, 80).state, TcpState.SYN_SENT);
    t.is(engine.flows().length, 2);
  });
}

test('service: a SYN on a flow whose time is up does not wait for the sweep', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
  engine.nowMs += 121_000;
  t.like(engine.send(IF.POD_A, tcp('S')).seen, { dst: REMOTE4 });
});

test('service: two services on one backend with one client port get different source ports [proxy 104]', (t) => {
  const engine = webOver(B4);
  engine.apply(
    put('Service', webService('other', '10.96.0.11')),
    put('EndpointSlice', slice('other-1', 'other', [ready(B4)])),
  );
  engine.send(IF.POD_A, tcp('S'));
  const second = engine.send(IF.POD_A, tcp('S', { dst: '10.96.0.11' }));
  t.is(second.verdict, Verdict.TX);
  t.like(second.seen, { src: A4, dst: B4, dport: 8080, isSound: true });
  const { sport = 0 } = second.seen;
  t.not(sport, 40000);
  t.true(sport >= 16384 && sport < 24576);
  t.is(engine.counter(LaneCounter.PORT_CLASHES), 1);
  const one = engine.send(IF.POD_B, back(B4, 'SA')).seen;
  t.like(one, { src: VIP, sport: 80, dst: A4, dport: 40000, isSound: true });
  const two = engine.send(IF.POD_B, back(B4, 'SA', { dport: sport })).seen;
  t.like(two, { src: '10.96.0.11', sport: 80, dst: A4, dport: 40000, isSound: true });
});

test('service: a direct connection beside one through the ClusterIP does not disturb it', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  const direct = engine.send(IF.POD_A, tcp('S', { dst: B4, dport: 8080 }));
  t.not(direct.seen.sport, 40000);
  const reply = engine.send(IF.POD_B, back(B4, 'SA', { dport: direct.seen.sport })).seen;
  t.like(reply, { src: B4, sport: 8080, dst: A4, dport: 40000, isSound: true });
});

for (const [family, vip, pod, nodeAddress] of [
  ['IPv4', VIP, A4, NODE4],
  ['IPv6', VIP6, A6, NODE6],
] as const) {
  test(`service: a pod that is its own backend sees the node as its client, ${family} [proxy 2]`, (t) => {
    const engine = openEngine();
    engine.apply(
      put('Service', webService('self', vip)),
      put('EndpointSlice', slice('self-1', 'self', [ready(pod)])),
    );
    const sent = engine.send(IF.POD_A, tcp('S', { src: pod, dst: vip }));
    t.is(sent.outIfindex, IF.POD_A);
    t.like(sent.seen, { src: nodeAddress, dst: pod, dport: 8080, isSound: true });
    const dport = sent.seen.sport;
    const reply = engine.send(IF.POD_A, back(pod, 'SA', { dst: nodeAddress, dport }));
    t.is(reply.outIfindex, IF.POD_A);
    t.like(reply.seen, { src: vip, sport: 80, dst: pod, dport: 40000, isSound: true });
  });
}

test('service: when every source port is taken, the next flow is dropped by name', (t) => {
  const engine = openEngine({ capacities: { flows4: 1 << 18 } });
  engine.apply(
    put('Service', webService('self', VIP)),
    put('EndpointSlice', slice('self-1', 'self', [ready(A4)])),
  );
  const frame = tcp('S');
  let refused = 0;
  for (let sport = 1; sport <= 65535 && refused < 200; sport++) {
    frame.set([sport >>> 8, sport & 0xff], 34);
    refused += Number(engine.send(IF.POD_A, frame).drop === Drop.NO_FREE_PORT);
  }
  t.is(refused, 200);
  const rows = engine.flows().filter(({ isReply }) => isReply);
  t.true(rows.length > 7000, `${rows.length} of 8192 ports in use`);
  t.is(new Set(rows.map(({ dport }) => dport)).size, rows.length, 'no port twice');
  t.is(engine.drops(Drop.FLOW_TABLE_FULL), 0);
});
