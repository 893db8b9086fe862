import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { formatAddress } from '../../../src/addr.js';
import { IpamError } from '../../../src/ipam/ipam.js';
import type { Owner } from '../../../src/ipam/ipam.js';
import { parseRangeSets } from '../../../src/ipam/range/ranges.js';
import { NETWORK, filesOf, newDataDir, owner, request, rig } from './support.js';
import type { Ranges } from './support.js';

const four = (subnet: string, rest = {}): Ranges => [[{ subnet, ...rest }]];
const DUAL: Ranges = [[{ subnet: '10.1.2.0/29' }], [{ subnet: 'fd00:1::/126' }]];

test('range: the round goes on after the last one; gateway, network and broadcast are never given [cni 34]', async (t) => {
  const { ipam, add, del } = rig(four('10.1.2.0/29'));
  for (const id of ['a', 'b', 'c']) await add(owner(id));
  for (const id of ['a', 'b', 'c']) await del(owner(id));
  t.deepEqual(await add(owner('d')), ['10.1.2.5']);
  t.deepEqual(await add(owner('e')), ['10.1.2.6']);
  t.deepEqual(
    await add(owner('f')),
    ['10.1.2.2'],
    '.7 is broadcast, .0 the network, .1 the gateway',
  );
  await ipam.close();
});

test('range: bounds that name network, broadcast and gateway do not make them given [cni 34]', async (t) => {
  const bounds = { rangeStart: '10.1.2.0', rangeEnd: '10.1.2.7', gateway: '10.1.2.4' };
  const { ipam, add } = rig(four('10.1.2.0/29', bounds));
  const given: string[] = [];
  for (const id of ['a', 'b', 'c', 'd', 'e']) given.push(String(await add(owner(id))));
  t.deepEqual(given, ['10.1.2.1', '10.1.2.2', '10.1.2.3', '10.1.2.5', '10.1.2.6']);
  t.regex(String(await add(owner('f'))), /^exhausted/);
  for (const [address, why] of [
    ['10.1.2.4', "subnet's gateway"],
    ['10.1.2.0', "subnet's own or broadcast"],
    ['10.1.2.7', "subnet's own or broadcast"],
  ] as const) {
    t.is(await add(owner('g'), [address]), `outside: requested address ${address} is the ${why}`);
  }
  await ipam.close();
});

test('range: the round goes on after a restart [cni 34]', async (t) => {
  const first = rig(four('10.1.2.0/29'));
  await first.add(owner('a'));
  await first.del(owner('a'));
  await first.ipam.close();
  const second = rig(four('10.1.2.0/29'), { dataDir: first.dataDir });
  t.deepEqual(await second.add(owner('b')), ['10.1.2.3']);
  await second.ipam.close();
});

test('range: a full range is refused in a sentence that names it, and status says it [cni 35]', async (t) => {
  const { ipam, add, del } = rig(four('10.1.2.0/30'));
  t.is(await ipam.status(), undefined);
  t.deepEqual(await add(owner('a')), ['10.1.2.2']);
  const sentence = 'no IP addresses available in range set: 10.1.2.1-10.1.2.2';
  t.is(await add(owner('b')), `exhausted: ${sentence}`);
  t.is(await ipam.status(), sentence);
  await del(owner('a'));
  t.is(await ipam.status(), undefined);
  await ipam.close();
});

test('range: a requested address outside of all ranges fails, and nothing is held [cni 36]', async (t) => {
  const { ipam, dataDir, add } = rig(DUAL);
  const refusal = 'outside: failed to allocate all requested IPs: 10.9.9.9';
  t.is(await add(owner('a'), ['10.1.2.5', '10.9.9.9']), refusal);
  t.deepEqual(filesOf(dataDir), {});
  t.deepEqual(await ipam.leases(), []);
  t.deepEqual(await add(owner('b'), ['fd00:1::3', '10.1.2.5']), ['10.1.2.5', 'fd00:1::3']);
  await ipam.close();
});

test('range: a requested address of the second set that is taken gives the first one back [cni 36]', async (t) => {
  const { ipam, add } = rig(DUAL);
  await add(owner('a'), ['fd00:1::3']);
  const taken = 'requested address fd00:1::3 is not available in range set fd00:1::1-fd00:1::3';
  t.is(await add(owner('b'), ['fd00:1::3', '10.1.2.5']), `taken: ${taken}`);
  t.deepEqual(await ipam.held(owner('b')), []);
  t.deepEqual(await add(owner('c'), ['10.1.2.5']), ['10.1.2.5', 'fd00:1::2']);
  await ipam.close();
});

