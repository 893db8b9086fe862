import test from 'ava';
import type { EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import { createCluster } from '../../src/model/cluster.js';
import { namedKey } from '../../src/model/keys.js';
import { mergeEndpoints, projectSlice } from '../../src/model/slices.js';
import type { SliceRecord } from '../../src/model/slices.js';
import { HERE, HTTP, draining, dying, notReady, put, ready, slice, webService } from './objects.js';

const WEB = { portName: 'http', protocol: 'TCP' } as const;

function records(...slices: EndpointSlice[]): SliceRecord[] {
  return slices.flatMap((each) => projectSlice(each) ?? []);
}

function keys(slices: SliceRecord[], family: 4 | 6 = 4): string[] {
  return mergeEndpoints(slices, WEB, family, HERE).map(({ key }) => key);
}

test('slices: without the owner label or of names they are ignored', (t) => {
  const good = slice('s', 'web', [ready('10.0.0.1')]);
  t.is(projectSlice({ ...good, metadata: { namespace: 'default', name: 's' } }), undefined);
  t.is(projectSlice({ ...good, addressType: 'FQDN' }), undefined);
});

test('slices: of a headless Service or another proxy, they are not for this one [proxy 90]', (t) => {
  for (const label of [
    'service.kubernetes.io/headless',
    'service.kubernetes.io/service-proxy-name',
  ]) {
    const cluster = createCluster(HERE);
    cluster.apply(put('Service', webService('web', '10.96.0.1')));
    const good = slice('s', 'web', [ready('10.0.0.1')]);
    const labels = { ...good.metadata?.labels, [label]: '' };
    const foreign = put('EndpointSlice', { ...good, metadata: { ...good.metadata, labels } });
    const web = namedKey('default', 'web');
    const first = cluster.apply(foreign);
    t.deepEqual([first.dirty, first.names], [[], ['service:default/web']], label);
    t.deepEqual([...cluster.slicesOf(web)], []);
    t.is([...cluster.named.slicesOf(web)].length, 1);
    t.deepEqual(cluster.apply(put('EndpointSlice', good)).dirty, ['service:default/web']);
    t.deepEqual(cluster.apply(foreign).dirty, ['service:default/web'], 'it is taken back');
  }
});

test('slices: what names need of an endpoint is kept, and a change of it is one', (t) => {
  const cluster = createCluster(HERE);
  const endpoint = { ...ready('10.0.0.1'), hostname: 'a', zone: 'z', targetRef: { name: 'pod-a' } };
  cluster.apply(put('EndpointSlice', slice('s', 'web', [endpoint])));
  const [record] = cluster.named.slicesOf(namedKey('default', 'web'));
  const { hostname, targetName, zone } = record?.endpoints[0] ?? {};
  t.deepEqual({ hostname, targetName, zone }, { hostname: 'a', targetName: 'pod-a', zone: 'z' });
  const renamed = slice('s', 'web', [{ ...endpoint, hostname: 'b' }]);
  t.deepEqual(cluster.apply(put('EndpointSlice', renamed)).names, ['service:default/web']);
  t.deepEqual(cluster.apply(put('EndpointSlice', renamed)).names, []);
});

test('slices: nil conditions are ready, serving, not terminating', (t) => {
  const [record] = records(slice('s', 'web', [{ addresses: ['10.0.0.1'] }]));
  const { ready: isReady, serving, terminating } = record?.endpoints[0] ?? {};
  t.deepEqual(
    { isReady, serving, terminating },
    { isReady: true, serving: true, terminating: false },
  );
});

test('slices: a port with nil name, nil number or 0 is ignored; the empty name is legal [proxy 91]', (t) => {
  const [record] = records(
    slice(
      's',
      'web',
      [ready('10.0.0.1')],
      [
        { port: 1, protocol: 'TCP' },
        { name: 'a', protocol: 'TCP' },
        { name: 'b', port: 0, protocol: 'TCP' },
        { name: '', port: 2, protocol: 'TCP' },
      ],
    ),
  );
  t.deepEqual(record?.ports, [{ portName: '', protocol: 'TCP', port: 2 }]);
  t.is(record?.ignored.length, 3);
});

test('slices: only the first address of an endpoint counts, and it has to be of the family', (t) => {
  const endpoints = [{ addresses: ['10.0.0.1', '10.0.0.2'] }, { addresses: [] }, ready('fd00::1')];
  t.deepEqual(keys(records(slice('s', 'web', endpoints))), ['10.0.0.1:8080']);
});

test('slices: endpoints are sorted by the text of ip:port', (t) => {
  const endpoints = ['10.0.0.9', '10.0.0.10', '10.0.0.1'].map((ip) => ready(ip));
  t.deepEqual(
    keys(records(slice('s', 'web', endpoints))),
    ['10.0.0.10:8080', '10.0.0.1:8080', '10.0.0.9:8080'].sort(),
  );
  const six = records(slice('s', 'web', [ready('fd00::2'), ready('fd00::1')]));
  t.deepEqual(keys(six, 6), ['[fd00::1]:8080', '[fd00::2]:8080']);
});

test('slices: an endpoint in two slices is one, and a copy that is not terminating wins [proxy 89]', (t) => {
  const a = slice('a', 'web', [dying('10.0.0.1'), draining('10.0.0.2')]);
  const b = slice('b', 'web', [ready('10.0.0.1', HERE), dying('10.0.0.2')]);
  for (const order of [records(a, b), records(b, a)]) {
    const merged = mergeEndpoints(order, WEB, 4, HERE);
    t.deepEqual(
      merged.map((e) => [e.key, e.ready, e.serving, e.terminating, e.local]),
      [
        ['10.0.0.1:8080', true, true, false, true],
        ['10.0.0.2:8080', false, true, true, false],
      ],
    );
  }
});

test('slices: an endpoint that left one slice stays while another has it [proxy 88]', (t) => {
  const b = slice('b', 'web', [ready('10.0.0.1')]);
  t.deepEqual(keys(records(slice('a', 'web', [notReady('10.0.0.3')]), b)), [
    '10.0.0.1:8080',
    '10.0.0.3:8080',
  ]);
  t.deepEqual(keys(records(b)), ['10.0.0.1:8080']);
});

test('slices: one slice port of the same number under two names serves both service ports', (t) => {
  const ports = [HTTP, { name: 'metrics', port: 8080, protocol: 'TCP' }];
  const all = records(slice('s', 'web', [ready('10.0.0.1')], ports));
  const metrics = mergeEndpoints(all, { portName: 'metrics', protocol: 'TCP' }, 4, HERE);
  t.deepEqual(
    metrics.map(({ key }) => key),
    ['10.0.0.1:8080'],
  );
  t.deepEqual(mergeEndpoints(all, { portName: 'http', protocol: 'UDP' }, 4, HERE), []);
});
