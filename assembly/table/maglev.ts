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
/** One member of a set: u32 stable identity, u32 weight, u32 position in the set. */
export const MAGLEV_MEMBER_SIZE: u32 = 12;
/** Bytes of scratch per member: next position, skip, weight saved up. */
export const MAGLEV_SCRATCH_SIZE: u32 = 12;

/**
 * Fill a table. A member gets slots in proportion to its weight: in every round it saves its weight
 * up and takes a slot when it has saved the greatest weight of all. A weight of 0 takes none; if
 * all are 0 the table stays vacant.
 *
 * Members take their turns in the order of their identities, not of their positions: every node
 * comes to the same table, whichever of them are local to it.
 *
 * @param table    `m` u16 slots; each becomes the position of a member in its set, or 0xffff: vacant
 * @param m        table size, a prime above the number of members (1 for a single member); with
 *                 another number the table may stay vacant
 * @param members  `n` times 12 bytes, u32 each: identity, weight, position in the set; left sorted
 *                 by identity
 * @param scratch  `n` times 12 bytes, whatever is in them
 * Cost            O(m log m) expected, times greatest weight over mean weight; control path
 */
export function maglevBuild(table: usize, m: u32, members: usize, n: u32, scratch: usize): void {
  clear(table, m);
  if (n == 0 || m == 0) return;
  sortById(members, n);
  let greatest: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const id = load<u32>(members + i * MAGLEV_MEMBER_SIZE);
    greatest = max<u32>(greatest, load<u32>(members + i * MAGLEV_MEMBER_SIZE, 4));
    const member = scratch + i * MAGLEV_SCRATCH_SIZE;
    store<u32>(member, mix32(id ^ OFFSET_KEY) % m);
    store<u32>(member, m > 1 ? (mix32(id ^ SKIP_KEY) % (m - 1)) + 1 : 0, 4);
    store<u32>(member, 0, 8);
  }
  if (greatest == 0) return;
  let taken: u32 = 0;
  while (taken < m) {
    for (let i: u32 = 0; i < n && taken < m; i++) {
      const member = scratch + i * MAGLEV_SCRATCH_SIZE;
      const saved = load<u32>(member, 8) + load<u32>(members + i * MAGLEV_MEMBER_SIZE, 4);
      store<u32>(member, saved < greatest ? saved : saved - greatest, 8);
      if (saved < greatest) continue;
      const position = <u16>load<u32>(members + i * MAGLEV_MEMBER_SIZE, 8);
      if (!takeNext(table, m, member, position)) {
        clear(table, m);
        return;
      }
      taken++;
    }
  }
}

/** Every slot is vacant. */
function clear(table: usize, m: u32): void {
  for (let i: u32 = 0; i < m; i++) store<u16>(table + ((<usize>i) << 1), VACANT);
}

/** Heap sort, in place. */
function sortById(members: usize, n: u32): void {
  for (let root = n >> 1; root > 0; root--) siftDown(members, root - 1, n);
  for (let end = n - 1; end > 0; end--) {
    swapMembers(members, 0, end);
    siftDown(members, 0, end);
  }
}

function idAt(members: usize, i: u32): u32 {
  return load<u32>(members + i * MAGLEV_MEMBER_SIZE);
}

function swapMembers(members: usize, a: u32, b: u32): void {
  for (let off: u32 = 0; off < MAGLEV_MEMBER_SIZE; off += 4) {
    const pa = members + a * MAGLEV_MEMBER_SIZE + off;
    const pb = members + b * MAGLEV_MEMBER_SIZE + off;
    const word = load<u32>(pa);
    store<u32>(pa, load<u32>(pb));
    store<u32>(pb, word);
  }
}

/** Let a member sink to where no child of it has a greater identity. */
function siftDown(members: usize, root: u32, n: u32): void {
  for (let child: u32 = 2 * root + 1; child < n; child = 2 * root + 1) {
    if (child + 1 < n && idAt(members, child + 1) > idAt(members, child)) child++;
    if (idAt(members, root) >= idAt(members, child)) return;
    swapMembers(members, root, child);
    root = child;
  }
}

/**
 * Give a member the next slot of its permutation that nobody has: one of `m` slots, when that is prime.
 *
 * @returns false when its permutation comes by no vacant slot
 */
function takeNext(table: usize, m: u32, member: usize, position: u16): bool {
  const skip = load<u32>(member, 4);
  let slot = load<u32>(member);
  let turns: u32 = 0;
  while (load<u16>(table + ((<usize>slot) << 1)) != VACANT) {
    if (++turns == m) return false;
    slot += skip;
    if (slot >= m) slot -= m;
  }
  store<u16>(table + ((<usize>slot) << 1), position);
  slot += skip;
  store<u32>(member, slot >= m ? slot - m : slot);
  return true;
}

/** The member for a 32-bit hash: multiply-shift instead of a modulo. */
export function maglevPick(table: usize, m: u32, hash: u32): u32 {
  return load<u16>(table + ((<usize>((<u64>hash * m) >> 32)) << 1));
}
