import test from 'ava';
import type { ServiceSpec } from 'kubernetes-types/core/v1.js';
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import { createControl } from '../../src/compile/control.js';
import type { PutEvent } from '../../src/model/events.js';
import {
  HERE,
  annotated,
  draining,
  dying,
  node,
  put,
  ready,
  service,
  slice,
  webService,
} from '../model/objects.js';
import { compiled, serviceIn } from './reading.js';

const PORTS = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }];
const HERE_1 = '10.244.1.1';
const THERE_1 = '10.244.2.1';
const THERE_2 = '10.244.2.2';

function over(spec: ServiceSpec, ...endpoints: Endpoint[]): PutEvent[] {
  const web = service('web', { clusterIP: '10.96.0.1', ports: PORTS, type: 'NodePort', ...spec });
  return [put('Service', web), put('EndpointSlice', slice('s', 'web', endpoints))];
}

/** Flags and both sets, endpoints by their addresses. */
function sets(events: readonly PutEvent[]) {
  const { flags, cluster, local } = serviceIn(compiled(events));
  const bare = (all: readonly string[]) => all.map((text) => text.replace(':8080', ''));
  return { flags: flags.join(), cluster: bare(cluster), local: bare(local) };
}

const INTERNAL = { internalTrafficPolicy: 'Local', type: 'ClusterIP' };
const EXTERNAL = { externalTrafficPolicy: 'Local' };

test('policies: without Local there is no Local set, whatever is here', (t) => {
  t.deepEqual(sets(over({}, ready(HERE_1, HERE), ready(THERE_1))), {
    flags: 'HAS_ANY',
    cluster: [HERE_1, THERE_1],
    local: [],
  });
});

test('policies: internal Local leads to the endpoints of this node [proxy 37]', (t) => {
  t.deepEqual(sets(over(INTERNAL, ready(HERE_1, HERE), ready(THERE_1))), {
    flags: 'INTERNAL_LOCAL,HAS_ANY',
    cluster: [],
    local: [HERE_1],
  });
});

test('policies: internal Local without one here is silent, its node port uses all [proxy 38]', (t) => {
  t.deepEqual(sets(over({ ...INTERNAL, type: 'NodePort' }, ready(THERE_1))), {
    flags: 'INTERNAL_LOCAL,HAS_ANY',
    cluster: [THERE_1],
    local: [],
  });
});

test('policies: with every endpoint deleted nobody is silent any more [proxy 39]', (t) => {
  t.deepEqual(sets(over(INTERNAL)), { flags: 'INTERNAL_LOCAL', cluster: [], local: [] });
});

test('policies: internal Local, all elsewhere: no set is filled, and it is silent [proxy 54]', (t) => {
  t.deepEqual(sets(over(INTERNAL, ready(THERE_1), ready(THERE_2))), {
    flags: 'INTERNAL_LOCAL,HAS_ANY',
    cluster: [],
    local: [],
  });
});

test('policies: while some are ready those that terminate are not used [proxy 41]', (t) => {
  t.deepEqual(sets(over({}, ready(THERE_1), draining(THERE_2))).cluster, [THERE_1]);
});

test('policies: without a ready one those that still serve are used [proxy 42]', (t) => {
  t.deepEqual(sets(over({}, draining(THERE_1), dying(THERE_2))), {
    flags: 'HAS_ANY',
    cluster: [THERE_1],
    local: [],
  });
});

test('policies: external Local uses what drains here, the ClusterIP what is ready [proxy 43]', (t) => {
  t.deepEqual(sets(over(EXTERNAL, draining(HERE_1, HERE), ready(THERE_1))), {
    flags: 'EXTERNAL_LOCAL,HAS_ANY',
    cluster: [THERE_1],
    local: [HERE_1],
  });
});

test('policies: what drains elsewhere serves the ClusterIP, external Local is silent [proxy 44]', (t) => {
  t.deepEqual(sets(over(EXTERNAL, draining(THERE_1))), {
    flags: 'EXTERNAL_LOCAL,HAS_ANY',
    cluster: [THERE_1],
    local: [],
  });
});

test('policies: what terminates without serving is nobody [proxy 45]', (t) => {
  t.deepEqual(sets(over(EXTERNAL, dying(HERE_1, HERE), dying(THERE_1))), {
    flags: 'EXTERNAL_LOCAL',
    cluster: [],
    local: [],
  });
});

test('policies: internal Local falls back to what drains here [proxy 46]', (t) => {
  t.deepEqual(sets(over(INTERNAL, draining(HERE_1, HERE), ready(THERE_1))).local, [HERE_1]);
});

test('policies: hints trim the Cluster set only; the run is the union [proxy 53]', (t) => {
  const inZone = (endpoint: Endpoint, name: string): Endpoint => ({
    ...endpoint,
    hints: { forZones: [{ name }] },
  });
  const here = node(HERE, [], ['192.0.2.1']);
  const labels = { 'topology.kubernetes.io/zone': 'z1' };
  const events = [
    put('Node', { ...here, metadata: { name: HERE, labels } }),
    ...over(
      EXTERNAL,
      inZone(ready(HERE_1, HERE), 'z2'),
      inZone(ready(THERE_1), 'z1'),
      inZone(ready(THERE_2), 'z2'),
    ),
  ];
  t.deepEqual(sets(events), {
    flags: 'EXTERNAL_LOCAL,HAS_ANY',
    cluster: [THERE_1],
    local: [HERE_1],
  });
  t.is(serviceIn(compiled(events)).row.backends.length, 2);
});

