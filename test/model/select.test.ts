import test from 'ava';
import type { Endpoint as SliceEndpoint } from 'kubernetes-types/discovery/v1.js';
import { memberships, selectEndpoints } from '../../src/model/select.js';
import { mergeEndpoints, projectSlice } from '../../src/model/slices.js';
import { HERE, draining, dying, notReady, ready, slice } from './objects.js';

const PLACE = { nodeName: HERE, zone: 'z1' };

/** Last octets of both sets. */
function sets(
  endpoints: SliceEndpoint[],
  place = PLACE as { nodeName: string; zone: string | undefined },
) {
  const record = projectSlice(slice('s', 'web', endpoints));
  const port = { portName: 'http', protocol: 'TCP' } as const;
  const { cluster, local, hasAny } = selectEndpoints(
    mergeEndpoints(record ? [record] : [], port, 4, place.nodeName),
    place,
  );
  const octets = (of: typeof cluster) => of.map(({ key }) => /\.(\d+):/.exec(key)?.[1]).join(' ');
  return { cluster: octets(cluster), local: octets(local), hasAny };
}

// Worked cases of endpoint selection (pkg/proxy/topology.go): what ClusterIP uses is the Cluster set, what a Local
// policy uses is the Local set.
const WORKED: [string, SliceEndpoint[], { cluster: string; local: string; hasAny: boolean }][] = [
  ['ready remote only', [ready('10.0.0.1')], { cluster: '1', local: '', hasAny: true }],
  [
    'local terminating and serving, ready remote',
    [ready('10.0.0.1'), draining('10.0.0.2', HERE)],
    { cluster: '1', local: '2', hasAny: true },
  ],
  [
    'local terminating not serving, ready remote',
    [ready('10.0.0.1'), dying('10.0.0.2', HERE)],
    { cluster: '1', local: '', hasAny: true },
  ],
  [
    'remote terminating and serving only',
    [draining('10.0.0.1')],
    { cluster: '1', local: '', hasAny: true },
  ],
  [
    'local ready and local terminating',
    [ready('10.0.0.1', HERE), draining('10.0.0.2', HERE)],
    { cluster: '1', local: '1', hasAny: true },
  ],
  [
    'only terminating and serving, local and remote',
    [draining('10.0.0.1', HERE), draining('10.0.0.2')],
    { cluster: '1 2', local: '1', hasAny: true },
  ],
  [
    'only not ready, not serving',
    [notReady('10.0.0.1'), notReady('10.0.0.2', HERE)],
    { cluster: '', local: '', hasAny: false },
  ],
  ['none', [], { cluster: '', local: '', hasAny: false }],
];

for (const [name, endpoints, expected] of WORKED) {
  test(`select: ${name}`, (t) => {
    t.deepEqual(sets(endpoints), expected);
  });
}

function hinted(octet: number, zones: string[], nodes: string[] = []): SliceEndpoint {
  const forZones = zones.map((name) => ({ name }));
  const hints = { forZones, forNodes: nodes.map((name) => ({ name })) };
  return { ...ready(`10.0.0.${octet}`), hints };
}

test('select: hints keep the endpoints of this zone when every ready one has hints [proxy 47 48 49 50]', (t) => {
  const all = [hinted(1, ['z1']), hinted(2, ['z2']), hinted(3, ['z1', 'z2'])];
  t.is(sets(all).cluster, '1 3');
  t.is(sets([...all, ready('10.0.0.4')]).cluster, '1 2 3 4');
  t.is(sets(all, { nodeName: HERE, zone: 'z3' }).cluster, '1 2 3');
  t.is(sets(all, { nodeName: HERE, zone: undefined }).cluster, '1 2 3');
});

test('select: node hints come before zone hints and fall back to them [proxy 52]', (t) => {
  const all = [
    hinted(1, ['z1'], [HERE]),
    hinted(2, ['z1'], ['node-b']),
    hinted(3, ['z2'], ['node-c']),
  ];
  t.is(sets(all).cluster, '1');
  t.is(sets(all, { nodeName: 'node-d', zone: 'z1' }).cluster, '1 2');
});

test('select: hints of endpoints that are not ready do not count, and draining ones ignore hints', (t) => {
  t.is(sets([hinted(1, ['z1']), hinted(2, ['z2']), notReady('10.0.0.3')]).cluster, '1');
  t.is(sets([{ ...draining('10.0.0.1'), hints: { forZones: [{ name: 'z2' }] } }]).cluster, '1');
});

test('select: when the endpoint of this zone is not ready all ready ones are used [proxy 51]', (t) => {
  const inZone = { ...hinted(1, ['z1']), conditions: { ready: false } };
  t.is(sets([inZone, hinted(2, ['z2']), hinted(3, ['z3'])]).cluster, '2 3');
});

test('select: for every endpoint it is known why it is in a set, or not', (t) => {
  const slices = [
    slice('s', 'web', [
      hinted(1, ['z1']),
      hinted(2, ['z2']),
      notReady('10.0.0.3', HERE),
      draining('10.0.0.4', HERE),
    ]),
  ].flatMap((each) => projectSlice(each) ?? []);
  const port = { portName: 'http', protocol: 'TCP' } as const;
  const endpoints = mergeEndpoints(slices, port, 4, HERE);
  const selection = selectEndpoints(endpoints, PLACE);
  const why = (set: 'cluster' | 'local') =>
    memberships(endpoints, set, selection).map((m) => `${m.isMember ? 'in' : 'out'}: ${m.why}`);
  t.deepEqual(why('cluster'), [
    'in: zone hints',
    'out: another zone by hints',
    'out: not ready',
    'out: terminating',
  ]);
  t.deepEqual(why('local'), [
    'out: on another node',
    'out: on another node',
    'out: not ready',
    'in: still serving',
  ]);
});
