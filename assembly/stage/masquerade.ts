/**
 * Masquerade: whom the other end sees instead of the sender, where the answer would else not come
 * back this way.
 *
 *   the traffic policy says so      the node's address (decided in service.ts)
 *   a pod that is its own backend   the node's address
 *   a pod to outside the cluster    the node's address, service or not
 *   whoever is no pod, by a tunnel  the node's address beyond it
 *   the host to what answers by     an alias that is routed to the trunk: what the host sends to
 *   the trunk, itself for one       its own addresses never leaves it
 *
 * The source port comes from the node's own range (flow/ports.ts) when the flow is created. What
 * ends at this host itself keeps its source: its answers pass us in any case. So does what goes to
 * the destinations that the configuration exempts.
 *
 * A pod's own address must not get outside: what cannot have a row of its own is dropped by name.
 */
import {
  Action,
  CONTROL_BASE,
  CONTROL_EXEMPT_COUNT_OFF,
  CONTROL_EXEMPT_OFF,
  CONTROL_HOST_ALIAS4_OFF,
  CONTROL_HOST_ALIAS6_OFF,
  CONTROL_NODE_ADDR4_OFF,
  CONTROL_NODE_ADDR6_OFF,
  Drop,
  IPPROTO_TCP,
  LinkKind,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  RANGE_MASK_OFF,
  RANGE_SIZE,
  ROUTE_F_OUTSIDE,
  ROUTE_F_OWN,
  Verdict,
} from '../abi';
import { addrEquals, addrIsZero, copyAddr, copyMapped, inRange } from '../mem/addr';
import { Pkt, drop } from '../pkt';
import { Link, Route } from '../tables';
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN } from '../wire/tcp';

const TCP_OPENING: u32 = TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_FIN | TCP_FLAG_RST;

export function masquerade(p: Pkt): Verdict {
  if (!p.isService) return leavesCluster(p) ? hideOpening(p) : Verdict.NONE;
  if (p.action == <u8>Action.HOST && Link.at(p.link).kind == LinkKind.HOST) {
    // Without an interface it is the kernel's routes that know where the endpoint is.
    if (p.outIfindex != 0) return hideAs(p, CONTROL_HOST_ALIAS4_OFF, CONTROL_HOST_ALIAS6_OFF);
    return hideAs(p, CONTROL_NODE_ADDR4_OFF, CONTROL_NODE_ADDR6_OFF);
  }
  const endsHere = p.route != 0 && (Route.at(p.route).flags & ROUTE_F_OWN) != 0;
  const isHairpin = addrEquals(p.srcPtr, p.newDstPtr);
  if (leavesByTunnel(p)) return p.masquerade || isHosts(p) ? hideBeyond(p) : Verdict.NONE;
  const isNeeded = p.masquerade && !endsHere;
  if (!isHairpin && !isNeeded && !leavesCluster(p)) return Verdict.NONE;
  return hideAs(p, CONTROL_NODE_ADDR4_OFF, CONTROL_NODE_ADDR6_OFF);
}

/** From a pod to somebody who does not know what a pod is. */
function leavesCluster(p: Pkt): bool {
  if (Link.at(p.link).kind != <u8>LinkKind.POD || p.route == 0) return false;
  return (Route.at(p.route).flags & ROUTE_F_OUTSIDE) != 0 && !isExempt(p.newDstPtr);
}

function isExempt(addr: usize): bool {
  const count = load<u32>(CONTROL_BASE + CONTROL_EXEMPT_COUNT_OFF);
  let range: usize = CONTROL_BASE + CONTROL_EXEMPT_OFF;
  for (let i: u32 = 0; i < count; i++, range += RANGE_SIZE) {
    if (inRange(addr, range, range + RANGE_MASK_OFF)) return true;
  }
  return false;
}

/** Hide what begins a flow; whatever else comes this way has lost its row, or never had one. */
function hideOpening(p: Pkt): Verdict {
  if (!p.isTracked || p.has(PKT_F_LATER_FRAGMENT)) return drop(p, Drop.MASQUERADE_PROTOCOL);
  const isTcp = p.proto == IPPROTO_TCP;
  if (isTcp && (p.tcpFlags & TCP_OPENING) != TCP_FLAG_SYN) return drop(p, Drop.TCP_INVALID_STATE);
  return hideAs(p, CONTROL_NODE_ADDR4_OFF, CONTROL_NODE_ADDR6_OFF);
}

function leavesByTunnel(p: Pkt): bool {
  return p.route != 0 && Route.at(p.route).isTunnel;
}

function isHosts(p: Pkt): bool {
  return Link.at(p.link).kind == LinkKind.HOST;
}

/** By a tunnel come answers to the addresses this node has there, if any, not to its others. */
function hideBeyond(p: Pkt): Verdict {
  const found = Link.find(p.outIfindex);
  if (found && p.has(PKT_F_IPV4) && Link.at(found).addr4Be != 0) {
    copyMapped(p.newSrcPtr, Link.at(found).addr4Be);
    return Verdict.NONE;
  }
  if (found && !p.has(PKT_F_IPV4) && !addrIsZero(Link.at(found).addr6Ptr)) {
    copyAddr(p.newSrcPtr, Link.at(found).addr6Ptr);
    return Verdict.NONE;
  }
  return hideAs(p, CONTROL_NODE_ADDR4_OFF, CONTROL_NODE_ADDR6_OFF);
}

/** Give the flow one of CONTROL's addresses as its source. */
function hideAs(p: Pkt, off4: i32, off6: i32): Verdict {
  const address: usize = CONTROL_BASE + (p.has(PKT_F_IPV4) ? off4 : off6);
  if (addrIsZero(address)) return drop(p, Drop.NO_NODE_ADDRESS);
  copyAddr(p.newSrcPtr, address);
  return Verdict.NONE;
}
