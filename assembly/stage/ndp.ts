/**
 * Neighbour discovery: the gateway's answer on a pod link, the IPv6 twin of arp.ts. Whatever a pod
 * solicits is behind us.
 */
import {
  Action,
  Drop,
  IPPROTO_ICMPV6,
  LinkKind,
  PKT_F_ANSWER,
  PKT_F_FRAGMENT,
  PKT_F_IPV6,
  Verdict,
} from '../abi';
import { addrEquals } from '../mem/addr';
import { GATEWAY_MAC_HEAD, GATEWAY_MAC_TAIL } from '../mem/gateway';
import { Pkt, drop, send } from '../pkt';
import { Link } from '../tables';
import { finish, pseudoSum6, sum } from '../wire/checksum';
import { ETH_SRC_OFF, Eth } from '../wire/eth';
import { ICMPV6_NA, ICMPV6_NS, Icmpv6, icmpv6IsLinkLocal } from '../wire/icmpv6';
import { IPV6_HLEN, Ipv6, ipv6IsLinkLocal, ipv6IsMulticast, ipv6IsUnspecified } from '../wire/ipv6';
import {
  NA_FLAG_OVERRIDE,
  NA_FLAG_ROUTER,
  NA_FLAG_SOLICITED,
  ND_HOP_LIMIT,
  ND_MAC_HLEN,
  ND_OPTION_TARGET_MAC,
  Nd,
} from '../wire/nd';

export function ndp(p: Pkt): Verdict {
  if (!p.has(PKT_F_IPV6)) return Verdict.NONE;
  if (p.proto != IPPROTO_ICMPV6 || p.has(PKT_F_FRAGMENT)) return ofLink(p);
  const type = Icmpv6.at(p.l4Ptr).type;
  if (type == ICMPV6_NS) return solicited(p);
  return icmpv6IsLinkLocal(type) ? drop(p, Drop.ND_NOT_FOR_US) : ofLink(p);
}

/** No group is routed, nor a source that means something on its own link only (RFC 4291 2.5). */
function ofLink(p: Pkt): Verdict {
  if (ipv6IsMulticast(p.dstPtr)) return drop(p, Drop.MULTICAST);
  const isLocal = ipv6IsLinkLocal(p.srcPtr) || ipv6IsUnspecified(p.srcPtr);
  return isLocal ? drop(p, Drop.MARTIAN_SOURCE) : Verdict.NONE;
}

function solicited(p: Pkt): Verdict {
  const ip = Ipv6.at(p.l3Ptr);
  const link = Link.at(p.link);
  const bad = Nd.check(p.l4Ptr, ip.datagramLen - (p.l4 - p.l3));
  if (bad != Drop.NONE) return drop(p, bad);
  const target = Nd.at(p.l4Ptr).targetPtr;
  if (link.kind != LinkKind.POD || ip.hopLimit != ND_HOP_LIMIT) return drop(p, Drop.ND_NOT_FOR_US);
  // Duplicate address detection, or the pod's own address: nobody else has it.
  if (ipv6IsUnspecified(p.srcPtr) || addrEquals(target, link.addr6Ptr)) {
    return drop(p, Drop.ND_NOT_FOR_US);
  }
  answer(p);
  return send(p, Action.POD, p.inIfindex);
}

/** Write the advertisement over the solicitation: plain Ethernet, IPv6, NA with our address. */
function answer(p: Pkt): void {
  const eth = Eth.at(p.frame);
  const target = Nd.at(p.l4Ptr).targetPtr;
  eth.copyDst(<usize>p.frame + ETH_SRC_OFF);
  eth.setSrcBe(GATEWAY_MAC_HEAD, GATEWAY_MAC_TAIL);
  const ip = Ipv6.at(p.l3Ptr);
  const na: usize = p.l3Ptr + IPV6_HLEN;
  memory.copy(Nd.at(na).targetPtr, target, 16);
  ip.copyDst(p.srcPtr);
  ip.copySrc(Nd.at(na).targetPtr);
  ip.setNextHeader(<u8>IPPROTO_ICMPV6);
  ip.setPayloadLength(<u16>ND_MAC_HLEN);
  const icmp = Icmpv6.at(na);
  icmp.setTypeCode(ICMPV6_NA, 0);
  Nd.at(na).setFlags(NA_FLAG_ROUTER | NA_FLAG_SOLICITED | NA_FLAG_OVERRIDE);
  Nd.at(na).setMacOptionBe(ND_OPTION_TARGET_MAC, GATEWAY_MAC_HEAD, GATEWAY_MAC_TAIL);
  icmp.setChecksumBe(0);
  const total = pseudoSum6(ip.srcPtr, <u8>IPPROTO_ICMPV6, ND_MAC_HLEN) + sum(na, ND_MAC_HLEN);
  icmp.setChecksumBe(finish(total));
  p.len = p.l3 + IPV6_HLEN + ND_MAC_HLEN;
  p.mark(PKT_F_ANSWER);
}
