import test from 'ava';
import { formatAddress } from '../../src/addr.js';
import { createCluster } from '../../src/model/cluster.js';
import { namedKey } from '../../src/model/keys.js';
import { HERE, drop, namespace, pod, put, service, webService } from './objects.js';

const key = (name: string) => namedKey('default', name);

test("named: Services that no proxy has are there: headless, of a name, another proxy's", (t) => {
  const { apply, named, services } = createCluster(HERE);
  const labels = { 'service.kubernetes.io/service-proxy-name': 'x' };
  const foreign = webService('foreign', '10.96.0.9');
  t.deepEqual(apply(put('Service', service('h', { clusterIP: 'None' }))).names, [
    'namespace:default',
    'service:default/h',
  ]);
  const external = service('e', { type: 'ExternalName', externalName: 'a.example' });
  t.deepEqual(apply(put('Service', external)).names, ['service:default/e']);
  apply(put('Service', { ...foreign, metadata: { ...foreign.metadata, labels } }));
  t.is(services.size, 0);
  t.true(named.services.get(key('h'))?.isHeadless);
  t.is(named.services.get(key('e'))?.externalName, 'a.example');
  t.deepEqual(named.services.get(key('foreign'))?.clusterIPs.map(formatAddress), ['10.96.0.9']);
});

test('named: both ClusterIPs, of which old objects have only the one', (t) => {
  const { apply, named } = createCluster(HERE);
  const clusterIPs = ['10.0.0.3', '10::3'];
  apply(put('Service', service('dual', { clusterIP: '10.0.0.3', clusterIPs })));
  apply(put('Service', service('old', { clusterIP: '10.0.0.4' })));
  apply(put('Service', service('pending', {})));
  const shown = ['dual', 'old', 'pending'].map((name) =>
    named.services.get(key(name))?.clusterIPs.map(formatAddress),
  );
  t.deepEqual(shown, [clusterIPs, ['10.0.0.4'], []]);
});

test('named: a namespace is there by its object, or by a Service in it', (t) => {
  const { apply, named } = createCluster(HERE);
  t.deepEqual(apply(put('Namespace', namespace('a', { x: 'y' }))).names, ['namespace:a']);
  t.deepEqual(apply(put('Namespace', namespace('a', { x: 'y' }))).names, []);
  t.deepEqual(named.namespaces.get(namedKey('', 'a'))?.labels, ['x=y']);
  apply(put('Service', webService('one', '10.0.0.1')));
  t.deepEqual(apply(put('Service', webService('two', '10.0.0.2'))).names, ['service:default/two']);
  t.true(named.hasNamespace('default'));
  t.deepEqual(apply(drop('Service', 'one')).names, ['service:default/one']);
  t.deepEqual(apply(drop('Service', 'two')).names, ['namespace:default', 'service:default/two']);
  t.false(named.hasNamespace('default'));
  t.deepEqual(apply(drop('Namespace', 'a')).names, ['namespace:a']);
  t.false(named.hasNamespace('a'));
});

test("named: pods that live, those on the host's network too; none that leaves", (t) => {
  const { apply, named } = createCluster(HERE);
  const host = pod('host', ['10.0.0.1'], 'node-b');
  apply(put('Pod', { ...host, spec: { hostNetwork: true, containers: [] } }));
  t.deepEqual(named.pods.get(key('host'))?.addresses.map(formatAddress), ['10.0.0.1']);
  const leaving = {
    ...host,
    metadata: { ...host.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
  };
  t.deepEqual(apply(put('Pod', leaving)).names, ['pod:default/host']);
  t.is(named.pods.size, 0);
  for (const phase of ['Succeeded', 'Failed', 'Unknown']) {
    apply(put('Pod', { ...host, status: { ...host.status, phase } }));
    t.is(named.pods.size, 0, phase);
  }
  apply(put('Pod', { ...host, status: { phase: 'Running', podIP: '10.0.0.1' } }));
  t.is(named.pods.size, 1);
});

test('named: everything there is to make names of', (t) => {
  const { apply, named } = createCluster(HERE);
  apply(put('Namespace', namespace('a')));
  apply(put('Service', webService('web', '10.0.0.1')));
  apply(put('Pod', pod('p', ['10.0.0.2'])));
  t.deepEqual(named.allKeys(), [
    'namespace:a',
    'namespace:default',
    'service:default/web',
    'pod:default/p',
  ]);
});
