/**
 * Sizes of Maglev tables. The tables themselves are built by the core.
 */

/** Primes just below powers of two, as Cilium offers them (its Maglev table sizes). */
const MAGLEV_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521] as const;
/** Slots per backend that keep shares within 1 % (Eisenbud et al., NSDI 2016, 5.3). */
const SLOTS_PER_BACKEND = 100;

const MAGLEV_SIZE_MAX = 65521;

/**
 * Backends one set may have. The core builds tables in half of SCRATCH, with 24 bytes a backend
 * (identity, weight, position; next slot, skip, weight saved up): 10 922 fit.
 */
export const SET_MEMBERS_MAX = 10922;

/** Slots for a set of `count` backends: 0 for none, 1 for one, else a prime. */
export function maglevSize(count: number): number {
  if (count <= 1) return count;
  return MAGLEV_SIZES.find((size) => size >= count * SLOTS_PER_BACKEND) ?? MAGLEV_SIZE_MAX;
}
