/** Traffic policies and terminating endpoints, as frames meet them. */
import test from 'ava';
import { HERE, draining, dying, notReady, put } from '../model/objects.js';
import { B4, NODE4, REMOTE4 } from '../support/engine.js';
import {
  NODE,
  OUTSIDE,
  POD,
  REMOTE4_TOO,
  WAYS,
  type Way,
  dropped,
  here,
  masqueraded,
  nodeWith,
  reaches,
  refused,
  there,
  tries,
  webEverywhere,
  webSlice,
} from './node.js';

const LOCAL = { externalTrafficPolicy: 'Local' } as const;
const INTERNAL_LOCAL = { internalTrafficPolicy: 'Local' } as const;
const OUTER: readonly Way[] = ['nodePort', 'balancer', 'external'];
const ALL: readonly Way[] = ['clusterIP', ...OUTER];

test('policies: external Local shows outside clients to local endpoints as they are [proxy 31 67]', (t) => {
  const engine = nodeWith(LOCAL, [here(), there()]);
  for (const way of OUTER) t.deepEqual(tries(engine, OUTSIDE, WAYS[way]), reaches(B4), way);
});

test('policies: external Local without a local endpoint is silent to outside clients [proxy 32]', (t) => {
  const engine = nodeWith(LOCAL, [there()]);
  for (const way of OUTER) {
    t.deepEqual(tries(engine, OUTSIDE, WAYS[way]), dropped('NO_LOCAL_BACKEND'), way);
  }
});

test('policies: external Local does not bind a local pod, which keeps its address [proxy 33]', (t) => {
  for (const endpoints of [[there()], [here(), there(), there(REMOTE4_TOO)]]) {
    const engine = nodeWith(LOCAL, endpoints);
    const all = endpoints.map(({ addresses }) => addresses[0] ?? '');
    for (const way of OUTER) t.deepEqual(tries(engine, POD, WAYS[way]), reaches(...all), way);
  }
});

test('policies: external Local does not bind the node, which is masqueraded [proxy 34]', (t) => {
  const engine = nodeWith(LOCAL, [there()]);
  for (const way of OUTER) {
    const outcome = tries(engine, NODE, WAYS[way]);
    // The node's address is what it is masqueraded with: its packets look the same.
    t.deepEqual(outcome, reaches(REMOTE4), way);
  }
});

test('policies: external Local leaves the ClusterIP to everybody [proxy 35]', (t) => {
  const engine = nodeWith(LOCAL, [there()]);
  t.deepEqual(tries(engine, OUTSIDE, WAYS.clusterIP), masqueraded(REMOTE4));
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(REMOTE4));
});

test('policies: external Cluster reaches every endpoint, masqueraded [proxy 36]', (t) => {
  const engine = nodeWith({}, [here(), there()]);
  for (const way of OUTER) {
    t.deepEqual(tries(engine, OUTSIDE, WAYS[way]), masqueraded(B4, REMOTE4), way);
  }
});

test('policies: internal Local keeps the ClusterIP on the node [proxy 37]', (t) => {
  const engine = nodeWith(INTERNAL_LOCAL, [here(), there()]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.nodePort), masqueraded(B4, REMOTE4));
});

test('policies: internal Local with remote endpoints only is silent on the ClusterIP alone [proxy 38 54]', (t) => {
  const engine = nodeWith(INTERNAL_LOCAL, [there()]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), dropped('NO_LOCAL_BACKEND'));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.nodePort), masqueraded(REMOTE4));
});

test('policies: internal Local without any endpoint refuses instead of keeping quiet [proxy 39]', (t) => {
  const engine = nodeWith(INTERNAL_LOCAL, [here(), there()]);
  engine.apply(webSlice());
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), refused());
});

test('policies: internal Local for the node as client and as endpoint [proxy 40]', (t) => {
  const own = { ...here(NODE4) };
  const engine = nodeWith(INTERNAL_LOCAL, [own, there()]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(NODE4));
  const local = nodeWith(INTERNAL_LOCAL, [here(), there()]);
  t.deepEqual(tries(local, NODE, WAYS.clusterIP), reaches(B4));
  const remote = nodeWith(INTERNAL_LOCAL, [there()]);
  t.deepEqual(tries(remote, NODE, WAYS.clusterIP), dropped('NO_LOCAL_BACKEND'));
});

test('policies: terminating endpoints rest while others are ready [proxy 41]', (t) => {
  const engine = nodeWith({}, [here(), draining(REMOTE4)]);
  for (const way of ALL) t.deepEqual(tries(engine, POD, WAYS[way]).reached, [`${B4}:8080`], way);
});

test('policies: terminating endpoints that still serve are used when nobody is ready [proxy 42]', (t) => {
  const engine = nodeWith({}, [draining(B4, HERE), draining(REMOTE4), notReady(REMOTE4_TOO)]);
  for (const way of ALL) {
    const { reached } = tries(engine, POD, WAYS[way]);
    t.deepEqual(reached, [`${B4}:8080`, `${REMOTE4}:8080`], way);
  }
});

test('policies: each set falls back to terminating endpoints by itself [proxy 43]', (t) => {
  const engine = nodeWith(LOCAL, [draining(B4, HERE), there()]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(REMOTE4));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), reaches(B4));
});

test('policies: remote terminating endpoints serve the ClusterIP, not external Local [proxy 44]', (t) => {
  const engine = nodeWith(LOCAL, [draining(REMOTE4)]);
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), dropped('NO_LOCAL_BACKEND'));
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(REMOTE4));
});

test('policies: endpoints that no longer serve refuse everywhere [proxy 45]', (t) => {
  for (const spec of [{}, LOCAL, INTERNAL_LOCAL]) {
    const engine = nodeWith(spec, [dying(B4, HERE), dying(REMOTE4)]);
    for (const way of ALL) t.deepEqual(tries(engine, OUTSIDE, WAYS[way]), refused(), way);
  }
});

test('policies: internal Local falls back to local terminating endpoints [proxy 46]', (t) => {
  const engine = nodeWith(INTERNAL_LOCAL, [draining(B4, HERE), there()]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4));
});

test('policies: a changed external policy counts for new flows at once [proxy 68]', (t) => {
  const engine = nodeWith(LOCAL, [here(), there()]);
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), reaches(B4));
  engine.apply(put('Service', webEverywhere()));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), masqueraded(B4, REMOTE4));
  engine.apply(put('Service', webEverywhere(LOCAL)));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), reaches(B4));
});
