/** The agent's own socket and what the command line makes of its answers; no root, no kernel. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ServiceSpec } from 'kubernetes-types/core/v1.js';
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import { formatAddress, parseAddress } from '../../src/addr.js';
import { createControl } from '../../src/compile/control.js';
import type { ExplainedService, Explanation } from '../../src/compile/explain.js';
import { parseConfig } from '../../src/config/config.js';
import { traceIn } from '../../src/core/trace.js';
import { DataplaneError } from '../../src/errors.js';
import { ADMIN_SOCKET, adminHandler, askAgent } from '../../src/ops/admin.js';
import { listenLocally } from '../../src/http-server.js';
import type { NodeDesk } from '../../src/ops/ipam.js';
import { formatServices, readServices, selectServices } from '../../src/ops/services.js';
import type { TraceReport } from '../../src/ops/trace.js';
import { packageFile } from '../../src/package-root.js';
import { HERE, notReady, put, ready, service, slice, webService } from '../model/objects.js';
import { A4, B4, IF } from '../support/engine.js';
import { VIP, webOver } from '../stage/web.js';

const CAPACITIES = { services: 64, backends: 64, setEntries: 64, maglevEntries: 4096, ranges: 64 };

function stateDir(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-admin-'));
  t.teardown(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

function explanation(): Explanation {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES });
  control.apply(put('Service', webService('web', VIP)));
  control.apply(put('Service', webService('idle', '10.96.0.11')));
  const endpoints = [ready(B4), notReady('10.244.9.9')];
  control.apply(put('EndpointSlice', slice('web-1', 'web', endpoints)));
  control.apply({ type: 'synced' });
  control.flush();
  return control.explain();
}

async function serve(t: ExecutionContext, dir: string): Promise<void> {
  const engine = webOver(B4);
  const links = [
    { kind: 'pod', name: 'slca', ifindex: IF.POD_A, addresses: [parseAddress(A4)] },
  ] as const;
  const handler = adminHandler({
    explain: explanation,
    links: () => links,
    trace: (ifindex, frame) => Promise.resolve(traceIn(engine.core, ifindex, frame, engine.nowMs)),
  });
  const socket = await listenLocally(join(dir, ADMIN_SOCKET), handler);
  t.teardown(socket.close);
}

/** The command in a process of its own. */
function run(args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const cli = packageFile('src/cli.ts');
  const child = spawn(process.execPath, ['--import=tsx', cli, ...args], { stdio: 'pipe' });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })));
}

function config(dir: string) {
  const text = `apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nnodeName: n1\nsource: { files: . }\nstateDir: ${dir}\n`;
  return parseConfig(text, join(dir, 'sluice.yaml'), 'host');
}

test('admin: the socket is for its owner only, and nothing else is left beside it', async (t) => {
  const dir = stateDir(t);
  await serve(t, dir);
  const { mode } = statSync(join(dir, ADMIN_SOCKET));
  t.is(mode & 0o777, 0o600);
  t.deepEqual(readdirSync(dir), [ADMIN_SOCKET]);
});

test('admin: the socket of an agent that died is replaced; one that stops takes its own away', async (t) => {
  const dir = stateDir(t);
  const path = join(dir, ADMIN_SOCKET);
  writeFileSync(path, '');
  const socket = await listenLocally(path, adminHandler({} as never));
  t.true(statSync(path).isSocket());
  await t.throwsAsync(askAgent(dir, '/nothing'), { code: 'ERR_STATE', message: /404/ });
  await socket.close();
  t.false(existsSync(path));
  t.is(await askAgent(dir, '/services'), undefined);
});

test('admin: what an agent was making when it was killed is removed by the next one', async (t) => {
  const dir = stateDir(t);
  const [old, young] = [`${ADMIN_SOCKET}.Ab1Cd2`, `${ADMIN_SOCKET}.Ef3Gh4`];
  for (const name of [old, young]) mkdirSync(join(dir, name));
  writeFileSync(join(dir, old, 's'), '');
  const longAgo = new Date(Date.now() - 120_000);
  utimesSync(join(dir, old), longAgo, longAgo);
  await serve(t, dir);
  // The younger one may be of somebody who is at it now.
  t.deepEqual(readdirSync(dir).sort(), [ADMIN_SOCKET, young]);
});

test('admin: a trace over the socket is what the engine says', async (t) => {
  const dir = stateDir(t);
  await serve(t, dir);
  const query = new URLSearchParams({ from: `${A4}:40000`, to: `${VIP}:80/TCP` });
  const report = (await askAgent(dir, `/trace?${query.toString()}`)) as TraceReport;
  t.is(report.verdict, 'TX');
  t.is(report.stages[1]?.decision, 'came by slca of pod ?');
});

