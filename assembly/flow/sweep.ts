/**
 * Forgetting: flows silent for longer than their timeout go, a slice of the table per call.
 *
 * Silence is judged by both directions and both counters: a flow that only the kernel sees is as
 * alive as one the lane sees.
 */
import {
  CONTROL_BASE,
  CONTROL_SWEEP4_OFF,
  CONTROL_SWEEP6_OFF,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  LaneCounter,
  TALLY_F_REPLY,
  TALLY_F_SEEN_REPLY,
  TcpState,
} from '../abi';
import { msOfNs, nowMs } from '../mem/clock';
import { regionCapacity } from '../mem/region';
import { count } from '../table/counters';
import { deleteFlow, deleteRow, partnerOf, reclaimDeleted } from './flow-table';
import { followRoute } from './follow';
import { Row, Tally, flowRegion, isV4, rowAt, tallyAt, tallyOf } from './row';
import { sctpTimeoutMs } from './sctp-state';
import { settledState } from './settled';
import { GENERIC_TIMEOUT_MS, ICMP_TIMEOUT_MS, tcpTimeoutMs, udpTimeoutMs } from './timeouts';

/** How long a row has been silent, both its counters taken together. */
function silentMs(tally: Tally): u32 {
  const lane = since(tally.laneSeenMs);
  if (tally.kernelPackets == 0) return lane;
  return min<u32>(lane, since(msOfNs(tally.kernelSeenNs)));
}

/** A stamp may be younger than this turn's clock (the kernel's, a capture's): no silence at all. */
function since(ms: u32): u32 {
  const silence = nowMs() - ms;
  return silence > <u32>i32.MAX_VALUE ? 0 : silence;
}

function timeoutMs(row: Row, original: Tally, reply: Tally): u32 {
  const proto = row.kind & 0xff;
  if (proto == IPPROTO_TCP) return tcpTimeoutMs(settledState(original, reply));
  if (proto == IPPROTO_UDP) {
    const replied = (original.flags & TALLY_F_SEEN_REPLY) != 0 || reply.kernelPackets != 0;
    return udpTimeoutMs(replied);
  }
  if (proto == IPPROTO_SCTP) return sctpTimeoutMs(original.state);
  return isEcho(proto) ? ICMP_TIMEOUT_MS : GENERIC_TIMEOUT_MS;
}

/** ICMP and ICMPv6 rows are echo conversations. */
function isEcho(proto: u32): bool {
  return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/** @returns whether the flow of this original-direction row has been silent too long */
export function isExpired<F>(row: Row): bool {
  const original = tallyOf<F>(row);
  const partner = partnerOf<F>(row);
  if (!partner) return true;
  const reply = tallyOf<F>(Row.at(partner));
  return min<u32>(silentMs(original), silentMs(reply)) > timeoutMs(row, original, reply);
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
  const slots = min<u32>(budget, mask + 1);
  // Downwards, so that a run of deleted slots is reclaimed from its end in one pass.
  for (let i: u32 = 0; i < slots; i++, idx = (idx - 1) & mask) {
    const row = rowAt<F>(idx);
    const seq = row.seq;
    if (seq == 0) continue;
    if (seq & 1) reclaimDeleted<F>(idx);
    else if (forget<F>(row, tallyAt<F>(idx))) gone++;
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
  if (!isExpired<F>(row)) {
    followRoute<F>(row);
    return false;
  }
  deleteFlow<F>(row);
  return true;
}
