/**
 * A hash table over a region: fixed-size rows, linear probing, deleted rows marked.
 *
 *   0        4          8                    8 + key
 *   +--------+----------+--------------------+-------------------+
 *   | state  | 4 bytes  | key, 1 or 3 words  | value             |
 *   +--------+----------+--------------------+-------------------+
 *
 * Keys are passed as three 64-bit words, the unused ones 0: the compiler keeps them in
 * registers. The region is at most half full (see region.ts), which keeps probes short.
 */
import { ROW_STATE_OFF, RegionId, RowState } from '../abi';
import { nhWords } from '../mem/hash';
import {
  regionBase,
  regionCapacity,
  regionRowSize,
  regionUsed,
  setRegionUsed,
} from '../mem/region';

const KEY_OFF: usize = 8;
/** Longest run looked at: at half load a run of 128 has never been seen in 10^8 insertions. */
const TABLE_PROBE_MAX: u32 = 128;

/** Key widths in words. */
export const WORDS_1: u32 = 1;
export const WORDS_3: u32 = 3;

function keyEquals(row: usize, words: u32, w0: u64, w1: u64, w2: u64): bool {
  if (load<u64>(row + KEY_OFF) != w0) return false;
  if (words == WORDS_1) return true;
  return load<u64>(row + KEY_OFF, 8) == w1 && load<u64>(row + KEY_OFF, 16) == w2;
}

/** @returns address of the live row with this key, or 0 */
export function tableFind(region: RegionId, words: u32, w0: u64, w1: u64, w2: u64): usize {
  const base = regionBase(region);
  const mask = regionCapacity(region) - 1;
  const rowSize = regionRowSize(region);
  let slot = nhWords(w0, w1, w2);
  for (let i: u32 = 0; i < TABLE_PROBE_MAX; i++, slot++) {
    const row = base + <usize>((slot & mask) * rowSize);
    const state = load<u32>(row + ROW_STATE_OFF);
    if (state == RowState.EMPTY) return 0;
    if (state == RowState.LIVE && keyEquals(row, words, w0, w1, w2)) return row;
  }
  return 0;
}

/** First slot of the key's run that can take a new row, or 0. */
function vacantSlot(region: RegionId, w0: u64, w1: u64, w2: u64): usize {
  const base = regionBase(region);
  const mask = regionCapacity(region) - 1;
  const rowSize = regionRowSize(region);
  let slot = nhWords(w0, w1, w2);
  for (let i: u32 = 0; i < TABLE_PROBE_MAX; i++, slot++) {
    const row = base + <usize>((slot & mask) * rowSize);
    if (load<u32>(row + ROW_STATE_OFF) != RowState.LIVE) return row;
  }
  return 0;
}

/**
 * The row for a key, made if there is none: its value is then all zero.
 *
 * @returns row address, or 0 when the table is half full or the run is too long
 */
export function tablePut(region: RegionId, words: u32, w0: u64, w1: u64, w2: u64): usize {
  const found = tableFind(region, words, w0, w1, w2);
  if (found) return found;
  const used = regionUsed(region);
  if (used >= regionCapacity(region) >> 1) return 0;
  const row = vacantSlot(region, w0, w1, w2);
  if (!row) return 0;
  memory.fill(row, 0, regionRowSize(region));
  store<u64>(row + KEY_OFF, w0);
  if (words == WORDS_3) {
    store<u64>(row + KEY_OFF, w1, 8);
    store<u64>(row + KEY_OFF, w2, 16);
  }
  store<u32>(row + ROW_STATE_OFF, RowState.LIVE);
  setRegionUsed(region, used + 1);
  return row;
}

/** @returns false when there was no such row */
export function tableDelete(region: RegionId, words: u32, w0: u64, w1: u64, w2: u64): bool {
  const row = tableFind(region, words, w0, w1, w2);
  if (!row) return false;
  tableDeleteRow(region, row);
  return true;
}

/** Delete a live row by its address. */
export function tableDeleteRow(region: RegionId, row: usize): void {
  setRegionUsed(region, regionUsed(region) - 1);
  store<u32>(row + ROW_STATE_OFF, RowState.DELETED);
  clearDeletedRun(region, row);
}

/** A deleted row before an empty one ends no run that continues: make it empty, and so on back. */
function clearDeletedRun(region: RegionId, row: usize): void {
  const base = regionBase(region);
  const mask = regionCapacity(region) - 1;
  const rowSize = regionRowSize(region);
  let slot = <u32>(row - base) / rowSize;
  const next = base + <usize>(((slot + 1) & mask) * rowSize);
  if (load<u32>(next + ROW_STATE_OFF) != RowState.EMPTY) return;
  for (let i: u32 = 0; i < TABLE_PROBE_MAX; i++, slot--) {
    const at = base + <usize>((slot & mask) * rowSize);
    if (load<u32>(at + ROW_STATE_OFF) != RowState.DELETED) return;
    store<u32>(at + ROW_STATE_OFF, RowState.EMPTY);
  }
}
