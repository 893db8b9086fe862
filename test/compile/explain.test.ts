import test from 'ava';
import { createControl } from '../../src/compile/control.js';
import type { ExplainedService } from '../../src/compile/explain.js';
import type { PutEvent } from '../../src/model/events.js';
import { HERE, draining, node, notReady, put, ready, service, slice } from '../model/objects.js';

const CAPACITIES = { services: 8, backends: 8, setEntries: 64, maglevEntries: 4096, ranges: 8 };

function explained(...events: PutEvent[]): ExplainedService {
  const control = createControl({
    nodeName: HERE,
    capacities: CAPACITIES,
    algorithm: 'maglev',
  });
  for (const event of events) control.apply(event);
  control.apply({ type: 'synced' });
  control.flush();
  const { services } = control.explain();
  const [only] = services;
  if (!only) throw new Error('no service');
  assertJson(services);
  return only;
}

/** It is written to a file and read by another program. */
function assertJson(value: unknown): void {
  const again: unknown = JSON.parse(JSON.stringify(value));
  if (JSON.stringify(again) !== JSON.stringify(value)) throw new Error('not JSON');
}

const NODE = put('Node', node(HERE, [], ['192.0.2.1']));

function web(spec: object): PutEvent {
  const object = service('web', {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.1',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }],
    ...spec,
  });
  return put('Service', {
    ...object,
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } },
  });
}

test('explain: a service port with all that decides about it', (t) => {
  const port = explained(
    NODE,
    web({
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      loadBalancerSourceRanges: ['192.0.2.0/24'],
    }),
    put(
      'EndpointSlice',
      slice('s', 'web', [
        ready('10.0.0.1'),
        ready('10.0.0.2'),
        notReady('10.0.0.3'),
        draining('10.0.0.4', HERE),
      ]),
    ),
  );
  t.deepEqual(port.frontends, [
    { kind: 'ClusterIP', address: '10.96.0.1:80', set: 'cluster' },
    { kind: 'LoadBalancer', address: '203.0.113.1:80', set: 'local' },
    { kind: 'NodePort', address: '192.0.2.1:30080', set: 'local' },
  ]);
  const { type, family, protocol, internalPolicy, externalPolicy, affinitySec, algorithm } = port;
  t.deepEqual([type, family, protocol], ['LoadBalancer', 4, 'TCP']);
  t.deepEqual([internalPolicy, externalPolicy], ['Cluster', 'Local']);
  t.deepEqual([affinitySec, algorithm, port.sourceRanges], [10800, 'maglev', ['192.0.2.0/24']]);
  t.deepEqual(port.sets, {
    cluster: { isUsed: true, endpoints: ['10.0.0.1:8080', '10.0.0.2:8080'], maglevSize: 251 },
    local: { isUsed: true, endpoints: ['10.0.0.4:8080'], maglevSize: 1 },
  });
  t.deepEqual(
    port.endpoints.map((e) => `${e.endpoint} ${e.cluster.why} / ${e.inLocal.why}`),
    [
      '10.0.0.1:8080 ready / on another node',
      '10.0.0.2:8080 ready / on another node',
      '10.0.0.3:8080 not ready / on another node',
      '10.0.0.4:8080 terminating / still serving',
    ],
  );
});

test('explain: an empty set rejects when nobody is there, and drops when nobody is here', (t) => {
  const local = { externalTrafficPolicy: 'Local' };
  const empty = explained(NODE, web(local));
  t.is(empty.sets.cluster.whenEmpty, 'REJECT');
  t.is(empty.sets.local.whenEmpty, 'REJECT');
  const remote = put('EndpointSlice', slice('s', 'web', [ready('10.0.0.1')]));
  const elsewhere = explained(NODE, web(local), remote);
  t.is(elsewhere.sets.cluster.whenEmpty, undefined);
  t.is(elsewhere.sets.local.whenEmpty, 'DROP');
  const unused = explained(NODE, web({}), remote);
  t.deepEqual(unused.sets.local, { isUsed: false, endpoints: [], maglevSize: 0 });
  t.is(unused.endpoints[0]?.inLocal.why, 'not used');
});
