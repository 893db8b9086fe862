/**
 * Classify: which link a frame belongs to, and whether its sender may be who it says it is. A pod
 * speaks with its own addresses only, and nobody outside speaks with a pod's (BCP 38).
 */
import { Action, Drop, LinkKind, PKT_F_IPV4, PKT_F_IPV6, Verdict } from '../abi';
import { addrEquals } from '../mem/addr';
import { Pkt, drop } from '../pkt';
import { lpmFind } from '../table/lpm';
import { Link, Route } from '../tables';
import { Ipv4, ipv4IsLoopback, ipv4IsMartian } from '../wire/ipv4';
import { ipv6IsLinkLocal, ipv6IsMartian, ipv6IsUnspecified } from '../wire/ipv6';

/** First octet of the IPv4 groups 224/4 and of limited broadcast. */
const IPV4_GROUP_FIRST: u8 = 224;

export function classify(p: Pkt): Verdict {
  const found = Link.find(p.inIfindex);
  if (!found) return drop(p, Drop.UNKNOWN_LINK);
  p.link = <u32>found;
  const link = Link.at(found);
  let v = Verdict.NONE;
  if (p.has(PKT_F_IPV4)) v = classifyIpv4(p, link);
  else if (p.has(PKT_F_IPV6)) v = classifyIpv6(p, link);
  if (v != Verdict.NONE || link.kind != LinkKind.UPLINK) return v;
  return isLocalPod(p) ? drop(p, Drop.SPOOFED_SOURCE) : v;
}

/** Whether the source is the address of a pod of this node. */
function isLocalPod(p: Pkt): bool {
  const route = lpmFind(p.srcPtr);
  return route != 0 && Route.at(route).action == <u8>Action.POD;
}

function classifyIpv4(p: Pkt, link: Link): Verdict {
  const ip = Ipv4.at(p.l3Ptr);
  if (link.kind == LinkKind.POD && ip.srcBe != link.addr4Be) return drop(p, Drop.SPOOFED_SOURCE);
  // The host may speak with its loopback address: to node ports on it.
  if (link.kind != LinkKind.HOST) {
    if (ipv4IsMartian(ip.srcBe)) return drop(p, Drop.MARTIAN_SOURCE);
    // Node ports on 127.0.0.1 are the host's alone (CVE-2020-8558).
    if (ipv4IsLoopback(ip.dstBe)) return drop(p, Drop.MARTIAN_DESTINATION);
  }
  return <u8>ip.dstBe >= IPV4_GROUP_FIRST ? drop(p, Drop.MULTICAST) : Verdict.NONE;
}

function classifyIpv6(p: Pkt, link: Link): Verdict {
  const local = ipv6IsLinkLocal(p.srcPtr) || ipv6IsUnspecified(p.srcPtr);
  if (link.kind == LinkKind.POD && !local && !addrEquals(p.srcPtr, link.addr6Ptr)) {
    return drop(p, Drop.SPOOFED_SOURCE);
  }
  return ipv6IsMartian(p.srcPtr) ? drop(p, Drop.MARTIAN_SOURCE) : Verdict.NONE;
}
