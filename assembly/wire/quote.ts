/**
 * The packet an ICMP or ICMPv6 error quotes: cut anywhere behind its first transport bytes, and
 * written by somebody who may lie. Nothing is read or written beyond what was quoted.
 *
 *   +---------------+----------------+----------------------+--------------+
 *   | ICMP, 8 bytes | quoted IP head | 8 transport bytes    | maybe more   |
 *   +---------------+----------------+----------------------+--------------+
 *
 * Where the transport header is comes as one u32 (no allocation): protocol in the low byte, bytes
 * from the quoted IP header on above it; 0 = there is none that a flow could be told by.
 *
 * Spec: RFC 792; RFC 1812 4.3.2.3; RFC 4443 2.4 c
 */
import { Drop, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from '../abi';
import { applyDelta, applyDeltaUdp } from './checksum';
import { ICMP_QUOTED_L4_LEN, Icmp, icmpIsEcho } from './icmp';
import { Icmpv6, icmpv6IsEcho } from './icmpv6';
import { IPV4_OFFSET_MASK, Ipv4 } from './ipv4';
import { Ipv6 } from './ipv6';
import {
  IPV6_WALK_F_LATER,
  IPV6_WALK_F_ROUTED,
  walkDrop,
  walkFlags,
  walkIpv6,
  walkOffset,
  walkProto,
} from './ipv6-ext';
import { TCP_CHECKSUM_OFF, Tcp } from './tcp';
import { Udp } from './udp';

/** Transport bytes a translation may change: up to the end of TCP's checksum. */
export const QUOTE_CHANGED_MAX: u32 = <u32>TCP_CHECKSUM_OFF + 2;

/** @param avail  bytes from the quoted IPv4 header to the end of the error */
export function quotedTransport4(ptr: usize, avail: u32): u32 {
  if (Ipv4.checkHeader(ptr, avail) != Drop.NONE) return 0;
  const ip = Ipv4.at(ptr);
  if (ip.fragment & IPV4_OFFSET_MASK) return 0;
  return withPorts(ptr, ip.proto, ip.hlen, avail);
}

/** @param avail  bytes from the quoted IPv6 header to the end of the error */
export function quotedTransport6(ptr: usize, avail: u32): u32 {
  if (Ipv6.checkHeader(ptr, avail) != Drop.NONE) return 0;
  const walk = walkIpv6(ptr, avail);
  if (walkDrop(walk) != Drop.NONE) return 0;
  if (walkFlags(walk) & (IPV6_WALK_F_LATER | IPV6_WALK_F_ROUTED)) return 0;
  return withPorts(ptr, walkProto(walk), walkOffset(walk), avail);
}

function withPorts(ptr: usize, proto: u8, offset: u32, avail: u32): u32 {
  if (offset + ICMP_QUOTED_L4_LEN > avail) return 0;
  return hasPorts(ptr + offset, proto) ? (<u32>proto) | (offset << 8) : 0;
}

function hasPorts(l4: usize, proto: u8): bool {
  switch (<u32>proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
      return true;
    case IPPROTO_ICMP:
      return icmpIsEcho(Icmp.at(l4).type, Icmp.at(l4).code);
    case IPPROTO_ICMPV6:
      return icmpv6IsEcho(Icmpv6.at(l4).type, Icmpv6.at(l4).code);
    default:
      return false;
  }
}

/** FLOW_PORTS of a quoted transport header; an echo's identifier stands in both halves. */
export function quotedPorts(l4: usize, proto: u8): u32 {
  if (proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6) return Udp.at(l4).portsBe;
  const idBe = <u32>Icmp.at(l4).idBe;
  return idBe | (idBe << 16);
}

/**
 * Give a quoted transport header other ports, and its checksum what that and the addresses change,
 * where the quote reaches that far. SCTP's CRC32c could not be computed without the whole packet.
 *
 * @param avail  bytes from `l4` to the end of the error
 */
export function translateQuoted(
  l4: usize,
  avail: u32,
  proto: u8,
  ports: u32,
  addrDelta: u32,
  portDelta: u32,
): void {
  switch (<u32>proto) {
    case IPPROTO_ICMP:
      Icmp.at(l4).setIdBe(<u16>ports);
      Icmp.at(l4).setChecksumBe(applyDelta(Icmp.at(l4).checksumBe, portDelta));
      return;
    case IPPROTO_ICMPV6:
      Icmpv6.at(l4).setIdBe(<u16>ports);
      Icmpv6.at(l4).setChecksumBe(applyDelta(Icmpv6.at(l4).checksumBe, addrDelta + portDelta));
      return;
    case IPPROTO_UDP:
      Udp.at(l4).setPortsBe(ports);
      Udp.at(l4).setChecksumBe(applyDeltaUdp(Udp.at(l4).checksumBe, addrDelta + portDelta));
      return;
    case IPPROTO_TCP:
      if (avail >= QUOTE_CHANGED_MAX) {
        Tcp.at(l4).setChecksumBe(applyDelta(Tcp.at(l4).checksumBe, addrDelta + portDelta));
      }
    default:
      Udp.at(l4).setPortsBe(ports);
  }
}