test('range: the same container and interface twice is a duplicate, another interface is not [cni 37]', async (t) => {
  const { ipam, add } = rig(four('10.1.2.0/29'));
  await add(owner('a'));
  const refusal = '10.1.2.2 has been allocated to a, duplicate allocation is not allowed';
  t.is(await add(owner('a')), `duplicate: ${refusal}`);
  t.deepEqual(await add(owner('a', 'eth1')), ['10.1.2.3']);
  const twice = await Promise.all([add(owner('b')), add(owner('b'))]);
  t.is(twice.filter((answer) => typeof answer === 'string').length, 1);
  await ipam.close();
});

test('range: giving back what nobody holds succeeds [cni 38]', async (t) => {
  const { ipam, del } = rig(DUAL);
  t.deepEqual(await del(owner('nobody')), []);
  t.deepEqual(await del({ ...owner('nobody'), network: 'never-seen' }), []);
  await ipam.close();
});

test('range: a file without an interface, or with white space, is released [cni 39]', async (t) => {
  const dataDir = newDataDir();
  const files = {
    '10.1.2.2': 'old',
    '10.1.2.3': ' old2\n',
    '10.1.2.4': 'c\r\neth0\n',
    '10.1.2.5': '',
  };
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(dataDir, NETWORK, name), text);
  const { ipam, add, del } = rig(four('10.1.2.0/28'), { dataDir });
  const holders = (await ipam.leases()).map((lease) => lease.owner);
  t.deepEqual(holders.map(({ containerId, ifname }) => `${containerId}/${ifname}`).sort(), [
    '/',
    'c/eth0',
    'old/',
    'old2/',
  ]);
  t.regex(String(await add(owner('old'))), /^duplicate/);
  t.deepEqual(await del(owner('old')), ['10.1.2.2']);
  t.deepEqual(await del(owner(' old2 ', 'eth7')), ['10.1.2.3']);
  t.deepEqual(await del(owner('c', 'eth1')), []);
  t.deepEqual(await del(owner('c')), ['10.1.2.4']);
  t.deepEqual(await del(owner('', '')), ['10.1.2.5'], 'a file cut off by a crash');
  t.deepEqual(filesOf(dataDir), {});
  await ipam.close();
});

test('range: ranges that contradict themselves or each other are refused [cni 40]', (t) => {
  const refused = (ranges: Ranges, message: RegExp) => {
    const error = t.throws(() => parseRangeSets(ranges), { instanceOf: IpamError, message });
    t.is(error.kind, 'invalid');
  };
  for (const subnet of ['10.1.2.2/31', '10.1.2.2/32', 'fd00::2/127', 'fd00::2/128']) {
    refused(four(subnet), /too small to allocate from/);
  }
  for (const [subnet, why] of [
    ['169.254.9.0/24', /those of 169\.254\.0\.0\/16 are link-local/],
    ['fe80::/64', /those of fe80::\/10 are link-local/],
    ['239.0.0.0/8', /224\.0\.0\.0\/4 are multicast/],
    ['ff02::/64', /ff00::\/8 are multicast/],
    ['127.0.1.0/24', /127\.0\.0\.0\/8 are loopback/],
    ['::/64', /::1\/128 are loopback/],
    ['0.0.0.0/0', /0\.0\.0\.0\/8 are "this network"/],
    ['250.0.0.0/8', /240\.0\.0\.0\/4 are reserved/],
    ['::fffe:0:0/95', /IPv4-mapped/],
    ['::ffff:10.1.2.0/120', /is not a prefix/],
  ] as const) {
    refused(four(subnet), why);
  }
  refused(four('10.1.2.1/24'), /bits set behind its prefix length; expected 10\.1\.2\.0\/24/);
  refused(four('10.1.2.0/24', { rangeStart: '10.1.3.1' }), /rangeStart 10\.1\.3\.1 is not in/);
  refused(four('10.1.2.0/24', { rangeEnd: 'fd00::1' }), /rangeEnd fd00::1 is not in/);
  refused(
    four('10.1.2.0/24', { rangeStart: '10.1.2.9', rangeEnd: '10.1.2.8' }),
    /rangeStart 10\.1\.2\.9 is after rangeEnd 10\.1\.2\.8/,
  );
  const [a, b, c] = [{ subnet: '10.1.2.0/24' }, { subnet: '10.1.0.0/16' }, { subnet: 'fd00::/64' }];
  refused([[a, b]], /overlap/);
  refused([[a], [b]], /overlap/);
  refused([[a, c]], /mixes address families/);
  refused([[a], [{ subnet: '10.2.0.0/16' }]], /at most one set a family/);
  refused([[]], /empty/);
  t.notThrows(() => parseRangeSets([[a, { subnet: '10.2.0.0/16' }], [c]]));
  t.notThrows(() => parseRangeSets(four('10.1.2.0/30')));
});

