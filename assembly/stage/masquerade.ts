/**
 * Masquerade: whom a backend sees instead of the client, where the answer would else not come back
 * this way.
 *
 *   the traffic policy says so      the node's address (decided in service.ts)
 *   a pod that is its own backend   the node's address
 *   the host to what answers by     an alias that is routed to the trunk: what the host sends to
 *   the trunk, itself for one       its own addresses never leaves it
 *
 * The source port comes from the node's own range (flow/ports.ts) when the flow is created. What
 * ends at this host itself keeps its source: its answers pass us in any case.
 */
import {
  Action,
  CONTROL_BASE,
  CONTROL_HOST_ALIAS4_OFF,
  CONTROL_HOST_ALIAS6_OFF,
  CONTROL_NODE_ADDR4_OFF,
  CONTROL_NODE_ADDR6_OFF,
  Drop,
  LinkKind,
  PKT_F_IPV4,
  ROUTE_F_OWN,
  Verdict,
} from '../abi';
import { addrEquals, addrIsZero, copyAddr } from '../mem/addr';
import { Pkt, drop } from '../pkt';
import { Link, Route } from '../tables';

export function masquerade(p: Pkt): Verdict {
  if (!p.isService) return Verdict.NONE;
  if (p.action == <u8>Action.HOST && Link.at(p.link).kind == LinkKind.HOST) {
    // Without an interface it is the kernel's routes that know where the endpoint is.
    if (p.outIfindex != 0) return hideAs(p, CONTROL_HOST_ALIAS4_OFF, CONTROL_HOST_ALIAS6_OFF);
    return hideAs(p, CONTROL_NODE_ADDR4_OFF, CONTROL_NODE_ADDR6_OFF);
  }
  const endsHere = p.route != 0 && (Route.at(p.route).flags & ROUTE_F_OWN) != 0;
  const isHairpin = addrEquals(p.srcPtr, p.newDstPtr);
  if (!isHairpin && (!p.masquerade || endsHere)) return Verdict.NONE;
  return hideAs(p, CONTROL_NODE_ADDR4_OFF, CONTROL_NODE_ADDR6_OFF);
}

/** Give the flow one of CONTROL's addresses as its source. */
function hideAs(p: Pkt, off4: i32, off6: i32): Verdict {
  const address: usize = CONTROL_BASE + (p.has(PKT_F_IPV4) ? off4 : off6);
  if (addrIsZero(address)) return drop(p, Drop.NO_NODE_ADDRESS);
  copyAddr(p.newSrcPtr, address);
  return Verdict.NONE;
}
