/** The IP header of an answer, written over the packet it answers, and the frame's way back. */
import {
  Action,
  LinkKind,
  PKT_F_ANSWER,
  PKT_F_GSO,
  PKT_F_IPV4,
  PKT_F_PARTIAL_CSUM,
  Verdict,
} from '../abi';
import { MAPPED_ADDR4_OFF } from '../mem/addr';
import { Pkt, send } from '../pkt';
import { Link } from '../tables';
import { checksum, pseudoSum4, pseudoSum6 } from '../wire/checksum';
import { Eth } from '../wire/eth';
import { IPV4_HLEN, Ipv4 } from '../wire/ipv4';
import { IPV6_HLEN, Ipv6 } from '../wire/ipv6';

/** Of what we make ourselves (IANA ip-parameters, default TTL). */
const TTL: u8 = 64;

/**
 * An IP header of the packet's family to its source. Sets the packet's length.
 *
 * @param src  16-byte address of whoever answers
 * @returns    address behind the header
 */
export function writeHeader(p: Pkt, src: usize, proto: u8, payloadLen: u32): usize {
  const l3 = p.l3Ptr;
  if (!p.has(PKT_F_IPV4)) {
    const ip = Ipv6.at(l3);
    ip.begin();
    ip.setPayloadLength(<u16>payloadLen);
    ip.setNextHeader(proto);
    ip.setHopLimit(TTL);
    ip.copySrc(src);
    ip.copyDst(p.srcPtr);
    p.len = p.l3 + IPV6_HLEN + payloadLen;
    return l3 + IPV6_HLEN;
  }
  const ip = Ipv4.at(l3);
  ip.begin(0, <u16>(IPV4_HLEN + payloadLen));
  ip.setTtl(TTL);
  ip.setProto(proto);
  ip.setSrcBe(load<u32>(src + MAPPED_ADDR4_OFF));
  ip.setDstBe(load<u32>(p.srcPtr + MAPPED_ADDR4_OFF));
  ip.setChecksumBe(0);
  ip.setChecksumBe(checksum(l3, IPV4_HLEN));
  p.len = p.l3 + IPV4_HLEN + payloadLen;
  return l3 + IPV4_HLEN;
}

/** Sum of the pseudo-header of what `writeHeader` has just written. */
export function pseudoSum(p: Pkt, proto: u8, length: u32): u64 {
  if (!p.has(PKT_F_IPV4)) return pseudoSum6(Ipv6.at(p.l3Ptr).srcPtr, proto, length);
  const ip = Ipv4.at(p.l3Ptr);
  return pseudoSum4(ip.srcBe, ip.dstBe, proto, <u16>length);
}

/** To the link the packet came by, with the MACs the other way round. */
export function sendBack(p: Pkt): Verdict {
  const eth = Eth.at(p.frame);
  const head = eth.dstHeadBe;
  const tail = eth.dstTailBe;
  eth.setDstBe(eth.srcHeadBe, eth.srcTailBe);
  eth.setSrcBe(head, tail);
  // The row's next hop, if it had been found already, is not the sender.
  p.macs = 0;
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
