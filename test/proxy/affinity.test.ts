/** Session affinity: who is bound to which endpoint, and for how long. */
import test from 'ava';
import {
  AFFINITY_SIZE,
  LaneCounter,
  ROW_STATE_OFF,
  RegionId,
  RowState,
} from '../../assembly/abi.js';
import { put, service, slice } from '../model/objects.js';
import { B4, type Engine, REMOTE4 } from '../support/engine.js';
import {
  NODE,
  NODE_PORT,
  OUTSIDE,
  POD,
  REMOTE4_TOO,
  VIP,
  WAYS,
  here,
  nodeWith,
  there,
  tries,
  webEverywhere,
  webSlice,
} from './node.js';

const sticky = (timeoutSeconds = 60) =>
  ({
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds } },
  }) as const;

const ENDPOINTS = [here(), there(), there(REMOTE4_TOO)];
const ALL = [B4, REMOTE4, REMOTE4_TOO].map((address) => `${address}:8080`).sort();

/** Clients that have an endpoint now. */
function bound(engine: Engine): number {
  const { base, capacity } = engine.core.region(RegionId.AFFINITY);
  let count = 0;
  for (let i = 0; i < capacity; i++) {
    const at = base + i * AFFINITY_SIZE + ROW_STATE_OFF;
    const state: RowState = engine.core.words.getUint32(at, true);
    if (state === RowState.LIVE) count++;
  }
  return count;
}

test('affinity: a client stays with one endpoint; off, it spreads; on again, it stays [proxy 69 75]', (t) => {
  const engine = nodeWith(sticky(), ENDPOINTS);
  t.is(tries(engine, POD, WAYS.clusterIP).reached.length, 1);
  t.is(bound(engine), 1);
  t.is(engine.counter(LaneCounter.AFFINITY_HITS), 39);
  engine.apply(put('Service', webEverywhere()));
  t.is(bound(engine), 0, 'nothing is kept');
  t.deepEqual(tries(engine, POD, WAYS.clusterIP).reached, ALL);
  t.is(bound(engine), 0, 'nothing is recorded');
  engine.apply(put('Service', webEverywhere(sticky())));
  t.is(tries(engine, POD, WAYS.clusterIP).reached.length, 1);
});

test('affinity: a client finds its endpoint through every way in', (t) => {
  const engine = nodeWith(sticky(), ENDPOINTS);
  const reached = Object.values(WAYS).flatMap((way) => tries(engine, POD, way).reached);
  t.is(new Set(reached).size, 1);
});

test('affinity: each new connection extends it, silence ends it, packets of old ones do not count [proxy 70]', (t) => {
  const engine = nodeWith(sticky(10), ENDPOINTS);
  const [first] = tries(engine, POD, WAYS.clusterIP, { count: 1 }).reached;
  for (let i = 0; i < 20; i++) {
    engine.nowMs += 9_000;
    t.deepEqual(tries(engine, POD, WAYS.clusterIP, { count: 1 }).reached, [first ?? '']);
  }
  const sport = 3333;
  tries(engine, POD, WAYS.clusterIP, { count: 1, sport });
  const seen = new Set<string | undefined>();
  for (let i = 0; i < 30; i++) {
    engine.nowMs += 5_000;
    tries(engine, POD, WAYS.clusterIP, { count: 1, sport, flags: 'A' });
    engine.nowMs += 5_100;
    seen.add(tries(engine, POD, WAYS.clusterIP, { count: 1 }).reached[0]);
  }
  t.is(seen.size, 3, 'free again each time');
  engine.nowMs += 10_001;
  engine.sweepAll();
  t.is(bound(engine), 0, 'the sweep forgets it');
});

test('affinity: UDP clients are bound as well [proxy 71]', (t) => {
  const ports = [{ name: 'dns', port: 53, protocol: 'UDP' }];
  const engine = nodeWith({}, []);
  engine.apply(
    put('Service', service('dns', { clusterIP: '10.96.0.53', ports, ...sticky() })),
    put('EndpointSlice', slice('dns-1', 'dns', ENDPOINTS, [{ ...ports[0], port: 5353 }])),
  );
  t.is(tries(engine, POD, ['10.96.0.53', 53], { proto: 'udp' }).reached.length, 1);
  t.is(bound(engine), 1);
});

