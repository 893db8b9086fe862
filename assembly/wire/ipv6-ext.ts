/**
 * The walk over IPv6 extension headers to the transport header.
 *
 *    0       1       2       3
 *   +-------+-------+
 *   | next  | length| ...              length in 8 bytes, the first 8 not counted
 *   +-------+-------+---------+-+-+    AH: in 4 bytes, the first 8 not counted
 *   | next  |   0   | offset  |0|M|    fragment header, always 8 bytes
 *   +-------+-------+---------+-+-+
 *   |       identification        |
 *   +-----------------------------+
 *   | next  | length| type  | left  |  routing header
 *
 * The walk stops at the first thing that is not hop-by-hop, routing, destination options
 * or AH. A fragment header ends it too: what it announces stands behind it in the first
 * fragment only. Hop-by-hop counts only directly behind the IPv6 header (RFC 8200 4.1);
 * met later it is reported as the protocol 0 it is not.
 *
 * Result, one u64 (no allocation):
 *
 *    0          8         16         32
 *   +----------+---------+----------+-------------------------+
 *   | protocol | Drop    | flags    | transport offset, bytes |
 *   +----------+---------+----------+-------------------------+
 *
 * Spec: RFC 8200 4; AH RFC 4302 2; routing type 0 is dead (RFC 5095)
 */
import { Drop } from '../abi';
import { be16 } from '../mem/be';
import { IPV6_HLEN, Ipv6 } from './ipv6';

export const IPV6_EXT_NEXT_OFF: usize = 0;
export const IPV6_EXT_LENGTH_OFF: usize = 1;
export const IPV6_FRAGMENT_OFF: usize = 2;
export const IPV6_FRAGMENT_ID_OFF: usize = 4;
export const IPV6_ROUTING_LEFT_OFF: usize = 3;

/** The smallest extension header, and the fragment header. */
export const IPV6_EXT_HLEN: u32 = 8;
/** Extension headers of one packet; more are refused. */
export const IPV6_EXT_MAX: u32 = 8;

// Protocol numbers of extension headers (IANA).
export const IPV6_NEXT_HOP_BY_HOP: u8 = 0;
export const IPV6_NEXT_ROUTING: u8 = 43;
export const IPV6_NEXT_FRAGMENT: u8 = 44;
export const IPV6_NEXT_AH: u8 = 51;
export const IPV6_NEXT_NONE: u8 = 59;
export const IPV6_NEXT_DST_OPTIONS: u8 = 60;

// Fragment word, host order.
const IPV6_FRAGMENT_OFFSET_MASK: u16 = 0xfff8;
const IPV6_FRAGMENT_MORE: u16 = 1;

/** There is at least one extension header. */
export const IPV6_WALK_F_EXT: u32 = 1;
/** A fragment header; alone it is an atomic fragment, a whole datagram (RFC 6946). */
export const IPV6_WALK_F_FRAGMENT: u32 = 2;
/** More fragments follow. */
export const IPV6_WALK_F_MORE: u32 = 4;
/** Not the first fragment: no transport header. */
export const IPV6_WALK_F_LATER: u32 = 8;
/** A routing header with segments left: the destination is a stop on the way. */
export const IPV6_WALK_F_ROUTED: u32 = 16;

const WALK_DROP_SHIFT: u64 = 8;
const WALK_FLAGS_SHIFT: u64 = 16;
const WALK_OFFSET_SHIFT: u64 = 32;

/**
 * Find the transport header.
 *
 * @param ptr  IPv6 header; `Ipv6.checkHeader` must have passed
 * @param end  bytes from `ptr` to the end of the datagram: `datagramLen` after `Ipv6.check`
 * @returns    packed result, read with `walk...`; offset <= end when its drop is NONE
 */
