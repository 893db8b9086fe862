/**
 * Reject: a service without a backend anywhere says so at once, as a host does where nothing
 * listens: a reset for TCP (RFC 9293 3.10.7.1), port unreachable for UDP (RFC 792; RFC 4443 3.1).
 * The answer is written over the question and goes back where that came from.
 */
import {
  Action,
  Drop,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  LaneCounter,
  LinkKind,
  PKT_F_ANSWER,
  PKT_F_GSO,
  PKT_F_IPV4,
  PKT_F_PARTIAL_CSUM,
  Verdict,
} from '../abi';
import { MAPPED_ADDR4_OFF } from '../mem/addr';
import { be32 } from '../mem/be';
import { Pkt, drop, send } from '../pkt';
import { count } from '../table/counters';
import { Link, NO_INDEX } from '../tables';
import { checksum, finish, pseudoSum4, pseudoSum6, sum } from '../wire/checksum';
import { Eth } from '../wire/eth';
import {
  ICMP_CODE_PORT,
  ICMP_HLEN,
  ICMP_QUOTED_L4_LEN,
  ICMP_UNREACHABLE,
  Icmp,
} from '../wire/icmp';
import { ICMPV6_CODE_PORT, ICMPV6_HLEN, ICMPV6_UNREACHABLE, Icmpv6 } from '../wire/icmpv6';
import { IPV4_HLEN, Ipv4 } from '../wire/ipv4';
import { IPV6_HLEN, Ipv6 } from '../wire/ipv6';
import {
  TCP_FLAG_ACK,
  TCP_FLAG_FIN,
  TCP_FLAG_RST,
  TCP_FLAG_SYN,
  TCP_HLEN,
  Tcp,
  tcpBegin,
} from '../wire/tcp';

/** Of what we make ourselves (IANA ip-parameters, default TTL). */
const TTL: u8 = 64;
/** An ICMPv6 error fits the smallest MTU there is, 1280 (RFC 4443 2.4 c). */
const ICMPV6_QUOTE_MAX: u32 = 1280 - IPV6_HLEN - ICMPV6_HLEN;

export function reject(p: Pkt): Verdict {
  if (!p.isService || p.backend != NO_INDEX) return Verdict.NONE;
  switch (<u32>p.proto) {
    case IPPROTO_TCP:
      // A reset is never answered.
      if (p.tcpFlags & TCP_FLAG_RST) return drop(p, Drop.NO_BACKEND);
      reset(p);
      break;
    case IPPROTO_UDP:
      if (p.has(PKT_F_IPV4)) unreachable4(p);
      else unreachable6(p);
      break;
    default:
      return drop(p, Drop.NO_BACKEND);
  }
  count(LaneCounter.REJECTED, 1);
  return sendBack(p);
}

/** To the link the packet came by, with the MACs the other way round. */
function sendBack(p: Pkt): Verdict {
  const eth = Eth.at(p.frame);
  const head = eth.dstHeadBe;
  const tail = eth.dstTailBe;
  eth.setDstBe(eth.srcHeadBe, eth.srcTailBe);
  eth.setSrcBe(head, tail);
  p.mark(PKT_F_ANSWER);
  p.flags &= <u16>~(PKT_F_GSO | PKT_F_PARTIAL_CSUM);
  switch (<u32>Link.at(p.link).kind) {
    case LinkKind.POD:
      return send(p, Action.POD, p.inIfindex);
    case LinkKind.UPLINK:
      return send(p, Action.UPLINK, p.inIfindex);
    default:
      return send(p, Action.HOST, p.inIfindex);
  }
}

