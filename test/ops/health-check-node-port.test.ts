import test from 'ava';
import { createControl } from '../../src/compile/control.js';
import type { HealthCheck } from '../../src/compile/local-policy.js';
import type { ObjectKey } from '../../src/model/keys.js';
import { namedKey } from '../../src/model/keys.js';
import { createHealthCheckPorts } from '../../src/ops/health-check-node-port.js';
import { draining, drop, HERE, notReady, put, ready, service, slice } from '../model/objects.js';
import { freePort, occupy } from '../support/ports.js';
import { ask } from './request.js';

const WEB = namedKey('default', 'web');
const API = namedKey('default', 'api');
const CAPACITIES = { services: 64, backends: 64, setEntries: 64, maglevEntries: 4096, ranges: 64 };
const hosts = ['127.0.0.1'];

function wish(name: ObjectKey, port: number, localEndpoints: number): HealthCheck {
  return { service: name, port, localEndpoints };
}

function localService(name: string, healthCheckNodePort: number, more = {}) {
  return service(name, {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.1',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort,
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    ...more,
  });
}

test('health check: 0 local endpoints are 503, 18 are 200 with their weight; other services keep theirs [proxy 77]', async (t) => {
  const ports = createHealthCheckPorts({ nodeName: HERE, isHealthy: () => true, hosts });
  const [web, api] = [await freePort(), await freePort()];
  t.deepEqual(await ports.sync([wish(WEB, web, 0), wish(API, api, 3)]), []);

  const none = await ask(web);
  t.is(none.status, 503);
  t.is(none.headers['x-load-balancing-endpoint-weight'], '0');
  t.is(
    none.body,
    '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 0,\n\t"serviceProxyHealthy": true\n}',
  );

  t.deepEqual(await ports.sync([wish(WEB, web, 18), wish(API, api, 3)]), []);
  const some = await ask(web, '/any/path?q=1', 'DELETE');
  t.is(some.status, 200);
  t.is(some.headers['content-type'], 'application/json');
  t.is(some.headers['x-content-type-options'], 'nosniff');
  t.is(some.headers['x-load-balancing-endpoint-weight'], '18');
  t.is(
    some.body,
    '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 18,\n\t"serviceProxyHealthy": true\n}',
  );
  t.is((await ask(api)).headers['x-load-balancing-endpoint-weight'], '3');
  await ports.close();
});

test('health check: a service whose port changes leaves the old port and answers on the new one [proxy 78]', async (t) => {
  const ports = createHealthCheckPorts({ nodeName: HERE, isHealthy: () => true, hosts });
  const [before, after] = [await freePort(), await freePort()];
  t.deepEqual(await ports.sync([wish(WEB, before, 2)]), []);
  t.is((await ask(before)).status, 200);
  // A pass brings service and endpoints together: the count of the new port is that pass's.
  t.deepEqual(await ports.sync([wish(WEB, after, 0)]), []);
  await t.throwsAsync(ask(before), { code: 'ECONNREFUSED' });
  t.is((await ask(after)).status, 503);
  t.deepEqual(await ports.sync([wish(WEB, after, 2)]), []);
  t.is((await ask(after)).status, 200);
  await ports.close();
});

test('health check: an unhealthy proxy answers 503 with serviceProxyHealthy false, endpoints or not [proxy 79]', async (t) => {
  let isHealthy = false;
  const ports = createHealthCheckPorts({ nodeName: HERE, isHealthy: () => isHealthy, hosts });
  const port = await freePort();
  t.deepEqual(await ports.sync([wish(WEB, port, 5)]), []);
  const sick = await ask(port);
  t.is(sick.status, 503);
  t.is(sick.headers['x-load-balancing-endpoint-weight'], '5');
  t.regex(sick.body, /"localEndpoints": 5,\n\t"serviceProxyHealthy": false\n\}$/);
  isHealthy = true;
  t.is((await ask(port)).status, 200);
  await ports.close();
});

test('health check: only terminating endpoints here count as none [proxy 80]', (t) => {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES });
  control.apply(put('Service', localService('web', 32000)));
  control.apply(put('EndpointSlice', slice('web-1', 'web', [draining('10.1.0.1', HERE)])));
  t.deepEqual(control.healthChecks(), [wish(WEB, 32000, 0)]);
});

test('health check: an address with two ports counts once; other nodes and those not ready do not [proxy 81]', (t) => {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES });
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'https', port: 443, protocol: 'TCP' },
  ];
  control.apply(put('Service', localService('web', 32000, { ports })));
  const endpoints = [
    ready('10.1.0.1', HERE),
    ready('10.1.0.2', 'node-b'),
    notReady('10.1.0.3', HERE),
  ];
  const twice = ports.map(({ name }, i) => ({ name, port: 8080 + i, protocol: 'TCP' }));
  control.apply(put('EndpointSlice', slice('web-1', 'web', endpoints, twice)));
  t.deepEqual(control.healthChecks(), [wish(WEB, 32000, 1)]);
  control.apply(put('EndpointSlice', slice('web-6', 'web', [ready('fd00::1', HERE)], twice)));
  t.deepEqual(control.healthChecks(), [wish(WEB, 32000, 1)], 'a pod of both families counts once');
  control.apply(drop('Service', 'web'));
  t.deepEqual(control.healthChecks(), []);
});

test('health checks: only a LoadBalancer with externalTrafficPolicy Local has one', (t) => {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES });
  control.apply(put('Service', localService('a', 32000, { externalTrafficPolicy: 'Cluster' })));
  control.apply(put('Service', localService('b', 32001, { type: 'NodePort' })));
  control.apply(put('Service', localService('c', 0)));
  control.apply(put('Service', localService('d', 70000)));
  t.deepEqual(control.healthChecks(), []);
  t.true(
    control.explain().ignored.includes('Service default/d: healthCheckNodePort 70000: no port'),
  );
});

test('health checks: a port that is taken is named, leaves nothing open, and is tried again', async (t) => {
  const ports = createHealthCheckPorts({
    nodeName: HERE,
    isHealthy: () => true,
    hosts: ['127.0.0.2', '127.0.0.1'],
  });
  const taken = await occupy();
  const [problem, ...others] = await ports.sync([wish(WEB, taken.port, 1)]);
  t.deepEqual(others, []);
  t.regex(
    problem?.message ?? '',
    /^node node-a failed to start healthcheck "default\/web" on port \d+: .*EADDRINUSE/,
  );
  t.is(problem?.service, WEB);
  await taken.close();
  t.deepEqual(await ports.sync([wish(WEB, taken.port, 1)]), [], 'the first address was freed');
  t.is((await ask(taken.port)).status, 200);
  await ports.sync([]);
  await t.throwsAsync(ask(taken.port), { code: 'ECONNREFUSED' });
});

test('health checks: a port may move from one service to another in one pass', async (t) => {
  const ports = createHealthCheckPorts({ nodeName: HERE, isHealthy: () => true, hosts });
  const port = await freePort();
  t.deepEqual(await ports.sync([wish(WEB, port, 1)]), []);
  t.deepEqual(await ports.sync([wish(API, port, 1)]), []);
  t.regex((await ask(port)).body, /"name": "api"/);
  await ports.close();
});
