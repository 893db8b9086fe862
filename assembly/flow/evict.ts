/** Making room in a full run: first what should be gone, then what has never been answered. */
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
import { hashTuple } from './tuple';

/** Linux calls such flows unassured and drops them early, too. */
function isUnassured<F>(row: Row): bool {
  const tally = tallyOf<F>(row);
  const partner = partnerOf<F>(row);
  if (!partner) return true;
  const reply = tallyOf<F>(Row.at(partner));
  const proto = row.kind & 0xff;
  if (proto == IPPROTO_TCP) return settledState(tally, reply) == TcpState.SYN_SENT;
  if (proto == IPPROTO_SCTP) {
    return tally.state == SctpState.COOKIE_WAIT || tally.state == SctpState.HEARTBEAT_SENT;
  }
  return !(tally.flags & TALLY_F_SEEN_REPLY) && reply.kernelPackets == 0;
}

/**
 * Free one slot in the run of a tuple, if any may be freed.
 *
 * @returns whether a slot became free
 */
export function evict<F>(src: usize, dst: usize, ports: u32, kind: u32): bool {
  const first = hashTuple<F>(src, dst, ports, kind);
  return evictIf<F>(first, true) || evictIf<F>(first, false);
}

function evictIf<F>(first: u32, expiredOnly: bool): bool {
  const mask = regionCapacity(flowRegion<F>()) - 1;
  for (let i: u32 = 0; i < <u32>FLOW_PROBE_MAX; i++) {
    const row = originalOf<F>(rowAt<F>((first + i) & mask));
    if (!row) continue;
    const original = Row.at(row);
    if (expiredOnly ? !isExpired<F>(original) : !isUnassured<F>(original)) continue;
    deleteFlow<F>(original);
    return true;
  }
  return false;
}

/** The row that carries a flow's state; 0 when the slot holds no whole flow. */
function originalOf<F>(row: Row): usize {
  const seq = row.seq;
  if (seq == 0 || seq & 1) return 0;
  return tallyOf<F>(row).flags & TALLY_F_REPLY ? partnerOf<F>(row) : row.ptr;
}
