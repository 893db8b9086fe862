import test from 'ava';
import type { Service, ServiceSpec } from 'kubernetes-types/core/v1.js';
import { formatAddress, formatCidr } from '../../src/addr.js';
import { createCluster } from '../../src/model/cluster.js';
import { projectService } from '../../src/model/services.js';
import { HERE, annotated, put, service, webService } from './objects.js';

const PORTS = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }];

function balanced(spec: ServiceSpec, ingress: object[] = [{ ip: '203.0.113.1' }]): Service {
  const base = { clusterIP: '10.96.0.1', ports: PORTS, type: 'LoadBalancer' };
  const status = { loadBalancer: { ingress } };
  return { ...service('web', { ...base, ...spec }), status };
}

const vips = (ingress: object[]) =>
  projectService(balanced({}, ingress))?.loadBalancerIPs.map(formatAddress);

test('exposure: an ingress IP of a load balancer that ends connections is not programmed [proxy 18]', (t) => {
  const record = projectService(balanced({}, [{ ip: '203.0.113.1', ipMode: 'Proxy' }]));
  t.deepEqual(record?.loadBalancerIPs, []);
  t.is(record?.ports[0]?.nodePort, 30080);
  t.is(record?.clusterIPs.length, 1);
});

test('exposure: an ingress IP without ipMode, or VIP, is programmed; hostnames are not [proxy 19]', (t) => {
  t.deepEqual(vips([{ ip: '203.0.113.1' }, { ip: '203.0.113.2', ipMode: 'VIP' }]), [
    '203.0.113.1',
    '203.0.113.2',
  ]);
  t.deepEqual(vips([{ hostname: 'lb.example' }, { ip: '' }]), []);
});

test('exposure: node port 0 is none [proxy 20]', (t) => {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 0 }];
  const record = projectService(balanced({ ports, allocateLoadBalancerNodePorts: false }));
  t.is(record?.ports[0]?.nodePort, undefined);
  t.deepEqual(record?.loadBalancerIPs.map(formatAddress), ['203.0.113.1']);
});

test('exposure: a headless Service is nothing even with externalIPs and node ports [proxy 21]', (t) => {
  const spec = { clusterIP: 'None', type: 'NodePort', externalIPs: ['203.0.113.1'], ports: PORTS };
  t.is(projectService(service('web', spec)), undefined);
});

test('exposure: an ExternalName with a ClusterIP left over is nothing [proxy 22]', (t) => {
  t.is(projectService(balanced({ type: 'ExternalName' })), undefined);
});

test('exposure: zeros in front of numbers are decimal everywhere [proxy 23]', (t) => {
  const record = projectService(
    balanced(
      {
        clusterIP: '010.096.000.001',
        externalIPs: ['203.000.113.009'],
        loadBalancerSourceRanges: ['203.000.113.000/025'],
      },
      [{ ip: '203.000.113.001' }],
    ),
  );
  t.deepEqual(record?.clusterIPs.map(formatAddress), ['10.96.0.1']);
  t.deepEqual(record?.externalIPs.map(formatAddress), ['203.0.113.9']);
  t.deepEqual(record?.loadBalancerIPs.map(formatAddress), ['203.0.113.1']);
  t.deepEqual(record?.sourceRanges.map(formatCidr), ['203.0.113.0/25']);
  t.deepEqual(record?.ignored, []);
});

test('exposure: what is of a family the Service lacks is left out and named', (t) => {
  const record = projectService(
    balanced({ externalIPs: ['fd00::9', 'x'], loadBalancerSourceRanges: ['fd00::/8'] }, [
      { ip: 'fd00::1' },
    ]),
  );
  t.deepEqual(record?.externalIPs, []);
  t.deepEqual(record?.loadBalancerIPs, []);
  t.deepEqual(record?.sourceRanges, []);
  t.false(record?.hasBadRanges);
  t.deepEqual(record?.ignored, [
    'externalIPs[0] "fd00::9": the Service has no IPv6',
    'externalIPs[1] "x": no address',
    'ingress[0].ip "fd00::1": the Service has no IPv6',
    'loadBalancerSourceRanges[0] "fd00::/8": the Service has no IPv6',
  ]);
});

test('exposure: source ranges are trimmed, and a range that is none is remembered [proxy 58]', (t) => {
  const of = (...loadBalancerSourceRanges: string[]) =>
    projectService(balanced({ loadBalancerSourceRanges }));
  t.deepEqual(of(' 192.0.2.0/24 ', '\t198.51.100.0/24')?.sourceRanges.map(formatCidr), [
    '192.0.2.0/24',
    '198.51.100.0/24',
  ]);
  t.false(of(' 192.0.2.0/24')?.hasBadRanges);
  t.true(of('192.0.2.0/33')?.hasBadRanges);
  t.deepEqual(of('192.0.2.0/33')?.ignored, [
    'loadBalancerSourceRanges[0] "192.0.2.0/33": no prefix',
  ]);
});

test('exposure: affinity lasts three hours unless it is said otherwise', (t) => {
  const of = (spec: ServiceSpec) => projectService(balanced(spec));
  t.is(of({})?.affinitySec, 0);
  t.is(of({ sessionAffinity: 'None' })?.affinitySec, 0);
  t.is(of({ sessionAffinity: 'ClientIP' })?.affinitySec, 10800);
  const lasting = (timeoutSeconds: number) =>
    of({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } });
  t.is(lasting(90)?.affinitySec, 90);
  t.is(lasting(86401)?.affinitySec, 10800);
  t.deepEqual(lasting(0)?.ignored, ['sessionAffinity timeout 0: expected 1 to 86400']);
});

test('exposure: an algorithm that there is not is named, and the default counts', (t) => {
  const of = (algorithm: string) =>
    projectService(annotated(balanced({}), { 'sluice.dev/lb-algorithm': algorithm }));
  t.is(of('maglev')?.algorithm, 'maglev');
  t.is(of('round-robin')?.algorithm, 'round-robin');
  t.is(of('best')?.algorithm, undefined);
  t.deepEqual(of('best')?.ignored, [
    'sluice.dev/lb-algorithm "best": expected one of random, maglev, round-robin',
  ]);
});

test('exposure: externalTrafficPolicy counts only where the Service is seen from outside', (t) => {
  const of = (spec: ServiceSpec) =>
    projectService(balanced({ externalTrafficPolicy: 'Local', ...spec }));
  t.false(of({ type: 'ClusterIP' })?.externalLocal);
  t.true(of({ type: 'ClusterIP', externalIPs: ['203.0.113.1'] })?.externalLocal);
  t.true(of({ type: 'NodePort' })?.externalLocal);
  t.true(of({})?.externalLocal);
});

for (const [label, number] of [
  ['service.kubernetes.io/service-proxy-name', 25],
  ['service.kubernetes.io/headless', 26],
] as const) {
  test(`exposure: the label ${label} takes a live Service away, and gives it back [proxy ${number}]`, (t) => {
    const cluster = createCluster(HERE);
    const plain = webService('web', '10.96.0.1');
    const labelled = { ...plain, metadata: { ...plain.metadata, labels: { [label]: 'x' } } };
    cluster.apply(put('Service', plain));
    t.deepEqual(cluster.apply(put('Service', labelled)).dirty, ['service:default/web']);
    t.is(cluster.services.size, 0);
    t.deepEqual(cluster.apply(put('Service', plain)).dirty, ['service:default/web']);
    t.is(cluster.services.size, 1);
  });
}
