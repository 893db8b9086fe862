import test from 'ava';
import { formatAddress } from '../../../src/addr.js';
import type { BlockLease } from '../../../src/ipam/blocks/keeper.js';
import { acquire, blockNames, cluster, release } from './managers.js';

const SMALL = { v4: { cidr: '10.0.0.0/24', blockSize: 30 } };
const GRACE_MS = 15 * 60_000;
const texts = (leases: readonly BlockLease[]) =>
  leases.map(({ address }) => formatAddress(address));
const only =
  (...ids: string[]) =>
  ({ owner }: BlockLease) =>
    ids.includes(owner.containerId);

test('blocks: an empty block is given back after a minute, the last one never', async (t) => {
  const { node, clock, entries } = await cluster(SMALL);
  const a = node('a');
  for (let i = 0; i < 9; i++) await acquire(a, `c${i}`);
  for (let i = 0; i < 9; i++) await release(a, `c${i}`);
  t.is(blockNames(entries).length, 3);
  clock.ms += 59_999;
  t.is(await a.sweep(), 0);
  clock.ms += 1;
  t.is(await a.sweep(), 2);
  clock.ms += 3_600_000;
  t.is(await a.sweep(), 0);
  t.is(blockNames(entries).length, 1);
});

test('blocks: a block with a resting or borrowed address is not given back', async (t) => {
  const pools = { v4: { cidr: '10.0.0.0/30', blockSize: 31 } };
  const { node, clock, entries } = await cluster(pools, { cooldownMs: 600_000 });
  const [a, b] = [node('a'), node('b')];
  await acquire(a, 'a1');
  for (const id of ['b1', 'b2', 'b3']) await acquire(b, id);
  await release(a, 'a1');
  clock.ms += 600_000;
  t.is(await a.sweep(), 0);
  await release(b, 'b3');
  clock.ms += 599_999;
  t.is(await b.sweep(), 0);
  t.is(blockNames(entries).length, 2);
});

test('blocks: a block whose pool no longer serves the node goes with its last address [cni 53]', async (t) => {
  const { node, store, entries, clock } = await cluster({
    v4: { cidr: '10.0.0.0/24', nodeSelector: 'zone=x' },
    v6: { cidr: 'fd00::/64' },
  });
  const labels = { zone: 'x' };
  const a = node('a', { nodeLabels: () => labels });
  await acquire(a, 'c1');
  await acquire(a, 'c2');
  labels.zone = 'y';
  await release(a, 'c1');
  t.is(blockNames(entries).length, 2);
  await release(a, 'c2');
  t.deepEqual(
    blockNames(entries).map((name) => name.includes('fd00')),
    [true],
  );
  const pool = entries.get('pools/v6');
  await store.delete('pools/v6', pool?.revision ?? '');
  clock.ms += 5_000;
  t.is(await a.sweep(), 1);
  t.deepEqual(blockNames(entries), []);
});

test('blocks: what nobody answers for is freed at the second look after the grace', async (t) => {
  const { node, clock } = await cluster(SMALL);
  const a = node('a');
  const [lost] = await acquire(a, 'lost');
  await acquire(a, 'kept');
  const view = { isAlive: only('kept') };
  t.deepEqual(await a.collect(view), []);
  clock.ms += GRACE_MS - 1;
  t.deepEqual(await a.collect(view), []);
  clock.ms += 1;
  t.deepEqual(texts(await a.collect(view)), [lost]);
  t.is((await a.leases()).length, 1);
});

test('blocks: a suspect that is seen alive once is a new suspect afterwards', async (t) => {
  const { node, clock } = await cluster(SMALL);
  const a = node('a');
  await acquire(a, 'c1');
  await a.collect({ isAlive: () => false });
  clock.ms += GRACE_MS;
  t.deepEqual(await a.collect({ isAlive: () => Promise.resolve(true) }), []);
  t.deepEqual(await a.collect({ isAlive: () => false }), []);
  clock.ms += GRACE_MS;
  t.is((await a.collect({ isAlive: () => false })).length, 1);
});