test('range: when the second family is exhausted, nothing of the first is held [cni 46]', async (t) => {
  const { ipam, dataDir, add } = rig(DUAL);
  for (const id of ['a', 'b']) await add(owner(id));
  const before = filesOf(dataDir);
  t.is(
    await add(owner('c')),
    'exhausted: no IP addresses available in range set: fd00:1::1-fd00:1::3',
  );
  t.deepEqual(filesOf(dataDir), before);
  t.deepEqual(await ipam.held(owner('c')), []);
  await ipam.close();
});

test("range: an old container's late release leaves the new one's address [cni 47]", async (t) => {
  const { ipam, add, del } = rig(four('10.1.2.0/29'));
  await add(owner('old'));
  const now = await add(owner('new'));
  await del(owner('old'));
  await del(owner('old'));
  t.deepEqual((await ipam.held(owner('new'))).map(formatAddress), now);
  await ipam.close();
});

test('range: a second attempt that fails leaves the first allocation untouched [cni 48]', async (t) => {
  const { ipam, dataDir, add } = rig(DUAL);
  await add(owner('a'));
  const before = filesOf(dataDir);
  t.regex(String(await add(owner('a'))), /^duplicate/);
  t.regex(String(await add(owner('a'), ['10.1.2.5'])), /^duplicate/);
  t.regex(String(await add(owner('a'), ['10.9.9.9'])), /^duplicate/);
  t.deepEqual(filesOf(dataDir), before);
  t.is((await ipam.held(owner('a'))).length, 2);
  await ipam.close();
});

test('range: a release behind an acquisition that is under way leaves nothing [cni 60]', async (t) => {
  const { ipam, dataDir, add, del } = rig(DUAL);
  const under = add(owner('a'));
  const given = await del(owner('a'));
  t.deepEqual(given, await under);
  t.deepEqual(Object.keys(filesOf(dataDir)), ['last_reserved_ip.0', 'last_reserved_ip.1']);
  t.deepEqual(await ipam.leases(), []);
  await ipam.close();
});

test('range: what was acquired and given back is on disk before it is said', async (t) => {
  const { ipam, dataDir, add, del } = rig(four('10.1.2.0/24'));
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const [address = ''] = await add(owner(`c${i}`));
      t.is(filesOf(dataDir)[address], `c${i}\r\neth0`);
      return address;
    }),
  );
  t.is(new Set(answers).size, 20);
  await del(owner('c3'));
  t.false(Object.keys(filesOf(dataDir)).includes(answers[3] ?? ''));
  await ipam.close();
});

test('range: an address rests as long as it is told, unless it is asked for', async (t) => {
  let now = 1_000_000;
  const cooldownMs = 30_000;
  const { ipam, add, del } = rig(four('10.1.2.0/30'), { now: () => now, cooldownMs });
  await add(owner('a'));
  await del(owner('a'));
  now += cooldownMs - 1;
  t.regex(String(await add(owner('b'))), /10\.1\.2\.1-10\.1\.2\.2; 1 were given back too lately$/);
  t.deepEqual(await add(owner('c'), ['10.1.2.2']), ['10.1.2.2']);
  await del(owner('c'));
  now += cooldownMs;
  t.deepEqual(await add(owner('d')), ['10.1.2.2']);
  await ipam.close();
});

test('range: without ranges it says so until they are known', async (t) => {
  const known: { ranges?: Ranges } = {};
  const { ipam, add } = rig([], { ranges: () => known.ranges });
  t.is(await ipam.status(), 'no pod range known yet');
  t.is(await add(owner('a')), 'unavailable: no pod range known yet');
  known.ranges = four('10.1.2.0/29');
  t.is(await ipam.status(), undefined);
  t.deepEqual(await add(owner('a')), ['10.1.2.2']);
  await ipam.close();
});

test("range: a request's own ranges come before the node's", async (t) => {
  const { ipam } = rig(four('10.1.2.0/29'));
  const asked = request(owner('a'), [], { rangeSets: four('10.7.0.0/24') });
  t.deepEqual((await ipam.acquire(asked)).map(formatAddress), ['10.7.0.2']);
  const pools = request(owner('b'), [], { pools: ['gold'] });
  await t.throwsAsync(ipam.acquire(pools), { instanceOf: IpamError, message: /pools/ });
  await ipam.close();
});

test("range: a family that a request has no ranges of is served from the node's", async (t) => {
  const { ipam } = rig([...four('10.1.2.0/29'), [{ subnet: 'fd00:1::/120' }]]);
  const asked = request(owner('a'), [], { rangeSets: four('10.7.0.0/24') });
  t.deepEqual((await ipam.acquire(asked)).map(formatAddress), ['10.7.0.2', 'fd00:1::2']);
  await ipam.close();
});

