/**
 * IPv4 header.
 *
 *    0       1       2       3
 *   +---+---+-------+---------------+
 *   |ver|ihl|  TOS  | total length  |  0
 *   +---+---+-------+--+------------+
 *   | identification|fl| frag offset|  4
 *   +-------+-------+--+------------+
 *   |  TTL  | proto | header cksum  |  8
 *   +-------+-------+---------------+
 *   | source, then destination      | 12
 *   +-------------------------------+
 *
 * Spec: RFC 791 3.1; addresses RFC 1122 3.2.1.3 and RFC 6890
 */
import { Drop } from '../abi';
import { be16, be32 } from '../mem/be';
import { applyDelta, fold, sum } from './checksum';

export const IPV4_VERSION_IHL_OFF: usize = 0;
export const IPV4_TOTAL_LENGTH_OFF: usize = 2;
export const IPV4_ID_OFF: usize = 4;
export const IPV4_FRAGMENT_OFF: usize = 6;
export const IPV4_TTL_OFF: usize = 8;
export const IPV4_PROTO_OFF: usize = 9;
export const IPV4_CHECKSUM_OFF: usize = 10;
export const IPV4_SRC_OFF: usize = 12;
export const IPV4_DST_OFF: usize = 16;

/** Header without options. */
export const IPV4_HLEN: u32 = 20;
const IPV4_HEAD: u32 = 0x4500_0000; // version 4, five words

// Flags and fragment offset, host order.
export const IPV4_FLAG_DF: u16 = 0x4000;
export const IPV4_FLAG_MF: u16 = 0x2000;
export const IPV4_OFFSET_MASK: u16 = 0x1fff;

/** One's-complement difference that TTL - 1 makes: -1 in the little-endian word. */
const IPV4_TTL_DELTA: u16 = 0xfffe;

@unmanaged
@final
export class Ipv4 {
  @inline static at(ptr: usize): Ipv4 {
    return changetype<Ipv4>(ptr);
  }

  /**
   * Bounds proof of the header and of the whole datagram.
   *
   * @param avail  bytes from `ptr` to the end of the frame
   * @returns      `Drop.NONE` or a reason; `BAD_IPV4_LENGTH` also when the frame is too short
   * Voided by     `begin`
   */
  static check(ptr: usize, avail: u32): Drop {
    const drop = Ipv4.checkHeader(ptr, avail);
    if (drop != Drop.NONE) return drop;
    const ip = Ipv4.at(ptr);
    const total: u32 = ip.totalLength;
    return total < ip.hlen || total > avail ? Drop.BAD_IPV4_LENGTH : Drop.NONE;
  }

  /** Bounds proof of the header alone, as an ICMP error quotes it: the datagram may be cut. */
  static checkHeader(ptr: usize, avail: u32): Drop {
    if (avail < IPV4_HLEN) return Drop.SHORT_IPV4;
    const ip = Ipv4.at(ptr);
    if (ip.version != 4) return Drop.BAD_IPV4_VERSION;
    if (ip.hlen < IPV4_HLEN) return Drop.BAD_IPV4_IHL;
    return ip.hlen > avail ? Drop.SHORT_IPV4 : Drop.NONE;
  }

  /** `Drop.NONE` or `BAD_IPV4_CHECKSUM`; `checkHeader` must have passed. */
  static checkChecksum(ptr: usize): Drop {
    const hlen = Ipv4.at(ptr).hlen;
    const total = hlen == IPV4_HLEN ? sumOfFiveWords(ptr) : sum(ptr, hlen);
    return fold(total) == 0xffff ? Drop.NONE : Drop.BAD_IPV4_CHECKSUM;
  }

