/**
 * Taking over a table that an earlier agent left behind: every row is checked on its own, and a
 * row that could not have been written whole is deleted, with its partner. Nothing already flowing is disturbed.
 */
import {
  Action,
  CONTROL_BASE,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_FLOWS6_LIVE_OFF,
  FLOW_PROBE_MAX,
  IPPROTO_SCTP,
  LaneCounter,
  SctpState,
  TALLY_F_REPLY,
  TcpState,
} from '../abi';
import { MAPPED_PREFIX } from '../mem/addr';
import { regionCapacity } from '../mem/region';
import { count } from '../table/counters';
import { chainFlow, tupleKeyOf } from './chain';
import { deleteFlow, findFlow, offsetInRun, partnerOf } from './flow-table';
import { Row, dstOff, flowRegion, isV4, rowAt, srcOff, tallyAt, tallyOf } from './row';

/** Could the table have produced this row in this slot? */
function isSound<F>(row: Row, idx: u32): bool {
  if (row.action < <u8>Action.LANE || row.action > <u8>Action.UPLINK) return false;
  const src = row.ptr + srcOff<F>();
  const dst = row.ptr + dstOff<F>();
  if (offsetInRun<F>(idx) >= <u32>FLOW_PROBE_MAX) return false;
  return findFlow<F>(src, dst, row.ports, row.kind) == row.ptr && isPaired<F>(row);
}

/** One row a direction, and a state that the tables of tcp-state.ts and sctp-state.ts know. */
function isPaired<F>(row: Row): bool {
  const partner = partnerOf<F>(row);
  if (!partner) return false;
  const tally = tallyOf<F>(row);
  const other = tallyOf<F>(Row.at(partner));
  const isSctp = (row.kind & 0xff) == IPPROTO_SCTP;
  const last: u8 = isSctp ? <u8>SctpState.HEARTBEAT_ACKED : <u8>TcpState.SYN_SENT2;
  return ((tally.flags ^ other.flags) & TALLY_F_REPLY) != 0 && tally.state <= last;
}

/** @returns rows kept; the count of live rows is set anew */
export function adoptTable<F>(): u32 {
  const mask = regionCapacity(flowRegion<F>()) - 1;
  const live: usize =
    CONTROL_BASE + (isV4<F>() ? CONTROL_FLOWS4_LIVE_OFF : CONTROL_FLOWS6_LIVE_OFF);
  const found = countLive<F>(mask);
  store<u32>(live, found);
  unchainAll<F>(mask);
  for (let idx: u32 = 0; idx <= mask; idx++) {
    const row = rowAt<F>(idx);
    const seq = row.seq;
    if (seq == 0 || seq & 1 || isSound<F>(row, idx)) continue;
    // Both directions: half a flow would translate one way only.
    deleteFlow<F>(row);
  }
  chainAll<F>(mask);
  const kept = load<u32>(live);
  count(LaneCounter.FLOWS_ADOPTED, kept);
  count(LaneCounter.FLOWS_REJECTED, found - kept);
  return kept;
}

function countLive<F>(mask: u32): u32 {
  let live: u32 = 0;
  for (let idx: u32 = 0; idx <= mask; idx++) {
    const seq = rowAt<F>(idx).seq;
    if (seq != 0 && !(seq & 1)) live++;
  }
  return live;
}

/** The chains were another agent's. */
function unchainAll<F>(mask: u32): void {
  for (let idx: u32 = 0; idx <= mask; idx++) {
    const tally = tallyAt<F>(idx);
    if (!(tally.flags & TALLY_F_REPLY)) continue;
    tally.setNext(0);
    tally.setPrevious(0);
  }
}

/** Chain every flow as it was when it was made. */
function chainAll<F>(mask: u32): void {
  for (let idx: u32 = 0; idx <= mask; idx++) {
    const row = rowAt<F>(idx);
    const seq = row.seq;
    if (seq == 0 || seq & 1 || !(tallyAt<F>(idx).flags & TALLY_F_REPLY)) continue;
    const original = Row.at(partnerOf<F>(row));
    const tally = tallyOf<F>(original);
    chainFlow<F>(row, tally.serviceId != 0 ? tally.backendId : keyOfRow<F>(original));
  }
}

/** `tupleKey` of a row's own destination. */
function keyOfRow<F>(row: Row): u32 {
  const dst = row.ptr + dstOff<F>();
  if (isV4<F>())
    return tupleKeyOf(0, ((<u64>load<u32>(dst)) << 32) | MAPPED_PREFIX, row.ports, row.kind);
  return tupleKeyOf(load<u64>(dst), load<u64>(dst, 8), row.ports, row.kind);
}
