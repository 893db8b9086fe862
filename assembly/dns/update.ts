/**
 * applyNames: the one way by which the control plane changes names and cuts. Records are applied in
 * order; each gets its own result, and a refused one changes nothing.
 */
import { DELTA_BASE, DELTA_BYTES, DeltaError, Op, RegionId } from '../abi';
import {
  ENTRY_NAME_OFF,
  NAMES_ENTRY_OFF,
  NAMES_OP_OFF,
  NAMES_RESULT_OFF,
  NAMES_SIZE_OFF,
  NAMES_SPACE_OFF,
  NAME_ENTRY_OFF,
  SPACE_FIRST,
} from '../abi-dns';
import { regionBase } from '../mem/region';
import { arenaGive, arenaReset, arenaTake } from '../table/arena';
import { cutFits, readEntryName, valueLength } from './check';
import { addCutDepth, dropCutDepth, resetCuts } from './cuts';
import { FoldedName } from './fold';
import { addName, deleteName, findName, isListener, valueOf } from './names';
import { OTHER_NAME } from './record';

/** No names and no cuts, over tables that are zero. */
export function namesReset(): void {
  arenaReset(RegionId.RRSETS);
  resetCuts();
}

/**
 * Apply the records in the first `bytes` bytes of the DELTA mailbox.
 *
 * @returns records applied; the others name their DeltaError in NAMES_RESULT. A record whose size is
 *          impossible ends the walk: nobody knows where the next one is.
 */
export function applyNames(bytes: u32): u32 {
  const end = min<u32>(bytes, DELTA_BYTES);
  let applied: u32 = 0;
  let at: u32 = 0;
  while (end - at >= <u32>NAMES_ENTRY_OFF) {
    const record: usize = DELTA_BASE + at;
    const size = load<u32>(record, NAMES_SIZE_OFF);
    if (size <= <u32>NAMES_ENTRY_OFF || size > end - at || (size & 7) != 0) {
      store<u32>(record, DeltaError.OUT_OF_RANGE, NAMES_RESULT_OFF);
      return applied;
    }
    const result = applyRecord(record, size - NAMES_ENTRY_OFF);
    store<u32>(record, result, NAMES_RESULT_OFF);
    if (result == DeltaError.NONE) applied++;
    at += size;
  }
  return applied;
}

function applyRecord(record: usize, avail: u32): DeltaError {
  const op: u32 = load<u16>(record, NAMES_OP_OFF);
  const space: u32 = load<u16>(record, NAMES_SPACE_OFF);
  const entry = record + NAMES_ENTRY_OFF;
  if (op != Op.PUT && op != Op.DELETE) return DeltaError.UNKNOWN_OP;
  if (!isListener(space) && space < <u32>SPACE_FIRST) return DeltaError.OUT_OF_RANGE;
  if (!readEntryName(entry, avail)) return DeltaError.OUT_OF_RANGE;
  return op == Op.PUT ? put(space, entry, avail) : remove(space);
}

/** Bytes that an entry takes, 0 = its value is not sound. */
function entryLength(space: u32, entry: usize, avail: u32): u32 {
  const length = FoldedName.at(OTHER_NAME).length;
  const value = valueOf(entry, length);
  const head = <u32>(value - entry);
  if (head >= avail) return 0;
  if (isListener(space)) return cutFits(value, avail - head, length) ? avail : 0;
  return valueLength(value, avail - head) ? avail : 0;
}

function put(space: u32, entry: usize, avail: u32): DeltaError {
  const length = entryLength(space, entry, avail);
  if (length == 0) return DeltaError.OUT_OF_RANGE;
  const offset = arenaTake(RegionId.RRSETS, length);
  if (offset == 0) return DeltaError.TABLE_FULL;
  const name = FoldedName.at(OTHER_NAME);
  const hash = name.hash;
  let row = findName(space, hash, name.ptr, name.length);
  if (row) arenaGive(RegionId.RRSETS, load<u32>(row, NAME_ENTRY_OFF));
  else row = addName(space, hash, name.length);
  if (!row) {
    arenaGive(RegionId.RRSETS, offset);
    return DeltaError.TABLE_FULL;
  }
  const place = regionBase(RegionId.RRSETS) + offset;
  memory.copy(place, entry, length);
  padName(place, name.length);
  store<u32>(row, offset, NAME_ENTRY_OFF);
  if (isListener(space)) addCutDepth(space, name.labels);
  return DeltaError.NONE;
}

/** What fills up an entry's name is 0, whatever the update has there: names are compared in words. */
function padName(entry: usize, length: u32): void {
  const value = valueOf(entry, length);
  for (let at = entry + ENTRY_NAME_OFF + length; at < value; at++) store<u8>(at, 0);
}

function remove(space: u32): DeltaError {
  const name = FoldedName.at(OTHER_NAME);
  const row = findName(space, name.hash, name.ptr, name.length);
  if (!row) return DeltaError.ABSENT;
  arenaGive(RegionId.RRSETS, load<u32>(row, NAME_ENTRY_OFF));
  deleteName(row);
  if (isListener(space)) dropCutDepth(space, name.labels);
  return DeltaError.NONE;
}
