/**
 * Flows whose link is gone. Nobody can send or receive them any more, and the address of the pod
 * may soon be another's: they must not wait for their timeout, which is days for TCP.
 */
import { CONTROL_BASE, CONTROL_LINKS_STALE_OFF, LaneCounter, RegionId } from '../abi';
import { regionCapacity } from '../mem/region';
import { count } from '../table/counters';
import { WORDS_1, tableFind } from '../table/hash-table';
import { deleteFlow } from './flow-table';
import { V4, V6, flowRegion, rowAt } from './row';

/** A link was removed, or links are known for the first time: flows may name what is not there. */
export function staleLinks(): void {
  store<u32>(CONTROL_BASE + CONTROL_LINKS_STALE_OFF, 1);
}

/**
 * Forget what names a link that is not there, if there can be any.
 *
 * Cost  one pass over both tables however many links went
 */
export function dropStrays(): void {
  if (load<u32>(CONTROL_BASE + CONTROL_LINKS_STALE_OFF) == 0) return;
  store<u32>(CONTROL_BASE + CONTROL_LINKS_STALE_OFF, 0);
  count(LaneCounter.FLOWS_PURGED, dropIn<V4>() + dropIn<V6>());
}

function dropIn<F>(): u32 {
  const capacity = regionCapacity(flowRegion<F>());
  let gone: u32 = 0;
  for (let idx: u32 = 0; idx < capacity; idx++) {
    const row = rowAt<F>(idx);
    if (row.seq == 0 || row.seq & 1) continue;
    if (isThere(row.inIfindex) && isThere(row.outIfindex)) continue;
    // Both directions, whichever of them is at hand.
    deleteFlow<F>(row);
    gone++;
  }
  return gone;
}

/** 0 is any uplink, or the kernel's choice. */
function isThere(ifindex: u32): bool {
  return ifindex == 0 || tableFind(RegionId.LINKS, WORDS_1, ifindex, 0, 0) != 0;
}
