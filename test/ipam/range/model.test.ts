import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { formatAddress } from '../../../src/addr.js';
import { owner, rig } from './support.js';
import type { Rig, Ranges } from './support.js';

const RANGES: Ranges = [
  [{ subnet: '10.1.2.0/29' }, { subnet: '10.1.3.0/30' }],
  [{ subnet: 'fd00:1::/124', rangeStart: 'fd00:1::8' }],
];
/** 5 and 1 of IPv4, 8 of IPv6. */
const ROOM = 6;

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), id: fc.nat(8) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('ask' as const), id: fc.nat(8), octet: fc.nat(8) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('del' as const), id: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
);

/** What is there, as the manager says it: `id address address`, sorted. */
async function leasesOf({ ipam }: Rig): Promise<string[]> {
  const found = new Map<string, string[]>();
  for (const { owner: of, address } of await ipam.leases()) {
    const { containerId } = of;
    found.set(containerId, [...(found.get(containerId) ?? []), formatAddress(address)]);
  }
  return show(found);
}

const show = (holders: ReadonlyMap<string, readonly string[]>): string[] =>
  Array.from(holders, ([id, addresses]) => [id, ...[...addresses].sort()].join(' ')).sort();

testProp(
  'range: whatever comes at once or one by one, no address is given twice and none is lost',
  [fc.array(step, { minLength: 10, maxLength: 60, size: 'max' })],
  async (t, steps) => {
    let side = rig(RANGES);
    const holders = new Map<string, readonly string[]>();
    /** Answers under way, in the order in which they were asked for. */
    let pending: (() => Promise<void>)[] = [];
    const settle = async () => {
      for (const check of pending.splice(0)) await check();
      pending = [];
      t.deepEqual(await leasesOf(side), show(holders));
      const given = [...holders.values()].flat();
      t.is(new Set(given).size, given.length);
    };
    for (const next of steps) {
      if (next.do === 'wait') await settle();
      else if (next.do === 'restart') {
        await settle();
        await side.ipam.close();
        side = rig(RANGES, { dataDir: side.dataDir });
        await settle();
      } else if (next.do === 'del') {
        const id = `c${next.id}`;
        const answer = side.del(owner(id));
        pending.push(async () => {
          t.deepEqual([...(await answer)].sort(), [...(holders.get(id) ?? [])].sort());
          holders.delete(id);
        });
      } else {
        const id = `c${next.id}`;
        const asked = next.do === 'ask' ? [`10.1.2.${next.octet}`] : [];
        const answer = side.add(owner(id), asked);
        pending.push(async () => {
          const got = await answer;
          if (typeof got !== 'string') {
            t.false(holders.has(id));
            t.deepEqual(got.slice(0, asked.length), asked);
            holders.set(id, got);
          } else if (holders.has(id)) t.regex(got, /^duplicate/);
          else if (asked.length > 0) t.regex(got, /^(outside|taken)/);
          else {
            t.regex(got, /^exhausted/);
            t.is(holders.size, ROOM);
          }
        });
      }
    }
    await settle();
    await side.ipam.close();
  },
  { numRuns: 60 },
);

test('range: a thousand at once in a /22 are a thousand addresses', async (t) => {
  const { ipam, add } = rig([[{ subnet: '10.4.0.0/22' }]]);
  const given = await Promise.all(Array.from({ length: 1000 }, (_, i) => add(owner(`c${i}`))));
  t.is(new Set(given.map(String)).size, 1000);
  t.is((await ipam.leases()).length, 1000);
  await ipam.close();
});