test('admin: a bad request is the fault of the caller, in one line', async (t) => {
  const dir = stateDir(t);
  await serve(t, dir);
  const message = '--from: "": expected IP:PORT such as 10.0.0.1:80 or [fd00::1]:80';
  await t.throwsAsync(askAgent(dir, '/trace?to=10.0.0.1:80'), { code: 'ERR_USAGE', message });
});

test('admin: an address is released by POST only, and refusals are the caller`s', async (t) => {
  const dir = stateDir(t);
  const released: string[] = [];
  const desk: NodeDesk = {
    show: () => Promise.resolve({ mode: 'range', pools: [], nodes: [], complaints: [] }),
    check: () => Promise.resolve([{ kind: 'leaked', subject: '10.1.2.3', text: 'of nobody' }]),
    release: (address, isForced) => {
      if (!isForced) throw new DataplaneError('ERR_USAGE', 'in use');
      released.push(formatAddress(address));
      return Promise.resolve('given back');
    },
    attachments: () => [],
  };
  const socket = await listenLocally(join(dir, ADMIN_SOCKET), adminHandler({ desk } as never));
  t.teardown(socket.close);
  const release = '/ipam/release?address=10.1.2.3';
  const refused = (path: string, message: string, method: 'GET' | 'POST' = 'POST') =>
    t.throwsAsync(askAgent(dir, path, method), { code: 'ERR_USAGE', message });
  await refused(`${release}&force=true`, '/ipam/release: GET: expected POST', 'GET');
  await refused(release, 'in use');
  await refused('/ipam/release?address=x', 'address: "x": expected an IP address');
  t.is(await askAgent(dir, `${release}&force=true`, 'POST'), 'given back');
  t.deepEqual(released, ['10.1.2.3']);
  t.deepEqual(await askAgent(dir, '/attachments'), []);
  t.like(await askAgent(dir, '/ipam'), { mode: 'range' });

  const file = join(dir, 'sluice.yaml');
  const text = `apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nnodeName: n1\nstateDir: ${dir}\n`;
  writeFileSync(file, text);
  const sluice = (...args: string[]) => run(['ipam', ...args, '-c', file]);
  t.deepEqual(await sluice('check'), { code: 1, text: 'leaked 10.1.2.3: of nobody\n' });
  t.deepEqual(await sluice('show'), { code: 0, text: 'no ranges\n' });
  t.deepEqual(await sluice('release', '10.1.2.3'), { code: 1, text: 'sluice: in use\n' });
  t.deepEqual(await sluice('release', '10.1.2.3', '--force'), { code: 0, text: 'given back\n' });
  await socket.close();
  t.deepEqual(await sluice('show'), {
    code: 1,
    text: 'sluice: no agent runs on n1: it keeps the addresses\n',
  });
});

test('admin: an agent without cni says so', async (t) => {
  const dir = stateDir(t);
  await serve(t, dir);
  await t.throwsAsync(askAgent(dir, '/ipam'), { code: 'ERR_USAGE', message: /^cni: missing/ });
});

test('services: asked of the agent, read from its file when it is dead, refused without either', async (t) => {
  const dir = stateDir(t);
  await t.throwsAsync(readServices(config(dir)), {
    code: 'ERR_STATE',
    message: `no agent runs on n1, and none has left its state in ${dir}`,
  });
  const left = { pid: 7, since: '2026-01-01T00:00:00.000Z', control: explanation() };
  writeFileSync(join(dir, 'status.json'), JSON.stringify(left));
  const read = await readServices(config(dir));
  t.is(read.leftBy, 'pid 7 since 2026-01-01T00:00:00.000Z');
  t.regex(formatServices(read.services, read.leftBy), /^no agent runs: as it was left by pid 7 /);
  await serve(t, dir);
  const asked = await readServices(config(dir));
  t.is(asked.leftBy, undefined);
  t.deepEqual(
    asked.services.map(({ key }) => key),
    read.services.map(({ key }) => key),
  );
});

test('services: names select ports, and a name that is none is refused', (t) => {
  const { services } = explanation();
  const keys = (name?: string) => selectServices(services, name).map(({ key }) => key);
  t.deepEqual(keys(), ['default/idle:http/TCP', 'default/web:http/TCP']);
  t.deepEqual(keys('web'), ['default/web:http/TCP']);
  t.deepEqual(keys('default/idle'), ['default/idle:http/TCP']);
  t.deepEqual(keys('default/web:http'), ['default/web:http/TCP']);
  t.throws(() => keys('we'), { code: 'ERR_USAGE', message: 'no service "we" on this node' });
});

