import test from 'ava';
import { formatAddress } from '../../src/addr.js';
import { projectService } from '../../src/model/services.js';
import { service, webService } from './objects.js';

const PORTS = [{ name: 'http', port: 80, protocol: 'TCP' }];

test('services: headless, ExternalName and address-less services are not programmed', (t) => {
  t.is(projectService(service('a', { clusterIP: 'None', ports: PORTS })), undefined);
  t.is(projectService(service('a', { clusterIP: '', ports: PORTS })), undefined);
  t.is(projectService(service('a', { ports: PORTS })), undefined);
  const external = { type: 'ExternalName', clusterIP: '10.96.0.1', ports: PORTS };
  t.is(projectService(service('a', external)), undefined);
});

test('services: an object labelled for another proxy is invisible, whatever the value', (t) => {
  const base = webService('a', '10.96.0.1');
  for (const label of [
    'service.kubernetes.io/service-proxy-name',
    'service.kubernetes.io/headless',
  ]) {
    const metadata = { ...base.metadata, labels: { [label]: '' } };
    t.is(projectService({ ...base, metadata }), undefined, label);
  }
});

test('services: each family takes the address at the index of its family', (t) => {
  const record = projectService(
    service('a', {
      clusterIP: 'fd00::1',
      clusterIPs: ['fd00::1', '10.96.0.1'],
      ipFamilies: ['IPv6', 'IPv4'],
      ports: PORTS,
    }),
  );
  t.deepEqual(record?.clusterIPs.map(formatAddress), ['10.96.0.1', 'fd00::1']);
});

test('services: a family the service lacks has no address even if one is listed', (t) => {
  const record = projectService(
    service('a', {
      clusterIP: '10.96.0.1',
      clusterIPs: ['10.96.0.1', 'fd00::1'],
      ipFamilies: ['IPv4'],
      ports: PORTS,
    }),
  );
  t.deepEqual(record?.clusterIPs.map(formatAddress), ['10.96.0.1']);
});

test('services: leading zeros are decimal and an IPv4-mapped address is IPv4, as in Kubernetes', (t) => {
  t.deepEqual(projectService(webService('a', '010.096.0.1'))?.clusterIPs.map(formatAddress), [
    '10.96.0.1',
  ]);
  t.deepEqual(projectService(webService('a', '::ffff:10.96.0.1'))?.clusterIPs.map(formatAddress), [
    '10.96.0.1',
  ]);
});

test('services: what cannot be used is named, the rest goes on', (t) => {
  const record = projectService(
    service('a', {
      clusterIP: 'bogus',
      clusterIPs: ['bogus', 'fd00::1'],
      ipFamilies: ['IPv4', 'IPv6'],
      ports: [
        { name: 'p', port: 80, protocol: 'TCP' },
        { name: 'p', port: 81, protocol: 'TCP' },
        { name: 'q', port: 82, protocol: 'DCCP' },
      ],
    }),
  );
  t.deepEqual(record?.clusterIPs.map(formatAddress), ['fd00::1']);
  t.deepEqual(
    record?.ports.map(({ port }) => port),
    [80],
  );
  t.deepEqual(record?.ignored, [
    'clusterIP "bogus": no IPv4 address',
    'port 81: second port named "p"',
    'port 82: protocol DCCP',
  ]);
});

test('services: one port name may stand for TCP and UDP', (t) => {
  const record = projectService(
    service('dns', {
      clusterIP: '10.96.0.10',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns', port: 53, protocol: 'TCP' },
      ],
    }),
  );
  t.deepEqual(
    record?.ports.map(({ key }) => key as string),
    ['default/dns:dns/UDP', 'default/dns:dns/TCP'],
  );
});
