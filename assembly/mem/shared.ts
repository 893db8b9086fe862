/**
 * Words that somebody else reads or writes meanwhile: the kernel, by rings and flow rows. Atomic where
 * the build has the threads feature; the baseline build has none, and nobody to share memory with:
 * its hosts own the memory alone.
 */

export function loadShared(ptr: usize): u32 {
  if (ASC_FEATURE_THREADS) return atomic.load<u32>(ptr);
  return load<u32>(ptr);
}

export function storeShared(ptr: usize, v: u32): void {
  if (ASC_FEATURE_THREADS) atomic.store<u32>(ptr, v);
  else store<u32>(ptr, v);
}
