/**
 * Byte order. WebAssembly loads are little-endian and packets are not, so a field loaded
 * as it lies is a `Be` value; these functions turn it into a number and back.
 *
 * They are the only swaps in the core. Comparisons and hash keys stay in `Be`: swap for
 * arithmetic and for printing only, because double swaps are not optimised away.
 */

/** Network order to host order, or back. */
export function be16(x: u16): u16 {
  return bswap<u16>(x);
}

/** Network order to host order, or back. */
export function be32(x: u32): u32 {
  return bswap<u32>(x);
}

/** Two or four numbers of 16 bits side by side, the one at the lowest address lowest. */
export function be16s(x: u64): u64 {
  const lows: u64 = 0x00ff00ff00ff00ff;
  return ((x & lows) << 8) | ((x >> 8) & lows);
}

/** Network order to host order, or back. */
export function be64(x: u64): u64 {
  return bswap<u64>(x);
}
