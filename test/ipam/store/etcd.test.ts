import test from 'ava';
import { openEtcdStore } from '../../../src/ipam/store/etcd.js';
import { needs, whyNot } from '../../support/skip.js';
import { storeClaims } from './contract.js';
import { startEtcd } from '../../support/etcd.js';
import { kindOf } from './kind-of.js';

const tools = { tools: ['etcd'] };
const etcdTest = needs(tools);
let server: Awaited<ReturnType<typeof startEtcd>> | undefined;
let count = 0;

if (whyNot(tools) === undefined) {
  test.before(async () => {
    server = await startEtcd();
  });
  test.after.always(async () => {
    await server?.stop();
  });
}

const options = (prefix: string, timeoutMs = 5_000) => ({
  endpoints: [server?.endpoint ?? ''],
  prefix,
  timeoutMs,
});

storeClaims(
  'etcd',
  async () => {
    const prefix = `/sluice/test-${count++}`;
    const stores = [await openEtcdStore(options(prefix)), await openEtcdStore(options(prefix))];
    const [a, b] = stores;
    if (a === undefined || b === undefined) throw new Error('no store');
    return { stores: [a, b], close: () => Promise.resolve() };
  },
  etcdTest,
);

etcdTest('store: etcd: a server that is silent or gone is unavailable, in time', async (t) => {
  // Of its own: the other tests of this file run meanwhile, against the shared one.
  const paused = await startEtcd();
  t.teardown(paused.stop);
  const endpoints = [paused.endpoint];
  const silent = await openEtcdStore({ ...options('/silent', 300), endpoints });
  const made = await silent.create('blocks/x', { n: 1 });
  await paused.pause();
  const startMs = performance.now();
  t.is(await kindOf(silent.update('blocks/x', { n: 2 }, made.revision)), 'unavailable');
  t.true(performance.now() - startMs < 10_000);
  await silent.close();
  const gone = await openEtcdStore({ ...options('/gone', 300), endpoints: ['http://127.0.0.1:1'] });
  t.is(await kindOf(gone.list('blocks')), 'unavailable');
  await gone.close();
});

etcdTest('store: etcd: of two endpoints one may be dead', async (t) => {
  const endpoints = ['http://127.0.0.1:1', server?.endpoint ?? ''];
  const store = await openEtcdStore({ ...options('/half'), endpoints });
  let { revision } = await store.create('blocks/x', { n: 0 });
  for (let n = 1; n < 10; n++) ({ revision } = await store.update('blocks/x', { n }, revision));
  t.deepEqual((await store.get('blocks/x'))?.value, { n: 9 });
  await store.close();
});
