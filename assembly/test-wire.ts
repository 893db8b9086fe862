/**
 * Entry point of the wire tests: thin functions over `wire/` and `mem/be`. Never shipped.
 *
 * `parse` walks a frame as the core does and leaves what every getter says, one u32 a field,
 * in blocks of 64 bytes at `out`: the walk itself, Ethernet, network, transport.
 */
import { Drop, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from './abi';
import { Arp } from './wire/arp';
import { sumScalar, sumSimd } from './wire/checksum';
import { Eth, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from './wire/eth';
import { Icmp } from './wire/icmp';
import { ICMPV6_NA, ICMPV6_NS, Icmpv6 } from './wire/icmpv6';
import { Ipv4, IPV4_FLAG_MF, IPV4_OFFSET_MASK, ipv4DecrementTtl } from './wire/ipv4';
import { Ipv6 } from './wire/ipv6';
import {
  IPV6_WALK_F_FRAGMENT,
  IPV6_WALK_F_LATER,
  walkDrop,
  walkFlags,
  walkIpv6,
  walkOffset,
  walkProto,
} from './wire/ipv6-ext';
import { Nd, ND_OPTION_SOURCE_MAC, ND_OPTION_TARGET_MAC, ndFindMac } from './wire/nd';
import { Sctp, sctpChunks, sctpComplete, sctpTranslate } from './wire/sctp';
import { Tcp } from './wire/tcp';
import { Udp } from './wire/udp';

export { be16, be32, be64 } from './mem/be';
export {
  addDelta,
  applyDelta,
  applyDeltaPartial,
  applyDeltaUdp,
  checksum,
  deltaAddr6,
  deltaU32,
  finish,
  fold,
  pseudoSum4,
  pseudoSum6,
  sum,
  sumScalar,
  udpNonZero,
} from './wire/checksum';
export { crc32c, crc32cDelta } from './wire/crc32c';
export { icmpIsEcho, icmpIsError } from './wire/icmp';
export { icmpv6IsEcho, icmpv6IsError, icmpv6IsLinkLocal } from './wire/icmpv6';
export { ipv4IsMartian } from './wire/ipv4';
export {
  ipv6Copy,
  ipv6IsLinkLocal,
  ipv6IsMartian,
  ipv6IsMulticast,
  ipv6IsUnspecified,
} from './wire/ipv6';
export { walkDrop, walkFlags, walkIpv6, walkOffset, walkProto } from './wire/ipv6-ext';
export { ndFindMac } from './wire/nd';
export { sctpChunks } from './wire/sctp';
export { tcpFlagsValid } from './wire/tcp';

/** The vector sum; the scalar one in a build without SIMD. */
export function sumVector(ptr: usize, len: u32): u64 {
  if (ASC_FEATURE_SIMD) return sumSimd(ptr, len);
  return sumScalar(ptr, len);
}

/** Whether this build has SIMD. */
export function hasSimd(): bool {
  return ASC_FEATURE_SIMD;
}

const WALK: usize = 0;
const ETH: usize = 64;
const NET: usize = 128;
const TRANSPORT: usize = 192;

function put(block: usize, index: usize, value: u32): void {
  store<u32>(block + (index << 2), value);
}

/** Parse a frame; the reason it is refused for, or NONE. */
export function parse(ptr: usize, len: u32, out: usize): Drop {
  memory.fill(out, 0, 256);
  const drop = Eth.check(ptr, len);
  if (drop != Drop.NONE) return drop;
  const eth = Eth.at(ptr);
  put(out + ETH, 0, eth.dstHeadBe);
  put(out + ETH, 1, eth.dstTailBe);
  put(out + ETH, 2, eth.srcHeadBe);
  put(out + ETH, 3, eth.srcTailBe);
  put(out + ETH, 4, eth.typeBe);
  put(out + ETH, 5, eth.etherType);
  put(out + ETH, 6, eth.isTagged ? eth.vlanId : 0);
  put(out + ETH, 7, eth.isGroup);
  put(out + WALK, 0, eth.hlen);
  const net = ptr + eth.hlen;
  const avail = len - eth.hlen;
  switch (eth.etherType) {
    case ETHERTYPE_ARP:
      return parseArp(net, avail, out + NET);
    case ETHERTYPE_IPV4:
      return parseIpv4(net, avail, out);
    case ETHERTYPE_IPV6:
      return parseIpv6(net, avail, out);
    default:
      return Drop.UNKNOWN_ETHERTYPE;
  }
}

function parseArp(ptr: usize, avail: u32, out: usize): Drop {
  const drop = Arp.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const arp = Arp.at(ptr);
  put(out, 0, arp.op);
  put(out, 1, load<u16>(arp.senderMacPtr));
  put(out, 2, load<u32>(arp.senderMacPtr, 2));
  put(out, 3, arp.senderIpBe);
  put(out, 4, load<u16>(arp.targetMacPtr));
  put(out, 5, load<u32>(arp.targetMacPtr, 2));
  put(out, 6, arp.targetIpBe);
  return Drop.NONE;
}

function parseIpv4(ptr: usize, avail: u32, out: usize): Drop {
  const drop = Ipv4.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const ip = Ipv4.at(ptr);
  const net = out + NET;
  put(net, 0, ip.version);
  put(net, 1, ip.hlen);
  put(net, 2, ip.totalLength);
  put(net, 3, ip.fragment);
  put(net, 4, ip.ttl);
  put(net, 5, ip.proto);
  put(net, 6, ip.checksumBe);
  put(net, 7, ip.srcBe);
  put(net, 8, ip.dstBe);
  put(net, 9, Ipv4.checkChecksum(ptr));
  const later = (ip.fragment & IPV4_OFFSET_MASK) != 0;
  const fragment = later || (ip.fragment & IPV4_FLAG_MF) != 0;
  return parseTransport(ptr, ip.hlen, ip.totalLength, ip.proto, fragment, later, out);
}

function parseIpv6(ptr: usize, avail: u32, out: usize): Drop {
  const drop = Ipv6.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const ip = Ipv6.at(ptr);
  const net = out + NET;
  put(net, 0, ip.version);
  put(net, 1, ip.payloadLength);
  put(net, 2, ip.nextHeader);
  put(net, 3, ip.hopLimit);
  memory.copy(net + 16, ip.srcPtr, 16);
  memory.copy(net + 32, ip.dstPtr, 16);
  const walk = walkIpv6(ptr, ip.datagramLen);
  if (walkDrop(walk) != Drop.NONE) return walkDrop(walk);
  const flags = walkFlags(walk);
  put(out + WALK, 3, flags);
  const fragment = (flags & IPV6_WALK_F_FRAGMENT) != 0;
  const later = (flags & IPV6_WALK_F_LATER) != 0;
  return parseTransport(
    ptr,
    walkOffset(walk),
    ip.datagramLen,
    walkProto(walk),
    fragment,
    later,
    out,
  );
}

function parseTransport(
  ip: usize,
  off: u32,
  end: u32,
  proto: u8,
  fragment: bool,
  later: bool,
  out: usize,
): Drop {
  put(out + WALK, 1, off);
  put(out + WALK, 2, proto);
  put(out + WALK, 4, end);
  if (later) return Drop.NONE;
  const ptr = ip + off;
  const avail = end - off;
  switch (<i32>proto) {
    case IPPROTO_TCP:
      return parseTcp(ptr, avail, out + TRANSPORT);
    case IPPROTO_UDP:
      return parseUdp(ptr, avail, fragment, out + TRANSPORT);
    case IPPROTO_SCTP:
      return parseSctp(ptr, avail, fragment, out + TRANSPORT);
    case IPPROTO_ICMP:
      return parseIcmp(ptr, avail, out + TRANSPORT);
    case IPPROTO_ICMPV6:
      return parseIcmpv6(ptr, avail, out + TRANSPORT);
    default:
      return Drop.NONE;
  }
}

function parseTcp(ptr: usize, avail: u32, out: usize): Drop {
  const drop = Tcp.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const tcp = Tcp.at(ptr);
  put(out, 0, tcp.srcPortBe);
  put(out, 1, tcp.dstPortBe);
  put(out, 2, tcp.portsBe);
  put(out, 3, tcp.seq);
  put(out, 4, tcp.ack);
  put(out, 5, tcp.hlen);
  put(out, 6, tcp.flags);
  put(out, 7, tcp.windowBe);
  put(out, 8, tcp.checksumBe);
  return Drop.NONE;
}

function parseUdp(ptr: usize, avail: u32, fragment: bool, out: usize): Drop {
  const drop = fragment ? Udp.checkHeader(ptr, avail) : Udp.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const udp = Udp.at(ptr);
  put(out, 0, udp.srcPortBe);
  put(out, 1, udp.dstPortBe);
  put(out, 2, udp.portsBe);
  put(out, 3, udp.length);
  put(out, 4, udp.checksumBe);
  return Drop.NONE;
}

function parseSctp(ptr: usize, avail: u32, fragment: bool, out: usize): Drop {
  const drop = fragment ? Sctp.checkHeader(ptr, avail) : Sctp.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const sctp = Sctp.at(ptr);
  put(out, 0, sctp.srcPortBe);
  put(out, 1, sctp.dstPortBe);
  put(out, 2, sctp.portsBe);
  put(out, 3, sctp.tagBe);
  put(out, 4, sctp.checksum);
  put(out, 5, sctpChunks(ptr, avail));
  return Drop.NONE;
}

function parseIcmp(ptr: usize, avail: u32, out: usize): Drop {
  const drop = Icmp.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const icmp = Icmp.at(ptr);
  put(out, 0, icmp.type);
  put(out, 1, icmp.code);
  put(out, 2, icmp.checksumBe);
  put(out, 3, icmp.idBe);
  put(out, 4, icmp.seqBe);
  put(out, 5, icmp.mtu);
  put(out, 6, <u32>(icmp.quotePtr - ptr));
  return Drop.NONE;
}

function parseIcmpv6(ptr: usize, avail: u32, out: usize): Drop {
  const drop = Icmpv6.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const icmp = Icmpv6.at(ptr);
  put(out, 0, icmp.type);
  put(out, 1, icmp.code);
  put(out, 2, icmp.checksumBe);
  put(out, 3, icmp.idBe);
  put(out, 4, icmp.mtu);
  put(out, 5, <u32>(icmp.quotePtr - ptr));
  if (icmp.type != ICMPV6_NS && icmp.type != ICMPV6_NA) return Drop.NONE;
  return parseNd(ptr, avail, out);
}

function parseNd(ptr: usize, avail: u32, out: usize): Drop {
  const drop = Nd.check(ptr, avail);
  if (drop != Drop.NONE) return drop;
  const nd = Nd.at(ptr);
  put(out, 6, nd.flags);
  memory.copy(out + 32, nd.targetPtr, 16);
  const source = ndFindMac(ptr, avail, ND_OPTION_SOURCE_MAC);
  const mac = source != 0 ? source : ndFindMac(ptr, avail, ND_OPTION_TARGET_MAC);
  put(out, 7, mac != 0 ? <u32>(mac - ptr) : 0);
  return Drop.NONE;
}

// ---- Writers: a header from its fields -------------------------------------------------

/** Ethernet header with the two addresses at `macs` (destination, source). */
export function writeEth(ptr: usize, macs: usize, typeBe: u16): void {
  const eth = Eth.at(ptr);
  eth.copyDst(macs);
  eth.copySrc(macs + 6);
  eth.setTypeBe(typeBe);
}

/** ARP packet; addresses at `macs` (sender, target). */
export function writeArp(ptr: usize, op: u16, macs: usize, senderBe: u32, targetBe: u32): void {
  const arp = Arp.at(ptr);
  arp.setOp(op);
  arp.setShape();
  arp.setSenderMacBe(load<u16>(macs), load<u32>(macs, 2));
  arp.setSenderIpBe(senderBe);
  arp.setTargetMacBe(load<u16>(macs, 6), load<u32>(macs, 8));
  arp.setTargetIpBe(targetBe);
}

/** IPv4 header without its checksum. */
export function writeIpv4(
  ptr: usize,
  tos: u8,
  totalLength: u16,
  ttl: u8,
  proto: u8,
  srcBe: u32,
  dstBe: u32,
): void {
  const ip = Ipv4.at(ptr);
  ip.begin(tos, totalLength);
  ip.setTtl(ttl);
  ip.setProto(proto);
  ip.setChecksumBe(0);
  ip.setSrcBe(srcBe);
  ip.setDstBe(dstBe);
}

export function setIpv4Checksum(ptr: usize, checksumBe: u16): void {
  Ipv4.at(ptr).setChecksumBe(checksumBe);
}

export function decrementTtl(ptr: usize): bool {
  return ipv4DecrementTtl(Ipv4.at(ptr));
}

/** IPv6 header; addresses at `addrs` (source, destination). */
export function writeIpv6(
  ptr: usize,
  payloadLength: u16,
  nextHeader: u8,
  hopLimit: u8,
  addrs: usize,
): void {
  const ip = Ipv6.at(ptr);
  ip.begin();
  ip.setPayloadLength(payloadLength);
  ip.setNextHeader(nextHeader);
  ip.setHopLimit(hopLimit);
  ip.copySrc(addrs);
  ip.copyDst(addrs + 16);
}

/** Rewrite the ports of a TCP header and set its checksum. */
export function writeTcpPorts(ptr: usize, srcBe: u16, dstBe: u16, checksumBe: u16): void {
  const tcp = Tcp.at(ptr);
  tcp.setSrcPortBe(srcBe);
  tcp.setDstPortBe(dstBe);
  tcp.setChecksumBe(checksumBe);
}

/** `writeTcpPorts` with both ports as one word. */
export function writeTcpPortsWord(ptr: usize, portsBe: u32): void {
  Tcp.at(ptr).setPortsBe(portsBe);
}

export function writeUdp(ptr: usize, srcBe: u16, dstBe: u16, length: u16, checksumBe: u16): void {
  const udp = Udp.at(ptr);
  udp.setSrcPortBe(srcBe);
  udp.setDstPortBe(dstBe);
  udp.setLength(length);
  udp.setChecksumBe(checksumBe);
}

/** `writeUdp` with both ports as one word. */
export function writeUdpPortsWord(ptr: usize, portsBe: u32): void {
  Udp.at(ptr).setPortsBe(portsBe);
}

/** Rewrite the ports of an SCTP packet and its checksum with them. */
export function writeSctpPorts(ptr: usize, portsBe: u32, len: u32): void {
  sctpTranslate(Sctp.at(ptr), portsBe, len);
}

export function completeSctp(ptr: usize, len: u32): void {
  sctpComplete(Sctp.at(ptr), len);
}

/** Head of an ICMP error with its next-hop MTU. */
export function writeIcmpError(ptr: usize, type: u8, code: u8, mtu: u16): void {
  const icmp = Icmp.at(ptr);
  icmp.setTypeCode(type, code);
  icmp.setChecksumBe(0);
  icmp.setMtu(mtu);
}

export function writeIcmpId(ptr: usize, idBe: u16, checksumBe: u16): void {
  const icmp = Icmp.at(ptr);
  icmp.setIdBe(idBe);
  icmp.setChecksumBe(checksumBe);
}

/** Head of an ICMPv6 error with its MTU. */
export function writeIcmpv6Error(ptr: usize, type: u8, code: u8, mtu: u32): void {
  const icmp = Icmpv6.at(ptr);
  icmp.setTypeCode(type, code);
  icmp.setChecksumBe(0);
  icmp.setMtu(mtu);
}

export function writeIcmpv6Id(ptr: usize, idBe: u16, checksumBe: u16): void {
  const icmp = Icmpv6.at(ptr);
  icmp.setIdBe(idBe);
  icmp.setChecksumBe(checksumBe);
}

/** Advertisement of `target` with one Ethernet address. */
export function writeNa(ptr: usize, flags: u8, target: usize, mac: usize): void {
  Icmpv6.at(ptr).setTypeCode(ICMPV6_NA, 0);
  Icmpv6.at(ptr).setChecksumBe(0);
  const nd = Nd.at(ptr);
  nd.setFlags(flags);
  memory.copy(nd.targetPtr, target, 16);
  nd.setMacOptionBe(ND_OPTION_TARGET_MAC, load<u16>(mac), load<u32>(mac, 2));
}
