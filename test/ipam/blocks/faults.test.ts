import test from 'ava';
import { acquire, cluster, errorOf, owner, release } from './managers.js';

const DUAL = { v4: { cidr: '10.0.0.0/24' }, v6: { cidr: 'fd00::/64' } };

test('blocks: a store that is down gives nothing and takes nothing', async (t) => {
  const { node, faults } = await cluster(DUAL);
  const a = node('a');
  const held = await acquire(a, 'c1');
  faults.isDown = true;
  t.is(await errorOf(acquire(a, 'c2')), 'unavailable');
  t.is(await errorOf(a.release(owner('c1'))), 'unavailable');
  t.is(await errorOf(node('b').acquire({ ...(await idle()), owner: owner('x') })), 'unavailable');
  t.is((await a.held(owner('c1'))).length, 2);
  faults.isDown = false;
  t.deepEqual(await release(a, 'c1'), [...held].sort());
});

const idle = () =>
  Promise.resolve({ pod: undefined, requested: [], rangeSets: [], pools: [] } as const);

test('blocks: an answer that is lost leaves no address behind', async (t) => {
  for (let unanswered = 1; unanswered <= 6; unanswered++) {
    const { node, faults, entries } = await cluster(DUAL);
    const a = node('a');
    await acquire(a, 'c1');
    faults.unanswered = unanswered;
    t.is(await errorOf(acquire(a, 'c2')), 'unavailable');
    faults.unanswered = 0;
    await a.sweep();
    t.false(JSON.stringify([...entries]).includes('"c2"'), `${unanswered} answers lost`);
    t.is((await a.leases()).length, 2);
    t.is((await acquire(a, 'c2')).length, 2);
  }
});

test('blocks: a write that arrives after its request was given up comes too late', async (t) => {
  const { node, faults, entries } = await cluster({ v4: { cidr: '10.0.0.0/24' } });
  const a = node('a');
  await acquire(a, 'c1');
  const key = [...entries.keys()].find((one) => one.startsWith('blocks/')) ?? '';
  const before = entries.get(key as 'blocks/x');
  faults.lost = 1;
  t.is(await errorOf(acquire(a, 'c2')), 'unavailable');
  t.not(entries.get(key as 'blocks/x')?.revision, before?.revision);
  t.is((await a.leases()).length, 1);
});

test('blocks: a manager that comes after a crash knows what was given', async (t) => {
  const { node } = await cluster(DUAL);
  const held = await acquire(node('a'), 'c1');
  const again = node('a');
  t.is((await again.leases()).length, 2);
  t.deepEqual(await release(again, 'c1'), [...held].sort());
});

test('blocks: a block that cannot be read is left alone and named', async (t) => {
  const complaints: string[] = [];
  const { node, store } = await cluster(
    { v4: { cidr: '10.0.0.0/30', blockSize: 31 } },
    { onBroken: (text) => complaints.push(text) },
  );
  await store.create('blocks/10.0.0.0-31', { cidr: 7 });
  const a = node('a');
  const kinds = [];
  for (const id of ['c1', 'c2', 'c3']) kinds.push(await errorOf(acquire(a, id)));
  t.deepEqual(kinds, ['fine', 'fine', 'exhausted']);
  t.regex(complaints[0] ?? '', /^blocks\/10\.0\.0\.0-31: /);
});
