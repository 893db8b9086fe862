import test from 'ava';
import { formatCidr, formatAddress } from '../../src/addr.js';
import { createCluster } from '../../src/model/cluster.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import { formatIgnored } from '../../src/model/ignored.js';
import { namedKey } from '../../src/model/keys.js';
import {
  HERE,
  drop,
  node,
  notReady,
  pod,
  put,
  ready,
  service,
  slice,
  webService,
} from './objects.js';

test('cluster: an event that changes nothing touches nothing', (t) => {
  const cluster = createCluster(HERE);
  const web = put('Service', webService('web', '10.96.0.1'));
  const endpoints = put('EndpointSlice', slice('s', 'web', [ready('10.0.0.1')]));
  t.deepEqual(cluster.apply(web).dirty, ['service:default/web']);
  t.deepEqual(cluster.apply(endpoints).dirty, ['service:default/web']);
  t.deepEqual(cluster.apply(web).dirty, []);
  t.deepEqual(cluster.apply(endpoints).dirty, []);
  t.deepEqual(cluster.apply(drop('EndpointSlice', 'unknown')).dirty, []);
});

test('cluster: a slice is held until its service comes', (t) => {
  const cluster = createCluster(HERE);
  t.deepEqual(
    cluster.apply(put('EndpointSlice', slice('s', 'web', [ready('10.0.0.1')]))).dirty,
    [],
  );
  t.deepEqual(cluster.apply(put('Service', webService('web', '10.96.0.1'))).dirty, [
    'service:default/web',
  ]);
  t.is([...cluster.slicesOf(namedKey('default', 'web'))].length, 1);
});

test('cluster: a slice that changes owner touches both services', (t) => {
  const cluster = createCluster(HERE);
  cluster.apply(put('Service', webService('a', '10.96.0.1')));
  cluster.apply(put('Service', webService('b', '10.96.0.2')));
  cluster.apply(put('EndpointSlice', slice('s', 'a', [ready('10.0.0.1')])));
  t.deepEqual(cluster.apply(put('EndpointSlice', slice('s', 'b', [ready('10.0.0.1')]))).dirty, [
    'service:default/a',
    'service:default/b',
  ]);
  t.deepEqual([...cluster.slicesOf(namedKey('default', 'a'))], []);
});

test('cluster: a service that becomes headless is gone, a new zone touches every service', (t) => {
  const cluster = createCluster(HERE);
  cluster.apply(put('Service', webService('web', '10.96.0.1')));
  const here = node(HERE, ['10.244.1.0/24'], ['192.0.2.1']);
  t.deepEqual(cluster.apply(put('Node', here)).dirty, ['node:node-a']);
  const labels = { 'topology.kubernetes.io/zone': 'z2' };
  t.deepEqual(cluster.apply(put('Node', { ...here, metadata: { name: HERE, labels } })).dirty, [
    'node:node-a',
    'service:default/web',
  ]);
  t.deepEqual(cluster.apply(put('Service', webService('web', 'None'))).dirty, [
    'service:default/web',
  ]);
  t.is(cluster.services.size, 0);
});

test('cluster: pods of other nodes touch nothing here', (t) => {
  const cluster = createCluster(HERE);
  t.deepEqual(cluster.apply(put('Pod', pod('p', ['10.0.0.1'], 'node-b'))).dirty, []);
  t.deepEqual(cluster.apply(put('Pod', pod('p', ['10.0.0.1']))).dirty, ['pod:default/p']);
  const finished = { ...pod('p', ['10.0.0.1']), status: { phase: 'Succeeded', podIP: '10.0.0.1' } };
  t.deepEqual(cluster.apply(put('Pod', finished)).dirty, ['pod:default/p']);
  t.is(cluster.pods.size, 0);
});

test('cluster: a pod on the host network has no network of its own', (t) => {
  const cluster = createCluster(HERE);
  const hostPod = pod('p', ['192.0.2.1']);
  const spec = { containers: [], nodeName: HERE, hostNetwork: true };
  t.deepEqual(cluster.apply(put('Pod', { ...hostPod, spec })).dirty, []);
});