export function walkIpv6(ptr: usize, end: u32): u64 {
  let next = Ipv6.at(ptr).nextHeader;
  let off = IPV6_HLEN;
  let flags: u32 = 0;
  for (let i: u32 = 0; i < IPV6_EXT_MAX; i++) {
    if (!isExtension(next, off)) return pack(next, Drop.NONE, flags, off);
    if (off + IPV6_EXT_HLEN > end) return pack(next, Drop.IPV6_EXT_SHORT, flags, off);
    const header = ptr + off;
    const kind = next;
    next = load<u8>(header, IPV6_EXT_NEXT_OFF);
    flags |= IPV6_WALK_F_EXT | extensionFlags(kind, header);
    off += extensionLen(kind, load<u8>(header, IPV6_EXT_LENGTH_OFF));
    if (off > end) return pack(kind, Drop.IPV6_EXT_SHORT, flags, off);
    if (kind == IPV6_NEXT_FRAGMENT) return pack(next, Drop.NONE, flags, off);
  }
  return isExtension(next, off)
    ? pack(next, Drop.IPV6_EXT_TOO_MANY, flags, off)
    : pack(next, Drop.NONE, flags, off);
}

/** Protocol of the transport header, or of the extension header the walk failed at. */
export function walkProto(walk: u64): u8 {
  return <u8>walk;
}

/** `NONE`, `IPV6_EXT_SHORT` or `IPV6_EXT_TOO_MANY`. */
export function walkDrop(walk: u64): Drop {
  return <Drop>((walk >> WALK_DROP_SHIFT) & 0xff);
}

/** `IPV6_WALK_F_*` */
export function walkFlags(walk: u64): u32 {
  return (<u32>(walk >> WALK_FLAGS_SHIFT)) & 0xffff;
}

/** Bytes from the IPv6 header to the transport header. */
export function walkOffset(walk: u64): u32 {
  return <u32>(walk >> WALK_OFFSET_SHIFT);
}

function pack(proto: u8, drop: Drop, flags: u32, off: u32): u64 {
  const low = (<u64>proto) | ((<u64>drop) << WALK_DROP_SHIFT) | ((<u64>flags) << WALK_FLAGS_SHIFT);
  return low | ((<u64>off) << WALK_OFFSET_SHIFT);
}

function isExtension(next: u8, off: u32): bool {
  switch (next) {
    case IPV6_NEXT_HOP_BY_HOP:
      return off == IPV6_HLEN;
    case IPV6_NEXT_ROUTING:
    case IPV6_NEXT_FRAGMENT:
    case IPV6_NEXT_AH:
    case IPV6_NEXT_DST_OPTIONS:
      return true;
    default:
      return false;
  }
}

function extensionLen(kind: u8, length: u8): u32 {
  if (kind == IPV6_NEXT_FRAGMENT) return IPV6_EXT_HLEN;
  return IPV6_EXT_HLEN + ((<u32>length) << (kind == IPV6_NEXT_AH ? 2 : 3));
}

function extensionFlags(kind: u8, header: usize): u32 {
  if (kind == IPV6_NEXT_ROUTING) {
    return load<u8>(header, IPV6_ROUTING_LEFT_OFF) != 0 ? IPV6_WALK_F_ROUTED : 0;
  }
  if (kind != IPV6_NEXT_FRAGMENT) return 0;
  const word = be16(load<u16>(header, IPV6_FRAGMENT_OFF));
  return (
    IPV6_WALK_F_FRAGMENT |
    (word & IPV6_FRAGMENT_MORE ? IPV6_WALK_F_MORE : 0) |
    (word & IPV6_FRAGMENT_OFFSET_MASK ? IPV6_WALK_F_LATER : 0)
  );
}

/** Identification of a fragment, as it lies in the packet. @param behind what follows its header */
export function fragmentId6(behind: usize): u32 {
  return load<u32>(behind - IPV6_EXT_HLEN + IPV6_FRAGMENT_ID_OFF);
}

/** Bytes of the datagram before a fragment's. @param behind what follows its header */
export function fragmentBytes6(behind: usize): u32 {
  return be16(load<u16>(behind - IPV6_EXT_HLEN + IPV6_FRAGMENT_OFF)) & IPV6_FRAGMENT_OFFSET_MASK;
}
