/**
 * Parse: from bytes to what the later stages ask about. Every header is proven to lie within the
 * frame before it is read; every failure has its own name.
 */
import {
  Drop,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PKT_F_ECHO,
  PKT_F_FRAGMENT,
  PKT_F_ICMP_ERROR,
  PKT_F_IPV4,
  PKT_F_IPV6,
  PKT_F_LATER_FRAGMENT,
  Verdict,
} from '../abi';
import { MAPPED_PREFIX } from '../mem/addr';
import { Pkt, drop } from '../pkt';
import { Arp } from '../wire/arp';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Eth } from '../wire/eth';
import { Icmp, icmpIsEcho, icmpIsError } from '../wire/icmp';
import { Icmpv6, icmpv6IsEcho, icmpv6IsError } from '../wire/icmpv6';
import { IPV4_FLAG_MF, IPV4_OFFSET_MASK, Ipv4 } from '../wire/ipv4';
import { Ipv6 } from '../wire/ipv6';
import {
  IPV6_NEXT_ROUTING,
  IPV6_WALK_F_LATER,
  IPV6_WALK_F_MORE,
  IPV6_WALK_F_ROUTED,
  walkDrop,
  walkFlags,
  walkIpv6,
  walkOffset,
  walkProto,
} from '../wire/ipv6-ext';
import { Sctp, sctpChunks } from '../wire/sctp';
import { Tcp, tcpFlagsValid } from '../wire/tcp';
import { Udp } from '../wire/udp';

export function parse(p: Pkt): Verdict {
  const frame: usize = p.frame;
  const short = Eth.check(frame, p.len);
  if (short != Drop.NONE) return drop(p, short);
  const eth = Eth.at(frame);
  const l3 = eth.hlen;
  const etherType = eth.etherType;
  p.l3 = <u16>l3;
  p.etherType = etherType;
  // Addresses go down as arguments: read back from the record they would cost a load each time.
  switch (<u32>etherType) {
    case ETHERTYPE_IPV4:
      return parseIpv4(p, frame + l3, p.len - l3);
    case ETHERTYPE_IPV6:
      return parseIpv6(p, frame + l3, p.len - l3);
    case ETHERTYPE_ARP:
      return parseArp(p, frame + l3, p.len - l3);
    default:
      return drop(p, Drop.UNKNOWN_ETHERTYPE);
  }
}

function parseArp(p: Pkt, l3: usize, avail: u32): Verdict {
  const bad = Arp.check(l3, avail);
  return bad == Drop.NONE ? Verdict.NONE : drop(p, bad);
}

function parseIpv4(p: Pkt, l3: usize, avail: u32): Verdict {
  const bad = Ipv4.check(l3, avail);
  if (bad != Drop.NONE) return drop(p, bad);
  const wrong = Ipv4.checkChecksum(l3);
  if (wrong != Drop.NONE) return drop(p, wrong);
  const ip = Ipv4.at(l3);
  const hlen = ip.hlen;
  p.mark(PKT_F_IPV4);
  p.srcHi = 0;
  p.srcLo = ((<u64>ip.srcBe) << 32) | MAPPED_PREFIX;
  p.dstHi = 0;
  p.dstLo = ((<u64>ip.dstBe) << 32) | MAPPED_PREFIX;
  p.proto = ip.proto;
  p.l4 = p.l3 + <u16>hlen;
  const fragment = ip.fragment;
  if (fragment & (IPV4_FLAG_MF | IPV4_OFFSET_MASK)) p.mark(PKT_F_FRAGMENT);
  if (fragment & IPV4_OFFSET_MASK) {
    p.mark(PKT_F_LATER_FRAGMENT);
    return Verdict.NONE;
  }
  return parseTransport(p, l3 + hlen, <u32>ip.totalLength - hlen);
}

function parseIpv6(p: Pkt, l3: usize, avail: u32): Verdict {
  const bad = Ipv6.check(l3, avail);
  if (bad != Drop.NONE) return drop(p, bad);
  const ip = Ipv6.at(l3);
  p.mark(PKT_F_IPV6);
  p.srcHi = load<u64>(ip.srcPtr);
  p.srcLo = load<u64>(ip.srcPtr, 8);
  p.dstHi = load<u64>(ip.dstPtr);
  p.dstLo = load<u64>(ip.dstPtr, 8);
  return parseExtensions(p, l3, ip.datagramLen);
}

