/**
 * DNS: a query to an address of the cluster's DNS is answered in the frame it came in, before
 * anything else knows of it: no flow, no translation, nothing that two queries of one socket could
 * race for. What the names do not answer goes on like any packet to a service, to the host's server.
 */
import {
  Drop,
  FrontendKind,
  IPPROTO_UDP,
  LaneCounter,
  PKT_F_FRAGMENT,
  PKT_F_GSO,
  PKT_F_IPV4,
  RegionId,
  Verdict,
} from '../abi';
import { DNS_DROP, DNS_F_IPV6, DNS_F_UNCOUNTED, DNS_HOST } from '../abi-dns';
import { pseudoSum, sendBack, writeHeader } from '../answer/header';
import { Service } from '../balance/rows';
import { dnsAnswer } from '../dns/answer';
import { noteClient } from '../dns/query-log';
import { nowMs } from '../mem/clock';
import { regionBase, regionCapacity, regionRowSize } from '../mem/region';
import { isTraced } from '../mem/trace';
import { Pkt, drop } from '../pkt';
import { count } from '../table/counters';
import { Link, findFrontend, frontendKind, frontendService } from '../tables';
import { finish, sum } from '../wire/checksum';
import { IPV4_HLEN } from '../wire/ipv4';
import { IPV6_HLEN } from '../wire/ipv6';
import { UDP_HLEN, Udp } from '../wire/udp';

/** IANA service names, domain: 53, as it lies in the packet. */
const DNS_PORT_BE: u32 = 0x3500;
/** What a frame takes that lies in no UMEM: an embedder's. */
const FRAME_ROOM: u32 = 1500;

export function dns(p: Pkt): Verdict {
  if (p.proto != IPPROTO_UDP || p.ports >> 16 != DNS_PORT_BE) return Verdict.NONE;
  if (p.has(PKT_F_FRAGMENT) || p.has(PKT_F_GSO)) return Verdict.NONE;
  const listener = listenerOf(p);
  // Options and extension headers are for a whole network stack to make sense of.
  const hlen: u32 = p.has(PKT_F_IPV4) ? IPV4_HLEN : IPV6_HLEN;
  if (listener == 0 || <u32>(p.l4 - p.l3) != hlen || (p.ports & 0xffff) == 0) return Verdict.NONE;
  const udp = Udp.at(p.l4Ptr);
  const message = p.l4Ptr + UDP_HLEN;
  const length = <u32>udp.length - UDP_HLEN;
  const family = p.has(PKT_F_IPV4) ? 0 : DNS_F_IPV6;
  const flags = isTraced() ? family | DNS_F_UNCOUNTED : family;
  const result = dnsAnswer(listener, message, length, room(p, hlen), flags, <f64>nowMs());
  if (result == DNS_HOST) {
    if (!isTraced()) count(LaneCounter.DNS_LEFT, 1);
    return Verdict.NONE;
  }
  if (result == DNS_DROP) return drop(p, Drop.DNS_NOT_A_QUERY);
  if (!isTraced()) count(LaneCounter.DNS_ANSWERED, 1);
  noteClient(p.srcPtr, p.inIfindex);
  return reply(p, <u32>result);
}

/** The listener whose names the packet asks for, 0 = it is for something else. */
function listenerOf(p: Pkt): u32 {
  const frontend = findFrontend(p.dstPtr, <u16>DNS_PORT_BE, p.proto);
  // Who may use a load balancer is the service stage's affair.
  if (!frontend || frontendKind(frontend) == <u8>FrontendKind.LOAD_BALANCER) return 0;
  return Service.of(frontendService(frontend)).listener;
}

/** Bytes a message may have from where it lies: what the link takes, within the frame. */
function room(p: Pkt, hlen: u32): u32 {
  const mtu = Link.at(p.link).mtu;
  const packet = min<u32>(mtu == 0 ? FRAME_ROOM : mtu, frameRoom(p));
  return packet - hlen - UDP_HLEN;
}

/** Bytes from the IP header to the end of the frame's memory. */
function frameRoom(p: Pkt): u32 {
  const off = p.frame - <u32>regionBase(RegionId.UMEM);
  const frameSize = regionRowSize(RegionId.UMEM);
  if (off >= frameSize * regionCapacity(RegionId.UMEM)) return FRAME_ROOM;
  return frameSize - (off & (frameSize - 1)) - p.l3;
}

/** Headers for the reply that lies where the query was (RFC 768; RFC 8200 8.1). */
function reply(p: Pkt, length: u32): Verdict {
  const total = UDP_HLEN + length;
  const udp = Udp.at(writeHeader(p, p.dstPtr, <u8>IPPROTO_UDP, total));
  udp.setPortsBe((p.ports >> 16) | (p.ports << 16));
  udp.setLength(<u16>total);
  udp.setChecksumBe(0);
  const check = finish(pseudoSum(p, <u8>IPPROTO_UDP, total) + sum(changetype<usize>(udp), total));
  // 0 would say that there is none.
  udp.setChecksumBe(check == 0 ? 0xffff : check);
  return sendBack(p);
}