test('affinity: works with external policy Local on node ports [proxy 72]', (t) => {
  const local = [here(), here('10.244.1.9'), there()];
  const engine = nodeWith({ ...sticky(), externalTrafficPolicy: 'Local' }, local);
  t.is(tries(engine, OUTSIDE, WAYS.nodePort).reached.length, 1);
  // A pod may be bound to an endpoint that outside clients may not use.
  const remote = { ...sticky(), externalTrafficPolicy: 'Local' } as const;
  const both = nodeWith(remote, [here(), there()]);
  const { reached } = tries(both, OUTSIDE, WAYS.nodePort);
  t.deepEqual(reached, [`${B4}:8080`]);
});

test('affinity: a new endpoint moves no bound client [proxy 73]', (t) => {
  const engine = nodeWith(sticky(), [here(), there()]);
  const { reached } = tries(engine, POD, WAYS.clusterIP);
  engine.apply(webSlice(...ENDPOINTS));
  t.deepEqual(tries(engine, POD, WAYS.clusterIP).reached, reached);
});

test('affinity: a deleted endpoint frees its clients at once, even if it comes back [proxy 74]', (t) => {
  const engine = nodeWith(sticky(), ENDPOINTS);
  const [bond = ''] = tries(engine, POD, WAYS.clusterIP).reached;
  engine.apply(
    webSlice(...ENDPOINTS.filter(({ addresses }) => `${addresses[0] ?? ''}:8080` !== bond)),
  );
  t.is(bound(engine), 0);
  const after = tries(engine, POD, WAYS.clusterIP).reached;
  t.is(after.length, 1);
  t.not(after[0], bond);
});

test('affinity: two ports of one Service bind a client apart [proxy 76]', (t) => {
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP', nodePort: NODE_PORT },
    { name: 'admin', port: 81, protocol: 'TCP' },
  ];
  const own = ports.map((port) => ({ name: port.name, protocol: 'TCP', port: port.port + 8000 }));
  const apart = new Set<boolean>();
  for (let i = 0; i < 12; i++) {
    const engine = nodeWith({ ports, ...sticky() }, []);
    engine.apply(put('EndpointSlice', slice('web-1', 'web', ENDPOINTS, own)));
    // Other clients move the dice on.
    tries(engine, OUTSIDE, [VIP, 80], { count: i, src: '198.51.100.77' });
    const before = bound(engine);
    const one = tries(engine, POD, [VIP, 80], { count: 3 }).reached;
    const two = tries(engine, POD, [VIP, 81], { count: 3 }).reached;
    t.is(one.length + two.length, 2);
    t.is(bound(engine) - before, 2);
    apart.add(one[0]?.split(':')[0] === two[0]?.split(':')[0]);
  }
  t.is(apart.size, 2, 'sometimes the same endpoint, sometimes another');
});

test('affinity: clients are told apart by their address', (t) => {
  const engine = nodeWith(sticky(), ENDPOINTS);
  const reached = new Set(
    Array.from({ length: 30 }, (_, i) => `198.51.100.${i + 1}`).flatMap(
      (src) => tries(engine, { ...OUTSIDE, src }, WAYS.balancer, { count: 2 }).reached,
    ),
  );
  t.is(reached.size, 3);
  t.is(bound(engine), 30);
  t.is(tries(engine, NODE, WAYS.clusterIP).reached.length, 1);
});

test('affinity: a full table binds nobody new, and says so', (t) => {
  const engine = nodeWith(sticky(), ENDPOINTS, { capacities: { affinity: 8 } });
  for (let i = 0; i < 20; i++) {
    const src = `198.51.100.${i + 1}`;
    t.is(tries(engine, { ...OUTSIDE, src }, WAYS.balancer, { count: 1 }).reached.length, 1);
  }
  t.is(bound(engine), 8);
  t.is(engine.counter(LaneCounter.AFFINITY_FULL), 12);
});
