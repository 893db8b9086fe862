import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { DIRECTORY_BASE, DIR_ENTRY_SIZE, DIR_USED_OFF, RegionId } from '../../assembly/abi.js';
import { openInnerCore } from '../support/inner-core.js';

const BYTES = 16384;
/** The directory, and the headers at both ends. */
const OVERHEAD = 1024 + 16;
const core = await openInnerCore('release', { rrsetBytes: BYTES, replyBytes: 100 });
const { exports, view, words } = core;
const { base } = core.region(RegionId.RRSETS);

const take = (bytes: number): number => exports.arenaTake(RegionId.RRSETS, bytes) >>> 0;
const give = (offset: number): void => exports.arenaGive(RegionId.RRSETS, offset);
const used = (): number =>
  words.getUint32(DIRECTORY_BASE + RegionId.RRSETS * DIR_ENTRY_SIZE + DIR_USED_OFF, true);

const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ take: fc.integer({ min: 0, max: 3000 }) }) },
  { weight: 3, arbitrary: fc.record({ take: fc.integer({ min: 0, max: 64 }) }) },
  { weight: 5, arbitrary: fc.record({ give: fc.nat() }) },
);

testProp(
  'arena: runs never overlap, keep what is in them, and become one again',
  [fc.array(operation, { minLength: 50, maxLength: 400, size: 'max' })],
  (t, operations) => {
    exports.arenaReset(RegionId.RRSETS);
    const taken: { offset: number; bytes: number; fill: number }[] = [];
    const check = ({ offset, bytes, fill }: (typeof taken)[number]): void => {
      const run = view.subarray(base + offset, base + offset + bytes);
      if (!run.every((byte) => byte === fill)) t.fail(`${offset} of ${bytes} bytes was written`);
    };
    let fill = 0;
    for (const op of operations) {
      if ('take' in op) {
        const offset = take(op.take);
        if (offset === 0) continue;
        t.is(offset % 8, 0);
        t.true(offset + op.take <= BYTES);
        fill = (fill + 1) & 0xff;
        view.fill(fill, base + offset, base + offset + op.take);
        taken.push({ offset, bytes: op.take, fill });
      } else if (taken.length > 0) {
        const [run] = taken.splice(op.give % taken.length, 1);
        if (!run) continue;
        check(run);
        give(run.offset);
      }
    }
    taken.forEach(check);
    for (const { offset } of taken) give(offset);
    t.is(used(), 0);
    // All is one run again: almost everything can be had at once.
    t.not(take(Math.floor((BYTES - OVERHEAD) * 0.85)), 0);
  },
);

test('arena: is full when it refuses, and takes again what was given back', (t) => {
  exports.arenaReset(RegionId.RRSETS);
  const runs: number[] = [];
  for (let offset = take(100); offset !== 0; offset = take(100)) runs.push(offset);
  // 104 bytes and a header each.
  const most = Math.floor((BYTES - OVERHEAD) / 112);
  t.true(runs.length >= most - 1 && runs.length <= most, `${runs.length} of ${most}`);
  // The last one may have got eight bytes more, too few for a run of their own.
  t.true(used() - runs.length * 112 <= 8);
  for (let i = 0; i < runs.length; i += 2) give(runs[i] ?? 0);
  t.is(take(200), 0, 'no two neighbours are free');
  const again = runs.filter((_, i) => i % 2 === 0).map(() => take(100));
  t.deepEqual(again.toSorted(), runs.filter((_, i) => i % 2 === 0).toSorted());
});

test('arena: what is longer than the region, or a region too small for any, is refused', (t) => {
  exports.arenaReset(RegionId.RRSETS);
  for (const bytes of [BYTES, 0x3fff_ffff, 0x4000_0001, 0xffff_ffff]) t.is(take(bytes), 0);
  exports.arenaReset(RegionId.REPLIES);
  t.is(exports.arenaTake(RegionId.REPLIES, 1), 0);
});
