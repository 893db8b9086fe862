/**
 * NAT and forwarding: carry out what the row says, as the kernel programs do. Every change of a
 * field goes with its checksum delta; nothing is summed anew.
 */
import {
  Action, FLOW_F_MACS, FLOW_F_NAT, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, PKT_F_IPV4,
  PKT_F_PARTIAL_CSUM, Verdict,
} from '../abi';
import { Row, V4, V6, newDstOff, newSrcOff } from '../flow/row';
import { Pkt } from '../pkt';
import {
  addDelta, applyDelta, applyDeltaPartial, applyDeltaUdp,
} from '../wire/checksum';
import { Icmp } from '../wire/icmp';
import { Icmpv6 } from '../wire/icmpv6';
import { Ipv4, ipv4DecrementTtl } from '../wire/ipv4';
import { Ipv6 } from '../wire/ipv6';
import { Tcp } from '../wire/tcp';
import { Udp } from '../wire/udp';

export function nat(p: Pkt): Verdict {
  if (p.row) take(p, Row.at(p.row));
  if (p.action != Action.HOST && !decrementTtl(p)) return Verdict.PUNT;
  if (p.row && Row.at(p.row).flags & FLOW_F_NAT) translate(p, Row.at(p.row));
  return Verdict.TX;
}

/** The row's way out replaces the route's. */
function take(p: Pkt, row: Row): void {
  p.action = row.action;
  p.outIfindex = row.outIfindex;
  p.macs = row.flags & FLOW_F_MACS ? <u32>row.dstMacPtr : 0;
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
  if (p.has(PKT_F_IPV4)) {
    const ip = Ipv4.at(p.l3Ptr);
    ip.setSrcBe(load<u32>(row.ptr + newSrcOff<V4>()));
    ip.setDstBe(load<u32>(row.ptr + newDstOff<V4>()));
    ip.setChecksumBe(applyDelta(ip.checksumBe, row.addrDelta));
  } else {
    const ip = Ipv6.at(p.l3Ptr);
    ip.copySrc(row.ptr + newSrcOff<V6>());
    ip.copyDst(row.ptr + newDstOff<V6>());
  }
  translateTransport(p, row);
}

function translateTransport(p: Pkt, row: Row): void {
  switch (<u32>p.proto) {
    case IPPROTO_TCP: {
      const tcp = Tcp.at(p.l4Ptr);
      tcp.setPortsBe(row.newPorts);
      tcp.setChecksumBe(updated(p, tcp.checksumBe, row));
      return;
    }
    case IPPROTO_ICMP: {
      const icmp = Icmp.at(p.l4Ptr);
      icmp.setIdBe(<u16>row.newPorts);
      icmp.setChecksumBe(applyDelta(icmp.checksumBe, row.portDelta));
      return;
    }
    case IPPROTO_ICMPV6: {
      const icmp = Icmpv6.at(p.l4Ptr);
      icmp.setIdBe(<u16>row.newPorts);
      icmp.setChecksumBe(updated(p, icmp.checksumBe, row));
      return;
    }
    default: {
      const udp = Udp.at(p.l4Ptr);
      udp.setPortsBe(row.newPorts);
      const partial = p.has(PKT_F_PARTIAL_CSUM);
      const delta = addDelta(row.addrDelta, row.portDelta);
      udp.setChecksumBe(partial ? updated(p, udp.checksumBe, row) : applyDeltaUdp(udp.checksumBe, delta));
    }
  }
}

/** A checksum over the pseudo-header after the change; a partial one knows no ports yet. */
function updated(p: Pkt, checksumBe: u16, row: Row): u16 {
  if (p.has(PKT_F_PARTIAL_CSUM)) return applyDeltaPartial(checksumBe, row.addrDelta);
  return applyDelta(checksumBe, addDelta(row.addrDelta, row.portDelta));
}