const NODE_LOCAL = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };

/** One Service as a node explains it that serves node ports on 192.0.2.1. */
function explained(
  spec: ServiceSpec,
  endpoints: Endpoint[],
  ingress: string[] = [],
): ExplainedService[] {
  const control = createControl({
    nodeName: HERE,
    capacities: CAPACITIES,
    nodeAddresses: [parseAddress('192.0.2.1')],
    algorithm: 'maglev',
  });
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }];
  const status = { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } };
  const object = { ...service('web', { clusterIP: '10.96.0.10', ports, ...spec }), status };
  control.apply(put('Service', object));
  control.apply(put('EndpointSlice', slice('web-1', 'web', endpoints)));
  control.apply({ type: 'synced' });
  control.flush();
  return [...control.explain().services];
}

test('services: frontends, policies, algorithm, affinity, ranges, both sets and every endpoint', (t) => {
  const spec = {
    ...NODE_LOCAL,
    sessionAffinity: 'ClientIP',
    loadBalancerSourceRanges: ['203.0.113.0/24'],
  };
  const endpoints = [ready('10.244.1.3', HERE), ready('10.244.2.7'), notReady('10.244.9.9')];
  t.is(
    formatServices(explained(spec, endpoints, ['198.51.100.7'])),
    `default/web:http/TCP (LoadBalancer, IPv4)
  frontend   10.96.0.10:80 (ClusterIP) to cluster
  frontend   198.51.100.7:80 (LoadBalancer) to local
  frontend   192.0.2.1:30080 (NodePort) to local
  policies   internal Cluster, external Local
  algorithm  maglev
  affinity   10800 s by client address
  sources    203.0.113.0/24
  cluster    2 of 3 endpoints, Maglev slots: 251
  local      1 of 3 endpoints, Maglev slots: 1
  ENDPOINT         WEIGHT  CLUSTER         LOCAL
  10.244.1.3:8080  1       in: ready       in: ready
  10.244.2.7:8080  1       in: ready       out: on another node
  10.244.9.9:8080  1       out: not ready  out: on another node`,
  );
});

test('services: an empty set says what a new flow meets, an unused one that it is', (t) => {
  const elsewhere = explained({ ...NODE_LOCAL, internalTrafficPolicy: 'Local' }, [
    ready('10.244.2.7'),
  ]);
  const nobody = explained({ ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }, [
    notReady('10.244.9.9'),
  ]);
  t.is(
    formatServices(elsewhere),
    `default/web:http/TCP (LoadBalancer, IPv4)
  frontend   10.96.0.10:80 (ClusterIP) to local
  frontend   192.0.2.1:30080 (NodePort) to local
  policies   internal Local, external Local
  algorithm  maglev
  affinity   none
  cluster    1 of 1 endpoints, Maglev slots: 1
  local      0 of 1 endpoints, so a new flow meets DROP
  ENDPOINT         WEIGHT  CLUSTER    LOCAL
  10.244.2.7:8080  1       in: ready  out: on another node`,
  );
  t.is(
    formatServices(nobody),
    `default/web:http/TCP (ClusterIP, IPv4)
  frontend   10.96.0.10:80 (ClusterIP) to cluster
  policies   internal Cluster, external Cluster
  algorithm  maglev
  affinity   none
  cluster    0 of 1 endpoints, so a new flow meets REJECT
  local      not used: no policy asks for it
  ENDPOINT         WEIGHT  CLUSTER         LOCAL
  10.244.9.9:8080  1       out: not ready  -`,
  );
  t.is(formatServices([]), 'no services');
});

test('services: ranges of which none could be read close the load balancer', (t) => {
  const open = formatServices(explained(NODE_LOCAL, [], ['198.51.100.7']));
  t.true(open.includes('\n  sources    everywhere\n'));
  const bad = { ...NODE_LOCAL, loadBalancerSourceRanges: ['x'] };
  const closed = formatServices(explained(bad, [], ['198.51.100.7']));
  t.true(closed.includes('\n  sources    nowhere: no range could be read\n'));
});

test('services: what has not been programmed yet says so', (t) => {
  const [web] = explained({}, [ready('10.244.2.7')]);
  t.truthy(web);
  if (web === undefined) return;
  t.false(formatServices([web]).includes('not programmed'));
  t.true(formatServices([{ ...web, idx: undefined }]).includes('\n  rows       not programmed\n'));
});
