/**
 * Service: if the packet is for a frontend, which backend gets its flow. Writes where the packet
 * is to go, translated or not. The first packet of a flow decides for all of it, as in kube-proxy:
 * source ranges, then the set that the traffic policy names, then affinity, then the choice.
 */
import {
  CONTROL_BASE,
  CONTROL_POLICY_FLAGS_OFF,
  CONTROL_POD_RANGE4_OFF,
  CONTROL_POD_RANGE6_OFF,
  Drop,
  FrontendKind,
  LaneCounter,
  Origin,
  PKT_F_FRAGMENT,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  PKT_NO_SERVICE,
  POLICY_F_MASQUERADE_ALL,
  POLICY_F_PODS_BY_LINK,
  POLICY_F_PODS_IN_RANGE4,
  POLICY_F_PODS_IN_RANGE6,
  SERVICE_F_EXTERNAL_LOCAL,
  SERVICE_F_HAS_ANY,
  SERVICE_F_INTERNAL_LOCAL,
  Verdict,
} from '../abi';
import { affinityFind, affinityPut } from '../balance/affinity';
import { pickMember } from '../balance/pick';
import { isSourceAllowed } from '../balance/ranges';
import { NO_INDEX, Service, backendAddr, backendPortBe, memberAt } from '../balance/rows';
import { copyAddr, inRange } from '../mem/addr';
import { isTraced } from '../mem/trace';
import { Pkt, drop } from '../pkt';
import { count } from '../table/counters';
import { Link, findFrontend, frontendKind, frontendService, isOwnAddr } from '../tables';

export function service(p: Pkt): Verdict {
  copyAddr(p.newSrcPtr, p.srcPtr);
  copyAddr(p.newDstPtr, p.dstPtr);
  p.newPorts = p.ports;
  p.service = PKT_NO_SERVICE;
  return p.isTracked && !p.has(PKT_F_LATER_FRAGMENT) ? find(p) : untracked(p);
}

/** Whether an address belongs to a service, whatever the port. */
function isServiceAddr(addr: usize): bool {
  return findFrontend(addr, 0, 0) != 0;
}

/** Whether what cannot choose a backend is for a service all the same. */
function isForService(p: Pkt): bool {
  if (isServiceAddr(p.dstPtr)) return true;
  return p.isTracked && findFrontend(p.dstPtr, <u16>(p.ports >> 16), p.proto) != 0;
}

/** What no row can describe, or has none, may pass by, but not to a service. */
function untracked(p: Pkt): Verdict {
  if (!isForService(p)) return Verdict.NONE;
  return drop(p, p.has(PKT_F_FRAGMENT) ? Drop.FRAGMENT_OF_SERVICE : Drop.SERVICE_PORT_UNKNOWN);
}

function find(p: Pkt): Verdict {
  const frontend = findFrontend(p.dstPtr, <u16>(p.ports >> 16), p.proto);
  if (!frontend) {
    p.rejected = isServiceAddr(p.dstPtr);
    return Verdict.NONE;
  }
  p.service = frontendService(frontend);
  p.frontend = frontendKind(frontend);
  const chosen = Service.of(p.service);
  const isBalancer = p.frontend == <u8>FrontendKind.LOAD_BALANCER;
  if (isBalancer && !isSourceAllowed(chosen, p.srcPtr, p.dstPtr)) {
    return drop(p, Drop.SOURCE_NOT_IN_RANGE);
  }
  p.origin = <u8>originOf(p);
  p.masquerade = isMasqueraded(p, chosen);
  return choose(p, chosen, isLocalOnly(p, chosen));
}

function policy(flag: i32): bool {
  return ((<i32>load<u32>(CONTROL_BASE + CONTROL_POLICY_FLAGS_OFF)) & flag) != 0;
}

/** Whether this family's pods can be told from others at all (kube-proxy's local detector). */
function knowsPods(p: Pkt): bool {
  if (policy(POLICY_F_PODS_BY_LINK)) return true;
  return policy(p.has(PKT_F_IPV4) ? POLICY_F_PODS_IN_RANGE4 : POLICY_F_PODS_IN_RANGE6);
}

function isPod(p: Pkt): bool {
  if (policy(POLICY_F_PODS_BY_LINK) && Link.at(p.link).isPods) return true;
  const isV4 = p.has(PKT_F_IPV4);
  if (!policy(isV4 ? POLICY_F_PODS_IN_RANGE4 : POLICY_F_PODS_IN_RANGE6)) return false;
  const range: usize = CONTROL_BASE + (isV4 ? CONTROL_POD_RANGE4_OFF : CONTROL_POD_RANGE6_OFF);
  return inRange(p.srcPtr, range, range + 16);
}

function originOf(p: Pkt): Origin {
  if (isPod(p)) return Origin.POD;
  return isOwnAddr(p.srcPtr) ? Origin.NODE : Origin.OUTSIDE;
}

/** Only the endpoints of this node: inside callers of an external frontend are not bound by it. */
function isLocalOnly(p: Pkt, chosen: Service): bool {
  if (p.frontend == <u8>FrontendKind.CLUSTER_IP) return chosen.has(SERVICE_F_INTERNAL_LOCAL);
  return chosen.has(SERVICE_F_EXTERNAL_LOCAL) && p.origin == <u8>Origin.OUTSIDE;
}

/** kube-proxy's masquerade rules; hairpins are found later, when the backend is known. */
function isMasqueraded(p: Pkt, chosen: Service): bool {
  if (p.frontend == <u8>FrontendKind.CLUSTER_IP) {
    return policy(POLICY_F_MASQUERADE_ALL) || (knowsPods(p) && p.origin != <u8>Origin.POD);
  }
  return !chosen.has(SERVICE_F_EXTERNAL_LOCAL) || p.origin == <u8>Origin.NODE;
}

function choose(p: Pkt, chosen: Service, local: bool): Verdict {
  p.backend = NO_INDEX;
  if (chosen.count(local) == 0) {
    if (chosen.has(SERVICE_F_HAS_ANY)) return drop(p, Drop.NO_LOCAL_BACKEND);
    p.rejected = true;
    return Verdict.NONE;
  }
  const backend = memberAt(chosen, position(p, chosen, local));
  p.backend = backend;
  copyAddr(p.newDstPtr, backendAddr(backend));
  p.newPorts = (p.ports & 0xffff) | ((<u32>backendPortBe(backend)) << 16);
  return Verdict.NONE;
}

/** Where in the service's run the flow's backend is. */
function position(p: Pkt, chosen: Service, local: bool): u32 {
  const sticky = chosen.affinitySec != 0;
  const bound = sticky ? affinityFind(p.service, chosen, local, p.srcPtr) : NO_INDEX;
  const taken = bound == NO_INDEX ? pickMember(chosen, local, p) : bound;
  if (sticky && !isTraced()) {
    affinityPut(p.service, chosen, taken, p.srcPtr);
    if (bound != NO_INDEX) count(LaneCounter.AFFINITY_HITS, 1);
  }
  return taken;
}
