/**
 * Longest-prefix match: one hash table of (masked address, prefix length) and the list of the
 * lengths that occur, longest first. A node has a handful of lengths (pods, peers, default),
 * so a look-up is a handful of hash look-ups, whatever the number of routes.
 */
import {
  PREFIX_COUNTS_OFF,
  PREFIX_LENGTHS,
  PREFIX_LIST_OFF,
  PREFIX_NONE,
  ROUTE_KEY_SIZE,
  RegionId,
} from '../abi';
import { isMapped, prefixMask } from '../mem/addr';
import { regionBase } from '../mem/region';
import { WORDS_3, tableDelete, tableFind, tablePut } from './hash-table';

if (ROUTE_KEY_SIZE != 24) ERROR('a route key is three words');

/** Bits before an IPv4 address in its mapped form: what is shorter is a prefix of IPv6. */
const MAPPED_BITS: u32 = 96;

/**
 * @returns the row of the most specific prefix that covers the 16-byte address, or 0. A prefix covers
 *          addresses of its own family: ::/0 says nothing about IPv4.
 */
export function lpmFind(addr: usize): usize {
  const hi = load<u64>(addr);
  const lo = load<u64>(addr, 8);
  const least = isMapped(addr) ? MAPPED_BITS : 0;
  const list = regionBase(RegionId.PREFIXES) + PREFIX_LIST_OFF;
  for (let i: usize = 0; i < <usize>PREFIX_LENGTHS; i++) {
    const length = <u32>load<u8>(list + i);
    if (length == PREFIX_NONE || length < least) return 0;
    const row = tableFind(RegionId.ROUTES, WORDS_3, maskHi(hi, length), maskLo(lo, length), length);
    if (row) return row;
  }
  return 0;
}

/** @returns the row to fill for this prefix, 0 when full; host bits are ignored */
export function lpmPut(addr: usize, length: u32): usize {
  if (length >= <u32>PREFIX_LENGTHS) return 0;
  const hi = maskHi(load<u64>(addr), length);
  const lo = maskLo(load<u64>(addr, 8), length);
  const known = tableFind(RegionId.ROUTES, WORDS_3, hi, lo, length);
  if (known) return known;
  const row = tablePut(RegionId.ROUTES, WORDS_3, hi, lo, length);
  if (row) adjustCount(length, 1);
  return row;
}

/** @returns false when there was no such prefix */
export function lpmDelete(addr: usize, length: u32): bool {
  if (length >= <u32>PREFIX_LENGTHS) return false;
  const hi = maskHi(load<u64>(addr), length);
  const lo = maskLo(load<u64>(addr, 8), length);
  if (!tableDelete(RegionId.ROUTES, WORDS_3, hi, lo, length)) return false;
  adjustCount(length, -1);
  return true;
}

/** An empty list. */
export function lpmReset(): void {
  const base = regionBase(RegionId.PREFIXES);
  memory.fill(base, 0, PREFIX_LIST_OFF);
  store<u8>(base + PREFIX_LIST_OFF, PREFIX_NONE);
}

function maskHi(hi: u64, length: u32): u64 {
  return hi & prefixMask(min<u32>(length, 64));
}

function maskLo(lo: u64, length: u32): u64 {
  return length <= 64 ? 0 : lo & prefixMask(length - 64);
}

/** Count a length in or out and write the list anew, longest first. */
function adjustCount(length: u32, by: i32): void {
  const base = regionBase(RegionId.PREFIXES);
  const count = base + PREFIX_COUNTS_OFF + (length << 2);
  store<u32>(count, load<u32>(count) + by);
  let at = base + PREFIX_LIST_OFF;
  for (let l: i32 = PREFIX_LENGTHS - 1; l >= 0; l--) {
    if (load<u32>(base + PREFIX_COUNTS_OFF + (l << 2)) != 0) store<u8>(at++, <u8>l);
  }
  store<u8>(at, PREFIX_NONE);
}
