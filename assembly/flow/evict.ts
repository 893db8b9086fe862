/**
 * Making room in a full run: first what should be gone, then connections that both ends have
 * closed, then what has never been answered. Linux drops the same early (`tcp_can_early_drop` and
 * unassured entries, net/netfilter/nf_conntrack_core.c).
 */
import { FLOW_PROBE_MAX, TALLY_F_REPLY } from '../abi';
import { regionCapacity } from '../mem/region';
import { EXPIRED, KEEP, rankOf } from './expiry';
import { deleteFlow, partnerOf } from './flow-table';
import { Row, flowRegion, rowAt, tallyOf } from './row';
import { hashTuple } from './tuple';

/**
 * Free one slot in the run of a tuple, if any may be freed.
 *
 * @returns whether a slot became free
 */
export function evict<F>(src: usize, dst: usize, ports: u32, kind: u32): bool {
  const mask = regionCapacity(flowRegion<F>()) - 1;
  const first = hashTuple<F>(src, dst, ports, kind);
  let victim: usize = 0;
  let least = KEEP;
  for (let i: u32 = 0; i < <u32>FLOW_PROBE_MAX && least != EXPIRED; i++) {
    const row = originalOf<F>(rowAt<F>((first + i) & mask));
    if (!row) continue;
    const rank = rankOf<F>(Row.at(row));
    if (rank <= least) continue;
    least = rank;
    victim = row;
  }
  if (!victim) return false;
  deleteFlow<F>(Row.at(victim));
  return true;
}

/** The row that carries the state of a slot's flow; 0 = none. */
function originalOf<F>(row: Row): usize {
  const seq = row.seq;
  if (seq == 0 || seq & 1) return 0;
  return tallyOf<F>(row).flags & TALLY_F_REPLY ? partnerOf<F>(row) : row.ptr;
}
