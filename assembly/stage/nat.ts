/**
 * NAT and forwarding: carry out what the row says, as the kernel programs do. Every change of a
 * field goes with its checksum delta; nothing is summed anew.
 */
import {
  Action,
  FLOW_F_MACS,
  FLOW_F_NAT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  PKT_F_IPV4,
  PKT_F_PARTIAL_CSUM,
  Verdict,
} from '../abi';
import { Row, V4, V6, newDstOff, newSrcOff } from '../flow/row';
import { Pkt } from '../pkt';
import { applyDelta, applyDeltaPartial, applyDeltaUdp } from '../wire/checksum';
import { Icmp } from '../wire/icmp';
import { Icmpv6 } from '../wire/icmpv6';
import { Ipv4, ipv4DecrementTtl } from '../wire/ipv4';
import { Ipv6 } from '../wire/ipv6';
import { Tcp } from '../wire/tcp';
import { Udp } from '../wire/udp';

export function nat(p: Pkt): Verdict {
  const row: usize = p.row;
  const flags = row ? take(p, Row.at(row)) : 0;
  if (p.action != Action.HOST && !decrementTtl(p)) return Verdict.PUNT;
  if (flags & FLOW_F_NAT) translate(p, Row.at(row));
  return Verdict.TX;
}

/** The row's way out replaces the route's. @returns the row's flags */
function take(p: Pkt, row: Row): i32 {
  const flags: i32 = row.flags;
  p.action = row.action;
  p.outIfindex = row.outIfindex;
  p.macs = flags & FLOW_F_MACS ? <u32>row.dstMacPtr : 0;
  return flags;
}

/** @returns false when the packet may go no further: the host's stack says so to its sender */
function decrementTtl(p: Pkt): bool {
  if (p.has(PKT_F_IPV4)) return ipv4DecrementTtl(Ipv4.at(p.l3Ptr));
  const ip = Ipv6.at(p.l3Ptr);
  const hopLimit = ip.hopLimit;
  if (hopLimit <= 1) return false;
  ip.setHopLimit(hopLimit - 1);
  return true;
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
  if (p.proto != IPPROTO_ICMPV6) {
    Udp.at(l4).setPortsBe(row.newPorts);
    Udp.at(l4).setChecksumBe(applyDeltaPartial(Udp.at(l4).checksumBe, row.addrDelta));
    return;
  }
  Icmpv6.at(l4).setIdBe(<u16>row.newPorts);
  Icmpv6.at(l4).setChecksumBe(applyDeltaPartial(Icmpv6.at(l4).checksumBe, row.addrDelta));
}
