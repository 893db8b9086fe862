import type { ExecutionContext } from 'ava';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from '../../../src/sources/kubernetes/connection.js';
import { readKubeconfig } from '../../../src/sources/kubernetes/kubeconfig.js';
import type { service } from '../../model/objects.js';
import { HTTP, namespace, node, pod, ready, slice, webService } from '../../model/objects.js';
import { needs } from '../../support/skip.js';
import { startApiServer } from './api-server.js';
import type { ApiServer } from './api-server.js';
import { makeIdentity } from '../../support/certificates.js';
import { QUICK, temporary, watchDouble } from './watched.js';
import { until } from '../../support/until.js';
import type { Watched } from './watched.js';

const tlsTest = needs({ tools: ['openssl'] });

const A = { namespace: 'default', name: 'a' };

interface World {
  readonly dir: string;
  readonly server: ApiServer;
  readonly connection: Connection;
  watch(options?: Parameters<typeof watchDouble>[1]): Watched;
  /** Every kind has a stream. */
  following(): Promise<void>;
}

async function world(t: ExecutionContext, users = '{token: secret}'): Promise<World> {
  const { dir, remove } = await temporary();
  const identity = makeIdentity(dir, 'server');
  const server = await startApiServer({ identity });
  const file = join(dir, 'kubeconfig');
  await writeFile(file, kubeconfig(server.url, users));
  const connection = readKubeconfig(file);
  const watched: Watched[] = [];
  t.teardown(async () => {
    for (const each of watched) await each.stop();
    await server.close();
    await remove();
  });
  return {
    dir,
    server,
    connection,
    watch: (options) => {
      const started = watchDouble(connection, options);
      watched.push(started);
      return started;
    },
    following: () => until('all four kinds are watched', () => server.streams.size === 4),
  };
}

function kubeconfig(url: string, user: string): string {
  return `
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: double, user: agent}}]
clusters: [{name: double, cluster: {server: "${url}", certificate-authority: server.crt}}]
users: [{name: agent, user: ${user}}]
`;
}

function fill(server: ApiServer): void {
  server.put('Service', webService('a', '10.96.0.1'));
  server.put('EndpointSlice', slice('a-1', 'a', [ready('10.244.2.1')], [HTTP]));
  server.put('Node', node('node-b', ['10.244.2.0/24'], ['192.0.2.2']));
  server.put('Pod', pod('p1', ['10.244.1.1']));
}

const ALL = ['EndpointSlice default/a-1', 'Node node-b', 'Pod default/p1', 'Service default/a'];

tlsTest('kubernetes: synced comes once, after every object of the four kinds', async (t) => {
  const { server, watch } = await world(t);
  fill(server);
  const watched = watch();
  await until('synced', () => watched.synced() === 1);
  t.deepEqual(watched.known(), ALL);
  t.is(watched.events.at(-1)?.type, 'synced');
});

tlsTest(
  "kubernetes: another proxy's objects and other nodes' pods are not asked for",
  async (t) => {
    const { server, watch } = await world(t);
    fill(server);
    server.put('Pod', pod('p2', ['10.244.2.7'], 'node-b'));
    const labels = { 'service.kubernetes.io/service-proxy-name': 'other' };
    const theirs = webService('b', '10.96.0.2');
    server.put('Service', { ...theirs, metadata: { ...theirs.metadata, labels } });
    const watched = watch();
    await until('synced', () => watched.synced() === 1);
    t.deepEqual(watched.known(), ALL);
    const ours = webService('a', '10.96.0.1');
    server.put('Service', { ...ours, metadata: { ...ours.metadata, labels } });
    await until('the label takes it away', () => !watched.known().includes('Service default/a'));
  },
);

tlsTest(
  'kubernetes: names take namespaces, and Services and slices that no proxy has',
  async (t) => {
    const { server, watch } = await world(t);
    fill(server);
    server.put('Namespace', namespace('default'));
    server.put('Pod', pod('p2', ['10.244.2.7'], 'node-b'));
    const labels = { 'service.kubernetes.io/headless': '' };
    const headless = slice('h-1', 'h', [ready('10.244.2.9')]);
    const metadata = { ...headless.metadata, labels: { ...headless.metadata?.labels, ...labels } };
    server.put('EndpointSlice', { ...headless, metadata });
    const plain = watch();
    await until('synced', () => plain.synced() === 1);
    t.deepEqual(plain.known(), ALL);
    t.false(server.requests.some((request) => request.includes('/namespaces')));
    const named = watch({ names: { allPods: false } });
    await until('synced', () => named.synced() === 1);
    const more = ['EndpointSlice default/h-1', 'Namespace default'];
    t.deepEqual(named.known(), [...ALL, ...more].sort());
    const verified = watch({ names: { allPods: true } });
    await until('synced', () => verified.synced() === 1);
    t.deepEqual(verified.known(), [...ALL, ...more, 'Pod default/p2'].sort());
    server.remove('Namespace', { name: 'default' });
    await until('it has gone', () => !named.known().includes('Namespace default'));
  },
);

