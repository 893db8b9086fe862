/**
 * Copying a few bytes: `memory.copy` is a call into the engine, which costs more than the words of a
 * short run. Nothing is written behind the end.
 */

/**
 * Copy `n` bytes between ranges that do not overlap.
 *
 * Cost  a load and a store each 8 bytes, and one pair or up to three for what is left
 */
export function copyBytes(dst: usize, src: usize, n: u32): void {
  const tail: u32 = n & 7;
  const words = n - tail;
  for (let i: u32 = 0; i < words; i += 8) store<u64>(dst + i, load<u64>(src + i));
  if (tail == 0) return;
  if (words != 0) {
    // The last word, over what is there already.
    const last: usize = n - 8;
    store<u64>(dst + last, load<u64>(src + last));
    return;
  }
  copyShort(dst, src, n);
}

/** Up to seven bytes. */
function copyShort(dst: usize, src: usize, n: u32): void {
  if (n & 4) {
    store<u32>(dst, load<u32>(src));
    dst += 4;
    src += 4;
  }
  if (n & 2) {
    store<u16>(dst, load<u16>(src));
    dst += 2;
    src += 2;
  }
  if (n & 1) store<u8>(dst, load<u8>(src));
}
