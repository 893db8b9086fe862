/** What happens to flows when the services they belong to change. */
import {
  Action,
  CONTROL_BASE,
  CONTROL_POLICY_FLAGS_OFF,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  LaneCounter,
  POLICY_F_RESET_REMOVED,
  TALLY_F_RESET,
  TcpState,
} from '../abi';
import { count } from '../table/counters';
import { chainOf, tupleKey } from './chain';
import { deleteFlow, partnerOf, redirectRow } from './flow-table';
import { Row, dstOff, rowAt, tallyOf } from './row';
import { addrEq, unmapped } from './tuple';

/**
 * A service has lost a backend: its UDP flows there are forgotten. TCP connections are left alone
 * or reset, SCTP associations left alone or forgotten, as POLICY_F_RESET_REMOVED says: the backend
 * that gets the next packet of one aborts what it does not know (RFC 9260 8.4).
 *
 * @returns flows it concerned
 * Cost     the flows of the backend
 */
export function purgeBackend<F>(service: u32, backend: u32, proto: u8): u32 {
  let gone: u32 = 0;
  let at = chainOf<F>(backend);
  while (at != 0) {
    const reply = rowAt<F>(at - 1);
    at = tallyOf<F>(reply).next;
    const partner = partnerOf<F>(reply);
    if (!partner) continue;
    const original = Row.at(partner);
    const tally = tallyOf<F>(original);
    if (tally.serviceId != service || tally.backendId != backend) continue;
    if (<u8>original.kind != proto) continue;
    if (proto == IPPROTO_TCP) markReset<F>(original, reply);
    else if (proto != IPPROTO_SCTP || isResetWanted()) deleteFlow<F>(original);
    gone++;
  }
  count(LaneCounter.FLOWS_PURGED, gone);
  return gone;
}

function isResetWanted(): bool {
  return (load<u32>(CONTROL_BASE + CONTROL_POLICY_FLAGS_OFF) & POLICY_F_RESET_REMOVED) != 0;
}

/** Both directions climb from now on, and are answered by a reset (stage/flow-lookup.ts). */
function markReset<F>(original: Row, reply: Row): void {
  if (!isResetWanted()) return;
  tallyOf<F>(original).setState(<u8>TcpState.CLOSE);
  for (let i = 0; i < 2; i++) {
    const row = i == 0 ? original : reply;
    const tally = tallyOf<F>(row);
    tally.setFlags(tally.flags | TALLY_F_RESET);
    redirectRow<F>(row, Action.LANE);
  }
}

/**
 * An address and port have become a frontend: flows that passed there untranslated would go on
 * doing so.
 *
 * @param dst    16-byte address
 * @param ports  as FLOW_PORTS; the upper half is the frontend's
 */
export function purgeUntranslated<F>(dst: usize, ports: u32, proto: u8): void {
  let gone: u32 = 0;
  let at = chainOf<F>(tupleKey(dst, ports, proto));
  while (at != 0) {
    const reply = rowAt<F>(at - 1);
    at = tallyOf<F>(reply).next;
    const partner = partnerOf<F>(reply);
    if (!partner) continue;
    const original = Row.at(partner);
    if (tallyOf<F>(original).serviceId != 0 || <u8>original.kind != proto) continue;
    if (original.ports >> 16 != ports >> 16) continue;
    if (!addrEq<F>(original.ptr + dstOff<F>(), unmapped<F>(dst))) continue;
    deleteFlow<F>(original);
    gone++;
  }
  count(LaneCounter.FLOWS_PURGED, gone);
}