test('policies: the run has what is in both sets once, between what is in one', (t) => {
  const { row } = serviceIn(compiled(over(EXTERNAL, ready(HERE_1, HERE), ready(THERE_1))));
  t.deepEqual([...row.backends] as string[], [
    `backend ${HERE_1}:8080/TCP`,
    `backend ${THERE_1}:8080/TCP`,
  ]);
  t.deepEqual(row.sets, { local: { first: 0, count: 1 }, cluster: { first: 0, count: 2 } });
});

test('policies: a Local policy without one here is counted, each policy by itself [proxy 56]', (t) => {
  const capacities = { services: 8, backends: 8, setEntries: 8, maglevEntries: 0, ranges: 0 };
  const control = createControl({ nodeName: HERE, capacities });
  for (const event of over({ ...INTERNAL, ...EXTERNAL, type: 'NodePort' }, ready(THERE_1)))
    control.apply(event);
  t.deepEqual(control.withoutLocal(4), { internal: 1, external: 1 });
  control.apply(put('EndpointSlice', slice('s', 'web', [])));
  t.deepEqual(control.withoutLocal(4), { internal: 0, external: 0 });
});

test('policies: affinity belongs to each port of a Service', (t) => {
  const spec = {
    clusterIP: '10.96.0.1',
    sessionAffinity: 'ClientIP',
    ports: [...PORTS, { name: 'metrics', port: 81, protocol: 'TCP' }],
  };
  const rows = compiled([put('Service', service('web', spec))]);
  t.is(serviceIn(rows).affinitySec, 10800);
  t.is(serviceIn(rows, 'default/web:metrics/TCP IPv4').affinitySec, 10800);
});

test('policies: an endpoint of weight 0 gets no new flows, whatever the algorithm [proxy 126]', (t) => {
  for (const algorithm of ['random', 'maglev', 'round-robin']) {
    const [web, endpoints] = over({}, ready(THERE_1), ready(THERE_2)) as [PutEvent, PutEvent];
    if (web.kind !== 'Service' || endpoints.kind !== 'EndpointSlice') return t.fail();
    const events = [
      put('Service', annotated(web.object, { 'sluice.dev/lb-algorithm': algorithm })),
      put('EndpointSlice', annotated(endpoints.object, { 'sluice.dev/weights': `${THERE_1}=0` })),
    ];
    t.deepEqual(sets(events).cluster, [THERE_2], algorithm);
  }
});

test('policies: with every weight 0 nobody is there, as if none were ready', (t) => {
  const object = slice('s', 'web', [ready(THERE_1), draining(THERE_2)]);
  const weights = { 'sluice.dev/weights': `${THERE_1}=0,${THERE_2}=0` };
  const web = put('Service', webService('web', '10.96.0.1'));
  t.deepEqual(sets([web, put('EndpointSlice', annotated(object, weights))]), {
    flags: '',
    cluster: [],
    local: [],
  });
});

test('policies: a weight is the backend row of its own, and a wrong one is named', (t) => {
  const weights = { 'sluice.dev/weights': `${THERE_1}=3, ${THERE_2}=101, x=1, 10.0.0.9` };
  const object = annotated(slice('s', 'web', [ready(THERE_1), ready(THERE_2)]), weights);
  const web = put('Service', webService('web', '10.96.0.1'));
  const rows = compiled([web, put('EndpointSlice', object)]);
  const backends = [...rows].filter(([key]) => key.startsWith('backend '));
  t.deepEqual(
    backends.map(([key, { bytes }]) => [key as string, bytes[24]]),
    [
      [`backend ${THERE_1}:8080/TCP weight 3`, 3],
      [`backend ${THERE_2}:8080/TCP`, 1],
    ],
  );
  const capacities = { services: 8, backends: 8, setEntries: 8, maglevEntries: 0, ranges: 0 };
  const control = createControl({ nodeName: HERE, capacities });
  for (const event of [web, put('EndpointSlice', object)]) control.apply(event);
  const expected = 'expected ADDRESS=WEIGHT, 0 to 100';
  t.deepEqual(
    control.explain().ignored,
    ['10.0.0.9', '10.244.2.2=101', 'x=1'].map(
      (part) => `EndpointSlice default/s: sluice.dev/weights "${part}": ${expected}`,
    ),
  );
});

test('policies: Maglev has a table for each set that is used, others none', (t) => {
  const build = (algorithm: 'random' | 'maglev' | 'round-robin') =>
    serviceIn(compiled(over(EXTERNAL, ready(HERE_1, HERE), ready(THERE_1)), { algorithm }));
  t.deepEqual(build('maglev').row.maglev, ['cluster', 'local']);
  t.deepEqual(build('random').row.maglev, []);
  t.deepEqual(build('random').flags, ['EXTERNAL_LOCAL', 'HAS_ANY']);
  t.deepEqual(build('round-robin').flags, ['EXTERNAL_LOCAL', 'HAS_ANY', 'ROUND_ROBIN']);
});
