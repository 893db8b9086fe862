import test from 'ava';
import { SCRATCH_BASE } from '../../assembly/abi.js';
import { maglevSize } from '../../src/compile/maglev.js';
import { DeltaError, RegionId, TableId } from '../../assembly/abi.js';
import { createDeltaWriter, refusedDeltas } from '../../src/core/delta-writer.js';
import { openInnerCore } from '../support/inner-core.js';
import { idsOf, paperTable } from './paper-maglev.js';

const core = await openInnerCore();
const { exports, words } = core;
const TABLE = core.region(RegionId.MAGLEV).base;
const MEMBERS = SCRATCH_BASE;
const SPACE = SCRATCH_BASE + 0x10000;

/** Bytes of one member: identity, weight, position. */
const MEMBER_SIZE = 12;

function build(ids: readonly number[], m: number, weights: readonly number[] = []): number[] {
  ids.forEach((id, i) => {
    words.setUint32(MEMBERS + i * MEMBER_SIZE, id, true);
    words.setUint32(MEMBERS + i * MEMBER_SIZE + 4, weights[i] ?? 1, true);
    words.setUint32(MEMBERS + i * MEMBER_SIZE + 8, i, true);
  });
  exports.maglevBuild(TABLE, m, MEMBERS, ids.length, SPACE);
  return Array.from({ length: m }, (_, slot) => words.getUint16(TABLE + slot * 2, true));
}

for (const [n, m] of [
  [1, 1],
  [2, 251],
  [3, 509],
  [7, 1021],
  [40, 4093],
  [100, 16381],
  [251, 251],
] as const) {
  test(`maglev: ${n} members over ${m} slots are the paper's table`, (t) => {
    t.deepEqual(build(idsOf(n), m), paperTable(idsOf(n), m));
  });
}

test('maglev: a table whose size is no prime is built or stays vacant, but ends', (t) => {
  let vacant = 0;
  for (let m = 1; m <= 130; m++) {
    const table = build(idsOf(2), m);
    const isVacant = table.every((member) => member === 0xffff);
    if (isVacant) vacant++;
    t.true(isVacant || table.every((member) => member < 2), String(m));
  }
  t.true(vacant > 0);
});

test('maglev: shares differ by one slot at most', (t) => {
  for (const n of [1, 2, 3, 10, 77, 163]) {
    const m = maglevSize(n);
    const share = new Array<number>(n).fill(0);
    for (const member of build(idsOf(n, n), m)) share[member] = (share[member] ?? 0) + 1;
    t.true(Math.max(...share) - Math.min(...share) <= 1, `${n} of ${m}`);
  }
});

test('maglev: members in any order, at any position, make the same table [proxy 119]', (t) => {
  const ids = idsOf(50, 9);
  const turned = [...ids].reverse();
  const shuffled = ids.map((_, i) => ids[(i * 7) % ids.length] ?? 0);
  const one = build(ids, 8191).map((member) => ids[member]);
  t.deepEqual(
    build(turned, 8191).map((member) => turned[member]),
    one,
  );
  t.deepEqual(
    build(shuffled, 8191).map((member) => shuffled[member]),
    one,
  );
});

test('maglev: every slot is filled, and shares are in proportion to weights [proxy 120]', (t) => {
  const weights = [1, 2, 4, 8, 0];
  const m = 4093;
  const table = build(idsOf(weights.length), m, weights);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  t.true(table.every((member) => member < weights.length));
  weights.forEach((weight, i) => {
    const share = table.filter((member) => member === i).length / m;
    t.true(Math.abs(share - weight / total) < 0.002, `${share} for ${weight} of ${total}`);
  });
});

test('maglev: members that all weigh nothing leave the table vacant', (t) => {
  t.true(build(idsOf(3), 251, [0, 0, 0]).every((member) => member === 0xffff));
});

test('maglev: when one of n leaves, few slots of the others move', (t) => {
  for (const n of [10, 100]) {
    const m = maglevSize(n);
    const ids = idsOf(n, 5);
    const before = build(ids, m).map((member) => ids[member]);
    const left = ids.slice(0, -1);
    const after = build(left, m).map((member) => left[member]);
    const gone = ids[n - 1];
    const moved = before.filter((id, slot) => id !== gone && id !== after[slot]).length;
    // The paper's figure 12: with 100 slots a member about 2 % of the others' slots move.
    t.true(moved / m < 0.06, `${moved} of ${m} slots moved`);
    t.is(before.filter((id) => id === gone).length, Math.floor(m / n) + Number(n - 1 < m % n));
  }
});

test('maglev: a pick is slot floor(hash * m / 2^32)', (t) => {
  const m = 251;
  const table = build(idsOf(5), m);
  for (const hash of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x01051051]) {
    const slot = Number((BigInt(hash) * BigInt(m)) >> 32n);
    t.is(exports.maglevPick(TABLE, m, hash), table[slot] ?? -1);
  }
});

/** The result of one MAGLEV record over a set of so many members. */
function result(size: number, setCount: number, setFirst = 0): DeltaError {
  const writer = createDeltaWriter();
  writer.buildMaglev({ first: 0, size, setFirst, setCount });
  const batch = writer.take();
  core.apply(batch);
  return refusedDeltas(batch)[0]?.error ?? DeltaError.NONE;
}

test('maglev: a table that cannot be built is refused, not looped over', (t) => {
  t.is(result(251, 2), DeltaError.NONE);
  t.is(result(1, 1), DeltaError.NONE);
  t.is(result(0, 0), DeltaError.NONE);
  t.is(result(4, 2), DeltaError.OUT_OF_RANGE, 'no prime');
  t.is(result(1021 * 61, 2), DeltaError.OUT_OF_RANGE, 'no prime');
  t.is(result(1, 2), DeltaError.OUT_OF_RANGE, 'more members than slots');
  t.is(result(65537, 2), DeltaError.OUT_OF_RANGE, 'slots beyond u16');
  t.is(result(251, 2, core.region(RegionId.SETS).capacity - 1), DeltaError.OUT_OF_RANGE);
  t.is(TableId.MAGLEV, 6);
});
