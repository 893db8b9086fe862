/**
 * 16-byte addresses in memory: IPv6 as it is, IPv4 in mapped form (::ffff:a.b.c.d, RFC 4291
 * 2.5.5.2), so that tables need one key form. Bytes stay in network order.
 */
import { be64 } from './be';

/** Second 64-bit word's low half of a mapped address, as loaded little-endian. */
export const MAPPED_PREFIX: u32 = 0xffff0000;

/** Where the IPv4 address lies within its mapped form. */
export const MAPPED_ADDR4_OFF: usize = 12;

/** Zero a cache line: `memory.fill` is a call, and dearer than eight stores. */
export function clearLine(ptr: usize): void {
  store<u64>(ptr, 0);
  store<u64>(ptr, 0, 8);
  store<u64>(ptr, 0, 16);
  store<u64>(ptr, 0, 24);
  store<u64>(ptr, 0, 32);
  store<u64>(ptr, 0, 40);
  store<u64>(ptr, 0, 48);
  store<u64>(ptr, 0, 56);
}

/** Copy an Ethernet address. */
export function copyMac(to: usize, from: usize): void {
  store<u32>(to, load<u32>(from));
  store<u16>(to, load<u16>(from, 4), 4);
}

export function copyAddr(to: usize, from: usize): void {
  store<u64>(to, load<u64>(from));
  store<u64>(to, load<u64>(from, 8), 8);
}

/** Write an IPv4 address in its mapped form. */
export function copyMapped(to: usize, addr4Be: u32): void {
  store<u64>(to, 0);
  store<u64>(to, ((<u64>addr4Be) << 32) | MAPPED_PREFIX, 8);
}

export function addrEquals(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8);
}

/** Whether 16 bytes are an IPv4 address in its mapped form. */
export function isMapped(a: usize): bool {
  return load<u64>(a) == 0 && load<u32>(a, 8) == MAPPED_PREFIX;
}

export function addrIsZero(a: usize): bool {
  return (load<u64>(a) | load<u64>(a, 8)) == 0;
}

/** Mask of the first `bits` (0..64) bits of a network-order word as loaded. */
export function prefixMask(bits: u32): u64 {
  return bits == 0 ? 0 : be64(~(<u64>0) << (64 - bits));
}

/** Whether an address lies in a range. All three are 16 bytes; the range has no host bits. */
export function inRange(addr: usize, range: usize, mask: usize): bool {
  return (
    (load<u64>(addr) & load<u64>(mask)) == load<u64>(range) &&
    (load<u64>(addr, 8) & load<u64>(mask, 8)) == load<u64>(range, 8)
  );
}

/** Whether six bytes are an address and not all zero. */
export function hasMac(ptr: usize): bool {
  return (load<u32>(ptr) | load<u16>(ptr, 4)) != 0;
}