/** An IP header of the packet's family from its destination to its source. @returns its end */
function writeHeader(p: Pkt, proto: u8, payloadLen: u32): usize {
  const l3 = p.l3Ptr;
  if (!p.has(PKT_F_IPV4)) {
    const ip = Ipv6.at(l3);
    ip.begin();
    ip.setPayloadLength(<u16>payloadLen);
    ip.setNextHeader(proto);
    ip.setHopLimit(TTL);
    ip.copySrc(p.dstPtr);
    ip.copyDst(p.srcPtr);
    p.len = p.l3 + IPV6_HLEN + payloadLen;
    return l3 + IPV6_HLEN;
  }
  const ip = Ipv4.at(l3);
  ip.begin(0, <u16>(IPV4_HLEN + payloadLen));
  ip.setTtl(TTL);
  ip.setProto(proto);
  ip.setSrcBe(load<u32>(p.dstPtr + MAPPED_ADDR4_OFF));
  ip.setDstBe(load<u32>(p.srcPtr + MAPPED_ADDR4_OFF));
  ip.setChecksumBe(0);
  ip.setChecksumBe(checksum(l3, IPV4_HLEN));
  p.len = p.l3 + IPV4_HLEN + payloadLen;
  return l3 + IPV4_HLEN;
}

/** Sum of the pseudo-header of what `writeHeader` has just written. */
function pseudoSum(p: Pkt, proto: u8, length: u32): u64 {
  if (!p.has(PKT_F_IPV4)) return pseudoSum6(Ipv6.at(p.l3Ptr).srcPtr, proto, length);
  const ip = Ipv4.at(p.l3Ptr);
  return pseudoSum4(ip.srcBe, ip.dstBe, proto, <u16>length);
}

/** Bytes of the datagram, from the IP header on. */
function datagramLen(p: Pkt): u32 {
  return p.has(PKT_F_IPV4) ? Ipv4.at(p.l3Ptr).totalLength : Ipv6.at(p.l3Ptr).datagramLen;
}

function reset(p: Pkt): void {
  const asked = Tcp.at(p.l4Ptr);
  const flags = asked.flags;
  const dataLen = datagramLen(p) - (p.l4 - p.l3) - asked.hlen;
  const opens: u32 = flags & TCP_FLAG_SYN ? 1 : 0;
  const closes: u32 = flags & TCP_FLAG_FIN ? 1 : 0;
  // What acknowledges is told the number it expects; what does not is acknowledged.
  const hasAck = (flags & TCP_FLAG_ACK) != 0;
  const seq: u32 = hasAck ? asked.ack : 0;
  const ack: u32 = hasAck ? 0 : asked.seq + dataLen + opens + closes;
  const l4 = writeHeader(p, <u8>IPPROTO_TCP, TCP_HLEN);
  const tcp = Tcp.at(l4);
  tcpBegin(tcp, be32(seq), be32(ack), hasAck ? TCP_FLAG_RST : TCP_FLAG_RST | TCP_FLAG_ACK);
  tcp.setPortsBe(rotr<u32>(p.ports, 16));
  tcp.setChecksumBe(finish(pseudoSum(p, <u8>IPPROTO_TCP, TCP_HLEN) + sum(l4, TCP_HLEN)));
}

function unreachable4(p: Pkt): void {
  const quoted = Ipv4.at(p.l3Ptr).hlen + ICMP_QUOTED_L4_LEN;
  memory.copy(p.l3Ptr + IPV4_HLEN + ICMP_HLEN, p.l3Ptr, quoted);
  const icmp = Icmp.at(writeHeader(p, <u8>IPPROTO_ICMP, ICMP_HLEN + quoted));
  icmp.setTypeCode(ICMP_UNREACHABLE, ICMP_CODE_PORT);
  icmp.setMtu(0);
  icmp.setChecksumBe(0);
  icmp.setChecksumBe(checksum(changetype<usize>(icmp), ICMP_HLEN + quoted));
}

function unreachable6(p: Pkt): void {
  const quoted = min<u32>(datagramLen(p), ICMPV6_QUOTE_MAX);
  memory.copy(p.l3Ptr + IPV6_HLEN + ICMPV6_HLEN, p.l3Ptr, quoted);
  const length = ICMPV6_HLEN + quoted;
  const icmp = Icmpv6.at(writeHeader(p, <u8>IPPROTO_ICMPV6, length));
  icmp.setTypeCode(ICMPV6_UNREACHABLE, ICMPV6_CODE_PORT);
  icmp.setMtu(0);
  icmp.setChecksumBe(0);
  const total = pseudoSum(p, <u8>IPPROTO_ICMPV6, length) + sum(changetype<usize>(icmp), length);
  icmp.setChecksumBe(finish(total));
}