  @inline get version(): u8 {
    return load<u8>(changetype<usize>(this), IPV4_VERSION_IHL_OFF) >> 4;
  }
  /** Header bytes, options included. */
  @inline get hlen(): u32 {
    return (<u32>(load<u8>(changetype<usize>(this), IPV4_VERSION_IHL_OFF) & 0x0f)) << 2;
  }
  /** Write bytes 0-7: no options, length in bytes, id 0 with DF (atomic, RFC 6864 4.1). */
  @inline begin(tos: u8, totalLength: u16): void {
    store<u32>(changetype<usize>(this), be32(IPV4_HEAD | ((<u32>tos) << 16) | totalLength));
    store<u32>(changetype<usize>(this), be32(IPV4_FLAG_DF), IPV4_ID_OFF);
  }
  /** Bytes, host order. */
  @inline get totalLength(): u16 {
    return be16(load<u16>(changetype<usize>(this), IPV4_TOTAL_LENGTH_OFF));
  }
  /** Flags and offset, host order: `IPV4_FLAG_*`, `IPV4_OFFSET_MASK`. */
  @inline get fragment(): u16 {
    return be16(load<u16>(changetype<usize>(this), IPV4_FRAGMENT_OFF));
  }
  /** Bytes of the datagram before this fragment's. */
  @inline get fragmentBytes(): u32 {
    return (<u32>(this.fragment & IPV4_OFFSET_MASK)) << 3;
  }
  /** Identification, which fragments of one datagram share. */
  @inline get idBe(): u16 {
    return load<u16>(changetype<usize>(this), IPV4_ID_OFF);
  }
  @inline get ttl(): u8 {
    return load<u8>(changetype<usize>(this), IPV4_TTL_OFF);
  }
  @inline setTtl(v: u8): void {
    store<u8>(changetype<usize>(this), v, IPV4_TTL_OFF);
  }
  @inline get proto(): u8 {
    return load<u8>(changetype<usize>(this), IPV4_PROTO_OFF);
  }
  @inline setProto(v: u8): void {
    store<u8>(changetype<usize>(this), v, IPV4_PROTO_OFF);
  }
  @inline get checksumBe(): u16 {
    return load<u16>(changetype<usize>(this), IPV4_CHECKSUM_OFF);
  }
  @inline setChecksumBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, IPV4_CHECKSUM_OFF);
  }
  @inline get srcBe(): u32 {
    return load<u32>(changetype<usize>(this), IPV4_SRC_OFF);
  }
  @inline setSrcBe(v: u32): void {
    store<u32>(changetype<usize>(this), v, IPV4_SRC_OFF);
  }
  @inline get dstBe(): u32 {
    return load<u32>(changetype<usize>(this), IPV4_DST_OFF);
  }
  @inline setDstBe(v: u32): void {
    store<u32>(changetype<usize>(this), v, IPV4_DST_OFF);
  }
}

/** The sum of a header without options. */
function sumOfFiveWords(ptr: usize): u64 {
  const low = <u64>load<u32>(ptr) + load<u32>(ptr, 4) + load<u32>(ptr, 8);
  return low + load<u32>(ptr, 12) + load<u32>(ptr, 16);
}

/**
 * Decrement TTL and patch the header checksum in place (RFC 1812 5.3.1).
 *
 * @returns  false when TTL was 0 or 1: the packet may go no further
 */
export function ipv4DecrementTtl(ip: Ipv4): bool {
  const ttl = ip.ttl;
  if (ttl <= 1) return false;
  ip.setTtl(ttl - 1);
  ip.setChecksumBe(applyDelta(ip.checksumBe, IPV4_TTL_DELTA));
  return true;
}

/** Not a source anyone may have: 0/8, 127/8, 224/4 and above. 0.0.0.0 is DHCP's business. */
export function ipv4IsMartian(addrBe: u32): bool {
  const net = <u8>addrBe;
  return net == 0 || net == 127 || net >= 224;
}

/** 127/8 (RFC 1122 3.2.1.3): must not appear outside a host. */
export function ipv4IsLoopback(addrBe: u32): bool {
  return <u8>addrBe == 127;
}
