/**
 * ICMP errors about translated packets: whoever is to read the error knows the packet as it was
 * before us, so what is quoted is turned back, and the error goes to whom the quoted packet came
 * from (RFC 5508 4.2; RFC 3022 4.3).
 *
 *   the error          to B's side of the flow      quotes  B:b > A:a
 *   the row R          A:a > B:b, the reverse of what is quoted; becomes A':a' > B':b'
 *   what we make of it to B'                        quotes  B':b' > A':a'
 *
 * Its source is translated only when it is A itself that speaks; a router keeps its address. An
 * error is no part of the conversation: no timer, no TCP state and no row changes.
 */
import {
  Action,
  Drop,
  FLOW_F_MACS,
  FLOW_F_NAT,
  LaneCounter,
  LinkKind,
  PKT_F_FRAGMENT,
  PKT_F_ICMP_ERROR,
  PKT_F_IPV4,
  PKT_F_PARTIAL_CSUM,
  Verdict,
} from '../abi';
import { findFlow } from '../flow/flow-table';
import { Row, V4, V6, isV4, newDstOff, newSrcOff } from '../flow/row';
import { addrCopy, addrEq, swapPorts, unmapped } from '../flow/tuple';
import { Pkt, drop, send } from '../pkt';
import { count } from '../table/counters';
import { Link } from '../tables';
import { addDelta, applyDelta, deltaOfSums, sum } from '../wire/checksum';
import { ICMP_HLEN, Icmp } from '../wire/icmp';
import { ICMPV6_HLEN, ICMPV6_PARAMETER_PROBLEM, Icmpv6 } from '../wire/icmpv6';
import { IPV4_DST_OFF, IPV4_SRC_OFF, Ipv4, ipv4DecrementTtl } from '../wire/ipv4';
import { IPV6_DST_OFF, IPV6_SRC_OFF, Ipv6, ipv6DecrementHopLimit } from '../wire/ipv6';
import {
  QUOTE_CHANGED_MAX,
  quotedPorts,
  quotedTransport4,
  quotedTransport6,
  translateQuoted,
} from '../wire/quote';

if (ICMP_HLEN != ICMPV6_HLEN) ERROR('both families quote behind eight bytes');

/** @returns NONE: not about anything we have translated, it goes its way like any packet */
export function icmpError(p: Pkt): Verdict {
  if (!p.has(PKT_F_ICMP_ERROR) || p.has(PKT_F_FRAGMENT) || p.has(PKT_F_PARTIAL_CSUM)) {
    return Verdict.NONE;
  }
  const quote = p.l4Ptr + ICMP_HLEN;
  const avail = p.l4Len - ICMP_HLEN;
  if (p.has(PKT_F_IPV4)) return about<V4>(p, quote, avail, quotedTransport4(quote, avail));
  if (Icmpv6.at(p.l4Ptr).type > ICMPV6_PARAMETER_PROBLEM) return Verdict.NONE;
  return about<V6>(p, quote, avail, quotedTransport6(quote, avail));
}

function srcOf<F>(ip: usize): usize {
  return ip + (isV4<F>() ? IPV4_SRC_OFF : IPV6_SRC_OFF);
}

function dstOf<F>(ip: usize): usize {
  return ip + (isV4<F>() ? IPV4_DST_OFF : IPV6_DST_OFF);
}

