/**
 * Masquerade: which flows of a service must see the node instead of their client, because the
 * answer would else not come back this way.
 *
 *   a pod that is its own backend    it would answer itself
 *   from an uplink to an uplink      the other node would answer the client directly
 *
 * The source port comes from the node's own range (flow/ports.ts) when the flow is created.
 */
import {
  Action,
  CONTROL_BASE,
  CONTROL_NODE_ADDR4_OFF,
  CONTROL_NODE_ADDR6_OFF,
  Drop,
  LinkKind,
  PKT_F_IPV4,
  Verdict,
} from '../abi';
import { addrEquals, addrIsZero, copyAddr } from '../mem/addr';
import { Pkt, drop } from '../pkt';
import { Link } from '../tables';

export function masquerade(p: Pkt): Verdict {
  if (!p.isService || !mustHide(p)) return Verdict.NONE;
  const node = CONTROL_BASE + (p.has(PKT_F_IPV4) ? CONTROL_NODE_ADDR4_OFF : CONTROL_NODE_ADDR6_OFF);
  if (addrIsZero(node)) return drop(p, Drop.NO_NODE_ADDRESS);
  copyAddr(p.newSrcPtr, node);
  return Verdict.NONE;
}

function mustHide(p: Pkt): bool {
  switch (<u32>Link.at(p.link).kind) {
    case LinkKind.POD:
      return addrEquals(p.srcPtr, p.newDstPtr);
    case LinkKind.UPLINK:
      return p.action == <u8>Action.UPLINK;
    default:
      return false;
  }
}
