import test from 'ava';
import { IpamError } from '../../../src/ipam/ipam.js';
import {
  acquire,
  blockNames,
  cluster,
  errorOf,
  owner,
  release,
  request,
  within,
} from './managers.js';

const V4 = { v4: { cidr: '10.0.0.0/24', blockSize: 28 } };
const DUAL = { ...V4, v6: { cidr: 'fd00::/64' } };
const ids = (n: number, stem = 'c') => Array.from({ length: n }, (_, i) => `${stem}${i}`);

test('blocks: a pod gets one address of each family, and gives both back', async (t) => {
  const { node, entries } = await cluster(DUAL);
  const a = node('a');
  const [v4 = '', v6 = ''] = await acquire(a, 'c1');
  t.true(within('10.0.0.0/24', v4) && within('fd00::/64', v6));
  t.deepEqual((await a.held(owner('c1'))).length, 2);
  t.deepEqual(await release(a, 'c1'), [v4, v6].sort());
  t.deepEqual(await release(a, 'c1'), []);
  t.deepEqual(await a.leases(), []);
  t.is(blockNames(entries).length, 2);
});

test('blocks: an owner who has addresses gets no others, and keeps those it has [cni 48]', async (t) => {
  const { node } = await cluster(DUAL);
  const a = node('a');
  const first = await acquire(a, 'c1');
  t.is(await errorOf(acquire(a, 'c1')), 'duplicate');
  t.is(await errorOf(acquire(node('a'), 'c1')), 'duplicate');
  t.deepEqual(await release(a, 'c1'), [...first].sort());
  const both = await Promise.allSettled([acquire(a, 'c2'), acquire(a, 'c2')]);
  t.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

test('blocks: ranges that a request names are refused, and nothing is given', async (t) => {
  const { node } = await cluster(V4);
  const a = node('a');
  const rangeSets = [[{ subnet: '10.7.0.0/24' }], [{ subnet: 'fd00:7::/64' }]];
  const { kind, message } = await t.throwsAsync(a.acquire(request('c1', { rangeSets })), {
    instanceOf: IpamError,
  });
  t.is(kind, 'invalid');
  t.is(
    message,
    'ipRanges are named (10.7.0.0/24, fd00:7::/64), but addresses come from blocks of pools',
  );
  t.deepEqual(await a.leases(), []);
});

test('blocks: another interface or network of a container is another owner', async (t) => {
  const { node } = await cluster(V4);
  const a = node('a');
  const [first] = await acquire(a, owner('c1'));
  const [second] = await acquire(a, owner('c1', 'net1'));
  const [third] = await acquire(a, owner('c1', 'eth0', 'other'));
  t.is(new Set([first, second, third]).size, 3);
  t.deepEqual(await release(a, owner('c1', 'net1')), [second]);
  t.is((await a.leases()).length, 2);
});

test('blocks: nodes claim different blocks, and a node comes back to its own place', async (t) => {
  const { node } = await cluster(V4);
  const claimed = await Promise.all(['a', 'b', 'c'].map((name) => acquire(node(name), name)));
  t.is(new Set(claimed.flat()).size, 3);
  const again = await cluster(V4);
  t.deepEqual(await acquire(again.node('a'), 'a'), claimed[0]);
});

test('blocks: an address is given again as late as possible', async (t) => {
  const { node } = await cluster({ v4: { cidr: '10.0.0.0/28', blockSize: 28 } });
  const a = node('a');
  const seen: string[] = [];
  for (const id of ids(16)) {
    seen.push(...(await acquire(a, id)));
    await release(a, id);
  }
  t.is(new Set(seen).size, 16);
  t.deepEqual(await acquire(a, 'next'), [seen[0]]);
});

test('blocks: a released address rests for the cool-down', async (t) => {
  const { node, clock } = await cluster(
    { v4: { cidr: '10.0.0.0/31', blockSize: 31 } },
    { cooldownMs: 60_000 },
  );
  const a = node('a');
  const [first] = await acquire(a, 'c1');
  await release(a, 'c1');
  await acquire(a, 'c2');
  t.is(await errorOf(acquire(a, 'c3')), 'exhausted');
  clock.ms += 59_999;
  t.is(await errorOf(acquire(node('b'), 'c3')), 'exhausted');
  clock.ms += 1;
  t.deepEqual(await acquire(a, 'c3'), [first]);
});

test('blocks: a requested address is given and no other; somebody else is told [cni 44]', async (t) => {
  const { node } = await cluster(DUAL);
  const [a, b] = [node('a'), node('b')];
  t.deepEqual(await acquire(a, 'c1', { requested: ['10.0.0.77'] }), ['10.0.0.77']);
  t.deepEqual(await acquire(b, 'c2', { requested: ['10.0.0.78', 'fd00::99'] }), [
    '10.0.0.78',
    'fd00::99',
  ]);
  t.is(await errorOf(acquire(b, 'c3', { requested: ['10.0.0.77'] })), 'taken');
  t.is(await errorOf(acquire(b, 'c3', { requested: ['10.0.1.1'] })), 'outside');
  t.is(await errorOf(acquire(b, 'c3', { requested: ['10.0.0.8', '10.0.0.9'] })), 'invalid');
  t.is(await errorOf(acquire(b, 'c3', { requested: ['10.0.0.80', 'fd00::99'] })), 'taken');
  t.deepEqual(await b.held(owner('c3')), []);
  await release(a, 'c1');
  t.deepEqual(await acquire(b, 'c3', { requested: ['10.0.0.77'] }), ['10.0.0.77']);
});

test('blocks: when IPv6 is exhausted the IPv4 address is given back [cni 46]', async (t) => {
  const { node, entries } = await cluster({ ...V4, v6: { cidr: 'fd00::/127', blockSize: 127 } });
  const a = node('a');
  await acquire(a, 'c1');
  await acquire(a, 'c2');
  t.is(await errorOf(acquire(a, 'c3')), 'exhausted');
  t.deepEqual(await a.held(owner('c3')), []);
  t.is((await a.leases()).length, 4);
  t.false(JSON.stringify([...entries]).includes('"c3"'));
});

test('blocks: 300 requests over two pools that suffice all succeed, at once [cni 54]', async (t) => {
  const { node } = await cluster({ one: { cidr: '10.0.0.0/25' }, two: { cidr: '10.0.1.0/24' } });
  const a = node('a');
  const given = (await Promise.all(ids(300).map((id) => acquire(a, id)))).flat();
  t.is(new Set(given).size, 300);
  t.is(given.filter((address) => within('10.0.0.0/25', address)).length, 128);
});

test('blocks: of 300 requests over pools of 192 addresses 192 succeed [cni 54]', async (t) => {
  const { node } = await cluster({ one: { cidr: '10.0.0.0/25' }, two: { cidr: '10.0.1.0/26' } });
  const a = node('a');
  const all = await Promise.all(ids(300).map((id) => errorOf(acquire(a, id))));
  t.is(all.filter((kind) => kind === 'fine').length, 192);
  t.is(all.filter((kind) => kind === 'exhausted').length, 108);
  t.is((await a.leases()).length, 192);
});

test('blocks: requests of one moment are one write to a block', async (t) => {
  const { node, operations } = await cluster({ v4: { cidr: '10.0.0.0/24' } });
  const a = node('a');
  await acquire(a, 'first');
  operations.length = 0;
  await Promise.all(ids(50).map((id) => acquire(a, id)));
  t.is(operations.length, 1);
  await Promise.all(ids(50).map((id) => release(a, id)));
  t.is(operations.length, 2);
});

test('blocks: reserved addresses never appear, unless requested [cni 51]', async (t) => {
  const { node, store } = await cluster({ v4: { cidr: '10.0.0.0/27', blockSize: 28 } });
  await store.create('reservations/r', {
    reservedCIDRs: ['10.0.0.0/30', '10.0.0.16/28', '10.0.0.9/32'],
  });
  const a = node('a');
  const all = await Promise.allSettled(ids(20).map((id) => acquire(a, id)));
  const given = all.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  t.is(given.length, 16 - 4 - 1);
  for (const address of given) {
    t.false(within('10.0.0.0/30', address) || within('10.0.0.16/28', address));
    t.not(address, '10.0.0.9');
  }
  t.deepEqual(await acquire(a, 'static', { requested: ['10.0.0.9'] }), ['10.0.0.9']);
});

test('blocks: a full node borrows from others and gives back normally [cni 52]', async (t) => {
  const { node } = await cluster({ v4: { cidr: '10.0.0.0/29', blockSize: 30 } });
  const [a, b] = [node('a'), node('b')];
  await acquire(b, 'b0');
  for (const id of ids(7)) await acquire(a, id);
  t.is((await a.leases()).length, 7);
  t.is(await errorOf(acquire(a, 'more')), 'exhausted');
  const { nodes, pools } = await a.overview();
  t.deepEqual(nodes, [
    { node: 'a', blocks: 1, inUse: 7, borrowed: 3 },
    { node: 'b', blocks: 1, inUse: 1, borrowed: 0 },
  ]);
  t.like(pools[0], { name: 'v4', size: 8n, inUse: 8, borrowed: 3, blocks: 2 });
  for (const id of ids(7)) t.is((await release(a, id)).length, 1);
  t.is((await Promise.all(ids(3, 'd').map((id) => acquire(b, id)))).length, 3);
});

test('blocks: with strictAffinity a full node does not borrow [cni 52]', async (t) => {
  const pools = { v4: { cidr: '10.0.0.0/29', blockSize: 30 } };
  const { node } = await cluster(pools, { strictAffinity: true });
  const [a, b] = [node('a'), node('b')];
  const [other = ''] = await acquire(b, 'b0');
  for (const id of ids(4)) await acquire(a, id);
  t.is(await errorOf(acquire(a, 'more')), 'exhausted');
  const near = other.replace(/\d$/, (digit) => String(Number(digit) ^ 1));
  t.is(await errorOf(acquire(a, 'more', { requested: [near] })), 'outside');
  t.regex((await a.status()) ?? '', /no address is free in v4/);
  t.is(await b.status(), undefined);
});

test('blocks: a node claims no more than its blocks, then borrows', async (t) => {
  const { node, entries } = await cluster(
    { v4: { cidr: '10.0.0.0/24', blockSize: 30 } },
    { maxBlocksPerHost: 2 },
  );
  const a = node('a');
  for (const id of ids(8)) await acquire(a, id);
  t.is(await errorOf(acquire(a, 'more')), 'exhausted');
  t.is(blockNames(entries).length, 2);
  await acquire(node('b'), 'b0');
  t.is(await errorOf(acquire(a, 'more')), 'fine');
});

test('blocks: status says why no address could be given', async (t) => {
  const { node, faults } = await cluster({ v4: { cidr: '10.0.0.0/31', blockSize: 31 } });
  const a = node('a');
  t.is(await a.status(), undefined);
  await acquire(a, 'c1');
  await acquire(a, 'c2');
  t.is(await a.status(), 'no address is free in v4');
  t.is(await node('b').status(), 'no address is free in v4');
  faults.isDown = true;
  t.is(await a.status(), 'the store does not answer');
  const none = await cluster({ v4: { cidr: '10.0.0.0/31', blockSize: 31, disabled: true } });
  t.is(await none.node('a').status(), 'no enabled pool serves node a');
  t.is(await errorOf(none.node('a').acquire(request('c1'))), 'exhausted');
});
