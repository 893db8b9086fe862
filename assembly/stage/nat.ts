/**
 * NAT and forwarding: carry out what the row says, as the kernel programs do. Every change of a
 * field goes with its checksum delta; nothing is summed anew. What may go no further is answered
 * from the node's own address, with the packet quoted as its sender knows it.
 */
import {
  Action,
  CONTROL_BASE,
  CONTROL_NODE_ADDR4_OFF,
  CONTROL_NODE_ADDR6_OFF,
  Drop,
  FLOW_F_MACS,
  FLOW_F_NAT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  PKT_F_GSO,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  PKT_F_PARTIAL_CSUM,
  Verdict,
} from '../abi';
import { answerError, errorKind } from '../answer/icmp-error';
import { Row, V4, V6, mtuOff, newDstOff, newSrcOff } from '../flow/row';
import { addrIsZero } from '../mem/addr';
import { Pkt, drop } from '../pkt';
import { wayMtu } from '../tables';
import { applyDelta, applyDeltaPartial, applyDeltaUdp } from '../wire/checksum';
import {
  ICMP_CODE_FRAG_NEEDED,
  ICMP_CODE_TTL,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  Icmp,
} from '../wire/icmp';
import {
  ICMPV6_CODE_HOP_LIMIT,
  ICMPV6_PACKET_TOO_BIG,
  ICMPV6_TIME_EXCEEDED,
  Icmpv6,
} from '../wire/icmpv6';
import { IPV4_FLAG_DF, Ipv4, ipv4DecrementTtl } from '../wire/ipv4';
import { Ipv6, ipv6DecrementHopLimit } from '../wire/ipv6';
import { Sctp, sctpTranslate } from '../wire/sctp';
import { Tcp } from '../wire/tcp';
import { Udp } from '../wire/udp';

export function nat(p: Pkt): Verdict {
  const row: usize = p.row;
  const flags = row ? take(p, Row.at(row)) : 0;
  const mtu = row ? rowMtu(p, row) : routeMtu(p);
  // The frame is never shorter than what is in it.
  const isLong = mtu != 0 && p.len - p.l3 > mtu && isTooLong(p, mtu);
  if (isLong && !mayBeCut(p)) return tooBig(p, mtu);
  if (p.action != Action.HOST && !decrementTtl(p)) return timeExceeded(p);
  if (flags & FLOW_F_NAT) translate(p, Row.at(row));
  // Translated by now, it is like any other packet that the host forwards, by the same way.
  if (isLong) p.action = <u8>Action.HOST;
  return Verdict.TX;
}

/** Longest IP packet the way out takes; 0 = it takes them all. */
function rowMtu(p: Pkt, row: usize): u32 {
  return load<u16>(row + (p.has(PKT_F_IPV4) ? mtuOff<V4>() : mtuOff<V6>()));
}

/** What the host gets it fragments itself. */
function routeMtu(p: Pkt): u32 {
  return p.action == Action.HOST ? 0 : wayMtu(p.route, p.outIfindex);
}

/** Whether a packet is longer than the way out takes. Super-frames are cut by the device. */
function isTooLong(p: Pkt, mtu: u32): bool {
  return !p.has(PKT_F_GSO) && p.datagramLen > mtu;
}

/** IPv4 without DF: the host makes fragments of it (RFC 791 3.2). */
function mayBeCut(p: Pkt): bool {
  return p.has(PKT_F_IPV4) && (Ipv4.at(p.l3Ptr).fragment & IPV4_FLAG_DF) == 0;
}

/** Address of the node's own address of the packet's family, 0 = it has none. */
function nodeAddr(p: Pkt): usize {
  const off = p.has(PKT_F_IPV4) ? CONTROL_NODE_ADDR4_OFF : CONTROL_NODE_ADDR6_OFF;
  const addr: usize = CONTROL_BASE + off;
  return addrIsZero(addr) ? 0 : addr;
}

/** RFC 1191 4, RFC 4443 3.2 */
function tooBig(p: Pkt, mtu: u32): Verdict {
  const kind = errorKind(ICMP_UNREACHABLE, ICMP_CODE_FRAG_NEEDED, ICMPV6_PACKET_TOO_BIG, 0);
  const from = nodeAddr(p);
  const isAnswered = from != 0 && answerError(p, from, kind, mtu) == Verdict.TX;
  return isAnswered ? Verdict.TX : drop(p, Drop.PACKET_TOO_BIG);
}