/** Find the transport header behind the extension headers. @param end bytes of the datagram */
function parseExtensions(p: Pkt, l3: usize, end: u32): Verdict {
  const walk = walkIpv6(l3, end);
  const bad = walkDrop(walk);
  if (bad != Drop.NONE) return drop(p, bad);
  const flags = walkFlags(walk);
  p.proto = walkProto(walk);
  p.l4 = p.l3 + <u16>walkOffset(walk);
  if (flags & (IPV6_WALK_F_MORE | IPV6_WALK_F_LATER)) p.mark(PKT_F_FRAGMENT);
  if (flags & IPV6_WALK_F_LATER) {
    p.mark(PKT_F_LATER_FRAGMENT);
    return Verdict.NONE;
  }
  if (flags & IPV6_WALK_F_ROUTED) {
    // The address is a stop on the way: not the tuple of any conversation.
    p.proto = IPV6_NEXT_ROUTING;
    return Verdict.NONE;
  }
  return parseTransport(p, l3 + walkOffset(walk), end - walkOffset(walk));
}

/** The transport header of either family. @param avail bytes of it within the datagram */
function parseTransport(p: Pkt, l4: usize, avail: u32): Verdict {
  switch (<u32>p.proto) {
    case IPPROTO_TCP:
      return parseTcp(p, l4, avail);
    case IPPROTO_UDP:
      return parseUdp(p, l4, avail);
    case IPPROTO_SCTP:
      return parseSctp(p, l4, avail);
    case IPPROTO_ICMP:
      return p.has(PKT_F_IPV4) ? parseIcmp(p, l4, avail) : Verdict.NONE;
    case IPPROTO_ICMPV6:
      return p.has(PKT_F_IPV6) ? parseIcmpv6(p, l4, avail) : Verdict.NONE;
    default:
      return Verdict.NONE;
  }
}

function parseTcp(p: Pkt, l4: usize, avail: u32): Verdict {
  const bad = Tcp.check(l4, avail);
  if (bad != Drop.NONE) return drop(p, bad);
  const tcp = Tcp.at(l4);
  p.tcpFlags = tcp.flags;
  p.ports = tcp.portsBe;
  return tcpFlagsValid(tcp.flags) ? Verdict.NONE : drop(p, Drop.BAD_TCP_FLAGS);
}

function parseUdp(p: Pkt, l4: usize, avail: u32): Verdict {
  const whole = !p.has(PKT_F_FRAGMENT);
  const bad = whole ? Udp.check(l4, avail) : Udp.checkHeader(l4, avail);
  if (bad != Drop.NONE) return drop(p, bad);
  p.ports = Udp.at(l4).portsBe;
  return Verdict.NONE;
}

function parseSctp(p: Pkt, l4: usize, avail: u32): Verdict {
  const whole = !p.has(PKT_F_FRAGMENT);
  const bad = whole ? Sctp.check(l4, avail) : Sctp.checkHeader(l4, avail);
  if (bad != Drop.NONE) return drop(p, bad);
  p.ports = Sctp.at(l4).portsBe;
  p.sctpChunks = <u16>sctpChunks(l4, avail);
  return Verdict.NONE;
}

/** An identifier in the place of both ports. */
function echoPorts(idBe: u16): u32 {
  return (<u32>idBe) | ((<u32>idBe) << 16);
}

function parseIcmp(p: Pkt, l4: usize, avail: u32): Verdict {
  const bad = Icmp.check(l4, avail);
  if (bad != Drop.NONE) return drop(p, bad);
  const icmp = Icmp.at(l4);
  if (icmpIsEcho(icmp.type, icmp.code)) {
    p.mark(PKT_F_ECHO);
    p.ports = echoPorts(icmp.idBe);
  } else if (icmpIsError(icmp.type)) {
    p.mark(PKT_F_ICMP_ERROR);
  }
  return Verdict.NONE;
}

function parseIcmpv6(p: Pkt, l4: usize, avail: u32): Verdict {
  const bad = Icmpv6.check(l4, avail);
  if (bad != Drop.NONE) return drop(p, bad);
  const icmp = Icmpv6.at(l4);
  if (icmpv6IsEcho(icmp.type, icmp.code)) {
    p.mark(PKT_F_ECHO);
    p.ports = echoPorts(icmp.idBe);
  } else if (icmpv6IsError(icmp.type)) {
    p.mark(PKT_F_ICMP_ERROR);
  }
  return Verdict.NONE;
}