tlsTest('kubernetes: a list comes in pages and is in force as a whole', async (t) => {
  const { server, watch } = await world(t);
  for (let i = 0; i < 1203; i++) server.put('Service', webService(`s${i}`, '10.96.0.1'));
  const watched = watch();
  await until('synced', () => watched.synced() === 1);
  t.is(watched.known().length, 1203);
  t.is(server.requests.filter((r) => r.includes('services?') && r.includes('limit=500')).length, 3);
});

tlsTest('kubernetes: pages that expire are followed by one whole list', async (t) => {
  const { server, watch } = await world(t);
  Object.assign(server.faults, { pageSize: 2, expiredPages: 1 });
  for (let i = 0; i < 7; i++) server.put('Service', webService(`s${i}`, '10.96.0.1'));
  const watched = watch();
  await until('synced', () => watched.synced() === 1);
  t.is(watched.known().length, 7);
});

tlsTest('kubernetes: changes follow, and a bookmark is where the next watch begins', async (t) => {
  const { server, watch, following } = await world(t);
  fill(server);
  const watched = watch();
  await following();
  server.put('Service', webService('b', '10.96.0.2'));
  server.remove('Service', A);
  await until('b replaces a', () => watched.known().join().includes('Service default/b'));
  await until('a is gone', () => !watched.known().includes('Service default/a'));
  const before = server.requests.length;
  server.bookmark();
  server.end();
  await until('new watches', () => server.requests.length === before + 4);
  const at = `resourceVersion=${server.version()}`;
  t.deepEqual(
    server.requests.slice(before).filter((request) => !request.includes(at)),
    [],
  );
  t.true(server.requests.slice(before).every((r) => r.includes('allowWatchBookmarks=true')));
});

for (const fault of ['end', 'cut', 'reset'] as const) {
  tlsTest(
    `kubernetes: after ${fault} of the streams nothing is lost or listed again`,
    async (t) => {
      const { server, watch, following } = await world(t);
      fill(server);
      const watched = watch();
      await following();
      const lists = server.lists();
      server[fault]();
      server.put('Service', webService('b', '10.96.0.2'));
      server.remove('Service', A);
      await until('both changes are there', () => {
        const known = watched.known();
        return known.includes('Service default/b') && !known.includes('Service default/a');
      });
      t.is(server.lists(), lists);
    },
  );
}

for (const inStream of [true, false]) {
  const where = inStream ? 'in the stream' : 'on the request';
  tlsTest(`kubernetes: 410 ${where}: what vanished meanwhile is deleted`, async (t) => {
    const { server, watch, following } = await world(t);
    fill(server);
    const watched = watch();
    await following();
    server.hold();
    server.remove('Service', A);
    server.put('Service', webService('b', '10.96.0.2'));
    server.expire(inStream);
    server.release();
    await until('the new list is in force', () => watched.known().includes('Service default/b'));
    await until('a is gone', () => !watched.known().includes('Service default/a'));
    t.true(watched.counters.expired >= 1);
    const deletes = watched.events.filter(({ type }) => type === 'delete');
    t.deepEqual(deletes, [{ type: 'delete', kind: 'Service', key: 'default/a' as never }]);
  });
}

tlsTest('kubernetes: events that are repeated or come late change nothing', async (t) => {
  const { server, watch, following } = await world(t);
  fill(server);
  const watched = watch();
  await following();
  server.faults.isDoubling = true;
  server.hold();
  server.put('Service', webService('a', '10.96.0.1', 81));
  server.put('Service', webService('a', '10.96.0.1', 82));
  server.put('Service', webService('b', '10.96.0.2'));
  server.remove('Service', { namespace: 'default', name: 'b' });
  server.release();
  server.repeat(10);
  server.faults.isDoubling = false;
  server.put('Service', webService('last', '10.96.0.9'));
  await until('all is said', () => watched.known().includes('Service default/last'));
  t.false(watched.known().includes('Service default/b'));
  const a = watched.object('Service default/a') as ReturnType<typeof service> | undefined;
  t.is(a?.spec?.ports?.[0]?.port, 82);
  t.is(watched.events.filter((e) => e.type === 'put' && e.object.metadata?.name === 'a').length, 2);
});

tlsTest('kubernetes: a list that does not come is given up and asked for again', async (t) => {
  const { server, watch } = await world(t);
  fill(server);
  server.faults.stalledLists = 3;
  const watched = watch({ times: { ...QUICK, answerMs: 150 } });
  await until('synced', () => watched.synced() === 1);
  t.deepEqual(watched.known(), ALL);
  t.true(watched.lines.some(({ msg }) => String(msg).includes('no answer within 150 ms')));
});

