/**
 * The names: open addressing over rows of 16 bytes that lead to entries in RRSETS. Rows at most half
 * full, deleted ones marked, as in table/hash-table.ts; but keys have any length and lie in the entry.
 */
import { ROW_STATE_OFF, RegionId, RowState } from '../abi';
import {
  ENTRY_NAME_OFF,
  NAME_ENTRY_OFF,
  NAME_HASH_OFF,
  NAME_ROW_SIZE,
  NAME_SPACE_OFF,
  LISTENER_MAX,
} from '../abi-dns';
import { regionBase, regionCapacity, regionUsed, setRegionUsed } from '../mem/region';

/** Longest run looked at, as of every table (table/hash-table.ts). */
const NAME_PROBE_MAX: u32 = 128;
/** Spreads the spaces that have the same name: 2^32 / golden ratio, odd (Knuth 6.4). */
const SPACE_SPREAD: u32 = 0x9e3779b1;
const ROW_SHIFT: u32 = 4;
const LIVE: u64 = RowState.LIVE;

if (NAME_ROW_SIZE != 1 << ROW_SHIFT) ERROR('rows of names are found by a shift');

function slotOf(space: u32, hash: u32): u32 {
  return hash + space * SPACE_SPREAD;
}

/** Space and length as they lie in a row, its last byte 0. */
function keyOf(space: u32, length: u32): u32 {
  return space | (length << 16);
}

/** Whether two names of `length` octets are the same. Eight octets in front of them are readable. */
export function sameName(a: usize, b: usize, length: u32): bool {
  const tail: u32 = length & 7;
  const words = length - tail;
  for (let i: u32 = 0; i < words; i += 8) if (load<u64>(a + i) != load<u64>(b + i)) return false;
  if (tail == 0) return true;
  const last: usize = <usize>length - 8;
  return (load<u64>(a + last) ^ load<u64>(b + last)) >> ((8 - tail) << 3) == 0;
}

/** Address of a row's entry. */
export function entryOf(row: usize): usize {
  return regionBase(RegionId.RRSETS) + load<u32>(row, NAME_ENTRY_OFF);
}

/** Address of the value behind an entry's name. */
export function valueOf(entry: usize, length: u32): usize {
  return entry + <usize>((ENTRY_NAME_OFF + length + 7) & ~7);
}

@unmanaged
@final
export class Names {
  /**
   * @param name  in lower case, its root included, seven zeros behind it
   * @returns     address of the row, 0 = none
   */
  @inline static find(space: u32, hash: u32, name: usize, length: u32): usize {
    const base = regionBase(RegionId.NAMES);
    const mask = regionCapacity(RegionId.NAMES) - 1;
    const key = keyOf(space, length);
    const wanted = LIVE | ((<u64>hash) << 32);
    let slot = slotOf(space, hash);
    for (let i: u32 = 0; i < NAME_PROBE_MAX; i++, slot++) {
      const row = base + ((<usize>(slot & mask)) << ROW_SHIFT);
      const head = load<u64>(row);
      if (head == wanted && load<u32>(row, NAME_SPACE_OFF) == key) {
        if (Names.isAt(entryOf(row), name, length)) return row;
      } else if (<u32>head == RowState.EMPTY) {
        return 0;
      }
    }
    return 0;
  }

  /**
   * Whether an entry's name is `name`, both filled up with zeros. Words are those of the entry: the
   * first has what is in front of a name in its lower half.
   */
  @inline static isAt(entry: usize, name: usize, length: u32): bool {
    const words = name - ENTRY_NAME_OFF;
    if ((load<u64>(entry) ^ load<u64>(words)) >> (ENTRY_NAME_OFF << 3) != 0) return false;
    const end = length + ENTRY_NAME_OFF;
    for (let i: u32 = 8; i < end; i += 8) {
      if (load<u64>(entry + i) != load<u64>(words + i)) return false;
    }
    return true;
  }
}

/** `Names.find`, called. */
export function findName(space: u32, hash: u32, name: usize, length: u32): usize {
  return Names.find(space, hash, name, length);
}

/**
 * A row for a name that has none, leading nowhere yet.
 *
 * @returns its address; 0 when the table is half full or the run is too long
 */
export function addName(space: u32, hash: u32, length: u32): usize {
  const base = regionBase(RegionId.NAMES);
  const capacity = regionCapacity(RegionId.NAMES);
  const used = regionUsed(RegionId.NAMES);
  if (used >= capacity >> 1) return 0;
  let slot = slotOf(space, hash);
  for (let i: u32 = 0; i < NAME_PROBE_MAX; i++, slot++) {
    const row = base + ((<usize>(slot & (capacity - 1))) << ROW_SHIFT);
    if (load<u32>(row, ROW_STATE_OFF) == RowState.LIVE) continue;
    store<u32>(row, RowState.LIVE, ROW_STATE_OFF);
    store<u32>(row, hash, NAME_HASH_OFF);
    store<u32>(row, 0, NAME_ENTRY_OFF);
    store<u32>(row, keyOf(space, length), NAME_SPACE_OFF);
    setRegionUsed(RegionId.NAMES, used + 1);
    return row;
  }
  return 0;
}

/** Delete a live row. A deleted row before an empty one ends no run: it becomes empty, and so on back. */
export function deleteName(row: usize): void {
  const base = regionBase(RegionId.NAMES);
  const mask = regionCapacity(RegionId.NAMES) - 1;
  setRegionUsed(RegionId.NAMES, regionUsed(RegionId.NAMES) - 1);
  store<u32>(row, RowState.DELETED, ROW_STATE_OFF);
  let slot = (<u32>(row - base)) >> ROW_SHIFT;
  const next = base + ((<usize>((slot + 1) & mask)) << ROW_SHIFT);
  if (load<u32>(next, ROW_STATE_OFF) != RowState.EMPTY) return;
  for (let i: u32 = 0; i < NAME_PROBE_MAX; i++, slot--) {
    const at = base + ((<usize>(slot & mask)) << ROW_SHIFT);
    if (load<u32>(at, ROW_STATE_OFF) != RowState.DELETED) return;
    store<u32>(at, RowState.EMPTY, ROW_STATE_OFF);
  }
}

/** Space of a row. */
export function spaceOf(row: usize): u32 {
  return load<u16>(row, NAME_SPACE_OFF);
}

/** Whether a space is a listener's: its entries are cuts. */
export function isListener(space: u32): bool {
  // 0 wraps.
  return space - 1 < <u32>LISTENER_MAX;
}
