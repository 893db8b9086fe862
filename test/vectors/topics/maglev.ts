/** Maglev tables and picks from them, held against the pseudocode of the paper. */
import { RegionId, SCRATCH_BASE } from '../../../assembly/abi.js';
import { idsOf, mix32, paperTable } from '../../table/paper-maglev.js';
import { expectSame } from '../frames.js';
import type { Topic } from '../frames.js';
import { createRecorder } from '../recorder.js';
import type { Recorder } from '../recorder.js';

const MEMBER_SIZE = 12;
const MEMBERS = SCRATCH_BASE;
const SPACE = SCRATCH_BASE + 0x10000;
const PICKS = 8;
/** Members and slots. */
const SIZES: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 251],
  [2, 251],
  [3, 251],
  [100, 251],
  [251, 251],
  [1, 1021],
  [3, 1021],
  [10, 1021],
  [100, 1021],
];

/** In an order of their own: the core sorts them. */
function members(ids: readonly number[], weights: readonly number[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(ids.length * MEMBER_SIZE));
  for (const [turn, i] of [...ids.keys()].reverse().entries()) {
    bytes.setUint32(turn * MEMBER_SIZE, ids[i] ?? 0, true);
    bytes.setUint32(turn * MEMBER_SIZE + 4, weights[i] ?? 1, true);
    bytes.setUint32(turn * MEMBER_SIZE + 8, i, true);
  }
  return new Uint8Array(bytes.buffer);
}

function build(rec: Recorder, ids: readonly number[], m: number, weights: readonly number[] = []) {
  const { exports, words } = rec.core;
  const table = rec.core.region(RegionId.MAGLEV).base;
  rec.write(MEMBERS, members(ids, weights));
  exports.maglevBuild(table, m, MEMBERS, ids.length, SPACE);
  rec.read(table, m * 2);
  return Array.from({ length: m }, (_, slot) => words.getUint16(table + slot * 2, true));
}

export const maglev: Topic = {
  name: 'maglev',
  record: () => {
    const rec = createRecorder();
    for (const [n, m] of SIZES) {
      const name = `${String(n)}-over-${String(m)}`;
      rec.add(name, `${String(n)} members of equal weight over ${String(m)} slots`, () => {
        expectSame(name, build(rec, idsOf(n), m), paperTable(idsOf(n), m));
      });
      rec.add(`pick-${name}`, 'slot floor(hash * m / 2^32) of the table before', () => {
        const table = rec.core.region(RegionId.MAGLEV).base;
        const slots = paperTable(idsOf(n), m);
        const hashes = Array.from({ length: PICKS }, (_, i) => mix32(i + 1));
        for (const hash of [0, 0xffffffff, ...hashes]) {
          const picked = rec.core.exports.maglevPick(table, m, hash);
          expectSame(`pick ${String(hash)}`, picked, slots[Math.floor((hash * m) / 2 ** 32)]);
        }
      });
    }
    rec.add('weights-1-2-4', 'shares in proportion to the weights', () => {
      const share = [0, 0, 0];
      for (const i of build(rec, idsOf(3), 1021, [1, 2, 4])) share[i] = (share[i] ?? 0) + 1;
      expectSame(
        'shares',
        share.map((slots) => Math.round((slots * 7) / 1021)),
        [1, 2, 4],
      );
    });
    rec.add('weight-0', 'a member of weight 0 has no slot', () => {
      const slots = new Set(build(rec, idsOf(3), 251, [1, 0, 1]));
      expectSame('members', [...slots].sort(), [0, 2]);
    });
    return rec.file(
      'maglev',
      'maglevBuild(table, m, members, n, scratch) and maglevPick(table, m, hash), as in Eisenbud et al., NSDI 2016, 3.4',
    );
  },
};
