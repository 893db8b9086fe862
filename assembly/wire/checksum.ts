/**
 * The Internet checksum: RFC 1071 sums and RFC 1624 updates.
 *
 * Everything works on words as loaded little-endian: the one's-complement sum does not
 * depend on byte order (RFC 1071 2.B), so its result is stored as it is and nothing swaps.
 *
 * sum      u64, unfolded: the words' sum modulo 0xffff, 0 only if every word is 0
 * complete field = ~fold(sum over pseudo-header and payload)
 * partial  field = fold(sum over the pseudo-header): CHECKSUM_PARTIAL, the device adds the rest
 * delta    u16 = fold(sum over words of new + ~old); 0 and 0xffff both mean no change.
 *          The changed words begin at even offsets of the summed bytes
 */
import { be16, be32 } from '../mem/be';

/** Sum of `len` bytes at any alignment; an odd last byte is padded with zero. */
export function sum(ptr: usize, len: u32): u64 {
  if (ASC_FEATURE_SIMD) {
    if (len >= SIMD_MIN) return sumSimd(ptr, len);
  }
  return sumScalar(ptr, len);
}

/** Below this many bytes the vector setup costs more than it saves. */
const SIMD_MIN: u32 = 64;

/** `sum` in plain integers: 4 GiB of 32-bit words cannot overflow 64 bits. */
export function sumScalar(ptr: usize, len: u32): u64 {
  const end = ptr + len;
  let low: u64 = 0;
  let high: u64 = 0;
  while (ptr + 8 <= end) {
    const word = load<u64>(ptr);
    low += word & 0xffff_ffff;
    high += word >> 32;
    ptr += 8;
  }
  return low + high + sumTail(ptr, len & 7);
}

/** `sum` sixteen bytes at a time. */
export function sumSimd(ptr: usize, len: u32): u64 {
  const end = ptr + len;
  const mask = i64x2.splat(0xffff_ffff);
  let low = i64x2.splat(0);
  let high = i64x2.splat(0);
  while (ptr + 16 <= end) {
    const words = v128.load(ptr);
    low = i64x2.add(low, v128.and(words, mask));
    high = i64x2.add(high, i64x2.shr_u(words, 32));
    ptr += 16;
  }
  const both = i64x2.add(low, high);
  const lanes = i64x2.extract_lane(both, 0) + i64x2.extract_lane(both, 1);
  return lanes + sumScalar(ptr, len & 15);
}

/** The last 0..7 bytes: one word of each size, as the bits of `len` say. */
function sumTail(ptr: usize, len: u32): u64 {
  let total: u64 = 0;
  if (len & 4) {
    total += load<u32>(ptr);
    ptr += 4;
  }
  if (len & 2) {
    total += load<u16>(ptr);
    ptr += 2;
  }
  if (len & 1) total += load<u8>(ptr);
  return total;
}

/** Fold to 16 bits with end-around carry. */
export function fold(total: u64): u16 {
  total = (total & 0xffff_ffff) + (total >> 32); // at most 33 bits
  total = (total & 0xffff) + (total >> 16); // 18 bits
  total = (total & 0xffff) + (total >> 16); // 17 bits
  return <u16>((total & 0xffff) + (total >> 16));
}

/** `fold` for sums of fewer than 65538 words of 16 bits: two carries are enough. */
export function fold32(total: u32): u16 {
  total = (total & 0xffff) + (total >> 16); // at most 0x1fffe
  return <u16>((total & 0xffff) + (total >> 16));
}

/** Complete checksum of a sum: the value of the field. */
export function finish(total: u64): u16 {
  return ~fold(total);
}

/**
 * Complete checksum of a range; its own checksum field must hold 0.
 *
 * @returns as it is stored by a little-endian store of 16 bits: the first octet on the wire is the low
 *          one
 */
export function checksum(ptr: usize, len: u32): u16 {
  return finish(sum(ptr, len));
}

/** Sum of the IPv4 pseudo-header (RFC 9293 3.1, RFC 768). `length`: L4 bytes, host order. */
export function pseudoSum4(srcBe: u32, dstBe: u32, proto: u8, length: u16): u64 {
  return <u64>srcBe + <u64>dstBe + ((<u64>proto) << 8) + <u64>be16(length);
}

/**
 * Sum of the IPv6 pseudo-header (RFC 8200 8.1).
 *
 * @param addrsPtr  source and destination, 32 bytes as they lie in the header
 * @param length    upper-layer bytes, host order
 */
export function pseudoSum6(addrsPtr: usize, proto: u8, length: u32): u64 {
  return sum(addrsPtr, 32) + ((<u64>proto) << 24) + <u64>be32(length);
}

/** Delta of one 32-bit word, or of a 16-bit one: the upper half adds a neutral 0xffff. */
export function deltaU32(oldBe: u32, newBe: u32): u16 {
  const old = ~oldBe;
  return fold32((newBe & 0xffff) + (newBe >> 16) + (old & 0xffff) + (old >> 16));
}

/** Delta of an IPv6 address. */
export function deltaAddr6(oldPtr: usize, newPtr: usize): u16 {
  const low =
    <u64>deltaU32(load<u32>(oldPtr), load<u32>(newPtr)) +
    deltaU32(load<u32>(oldPtr, 4), load<u32>(newPtr, 4));
  const high =
    <u64>deltaU32(load<u32>(oldPtr, 8), load<u32>(newPtr, 8)) +
    deltaU32(load<u32>(oldPtr, 12), load<u32>(newPtr, 12));
  return fold(low + high);
}

/** Delta of a range whose sum was one number and is another. */
export function deltaOfSums(before: u64, after: u64): u16 {
  return addDelta(~fold(before), fold(after));
}

/** Delta of two changes together. */
export function addDelta(a: u16, b: u16): u16 {
  return fold32(<u32>a + <u32>b);
}

/**
 * A complete checksum after the change: HC' = ~(~HC + delta), RFC 1624 eqn. 3.
 *
 * @param delta  one delta, or the plain sum of a few
 */
export function applyDelta(checksumBe: u16, delta: u32): u16 {
  return ~fold32((~(<u32>checksumBe) & 0xffff) + delta);
}

/** A partial checksum after the change. Only the addresses' delta: ports are not summed yet. */
export function applyDeltaPartial(partialBe: u16, addrDelta: u16): u16 {
  return fold32(<u32>partialBe + <u32>addrDelta);
}

/** `applyDelta` for UDP: 0 means "none" and stays (RFC 768); use it for TCP never. */
export function applyDeltaUdp(checksumBe: u16, delta: u32): u16 {
  return checksumBe == 0 ? 0 : udpNonZero(applyDelta(checksumBe, delta));
}

/** A computed UDP checksum of 0 is sent as all ones (RFC 768; RFC 8200 8.1). */
export function udpNonZero(checksumBe: u16): u16 {
  return checksumBe == 0 ? 0xffff : checksumBe;
}
