/**
 * Flow look-up: does a row already say what becomes of this packet? Also where a TCP segment that
 * the kernel sent up moves the flow's state.
 */
import {
  Drop,
  IPPROTO_TCP,
  PKT_F_IPV4,
  PKT_F_REPLY,
  TALLY_F_REPLY,
  TALLY_F_SEEN_REPLY,
  Verdict,
} from '../abi';
import { deleteFlow, findFlow, partnerOf } from '../flow/flow-table';
import { Row, Tally, V4, V6, tallyOf } from '../flow/row';
import { isExpired, settledState } from '../flow/sweep';
import { unmapped } from '../flow/tuple';
import { TCP_INVALID, isTcpClosed, nextTcpState } from '../flow/tcp-state';
import { nowMs } from '../mem/clock';
import { Pkt, drop } from '../pkt';
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from '../wire/tcp';

export function flowLookup(p: Pkt): Verdict {
  p.row = 0;
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
    deleteFlow<F>(row);
    return Verdict.NONE;
  }
  const tally = tallyOf<F>(row);
  if (tally.flags & TALLY_F_REPLY) p.mark(PKT_F_REPLY);
  if (p.proto == IPPROTO_TCP) {
    const verdict = advanceTcp<F>(p, row, tally);
    if (verdict != Verdict.NONE || p.row == 0) return verdict;
  } else {
    noteReply<F>(row, tally);
    p.row = <u32>row.ptr;
  }
  tally.add(p.len, nowMs());
  p.tally = <u32>tally.ptr;
  return Verdict.NONE;
}

/** UDP and echo: the first reply makes it a stream. */
function noteReply<F>(row: Row, tally: Tally): void {
  if (!(tally.flags & TALLY_F_REPLY)) return;
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
  original.setState(next);
  p.row = <u32>row.ptr;
  return Verdict.NONE;
}

/** The flow is over; the packet may be the first of another, in whatever direction. */
function begin<F>(p: Pkt, row: Row): Verdict {
  deleteFlow<F>(row);
  p.flags &= <u16>~PKT_F_REPLY;
  return Verdict.NONE;
}

/** A SYN on a flow whose time is up does not wait for the sweep. */
function isStale<F>(row: Row, partner: Row, reply: bool): bool {
  return isExpired<F>(reply ? partner : row);
}