/** RFC 1812 5.3.1, RFC 4443 3.3. Without an address to say it from, the host's stack says it. */
function timeExceeded(p: Pkt): Verdict {
  const from = nodeAddr(p);
  if (!from) return Verdict.PUNT;
  const kind = errorKind(
    ICMP_TIME_EXCEEDED,
    ICMP_CODE_TTL,
    ICMPV6_TIME_EXCEEDED,
    ICMPV6_CODE_HOP_LIMIT,
  );
  return answerError(p, from, kind, 0) == Verdict.TX ? Verdict.TX : drop(p, Drop.TTL_EXCEEDED);
}

/** The row's way out replaces the route's. @returns the row's flags */
function take(p: Pkt, row: Row): i32 {
  const flags: i32 = row.flags;
  p.action = row.action;
  p.outIfindex = row.outIfindex;
  p.macs = flags & FLOW_F_MACS ? <u32>row.dstMacPtr : 0;
  return flags;
}

/** @returns false when the packet may go no further */
function decrementTtl(p: Pkt): bool {
  if (p.has(PKT_F_IPV4)) return ipv4DecrementTtl(Ipv4.at(p.l3Ptr));
  return ipv6DecrementHopLimit(Ipv6.at(p.l3Ptr));
}

function translate(p: Pkt, row: Row): void {
  const addrDelta = <u32>row.addrDelta;
  if (p.has(PKT_F_IPV4)) {
    const ip = Ipv4.at(p.l3Ptr);
    ip.setSrcBe(load<u32>(row.ptr + newSrcOff<V4>()));
    ip.setDstBe(load<u32>(row.ptr + newDstOff<V4>()));
    ip.setChecksumBe(applyDelta(ip.checksumBe, addrDelta));
  } else {
    const ip = Ipv6.at(p.l3Ptr);
    ip.copySrc(row.ptr + newSrcOff<V6>());
    ip.copyDst(row.ptr + newDstOff<V6>());
  }
  // A later fragment has no transport header.
  if (p.has(PKT_F_LATER_FRAGMENT)) return;
  if (p.has(PKT_F_PARTIAL_CSUM)) translatePartial(p, row);
  else translateTransport(p, p.l4Ptr, row.newPorts, addrDelta, row.portDelta);
}

function translateTransport(p: Pkt, l4: usize, ports: u32, addrDelta: u32, portDelta: u32): void {
  switch (<u32>p.proto) {
    case IPPROTO_TCP: {
      const tcp = Tcp.at(l4);
      tcp.setPortsBe(ports);
      tcp.setChecksumBe(applyDelta(tcp.checksumBe, addrDelta + portDelta));
      return;
    }
    case IPPROTO_SCTP:
      // No pseudo-header, and another kind of checksum: the deltas say nothing.
      return sctpTranslate(Sctp.at(l4), ports, p.l4Len);
    case IPPROTO_ICMP: {
      // No pseudo-header: the addresses are not summed.
      const icmp = Icmp.at(l4);
      icmp.setIdBe(<u16>ports);
      icmp.setChecksumBe(applyDelta(icmp.checksumBe, portDelta));
      return;
    }
    case IPPROTO_ICMPV6: {
      const icmp = Icmpv6.at(l4);
      icmp.setIdBe(<u16>ports);
      icmp.setChecksumBe(applyDelta(icmp.checksumBe, addrDelta + portDelta));
      return;
    }
    default: {
      const udp = Udp.at(l4);
      udp.setPortsBe(ports);
      udp.setChecksumBe(applyDeltaUdp(udp.checksumBe, addrDelta + portDelta));
    }
  }
}

/** The field holds the pseudo-header's sum: it knows the addresses, but no ports yet. */
function translatePartial(p: Pkt, row: Row): void {
  const l4 = p.l4Ptr;
  if (p.proto == IPPROTO_TCP) {
    Tcp.at(l4).setPortsBe(row.newPorts);
    Tcp.at(l4).setChecksumBe(applyDeltaPartial(Tcp.at(l4).checksumBe, row.addrDelta));
    return;
  }
  // SCTP's field holds nothing yet (io/frame.ts completes it).
  if (p.proto == IPPROTO_SCTP) return Sctp.at(l4).setPortsBe(row.newPorts);
  if (p.proto != IPPROTO_ICMPV6) {
    Udp.at(l4).setPortsBe(row.newPorts);
    Udp.at(l4).setChecksumBe(applyDeltaPartial(Udp.at(l4).checksumBe, row.addrDelta));
    return;
  }
  Icmpv6.at(l4).setIdBe(<u16>row.newPorts);
  Icmpv6.at(l4).setChecksumBe(applyDeltaPartial(Icmpv6.at(l4).checksumBe, row.addrDelta));
}
