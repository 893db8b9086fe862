/**
 * IPv6 header.
 *
 *    0       1       2       3
 *   +---+-------+-------------------+
 *   |ver|class  |    flow label     |  0
 *   +---+-------+---+-------+-------+
 *   |payload length | next  | hops  |  4
 *   +---------------+-------+-------+
 *   |    source address, 16 bytes   |  8
 *   |  destination address, 16 bytes| 24
 *   +-------------------------------+
 *
 * Spec: RFC 8200 3; addresses RFC 4291 2. Extension headers: ipv6-ext.ts
 */
import { Drop } from '../abi';
import { be16, be32, be64 } from '../mem/be';

export const IPV6_VERSION_OFF: usize = 0;
export const IPV6_PAYLOAD_LENGTH_OFF: usize = 4;
export const IPV6_NEXT_HEADER_OFF: usize = 6;
export const IPV6_HOP_LIMIT_OFF: usize = 7;
export const IPV6_SRC_OFF: usize = 8;
export const IPV6_DST_OFF: usize = 24;

export const IPV6_HLEN: u32 = 40;
export const IPV6_ALEN: u32 = 16;

/** Version 6, class 0, flow label 0: the first word of a header we make, host order. */
const IPV6_HEAD: u32 = 0x6000_0000;

// The first bytes of address ranges, host order, and the bits that count (RFC 4291 2.4).
const IPV6_LINK_LOCAL: u16 = 0xfe80;
const IPV6_LINK_LOCAL_MASK: u16 = 0xffc0;
const IPV6_MULTICAST: u8 = 0xff;

@unmanaged
@final
export class Ipv6 {
  @inline static at(ptr: usize): Ipv6 {
    return changetype<Ipv6>(ptr);
  }

  /**
   * Bounds proof of the header and of the whole datagram.
   *
   * @param avail  bytes from `ptr` to the end of the frame
   * @returns      `Drop.NONE` or a reason; `BAD_IPV6_LENGTH` also when the frame is too short
   * Voided by     `setPayloadLength`
   */
  static check(ptr: usize, avail: u32): Drop {
    const drop = Ipv6.checkHeader(ptr, avail);
    if (drop != Drop.NONE) return drop;
    return Ipv6.at(ptr).datagramLen > avail ? Drop.BAD_IPV6_LENGTH : Drop.NONE;
  }

  /** Bounds proof of the header alone, as an ICMPv6 error quotes it: the datagram may be cut. */
  static checkHeader(ptr: usize, avail: u32): Drop {
    if (avail < IPV6_HLEN) return Drop.SHORT_IPV6;
    return Ipv6.at(ptr).version != 6 ? Drop.BAD_IPV6_VERSION : Drop.NONE;
  }

  @inline get version(): u8 {
    return load<u8>(changetype<usize>(this), IPV6_VERSION_OFF) >> 4;
  }
  /** Write bytes 0-3: version 6, no class, no label. */
  @inline begin(): void {
    store<u32>(changetype<usize>(this), be32(IPV6_HEAD));
  }
  /** Bytes behind the 40, extension headers included; host order. */
  @inline get payloadLength(): u16 {
    return be16(load<u16>(changetype<usize>(this), IPV6_PAYLOAD_LENGTH_OFF));
  }
  /** Bytes behind the 40, host order. */
  @inline setPayloadLength(v: u16): void {
    store<u16>(changetype<usize>(this), be16(v), IPV6_PAYLOAD_LENGTH_OFF);
  }
  /** Bytes of header and payload. */
  @inline get datagramLen(): u32 {
    return IPV6_HLEN + this.payloadLength;
  }
  @inline get nextHeader(): u8 {
    return load<u8>(changetype<usize>(this), IPV6_NEXT_HEADER_OFF);
  }
  @inline setNextHeader(v: u8): void {
    store<u8>(changetype<usize>(this), v, IPV6_NEXT_HEADER_OFF);
  }
  @inline get hopLimit(): u8 {
    return load<u8>(changetype<usize>(this), IPV6_HOP_LIMIT_OFF);
  }
  @inline setHopLimit(v: u8): void {
    store<u8>(changetype<usize>(this), v, IPV6_HOP_LIMIT_OFF);
  }
  /** Source, 16 bytes; the destination follows it. */
  @inline get srcPtr(): usize {
    return changetype<usize>(this) + IPV6_SRC_OFF;
  }
  @inline copySrc(addrPtr: usize): void {
    ipv6Copy(this.srcPtr, addrPtr);
  }
  @inline get dstPtr(): usize {
    return changetype<usize>(this) + IPV6_DST_OFF;
  }
  @inline copyDst(addrPtr: usize): void {
    ipv6Copy(this.dstPtr, addrPtr);
  }
}

/** Decrement the hop limit in place (RFC 8200 3). @returns false when it was 0 or 1 */
export function ipv6DecrementHopLimit(ip: Ipv6): bool {
  const hopLimit = ip.hopLimit;
  if (hopLimit <= 1) return false;
  ip.setHopLimit(hopLimit - 1);
  return true;
}

/** Copy one address; the two may overlap. */
export function ipv6Copy(dstPtr: usize, srcPtr: usize): void {
  const head = load<u64>(srcPtr);
  const tail = load<u64>(srcPtr, 8);
  store<u64>(dstPtr, head);
  store<u64>(dstPtr, tail, 8);
}

/** `::` */
export function ipv6IsUnspecified(addrPtr: usize): bool {
  return (load<u64>(addrPtr) | load<u64>(addrPtr, 8)) == 0;
}

/** `fe80::/10` */
export function ipv6IsLinkLocal(addrPtr: usize): bool {
  return (load<u16>(addrPtr) & be16(IPV6_LINK_LOCAL_MASK)) == be16(IPV6_LINK_LOCAL);
}

/** `ff00::/8` */
export function ipv6IsMulticast(addrPtr: usize): bool {
  return load<u8>(addrPtr) == IPV6_MULTICAST;
}

/** Not a source anyone may have: multicast, `::1`, IPv4-mapped (RFC 4291 2.7, 2.5.3; RFC 6890). */
export function ipv6IsMartian(addrPtr: usize): bool {
  if (ipv6IsMulticast(addrPtr)) return true;
  if (load<u64>(addrPtr) != 0) return false;
  const tail = be64(load<u64>(addrPtr, 8));
  return tail == 1 || tail >> 32 == 0xffff;
}