tlsTest('kubernetes: a rotated token is found by itself', async (t) => {
  const { dir, server, watch } = await world(t, '{tokenFile: token}');
  fill(server);
  await writeFile(join(dir, 'token'), 'old\n');
  server.faults.token = 'new';
  const watched = watch();
  await until('it is refused', () => watched.counters.failures >= 4);
  t.is(watched.synced(), 0);
  t.true(watched.lines.some(({ msg }) => String(msg).includes('401 Unauthorized')));
  await writeFile(join(dir, 'token'), 'new\n');
  await until('synced', () => watched.synced() === 1);
});

tlsTest('kubernetes: a client certificate opens the door', async (t) => {
  const { dir, remove } = await temporary();
  const identity = makeIdentity(dir, 'server');
  const server = await startApiServer({ identity, clientCert: makeIdentity(dir, 'agent').cert });
  const file = join(dir, 'kubeconfig');
  const user = '{client-certificate: agent.crt, client-key: agent.key}';
  await writeFile(file, kubeconfig(server.url, user));
  fill(server);
  const watched = watchDouble(readKubeconfig(file));
  t.teardown(async () => {
    await watched.stop();
    await server.close();
    await remove();
  });
  await until('synced', () => watched.synced() === 1);
  t.deepEqual(watched.known(), ALL);
});

tlsTest(
  'kubernetes: while the server is away the snapshot is served, and a list replaces it [proxy 30]',
  async (t) => {
    const { dir, server, watch } = await world(t);
    const snapshotFile = join(dir, 'state', 'cluster.jsonl');
    fill(server);
    const first = watch({ snapshotFile });
    await until('synced', () => first.synced() === 1);
    await first.stop();
    await server.close();
    server.remove('Service', A);
    server.put('Service', webService('b', '10.96.0.2'));
    const second = watch({ snapshotFile });
    await until('the snapshot is served', () => second.synced() === 1);
    t.deepEqual(second.known(), ALL);
    await server.reopen();
    await until('lists are in force', () => second.synced() === 2);
    t.deepEqual(second.known(), [...ALL.slice(0, 3), 'Service default/b']);
  },
);

tlsTest('kubernetes: a snapshot that is damaged or of another node is not served', async (t) => {
  const { dir, server, watch } = await world(t);
  const snapshotFile = join(dir, 'cluster.jsonl');
  fill(server);
  const first = watch({ snapshotFile });
  await until('synced', () => first.synced() === 1);
  await first.stop();
  await server.close();
  const said = (watched: Watched, what: string) =>
    until(what, () => watched.lines.some(({ msg }) => String(msg).includes(what)));
  const other = watch({ snapshotFile, nodeName: 'node-z' });
  await said(other, 'of another node, cluster or version and not used');
  await writeFile(snapshotFile, (await readFile(snapshotFile, 'utf8')).replace('10.96', '10.97'));
  const damaged = watch({ snapshotFile });
  await said(damaged, 'is damaged and not used');
  t.deepEqual([...other.events, ...damaged.events], []);
});

tlsTest('kubernetes: a malformed object is one line and disturbs no other', async (t) => {
  const { server, watch, following } = await world(t);
  fill(server);
  server.put('Service', webService('bad', '10.96.0.3', 70000));
  const watched = watch();
  await following();
  t.deepEqual(watched.known(), ALL);
  server.put('Service', webService('a', '10.96.0.1', 0));
  server.expire(true);
  server.put('Service', webService('b', '10.96.0.2'));
  await until('the good one is there', () => watched.known().includes('Service default/b'));
  t.true(watched.known().includes('Service default/a'));
  t.deepEqual(
    watched.lines.flatMap(({ level, msg }) => (level === 'error' ? [msg] : [])),
    [
      'Service default/bad: spec.ports[0].port: 70000: expected a port number from 1 to 65535; left out',
      'Service default/a: spec.ports[0].port: 0: expected a port number from 1 to 65535; what it said before stays in force',
    ],
  );
  t.is(watched.counters.malformed, 2);
});

tlsTest('kubernetes: a field of a newer server is no mistake', async (t) => {
  const { server, watch } = await world(t);
  const { metadata, spec } = webService('a', '10.96.0.1');
  server.put('Service', { metadata, spec: { ...spec, fieldOfTomorrow: { x: 1 } } });
  const watched = watch();
  await until('synced', () => watched.synced() === 1);
  t.deepEqual(watched.known(), ['Service default/a']);
});

tlsTest("kubernetes: a pod's annotation does not choose a namespace to enter", async (t) => {
  const { server, watch } = await world(t);
  fill(server);
  const watched = watch();
  await until('synced', () => watched.synced() === 1);
  t.deepEqual(watched.object('Pod default/p1')?.metadata?.annotations, {});
});
