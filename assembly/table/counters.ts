/**
 * The lane's own counters: u64 words that anybody may read and only the lane writes. A traced frame
 * is not traffic and counts nowhere.
 */
import {
  COUNTERS_BASE,
  COUNTERS_BYTES,
  COUNTER_DROP_BASE,
  COUNTER_KERNEL_BASE,
  COUNTER_LANE_BASE,
  DROP_COUNT,
  Drop,
  LaneCounter,
} from '../abi';
import { isTraced } from '../mem/trace';

if (COUNTER_DROP_BASE + DROP_COUNT > COUNTER_LANE_BASE)
  ERROR('drop counters overlap the lane counters');
if (COUNTER_KERNEL_BASE * 8 * 2 > COUNTERS_BYTES) ERROR('COUNTERS is too small');

export function countDrop(reason: Drop): void {
  add(COUNTER_DROP_BASE + reason, 1);
}

export function count(counter: LaneCounter, by: u64): void {
  add(COUNTER_LANE_BASE + counter, by);
}

function add(word: u32, by: u64): void {
  if (isTraced()) return;
  const at: usize = COUNTERS_BASE + (word << 3);
  store<u64>(at, load<u64>(at) + by);
}
