/**
 * Forgetting: flows silent for longer than they are kept go, a slice of the table per call, and so do
 * deleted slots that nobody's search passes any more.
 */
import {
  CONTROL_BASE,
  CONTROL_SWEEP4_OFF,
  CONTROL_SWEEP6_OFF,
  FLOW_PROBE_MAX,
  LaneCounter,
  TALLY_F_REPLY,
} from '../abi';
import { regionCapacity } from '../mem/region';
import { count } from '../table/counters';
import { EXPIRED, rankOf } from './expiry';
import { deleteFlow, deleteRow, offsetInRun, partnerOf, reclaimDeleted } from './flow-table';
import { followRoute } from './follow';
import { Row, Tally, flowRegion, isV4, rowAt, tallyAt } from './row';

/**
 * How many slots from the next lower one down are passed by searches for live rows from here on up:
 * none of them may look as if it had never been used, or the search would end there.
 *
 * @param passed  the same one slot up: from this one down, for rows above it
 */
function passedBelow<F>(idx: u32, passed: u32): u32 {
  const left = passed == 0 ? 0 : passed - 1;
  const seq = rowAt<F>(idx).seq;
  return seq == 0 || seq & 1 ? left : max<u32>(left, offsetInRun<F>(idx));
}

/** How many slots from this one down searches for rows above it pass; 0 = it may be reclaimed. */
export function passedFrom<F>(idx: u32): u32 {
  const mask = regionCapacity(flowRegion<F>()) - 1;
  let passed: u32 = 0;
  for (let i: u32 = min<u32>(FLOW_PROBE_MAX - 1, mask); i > 0; i--) {
    passed = passedBelow<F>((idx + i) & mask, passed);
  }
  return passed;
}

/**
 * Visit the next `budget` slots of a table.
 *
 * @returns flows forgotten
 */
export function sweepTable<F>(budget: u32): u32 {
  const cursor: usize = CONTROL_BASE + (isV4<F>() ? CONTROL_SWEEP4_OFF : CONTROL_SWEEP6_OFF);
  const mask = regionCapacity(flowRegion<F>()) - 1;
  let idx = load<u32>(cursor) & mask;
  let gone: u32 = 0;
  let passed = passedFrom<F>(idx);
  const slots = min<u32>(budget, mask + 1);
  // Downwards, from where rows are to where the searches for them begin.
  for (let i: u32 = 0; i < slots; i++, idx = (idx - 1) & mask) {
    const seq = rowAt<F>(idx).seq;
    if (seq & 1) {
      if (passed == 0) reclaimDeleted<F>(idx);
    } else if (seq != 0 && forget<F>(rowAt<F>(idx), tallyAt<F>(idx))) {
      gone++;
    }
    passed = passedBelow<F>(idx, passed);
  }
  store<u32>(cursor, idx);
  count(LaneCounter.FLOWS_EXPIRED, gone);
  return gone;
}

/**
 * Delete an expired flow, or a reply row whose original is gone. A row that stays follows its route.
 */
function forget<F>(row: Row, tally: Tally): bool {
  if (tally.flags & TALLY_F_REPLY) {
    if (partnerOf<F>(row)) {
      followRoute<F>(row);
      return false;
    }
    deleteRow<F>(row);
    return true;
  }
  if (rankOf<F>(row) != EXPIRED) {
    followRoute<F>(row);
    return false;
  }
  deleteFlow<F>(row);
  return true;
}
