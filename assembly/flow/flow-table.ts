/**
 * The flow table: open-addressed rows under a sequence lock, read at any moment by the kernel
 * programs and written only here.
 *
 * A row's `seq` is 0 when the slot was never used (a look-up may stop), odd while it is written
 * or after it was deleted (skip), even otherwise. Every insertion takes a sequence number nobody
 * had in the last 2^31 insertions, so a reader that saw the same number twice saw one row.
 */
import {
  CONTROL_BASE,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_FLOWS6_LIVE_OFF,
  CONTROL_LAST_SEQ_OFF,
  FLOW_PROBE_MAX,
  LaneCounter,
  TALLY_F_REPLY,
} from '../abi';
import { nowMs } from '../mem/clock';
import { regionBase, regionCapacity } from '../mem/region';
import { count } from '../table/counters';
import { unchainFlow } from './chain';
import {
  Row,
  dstOff,
  flowRegion,
  flowShift,
  isV4,
  rowAt,
  rowIdx,
  srcOff,
  tallyAt,
  tallyOf,
} from './row';
import { hashTuple, tupleEq } from './tuple';

/** A row index that is none. */
export const NO_ROW: u32 = 0xffffffff;
const SEQ_WRITING: u32 = 1;
/** A deleted slot keeps its place in its run this long: no kernel program runs that long. */
const DELETED_REST_MS: u32 = 1000;

/** @returns address of the live row with this tuple, or 0 */
export function findFlow<F>(src: usize, dst: usize, ports: u32, kind: u32): usize {
  const base = regionBase(flowRegion<F>());
  const mask = regionCapacity(flowRegion<F>()) - 1;
  let slot = hashTuple<F>(src, dst, ports, kind);
  for (let i: u32 = 0; i < <u32>FLOW_PROBE_MAX; i++, slot++) {
    const row = Row.at(base + ((<usize>(slot & mask)) << flowShift<F>()));
    const seq = row.seq;
    if (seq == 0) return 0;
    if (!(seq & 1) && tupleEq<F>(row, src, dst, ports, kind)) return row.ptr;
  }
  return 0;
}

/**
 * The slot a new row with this tuple would take.
 *
 * @returns index of the first slot of the run without a live row, or NO_ROW; the tuple must not
 *          be in the table
 */
export function vacantFlow<F>(src: usize, dst: usize, ports: u32, kind: u32): u32 {
  const mask = regionCapacity(flowRegion<F>()) - 1;
  let slot = hashTuple<F>(src, dst, ports, kind);
  for (let i: u32 = 0; i < <u32>FLOW_PROBE_MAX; i++, slot++) {
    const seq = rowAt<F>(slot & mask).seq;
    if (seq == 0 || seq & 1) return slot & mask;
  }
  return NO_ROW;
}

/** Close a slot to readers: it may be written until `publish`. Its tally starts at nothing. */
export function openRow<F>(idx: u32): Row {
  const row = rowAt<F>(idx);
  row.setSeq(SEQ_WRITING);
  tallyAt<F>(idx).clear();
  // Row 0 is a row: a partner of 0 would make it its own.
  tallyAt<F>(idx).setPartner(NO_ROW);
  return row;
}

/** A sequence number for one insertion. */
function nextSeq(): u32 {
  const word: usize = CONTROL_BASE + CONTROL_LAST_SEQ_OFF;
  let seq = load<u32>(word) + 2;
  if (seq == 0) seq = 2;
  store<u32>(word, seq);
  return seq;
}

/** From here on the kernel executes the row. */
export function publish<F>(row: Row): void {
  row.setSeq(nextSeq());
  adjustLive<F>(1);
}

/** Give a live row another action: readers see the old one or the new one. */
export function redirectRow<F>(row: Row, action: i32): void {
  row.setSeq(SEQ_WRITING);
  row.setAction(action);
  row.setSeq(nextSeq());
}

/** Close a live row to readers, to be changed in place and sealed again. */
export function rewriteRow<F>(row: Row): void {
  row.setSeq(SEQ_WRITING);
}

/** Open a row that was rewritten: to readers it is another one. */
export function seal<F>(row: Row): void {
  row.setSeq(nextSeq());
}

/** Take one row out; what the kernel counted in it is kept in the lane's counters. */
export function deleteRow<F>(row: Row): void {
  const tally = tallyOf<F>(row);
  if (tally.flags & TALLY_F_REPLY) unchainFlow<F>(row);
  count(LaneCounter.RETIRED_KERNEL_PACKETS, tally.kernelPackets);
  count(LaneCounter.RETIRED_KERNEL_BYTES, tally.kernelBytes);
  row.setSeq(row.seq | 1);
  tally.setLaneSeenMs(nowMs());
  adjustLive<F>(-1);
}

/** Take both directions out. */
export function deleteFlow<F>(row: Row): void {
  const partner = partnerOf<F>(row);
  deleteRow<F>(row);
  if (partner) deleteRow<F>(Row.at(partner));
}

/** @returns address of the row of the other direction, 0 when it is not there (any more) */
export function partnerOf<F>(row: Row): usize {
  const idx = tallyOf<F>(row).partner;
  if (idx >= regionCapacity(flowRegion<F>())) return 0;
  const partner = rowAt<F>(idx);
  const seq = partner.seq;
  if (seq == 0 || seq & 1 || tallyAt<F>(idx).partner != rowIdx<F>(row)) return 0;
  return partner.ptr;
}

/** How many slots a search for the row of this slot passes before it is found. */
export function offsetInRun<F>(idx: u32): u32 {
  const row = rowAt<F>(idx);
  const first = hashTuple<F>(row.ptr + srcOff<F>(), row.ptr + dstOff<F>(), row.ports, row.kind);
  return (idx - first) & (regionCapacity(flowRegion<F>()) - 1);
}

/**
 * Turn a rested deleted slot back into a never-used one.
 *
 * @param idx  a slot whose `seq` is odd, and which a search for no live row passes
 */
export function reclaimDeleted<F>(idx: u32): void {
  if (nowMs() - tallyAt<F>(idx).laneSeenMs < DELETED_REST_MS) return;
  rowAt<F>(idx).setSeq(0);
}

function adjustLive<F>(by: i32): void {
  const word: usize =
    CONTROL_BASE + (isV4<F>() ? CONTROL_FLOWS4_LIVE_OFF : CONTROL_FLOWS6_LIVE_OFF);
  store<u32>(word, load<u32>(word) + by);
}
