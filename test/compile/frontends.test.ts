import test from 'ava';
import type { Service, ServiceSpec } from 'kubernetes-types/core/v1.js';
import { parseAddress, parseCidr } from '../../src/addr.js';
import { createControl } from '../../src/compile/control.js';
import type { PutEvent } from '../../src/model/events.js';
import { HERE, drop, node, put, ready, service, slice, webService } from '../model/objects.js';
import { compiled, frontendsIn, serviceIn } from './reading.js';

const NODE = put('Node', node(HERE, ['10.244.1.0/24'], ['192.0.2.1', '2001:db8::1']));
const PORTS = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }];

function web(spec: ServiceSpec, ingress: string[] = []): PutEvent {
  const object: Service = service('web', { clusterIP: '10.96.0.1', ports: PORTS, ...spec });
  const status = { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } };
  return put('Service', { ...object, status });
}

const frontends = (...events: PutEvent[]) => frontendsIn(compiled([NODE, ...events]));

test('frontends: every kind leads to the one service row of its port and family', (t) => {
  const spec = { type: 'LoadBalancer', externalIPs: ['203.0.113.9'] };
  const rows = compiled([NODE, web(spec, ['203.0.113.1'])]);
  t.deepEqual(frontendsIn(rows), [
    'CLUSTER_IP 10.96.0.1:80/TCP',
    'EXTERNAL_IP 203.0.113.9:80/TCP',
    'LOAD_BALANCER 203.0.113.1:80/TCP',
    'NODE_PORT 192.0.2.1:30080/TCP',
  ]);
  t.is([...rows.keys()].filter((key) => key.startsWith('service ')).length, 1);
});

test('frontends: a dual-stack Service has each family by itself, ranges too [proxy 24]', (t) => {
  const spec = {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.1', 'fd00::1'],
    ipFamilies: ['IPv4', 'IPv6'],
    externalIPs: ['203.0.113.9', '2001:db8::9'],
    loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/32', '2001:db9::/32'],
  };
  const rows = compiled([NODE, web(spec, ['203.0.113.1', '2001:db8::f'])]);
  const ranges = (name: string) => serviceIn(rows, name).row.ranges.length / 32;
  t.deepEqual(
    frontendsIn(rows).filter((text) => !text.includes('[')),
    [
      'CLUSTER_IP 10.96.0.1:80/TCP',
      'EXTERNAL_IP 203.0.113.9:80/TCP',
      'LOAD_BALANCER 203.0.113.1:80/TCP',
      'NODE_PORT 192.0.2.1:30080/TCP',
    ],
  );
  t.deepEqual(
    frontendsIn(rows).filter((text) => text.includes('[')),
    [
      'CLUSTER_IP [fd00::1]:80/TCP',
      'EXTERNAL_IP [2001:db8::9]:80/TCP',
      'LOAD_BALANCER [2001:db8::f]:80/TCP',
      'NODE_PORT [2001:db8::1]:30080/TCP',
    ],
  );
  t.is(ranges('default/web:http/TCP IPv4'), 1);
  t.is(ranges('default/web:http/TCP IPv6'), 2);
});

test('frontends: an address of a family that the Service lacks makes none', (t) => {
  t.deepEqual(frontends(web({ type: 'NodePort', externalIPs: ['2001:db8::9'] })), [
    'CLUSTER_IP 10.96.0.1:80/TCP',
    'NODE_PORT 192.0.2.1:30080/TCP',
  ]);
});

test('frontends: they come and go with the type [proxy 27]', (t) => {
  const name = web({ type: 'ExternalName' });
  const cluster = web({ type: 'ClusterIP', ports: [{ ...PORTS[0], port: 80, nodePort: 0 }] });
  t.deepEqual(frontends(name), []);
  t.deepEqual(frontends(name, cluster), ['CLUSTER_IP 10.96.0.1:80/TCP']);
  t.deepEqual(frontends(name, cluster, web({ type: 'NodePort' })), [
    'CLUSTER_IP 10.96.0.1:80/TCP',
    'NODE_PORT 192.0.2.1:30080/TCP',
  ]);
  t.deepEqual(frontends(name, cluster, web({ type: 'NodePort' }), name), []);
});

test('frontends: of Services started, deleted and created only the live ones are there [proxy 28]', (t) => {
  const one = put('Service', webService('one', '10.96.0.2'));
  const two = put('Service', webService('two', '10.96.0.3'));
  const three = put('Service', webService('three', '10.96.0.2'));
  const rows = compiled([one, two, drop('Service', 'one'), three]);
  t.deepEqual(frontendsIn(rows), ['CLUSTER_IP 10.96.0.2:80/TCP', 'CLUSTER_IP 10.96.0.3:80/TCP']);
});