test('blocks: an address given again to the same owner between two looks is not freed [cni 50]', async (t) => {
  const { node, clock } = await cluster({ v4: { cidr: '10.0.0.0/32', blockSize: 32 } });
  const a = node('a');
  const [first] = await acquire(a, 'c1');
  t.deepEqual(await a.collect({ isAlive: () => false }), []);
  clock.ms += GRACE_MS;
  await release(a, 'c1');
  t.deepEqual(await acquire(a, 'c1'), [first]);
  t.deepEqual(await a.collect({ isAlive: () => false }), []);
  t.is((await a.leases()).length, 1);
});

test('blocks: an address given again while a look is under way is not freed [cni 50]', async (t) => {
  const { node, clock } = await cluster({ v4: { cidr: '10.0.0.0/32', blockSize: 32 } });
  const a = node('a');
  await acquire(a, 'c1');
  await a.collect({ isAlive: () => false });
  clock.ms += GRACE_MS;
  const freed = await a.collect({
    isAlive: async () => {
      await release(a, 'c1');
      await acquire(a, 'c1');
      return false;
    },
  });
  t.deepEqual(freed, []);
  t.is((await a.leases()).length, 1);
});

test('blocks: addresses of one container go together or stay together', async (t) => {
  const { node, clock } = await cluster({ ...SMALL, v6: { cidr: 'fd00::/64' } });
  const a = node('a');
  await acquire(a, 'c1');
  const isV4Alive = { isAlive: ({ address }: BlockLease) => address.family === 4 };
  await a.collect(isV4Alive);
  clock.ms += GRACE_MS;
  t.deepEqual(await a.collect(isV4Alive), []);
  t.is((await a.leases()).length, 2);
});

test('blocks: addresses and blocks of a node that is gone are freed by any other', async (t) => {
  const { node, clock, entries } = await cluster(SMALL);
  const [a, b] = [node('a'), node('b')];
  await acquire(a, 'a1');
  await acquire(b, 'b1');
  const view = { isAlive: () => true, hasNode: (name: string) => name === 'b' };
  await b.collect(view);
  clock.ms += GRACE_MS;
  t.is((await b.collect(view)).length, 1);
  clock.ms += GRACE_MS;
  await b.collect(view);
  t.is(blockNames(entries).length, 1);
});

test('blocks: a grace of nothing frees nothing', async (t) => {
  const { node, clock } = await cluster(SMALL, { leakGraceMs: 0 });
  const a = node('a');
  await acquire(a, 'c1');
  await a.collect({ isAlive: () => false });
  clock.ms += GRACE_MS;
  t.deepEqual(await a.collect({ isAlive: () => false }), []);
});

test('blocks: check names what is leaked, double, unknown and broken', async (t) => {
  const { node, store, entries } = await cluster(SMALL);
  const a = node('a');
  await acquire(a, 'c1', { requested: ['10.0.0.1'] });
  t.deepEqual(await a.check({ isAlive: () => true }), []);
  const { value } = entries.get('blocks/10.0.0.0-30') ?? { value: {} };
  await store.create('blocks/10.0.0.0-31', { ...value, cidr: '10.0.0.0/31', free: [0, 0] });
  const foreign = { ...value, cidr: '192.0.2.0/31', allocations: {}, free: [0, 1] };
  await store.create('blocks/192.0.2.0-31', foreign);
  const findings = await a.check({ isAlive: () => false });
  t.deepEqual(
    findings.map(({ kind, subject }) => `${kind} ${subject}`),
    [
      'double 10.0.0.1',
      'double 10.0.0.1, 10.0.0.1',
      'broken 10.0.0.0/30, 10.0.0.0/31',
      'broken 10.0.0.0/31',
      'unknown 192.0.2.0/31',
      'leaked 10.0.0.1',
      'leaked 10.0.0.1',
    ],
  );
  t.regex(findings[0]?.text ?? '', /^held by net\.c1 eth0 on a and net\.c1 eth0 on a$/);
});
