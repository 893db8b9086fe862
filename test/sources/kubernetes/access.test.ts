import test from 'ava';
import type { ExecutionContext } from 'ava';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createBackoff } from '../../../src/sources/kubernetes/backoff.js';
import { inClusterConnection } from '../../../src/sources/kubernetes/connection.js';
import { readKubeconfig } from '../../../src/sources/kubernetes/kubeconfig.js';
import { isNoLater } from '../../../src/sources/kubernetes/store.js';
import { temporary } from './watched.js';

async function folder(t: ExecutionContext): Promise<string> {
  const { dir, remove } = await temporary();
  t.teardown(remove);
  return dir;
}

async function kubeconfig(t: ExecutionContext, user: string, server = 'https://[::1]:6443/k8s') {
  const file = join(await folder(t), 'config');
  await writeFile(
    file,
    `current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "${server}", certificate-authority-data: Q0E=}}]
users: [{name: u, user: ${user}}]
`,
  );
  return file;
}

test('kubeconfig: inline data is base64, files are beside the kubeconfig', async (t) => {
  const file = await kubeconfig(t, '{token: t, client-certificate: c.pem, client-key-data: S0VZ}');
  await writeFile(join(file, '..', 'c.pem'), 'CERT');
  const connection = readKubeconfig(file);
  t.is(connection.server.href, 'https://[::1]:6443/k8s');
  t.deepEqual(await connection.credentials(), { ca: 'CA', cert: 'CERT', key: 'KEY', token: 't' });
});

for (const [user, key] of [
  ['{exec: {command: aws}}', 'exec'],
  ['{auth-provider: {name: gcp}}', 'auth-provider'],
  ['{username: me, password: x}', 'username'],
] as const) {
  test(`kubeconfig: ${key} is refused in one sentence`, async (t) => {
    const file = await kubeconfig(t, user);
    t.throws(() => readKubeconfig(file), {
      message: `${file}: user "u": ${key} is not supported: expected a token or a certificate`,
    });
  });
}

test('kubeconfig: plain http and unknown contexts are refused', async (t) => {
  const plain = await kubeconfig(t, '{token: t}', 'http://127.0.0.1:8001');
  t.throws(() => readKubeconfig(plain), { message: /expected an https address/ });
  await writeFile(plain, 'current-context: x\ncontexts: []\nclusters: []\n');
  t.throws(() => readKubeconfig(plain), { message: /no context "x"/ });
  t.throws(() => readKubeconfig('/nonexistent/config'), { message: /cannot read .*ENOENT/ });
});

test('service account: the pod finds server, token and certificate; elsewhere it says so', async (t) => {
  const dir = join(await folder(t), 'serviceaccount');
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  t.throws(() => inClusterConnection(env, dir), { message: /no service account/ });
  await mkdir(dir);
  await writeFile(join(dir, 'token'), 'one\n');
  await writeFile(join(dir, 'ca.crt'), 'CA');
  const connection = inClusterConnection(env, dir);
  t.is(connection.server.origin, 'https://[fd00::1]');
  t.is((await connection.credentials()).token, 'one');
  await writeFile(join(dir, 'token'), 'two\n');
  t.is((await connection.credentials()).token, 'two');
});

test('backoff: the bound doubles to its end, the wait is a share of it, success resets it', (t) => {
  const backoff = createBackoff({ baseMs: 500, maxMs: 30_000 }, () => 0.5);
  const waits = Array.from({ length: 8 }, () => backoff.next());
  t.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  t.is(backoff.next(20_000), 20_000);
  backoff.reset();
  t.is(backoff.next(), 250);
});

test('versions: decimal ones are compared as numbers, others never', (t) => {
  t.true(isNoLater('9', '10'));
  t.true(isNoLater('10', '10'));
  t.false(isNoLater('11', '10'));
  t.true(isNoLater('99999999999999999999', '100000000000000000000'));
  t.false(isNoLater('a', 'b'));
  t.false(isNoLater('1', undefined));
});