test('frontends: a node port that changes leaves the old one [proxy 94]', (t) => {
  const [port] = PORTS;
  const moved = [{ ...port, port: 80, nodePort: 30081 }];
  const changed = frontends(web({ type: 'NodePort' }), web({ type: 'NodePort', ports: moved }));
  t.deepEqual(changed, ['CLUSTER_IP 10.96.0.1:80/TCP', 'NODE_PORT 192.0.2.1:30081/TCP']);
});

test('frontends: a load balancer without node ports has none [proxy 20]', (t) => {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  t.deepEqual(frontends(web({ type: 'LoadBalancer', ports }, ['203.0.113.1'])), [
    'CLUSTER_IP 10.96.0.1:80/TCP',
    'LOAD_BALANCER 203.0.113.1:80/TCP',
  ]);
});

test('frontends: a node port gives way to whoever has the address and port itself', (t) => {
  const ports = [{ name: 'http', port: 30080, protocol: 'TCP' }];
  const other = service('zoo', { clusterIP: '10.96.0.7', externalIPs: ['192.0.2.1'], ports });
  for (const events of [
    [web({ type: 'NodePort' }), put('Service', other)],
    [put('Service', other), web({ type: 'NodePort' })],
  ]) {
    t.true(frontends(...events).includes('EXTERNAL_IP 192.0.2.1:30080/TCP'));
  }
  const grabber = service('aaa', {
    clusterIP: '10.96.0.9',
    externalIPs: ['10.96.0.1'],
    ports: PORTS,
  });
  t.true(frontends(put('Service', grabber), web({})).includes('CLUSTER_IP 10.96.0.1:80/TCP'));
});

test('frontends: an address that is the load balancer and an externalIP keeps its ranges', (t) => {
  const spec = { type: 'LoadBalancer', externalIPs: ['203.0.113.1'] };
  t.true(frontends(web(spec, ['203.0.113.1'])).includes('LOAD_BALANCER 203.0.113.1:80/TCP'));
});

test('frontends: only externalIPs that are allowed are taken, and the others are named', (t) => {
  const control = createControl({
    nodeName: HERE,
    capacities: { services: 8, backends: 8, setEntries: 8, maglevEntries: 0, ranges: 0 },
    allowedExternalIPs: [parseCidr('203.0.113.0/24')],
  });
  control.apply(web({ externalIPs: ['203.0.113.1', '198.51.100.1'] }));
  const { services, ignored } = control.explain();
  t.deepEqual(
    services[0]?.frontends.map(({ kind, address }) => `${kind} ${address}`),
    ['ClusterIP 10.96.0.1:80', 'ExternalIP 203.0.113.1:80'],
  );
  t.deepEqual(ignored, ['Service default/web: externalIP "198.51.100.1": not allowed']);
});

test('frontends: one number of three protocols is three frontends over three services [proxy 5]', (t) => {
  const protocols = ['TCP', 'UDP', 'SCTP'];
  const ports = protocols.map((protocol) => ({ name: protocol, port: 80, protocol }));
  const targets = protocols.map((protocol, i) => ({ name: protocol, port: 8080 + i, protocol }));
  const rows = compiled([
    put('Service', service('web', { clusterIP: '10.96.0.1', ports })),
    put('EndpointSlice', slice('s', 'web', [ready('10.0.0.1')], targets)),
  ]);
  t.deepEqual(frontendsIn(rows), [
    'CLUSTER_IP 10.96.0.1:80/SCTP',
    'CLUSTER_IP 10.96.0.1:80/TCP',
    'CLUSTER_IP 10.96.0.1:80/UDP',
  ]);
  protocols.forEach((protocol, i) => {
    const { cluster } = serviceIn(rows, `default/web:${protocol}/${protocol} IPv4`);
    t.deepEqual(cluster, [`10.0.0.1:${8080 + i}`]);
  });
});

test('frontends: node ports follow the addresses of the node', (t) => {
  const events = [NODE, web({ type: 'NodePort' })];
  const localAddresses = [parseAddress('192.0.2.1'), parseAddress('198.51.100.1')];
  const on = (...entries: ('all' | 'localhost')[]) =>
    frontendsIn(compiled(events, { localAddresses, nodePortAddresses: entries })).slice(1);
  t.deepEqual(on('all'), ['NODE_PORT 192.0.2.1:30080/TCP', 'NODE_PORT 198.51.100.1:30080/TCP']);
  t.deepEqual(on('localhost'), ['NODE_PORT 127.0.0.1:30080/TCP']);
});