test('cluster: nodes and pods keep one usable address a family and name the rest', (t) => {
  const cluster = createCluster(HERE);
  cluster.apply(put('Node', node('n', ['10.244.1.7/24', 'x'], ['192.0.2.1', 'fd00::1', 'y'])));
  const known = cluster.nodes.get(namedKey(undefined, 'n'));
  t.deepEqual(known?.podCIDRs.map(formatCidr), ['10.244.1.0/24']);
  t.deepEqual(known?.internalIPs.map(formatAddress), ['192.0.2.1', 'fd00::1']);
  t.deepEqual(known?.ignored, ['podCIDRs[1] "x": no prefix', 'InternalIP "y": no address']);
  cluster.apply(put('Node', node('link', ['169.254.7.0/24', 'fd00:7::/64'], [])));
  const link = cluster.nodes.get(namedKey(undefined, 'link'));
  t.deepEqual(link?.podCIDRs.map(formatCidr), ['fd00:7::/64']);
  t.deepEqual(link?.ignored, [
    'podCIDRs[0] "169.254.7.0/24": expected addresses for pods; those of 169.254.0.0/16 are link-local',
  ]);
  cluster.apply(put('Pod', pod('p', ['10.0.0.1', '10.0.0.2', 'fd00::2'])));
  const held = cluster.pods.get(namedKey('default', 'p'));
  t.deepEqual(held?.addresses.map(formatAddress), ['10.0.0.1', 'fd00::2']);
  t.deepEqual(held?.ignored, ['podIPs[1] "10.0.0.2": second IPv4 address']);
});

test('cluster: readiness alone is a change', (t) => {
  const cluster = createCluster(HERE);
  cluster.apply(put('Service', webService('web', '10.96.0.1')));
  cluster.apply(put('EndpointSlice', slice('s', 'web', [ready('10.0.0.1')])));
  t.deepEqual(
    cluster.apply(put('EndpointSlice', slice('s', 'web', [notReady('10.0.0.1')]))).dirty,
    ['service:default/web'],
  );
});

test('cluster: what cannot be used of an object is said when it is new, and not of other objects', (t) => {
  const cluster = createCluster(HERE);
  const said = (event: PutEvent | DeleteEvent) => cluster.apply(event).ignored.map(formatIgnored);
  const web = (externalIPs: string[], port = 80) => {
    const ports = [{ name: 'http', port, protocol: 'TCP' }];
    return put('Service', service('web', { clusterIP: '10.96.0.1', externalIPs, ports }));
  };
  const first = 'Service default/web: externalIPs[1] "x": no address';
  t.deepEqual(said(web(['192.0.2.1', 'x'])), [first]);
  t.deepEqual(said(web(['192.0.2.1', 'x'])), [], 'the same again');
  t.deepEqual(said(web(['192.0.2.1', 'x'], 81)), [], 'something else has changed');
  t.deepEqual(said(web(['192.0.2.1', 'x', 'y'])), [
    'Service default/web: externalIPs[2] "y": no address',
  ]);
  t.deepEqual(said(put('EndpointSlice', slice('s', 'none', [ready('10.0.0.1'), ready('z')]))), [
    'EndpointSlice default/s: endpoint "z": no IPv4 address',
  ]);
  t.deepEqual(said(put('Node', node('n', ['x'], []))), ['Node n: podCIDRs[0] "x": no prefix']);
  t.deepEqual(said(put('Pod', pod('p', ['q'], 'node-b'))), [
    'Pod default/p: podIPs[0] "q": no address',
  ]);
  t.deepEqual(said(web(['192.0.2.1'])), []);
  t.deepEqual(said(web(['192.0.2.1', 'x'])), [first], 'it has come back');
  t.deepEqual(said(drop('Service', 'web')), []);
});
