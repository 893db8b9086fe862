import test from 'ava';
import fc from 'fast-check';
import { needs } from '../../support/skip.js';
import { hostLocal, noHostLocal } from './host-local.js';
import { filesOf, newDataDir, owner, rig } from './support.js';
import type { Ranges } from './support.js';

const hostLocalTest = needs({ also: noHostLocal });

const WORLDS: Record<string, Ranges> = {
  small: [[{ subnet: '10.1.2.0/29' }]],
  bounded: [[{ subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', rangeEnd: '10.1.2.12' }]],
  two: [
    [
      { subnet: '10.1.2.0/29', rangeStart: '10.1.2.2', gateway: '10.1.2.3' },
      { subnet: '10.1.3.0/30', gateway: '10.9.9.9' },
    ],
  ],
  dual: [[{ subnet: '10.1.2.0/28' }], [{ subnet: '2001:db8:0:1:1::/124' }]],
  colons: [[{ subnet: 'fd00:0:0:1::/126' }, { subnet: 'fd01:0:0:2:0:0:0:0/125' }]],
};

type Step = readonly ['add' | 'del', number, (string | undefined)?];

/** Both sides do the same; what they say and what they leave is compared after each step. */
async function compare(ranges: Ranges, steps: readonly Step[]): Promise<string | undefined> {
  const ours = rig(ranges);
  const theirs = hostLocal(newDataDirOf(), ranges);
  for (const [i, [verb, id, wanted]] of steps.entries()) {
    const who = owner(`c${id}`);
    const at = `step ${i} of ${JSON.stringify(steps)}`;
    if (verb === 'del') {
      await Promise.all([ours.del(who), theirs.del(who)]);
    } else {
      const asked = wanted === undefined ? [] : [wanted];
      const [own, other] = await Promise.all([ours.add(who, asked), theirs.add(who, asked)]);
      const isRefused = typeof own === 'string' && typeof other === 'string';
      if (!isRefused && JSON.stringify(own) !== JSON.stringify(other)) {
        return `${at}: ${JSON.stringify(own)} is not ${JSON.stringify(other)}`;
      }
    }
    const [own, other] = [filesOf(ours.dataDir), filesOf(dataDirOfTheirs)].map((files) =>
      JSON.stringify(files),
    );
    if (own !== other) return `${at}: files ${own} are not ${other}`;
  }
  await ours.ipam.close();
  return undefined;
}

let dataDirOfTheirs = '';
function newDataDirOf(): string {
  dataDirOfTheirs = newDataDir();
  return dataDirOfTheirs;
}

for (const [name, ranges] of Object.entries(WORLDS)) {
  hostLocalTest(
    `range: ${name} gives the addresses and leaves the files of host-local [cni 34]`,
    async (t) => {
      // A dual-stack refusal leaves host-local's turn of the first family changed: never full here.
      const id = name === 'dual' ? fc.nat(9) : fc.nat(12);
      const step = fc.tuple(fc.constantFrom('add' as const, 'add' as const, 'del' as const), id);
      const steps = fc.sample(fc.array(step, { minLength: 25, maxLength: 40 }), 2);
      for (const each of steps) t.is(await compare(ranges, each), undefined);
    },
  );
}

hostLocalTest('range: requested addresses turn the round as they do in host-local', async (t) => {
  const steps: Step[] = [
    ['add', 1],
    ['add', 2, '10.1.2.11'],
    ['add', 3],
    ['add', 4, '10.1.2.11'],
    ['add', 5, '10.1.2.9'],
    ['del', 2],
    ['add', 6],
    ['add', 8],
  ];
  t.is(await compare(WORLDS['bounded'] ?? [], steps), undefined);
});

hostLocalTest('range: each goes on with what the other has left, while both run', async (t) => {
  const ranges: Ranges = [[{ subnet: '10.1.2.0/28' }], [{ subnet: 'fd00:1::/124' }]];
  const ours = rig(ranges);
  const theirs = hostLocal(ours.dataDir, ranges);
  t.deepEqual(await theirs.add(owner('a')), ['10.1.2.2', 'fd00:1::2']);
  t.deepEqual(await ours.add(owner('b')), ['10.1.2.3', 'fd00:1::3']);
  t.deepEqual(await theirs.add(owner('c')), ['10.1.2.4', 'fd00:1::4']);
  t.regex(String(await ours.add(owner('c'))), /^duplicate: 10\.1\.2\.4 has been allocated to c/);
  t.deepEqual(await ours.del(owner('a')), ['10.1.2.2', 'fd00:1::2']);
  t.is(await theirs.del(owner('b')), undefined);
  t.deepEqual(await ours.ipam.held(owner('b')), []);
  t.deepEqual(
    (await ours.ipam.leases()).map((lease) => lease.owner.containerId),
    ['c', 'c'],
  );
  await ours.ipam.close();
});

hostLocalTest('range: one after the other under a storm from both sides', async (t) => {
  const ranges: Ranges = [[{ subnet: '10.1.2.0/24' }]];
  const ours = rig(ranges);
  const theirs = hostLocal(ours.dataDir, ranges);
  const given = await Promise.all(
    Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? theirs : ours).add(owner(`c${i}`))),
  );
  t.is(new Set(given.map(String)).size, 60);
  t.true(given.every((addresses) => typeof addresses !== 'string'));
  await Promise.all(
    given.map(async (_, i) => {
      await (i % 2 === 0 ? theirs : ours).del(owner(`c${i}`));
    }),
  );
  t.deepEqual(Object.keys(filesOf(ours.dataDir)), ['last_reserved_ip.0']);
  t.deepEqual(await ours.ipam.leases(), []);
  await ours.ipam.close();
});

test('range: an address is written as Go prints it', async (t) => {
  const names: string[] = [];
  for (const subnet of ['fd00:0:0:1::/126', '1:0:0:2::/126', '2001:DB8:0:0:1:0:0:0/126']) {
    const { ipam, add } = rig([[{ subnet }]]);
    names.push(String(await add(owner('a'))));
    await ipam.close();
  }
  t.deepEqual(names, ['fd00:0:0:1::2', '1:0:0:2::2', '2001:db8::1:0:0:2']);
});