/** @param transport  the quoted transport header, as wire/quote.ts packs it */
function about<F>(p: Pkt, quote: usize, avail: u32, transport: u32): Verdict {
  // An error goes to whom the quoted packet came from, or it is about something else.
  if (transport == 0 || !addrEq<F>(srcOf<F>(quote), unmapped<F>(p.dstPtr))) return Verdict.NONE;
  const proto = <u8>transport;
  const ports = swapPorts(quotedPorts(quote + (transport >> 8), proto));
  const found = findFlow<F>(dstOf<F>(quote), srcOf<F>(quote), ports, proto);
  if (!found || !mayTell(p, Row.at(found))) return Verdict.NONE;
  const row = Row.at(found);
  // A pod's error takes the way of its flow, which the route to the other end need not be.
  if (!(row.flags & FLOW_F_NAT) && Link.at(p.link).kind != <u8>LinkKind.POD) return Verdict.NONE;
  if (row.action != <u8>Action.HOST && !decrementTtl<F>(p.l3Ptr)) {
    return drop(p, Drop.TTL_EXCEEDED);
  }
  const isPeers = addrEq<F>(srcOf<F>(p.l3Ptr), dstOf<F>(quote));
  const quoteDelta = translateQuote<F>(row, quote, avail, transport);
  const addrDelta = translateOuter<F>(row, p.l3Ptr, isPeers);
  fixChecksum<F>(p, quoteDelta, addrDelta);
  count(LaneCounter.ICMP_ERRORS_TRANSLATED, 1);
  p.macs = row.flags & FLOW_F_MACS ? <u32>row.dstMacPtr : 0;
  return send(p, row.action, row.outIfindex);
}

/** A pod is no router: it tells of its own flows only. */
function mayTell(p: Pkt, row: Row): bool {
  return Link.at(p.link).kind != <u8>LinkKind.POD || row.inIfindex == p.inIfindex;
}

function decrementTtl<F>(ip: usize): bool {
  return isV4<F>() ? ipv4DecrementTtl(Ipv4.at(ip)) : ipv6DecrementHopLimit(Ipv6.at(ip));
}

/**
 * Turn the quoted packet back. It runs against the row, so that the row's checksum deltas hold for
 * it as they are.
 *
 * @returns the delta of the quote's bytes
 */
function translateQuote<F>(row: Row, quote: usize, avail: u32, transport: u32): u16 {
  const offset = transport >> 8;
  const changed = min<u32>(avail, offset + QUOTE_CHANGED_MAX);
  const before = sum(quote, changed);
  const addrDelta = <u32>row.addrDelta;
  addrCopy<F>(srcOf<F>(quote), row.ptr + newDstOff<F>());
  addrCopy<F>(dstOf<F>(quote), row.ptr + newSrcOff<F>());
  if (isV4<F>()) {
    const ip = Ipv4.at(quote);
    ip.setChecksumBe(applyDelta(ip.checksumBe, addrDelta));
  }
  const ports = swapPorts(row.newPorts);
  const l4 = quote + offset;
  translateQuoted(l4, avail - offset, <u8>transport, ports, addrDelta, row.portDelta);
  return deltaOfSums(before, sum(quote, changed));
}

/** Address the error to its reader. @returns the delta of its addresses */
function translateOuter<F>(row: Row, ip: usize, isPeers: bool): u16 {
  const bytes: u32 = isV4<F>() ? 8 : 32;
  const before = sum(srcOf<F>(ip), bytes);
  if (isPeers) addrCopy<F>(srcOf<F>(ip), row.ptr + newSrcOff<F>());
  addrCopy<F>(dstOf<F>(ip), row.ptr + newDstOff<F>());
  return deltaOfSums(before, sum(srcOf<F>(ip), bytes));
}

/** ICMPv6 sums the addresses, ICMP leaves them to the IPv4 header. */
function fixChecksum<F>(p: Pkt, quoteDelta: u16, addrDelta: u16): void {
  const icmp = Icmp.at(p.l4Ptr);
  if (isV4<F>()) {
    const ip = Ipv4.at(p.l3Ptr);
    ip.setChecksumBe(applyDelta(ip.checksumBe, addrDelta));
    icmp.setChecksumBe(applyDelta(icmp.checksumBe, quoteDelta));
  } else {
    icmp.setChecksumBe(applyDelta(icmp.checksumBe, addDelta(quoteDelta, addrDelta)));
  }
}
