/**
 * Maglev consistent hashing (Eisenbud et al., NSDI 2016, section 3.4): every member has its own
 * permutation of the table and members take their next free slot in turn. Shares differ by at
 * most one slot, and a change of membership moves few other slots.
 */
import { mix32 } from '../mem/hash';

/** Two independent hashes of an identity, for where a permutation begins and how it steps. */
const OFFSET_KEY: u32 = 0x9e3779b9;
const SKIP_KEY: u32 = 0x7f4a7c15;
/** Slot not taken yet. */
const VACANT: u16 = 0xffff;
/** Members a u16 table can name. */
export const MAGLEV_MEMBERS_MAX: u32 = 0xffff;
/** Bytes of scratch per member: next position, skip. */
export const MAGLEV_SCRATCH_SIZE: u32 = 8;

/**
 * Fill a table.
 *
 * @param table    `m` u16 slots; each becomes the position of a member in `ids`
 * @param m        table size, a prime above the number of members (1 for a single member)
 * @param ids      `n` u32, the stable identities of the members; their order breaks ties only
 * @param scratch  `n` * MAGLEV_SCRATCH_SIZE bytes
 * Cost            O(m log m) expected; control path
 */
export function maglevBuild(table: usize, m: u32, ids: usize, n: u32, scratch: usize): void {
  for (let i: u32 = 0; i < m; i++) store<u16>(table + ((<usize>i) << 1), VACANT);
  if (n == 0 || m == 0) return;
  for (let i: u32 = 0; i < n; i++) {
    const id = load<u32>(ids + ((<usize>i) << 2));
    const member = scratch + i * MAGLEV_SCRATCH_SIZE;
    store<u32>(member, mix32(id ^ OFFSET_KEY) % m);
    store<u32>(member, m > 1 ? (mix32(id ^ SKIP_KEY) % (m - 1)) + 1 : 0, 4);
  }
  let taken: u32 = 0;
  while (taken < m) {
    for (let i: u32 = 0; i < n && taken < m; i++, taken++) {
      takeNext(table, m, scratch + i * MAGLEV_SCRATCH_SIZE, <u16>i);
    }
  }
}

/** Give a member the next slot of its permutation that nobody has: m is prime, one exists. */
function takeNext(table: usize, m: u32, member: usize, position: u16): void {
  const skip = load<u32>(member, 4);
  let slot = load<u32>(member);
  while (load<u16>(table + ((<usize>slot) << 1)) != VACANT) {
    slot += skip;
    if (slot >= m) slot -= m;
  }
  store<u16>(table + ((<usize>slot) << 1), position);
  slot += skip;
  store<u32>(member, slot >= m ? slot - m : slot);
}

/** The member for a 32-bit hash: multiply-shift instead of a modulo. */
export function maglevPick(table: usize, m: u32, hash: u32): u32 {
  return load<u16>(table + ((<usize>((<u64>hash * m) >> 32)) << 1));
}
