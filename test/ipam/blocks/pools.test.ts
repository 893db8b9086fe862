import test from 'ava';
import { parseSelector } from '../../../src/ipam/blocks/selector.js';
import { poolSchema, readPool } from '../../../src/ipam/blocks/pool.js';
import { readAnnotations } from '../../../src/ipam/annotations.js';
import { acquire, cluster, errorOf, release, within } from './managers.js';

const POOLS = {
  a: { cidr: '10.1.0.0/24' },
  b: { cidr: '10.2.0.0/24' },
  manual: { cidr: '10.3.0.0/24', assignmentMode: 'Manual' },
  off: { cidr: '10.4.0.0/24', disabled: true },
  tunnel: { cidr: '10.0.0.0/24', allowedUses: ['Tunnel'] },
  six: { cidr: 'fd00::/64', namespaceSelector: "ipv6 == 'yes'" },
};

test('pools: all that are enabled serve, in the order of their names', async (t) => {
  const { node } = await cluster(POOLS);
  const given = await acquire(node('n'), 'c1');
  t.is(given.length, 1);
  t.true(within('10.1.0.0/24', given[0]));
});

test('pools: a pod chooses by name and by CIDR; a pool that is missing or disabled fails [cni 43]', async (t) => {
  const { node } = await cluster(POOLS);
  const n = node('n');
  const choose = (id: string, pod: string, namespace: string) => {
    const key = 'cni.projectcalico.org/ipv4pools';
    const read = readAnnotations({ [key]: pod }, { [key]: namespace });
    return acquire(n, id, typeof read === 'string' ? {} : { pools: read.pools });
  };
  t.true(within('10.2.0.0/24', (await choose('c1', '["b"]', '["a"]'))[0]));
  t.true(within('10.2.0.0/24', (await choose('c2', '["10.2.0.0/24"]', '["a"]'))[0]));
  t.true(within('10.3.0.0/24', (await choose('c3', '["manual"]', '["a"]'))[0]));
  t.is(await errorOf(choose('c4', '["nowhere"]', '["a"]')), 'invalid');
  t.is(await errorOf(choose('c5', '["10.9.0.0/24"]', '["a"]')), 'invalid');
  t.is(await errorOf(choose('c6', '["off"]', '["a"]')), 'invalid');
  t.is(await errorOf(acquire(n, 'c7', { pools: ['b'], requested: ['10.1.0.9'] })), 'outside');
  t.is(await errorOf(acquire(n, 'c8', { requested: ['10.4.0.9'] })), 'outside');
});

test('pools: selectors choose nodes and namespaces', async (t) => {
  const { node } = await cluster(
    { ...POOLS, b: { ...POOLS.b, nodeSelector: 'zone in (x, y)' } },
    {
      namespaceLabels: (name): Record<string, string> => (name === 'six' ? { ipv6: 'yes' } : {}),
      nodeLabels: () => ({ zone: 'x' }),
    },
  );
  const two = await acquire(node('n'), 'c1', { namespace: 'six' });
  t.true(within('fd00::/64', two[1]));
  t.is((await acquire(node('n'), 'c2', { namespace: 'four' })).length, 1);
});

test('pools: a change counts after a moment, the last ones while the store is silent', async (t) => {
  const { node, store, clock, entries } = await cluster({ a: POOLS.a });
  const n = node('n');
  await acquire(n, 'c1');
  const entry = entries.get('pools/a');
  await store.update('pools/a', { ...POOLS.a, disabled: true }, entry?.revision ?? '');
  await store.create('pools/b', POOLS.b);
  clock.ms += 5_000;
  t.true(within('10.2.0.0/24', (await acquire(n, 'c2'))[0]));
  t.is((await release(n, 'c1')).length, 1);
});

test('pools: of two that overlap the earlier name counts, and the other is named', async (t) => {
  const { node } = await cluster({
    a: POOLS.a,
    z: { cidr: '10.1.0.0/16' },
    bad: { cidr: '10.1/16' },
  });
  const n = node('n');
  await acquire(n, 'c1');
  const { pools, complaints } = await n.overview();
  t.deepEqual(
    pools.map(({ name }) => name),
    ['a'],
  );
  t.is(complaints.length, 2);
  t.is(await errorOf(acquire(n, 'c2', { pools: ['z'] })), 'invalid');
});

test('pools: a block size has limits', (t) => {
  t.like(readPool('p', { cidr: '10.0.0.0/16' }), { blockSize: 26 });
  t.like(readPool('p', { cidr: 'fd00::/64' }), { blockSize: 122 });
  const text = (spec: object) => {
    const read = readPool('p', spec);
    return typeof read === 'string' ? read : '';
  };
  t.is(
    text({ cidr: '10.0.0.0/16', blockSize: 19 }),
    'pool p: blockSize: expected a block size from 20 to 32 with 10.0.0.0/16',
  );
  t.regex(text({ cidr: '10.0.0.0/28' }), /from 28 to 32/);
  t.regex(text({ cidr: 'fd00::/64', blockSize: 64 }), /from 116 to 128/);
  t.is(
    text({ cidr: 'fe80::/64' }),
    'pool p: cidr: cannot be used: expected addresses for pods; those of fe80::/10 are link-local',
  );
  t.regex(text({ cidr: '10.0.0.0/16', nodeSelector: 'a || b' }), /is no requirement/);
  t.false(poolSchema.safeParse({ name: 'p', cidr: '10.0.0.0/16', nodeSelektor: 'x' }).success);
});

test('pools: selectors mean what Kubernetes and Calico mean by them', (t) => {
  const labels = { zone: 'a', disk: 'ssd', 'node-role.kubernetes.io/worker': '' };
  const yes = [
    '',
    'all()',
    'zone=a',
    'zone==a,disk!=hdd',
    'zone in (a,b), disk notin (hdd)',
    'zone',
    '!gpu',
    'gpu notin (x)',
    'gpu!=x',
    'node-role.kubernetes.io/worker=',
    "zone == 'a' && has(disk)",
    "!has(gpu) && zone in {'a', 'b'}",
    'zone not in {"c"}',
  ];
  for (const text of yes) t.true(parseSelector(text)(labels), text);
  const no = [
    'zone=b',
    'gpu',
    '!zone',
    'zone in (b)',
    'zone notin (a)',
    'gpu in (x)',
    'has(gpu)',
    "zone == 'a' && disk == 'hdd'",
  ];
  for (const text of no) t.false(parseSelector(text)(labels), text);
  for (const text of ['a || b', 'zone=a b', 'zone in a', ',', 'a = = b', 'global()']) {
    t.throws(() => parseSelector(text), { message: /is no requirement/ }, text);
  }
});