test('range: after a restart the claims are the same; a range that has moved away is refused [cni 58]', async (t) => {
  const first = rig(four('10.1.2.0/29'));
  await first.add(owner('a'));
  await first.ipam.close();
  const { dataDir } = first;
  const same = rig(four('10.1.2.0/29'), { dataDir });
  t.is(await same.ipam.status(), undefined);
  t.deepEqual((await same.ipam.held(owner('a'))).map(formatAddress), ['10.1.2.2']);
  await same.ipam.close();
  const moved = rig(four('10.9.0.0/29'), { dataDir });
  const why =
    '10.1.2.2 of container a in network net: given out, but in no range of this node ' +
    '(10.9.0.1-10.9.0.6): delete their pods, or bring the range back';
  t.is(await moved.ipam.status(), why);
  t.is(await moved.add(owner('b')), `unavailable: ${why}`);
  await moved.del(owner('a'));
  t.is(await moved.ipam.status(), undefined);
  t.deepEqual(await moved.add(owner('b')), ['10.9.0.2']);
  await moved.ipam.close();
});

test('range: addresses of ranges that a runtime named may lie anywhere, also after a restart', async (t) => {
  const first = rig(four('10.1.2.0/29'));
  await first.ipam.acquire(request(owner('a'), [], { rangeSets: four('10.7.0.0/24') }));
  t.is(await first.ipam.status(), undefined);
  await first.ipam.close();
  const { dataDir } = first;
  const hasOwnRanges = ({ containerId }: Owner) => containerId === 'a';
  const { ipam } = rig(four('10.1.2.0/29'), { dataDir, hasOwnRanges });
  t.is(await ipam.status(), undefined);
  await ipam.close();
});

test('range: networks do not share an address, and folders of others are not ours', async (t) => {
  const dataDir = newDataDir();
  mkdirSync(join(dataDir, 'podman'));
  writeFileSync(join(dataDir, 'podman', '10.88.0.2'), 'p\r\neth0');
  const { ipam, add } = rig(four('10.1.2.0/29'), { dataDir });
  t.deepEqual(await add(owner('a')), ['10.1.2.2']);
  t.deepEqual(await add({ ...owner('a'), network: 'second' }), ['10.1.2.3']);
  t.deepEqual(
    (await ipam.leases()).map((lease) => lease.owner.network),
    [NETWORK, 'second'],
  );
  await ipam.adopt('podman');
  t.is((await ipam.leases()).length, 3);
  await t.throwsAsync(ipam.held({ ...owner('a'), network: '../etc' }), { message: /no name/ });
  await ipam.close();
});

test('range: a folder that an administrator empties or removes is taken as it is', async (t) => {
  const { ipam, dataDir, add } = rig(four('10.1.2.0/29'));
  await add(owner('a'));
  rmSync(join(dataDir, NETWORK, '10.1.2.2'));
  t.deepEqual(await ipam.leases(), []);
  t.deepEqual(await add(owner('a')), ['10.1.2.3']);
  rmSync(join(dataDir, NETWORK), { recursive: true });
  t.deepEqual(await add(owner('b')), ['10.1.2.2']);
  t.deepEqual(Object.keys(filesOf(dataDir)), ['10.1.2.2', 'last_reserved_ip.0']);
  await ipam.close();
});

test('range: what a crash left half-written is swept away', async (t) => {
  const dataDir = newDataDir();
  writeFileSync(join(dataDir, NETWORK, '.sluice-77-0'), 'c\r\neth0');
  writeFileSync(join(dataDir, NETWORK, 'last_reserved_ip.0'), '');
  const { ipam, add } = rig(four('10.1.2.0/29'), { dataDir });
  t.deepEqual(await add(owner('a')), ['10.1.2.2']);
  t.deepEqual(readdirSync(join(dataDir, NETWORK)).sort(), [
    '10.1.2.2',
    'last_reserved_ip.0',
    'lock',
  ]);
  t.is(statSync(join(dataDir, NETWORK, '10.1.2.2')).mode & 0o777, 0o600);
  await ipam.close();
});

test('range: a folder that cannot be written is unavailable, not exhausted', async (t) => {
  const dataDir = newDataDir();
  rmSync(join(dataDir, NETWORK), { recursive: true });
  writeFileSync(join(dataDir, NETWORK), 'a file');
  const { ipam, add } = rig(four('10.1.2.0/29'), { dataDir });
  t.regex(String(await add(owner('a'))), /^unavailable: addresses of network net cannot be kept/);
  t.regex((await ipam.status()) ?? '', /cannot be kept/);
  await ipam.close();
});
