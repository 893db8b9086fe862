/**
 * Making room in a full run: first what should be gone, then connections that both ends have
 * closed, then what has never been answered. Linux drops the same early (`tcp_can_early_drop` and
 * unassured entries, net/netfilter/nf_conntrack_core.c).
 */
import {
  FLOW_PROBE_MAX,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  SctpState,
  TALLY_F_REPLY,
  TALLY_F_SEEN_REPLY,
  TcpState,
} from '../abi';
import { regionCapacity } from '../mem/region';
import { deleteFlow, partnerOf } from './flow-table';
import { Row, flowRegion, rowAt, tallyOf } from './row';
import { settledState } from './settled';
import { isExpired } from './sweep';
import { isTcpClosed } from './tcp-state';
import { hashTuple } from './tuple';

/** How little a flow is missed; what is not over and was answered is never evicted. */
const KEEP: u32 = 0;
const UNANSWERED: u32 = 1;
const CLOSED: u32 = 2;
const EXPIRED: u32 = 3;

/** @param original  a row that carries its flow's state; one without a partner counts as expired */
function rankOf<F>(original: Row): u32 {
  if (isExpired<F>(original)) return EXPIRED;
  const tally = tallyOf<F>(original);
  const reply = tallyOf<F>(Row.at(partnerOf<F>(original)));
  const proto = original.kind & 0xff;
  if (proto == IPPROTO_TCP) return tcpRank(settledState(tally, reply));
  if (proto == IPPROTO_SCTP) return sctpRank(tally.state);
  const isAnswered = (tally.flags & TALLY_F_SEEN_REPLY) != 0 || reply.kernelPackets != 0;
  return isAnswered ? KEEP : UNANSWERED;
}

function tcpRank(state: u8): u32 {
  if (isTcpClosed(state)) return CLOSED;
  return state == TcpState.SYN_SENT ? UNANSWERED : KEEP;
}

function sctpRank(state: u8): u32 {
  if (state == SctpState.CLOSED) return CLOSED;
  return state == SctpState.COOKIE_WAIT || state == SctpState.HEARTBEAT_SENT ? UNANSWERED : KEEP;
}

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
