/**
 * Flow look-up: does a row already say what becomes of this packet? Also where a TCP segment that
 * the kernel sent up, or an SCTP packet, moves the flow's state.
 */
import {
  Drop,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  LaneCounter,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  PKT_F_REPLY,
  TALLY_F_REPLY,
  TALLY_F_RESET,
  TALLY_F_SEEN_REPLY,
  Verdict,
} from '../abi';
import { answerReset } from '../answer/tcp-reset';
import { isExpired } from '../flow/expiry';
import { deleteFlow, findFlow, partnerOf } from '../flow/flow-table';
import { Row, Tally, V4, V6, tallyOf } from '../flow/row';
import { SCTP_INVALID, isSctpClosing, nextSctpState } from '../flow/sctp-state';
import { settledState } from '../flow/settled';
import { unmapped } from '../flow/tuple';
import { TCP_INVALID, isTcpClosed, nextTcpState } from '../flow/tcp-state';
import { nowMs } from '../mem/clock';
import { isTraced } from '../mem/trace';
import { Pkt, drop } from '../pkt';
import { count } from '../table/counters';
import { SCTP_INIT, sctpHas } from '../wire/sctp';
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from '../wire/tcp';

export function flowLookup(p: Pkt): Verdict {
  p.row = 0;
  p.keptPort = 0;
  if (!p.isTracked) return Verdict.NONE;
  return p.has(PKT_F_IPV4) ? lookup<V4>(p) : lookup<V6>(p);
}

function lookup<F>(p: Pkt): Verdict {
  const found = findFlow<F>(unmapped<F>(p.srcPtr), unmapped<F>(p.dstPtr), p.ports, p.proto);
  if (!found) return Verdict.NONE;
  const row = Row.at(found);
  // The same tuple from another link is another conversation: the old one is over.
  const from = row.inIfindex;
  if (from != 0 && from != p.inIfindex) {
    if (isTraced()) return Verdict.NONE;
    deleteFlow<F>(row);
    return Verdict.NONE;
  }
  const tally = tallyOf<F>(row);
  if (tally.flags & TALLY_F_RESET) return reset(p);
  if (tally.flags & TALLY_F_REPLY) p.mark(PKT_F_REPLY);
  const isTcp = p.proto == IPPROTO_TCP && !p.has(PKT_F_LATER_FRAGMENT);
  if (isTcp || p.proto == IPPROTO_SCTP) {
    const verdict = isTcp ? advanceTcp<F>(p, row, tally) : advanceSctp<F>(p, row, tally);
    if (verdict != Verdict.NONE || p.row == 0) return verdict;
  } else {
    noteReply<F>(row, tally);
    p.row = <u32>row.ptr;
  }
  if (!isTraced()) tally.add(p.len, nowMs());
  p.tally = <u32>tally.ptr;
  return Verdict.NONE;
}

/** The backend of this flow is gone, and its ends are to know (POLICY_F_RESET_REMOVED). */
function reset(p: Pkt): Verdict {
  if (p.has(PKT_F_LATER_FRAGMENT)) return drop(p, Drop.ERROR_NOT_ANSWERED);
  count(LaneCounter.RESETS, 1);
  return answerReset(p);
}

/** UDP and echo: the first reply makes it a stream. */
function noteReply<F>(row: Row, tally: Tally): void {
  if (isTraced() || !(tally.flags & TALLY_F_REPLY)) return;
  const partner = partnerOf<F>(row);
  if (!partner) return;
  const original = tallyOf<F>(Row.at(partner));
  original.setFlags(original.flags | TALLY_F_SEEN_REPLY);
}

/** Move the flow's state; sets `p.row` unless the segment begins a new connection. */
function advanceTcp<F>(p: Pkt, row: Row, tally: Tally): Verdict {
  const partner = partnerOf<F>(row);
  if (!partner) return begin<F>(p, row);
  const other = tallyOf<F>(Row.at(partner));
  const reply = p.has(PKT_F_REPLY);
  const original = reply ? other : tally;
  const state = settledState(original, reply ? tally : other);
  const opens = (p.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
  if (opens && (isTcpClosed(state) || isStale<F>(row, Row.at(partner), reply))) {
    return begin<F>(p, row);
  }
  const next = nextTcpState(state, p.tcpFlags, reply);
  if (next == TCP_INVALID) return drop(p, Drop.TCP_INVALID_STATE);
  if (!isTraced()) original.setState(next);
  p.row = <u32>row.ptr;
  return Verdict.NONE;
}

/** `advanceTcp` for SCTP, whose packets all pass here. */
function advanceSctp<F>(p: Pkt, row: Row, tally: Tally): Verdict {
  const partner = partnerOf<F>(row);
  if (!partner) return begin<F>(p, row);
  const reply = p.has(PKT_F_REPLY);
  const original = reply ? tallyOf<F>(Row.at(partner)) : tally;
  const state = original.state;
  const opens = sctpHas(p.sctpChunks, SCTP_INIT);
  if (opens && (isSctpClosing(state) || isStale<F>(row, Row.at(partner), reply))) {
    return begin<F>(p, row);
  }
  const next = nextSctpState(state, p.sctpChunks, reply);
  if (next == SCTP_INVALID) return drop(p, Drop.SCTP_INVALID_STATE);
  original.setState(next);
  p.row = <u32>row.ptr;
  return Verdict.NONE;
}

/** The flow is over; the packet may be the first of another, in whatever direction. */
function begin<F>(p: Pkt, row: Row): Verdict {
  if (!p.has(PKT_F_REPLY)) p.keptPort = <u16>row.newPorts;
  if (!isTraced()) deleteFlow<F>(row);
  p.flags &= <u16>~PKT_F_REPLY;
  return Verdict.NONE;
}

/** A SYN or INIT on a flow whose time is up does not wait for the sweep. */
function isStale<F>(row: Row, partner: Row, reply: bool): bool {
  return isExpired<F>(reply ? partner : row);
}
