/**
 * Making room: a hand goes round the slots, spares once what was hit since it came by (second chance,
 * Corbató 1968), and takes what is over before anything else. Every search is bounded; the next one
 * goes on where it ended.
 */
import { RegionId } from '../abi';
import { CACHE_R_USED, CACHE_ROW_SIZE, CacheCounter, CacheSide } from '../abi-cache';
import { regionBase, regionCapacity, regionUsed } from '../mem/region';
import { arenaGive, arenaReset, arenaTake } from '../table/arena';
import { tableDeleteRow } from '../table/hash-table';
import { Cache } from './cache-record';
import { CacheRow } from './cache-row';

/** Slots that one search looks at. */
const SCAN_MAX: u32 = 4096;
/** Replies that are given up for one that is longer. */
const EVICTIONS_MAX: u32 = 64;

/** No replies at all, over tables that are zero. */
export function repliesReset(): void {
  arenaReset(RegionId.REPLIES);
}

/** Forget a live row. */
export function dropCached(ptr: usize): void {
  const row = CacheRow.at(ptr);
  arenaGive(RegionId.REPLIES, row.chunkOff);
  Cache.at(row.cache).addUsed(row.side, -1);
  tableDeleteRow(RegionId.CACHE, ptr);
}

/** Forget a live row for another one. */
export function evict(ptr: usize): void {
  const row = CacheRow.at(ptr);
  const isSuccess = row.side == CacheSide.SUCCESS;
  Cache.at(row.cache).count(
    isSuccess ? CacheCounter.EVICTIONS_SUCCESS : CacheCounter.EVICTIONS_DENIAL,
  );
  dropCached(ptr);
}

/** Whether the hand may take a live row now; one that was hit is spared until the next time. */
function isTakeable(row: CacheRow, nowMs: f64): bool {
  if (row.ttlLeft(nowMs) <= 0 || (row.flags & CACHE_R_USED) == 0) return true;
  row.setFlags(row.flags & ~CACHE_R_USED);
  return false;
}

/**
 * Evict one reply.
 *
 * @param cache   whose, 0 = anybody's
 * @param side    of which side, if it is a cache's
 * @param hand    of this cache and side
 * @returns       whether there was one
 */
function evictOne(cache: u32, side: CacheSide, hand: Cache, nowMs: f64): bool {
  const base = regionBase(RegionId.CACHE);
  const mask = regionCapacity(RegionId.CACHE) - 1;
  const from = hand.hand(side);
  let spared: usize = 0;
  for (let i: u32 = 0; i < SCAN_MAX; i++) {
    const ptr = base + <usize>((from + i) & mask) * CACHE_ROW_SIZE;
    const row = CacheRow.at(ptr);
    if (!row.isLive || (cache != 0 && (row.cache != cache || row.side != side))) continue;
    hand.setHand(side, (from + i + 1) & mask);
    if (isTakeable(row, nowMs)) {
      evict(ptr);
      return true;
    }
    if (spared == 0) spared = ptr;
  }
  hand.setHand(side, (from + SCAN_MAX) & mask);
  if (spared) evict(spared);
  return spared != 0;
}

/** Room for one more row. @returns whether there is */
export function makeRow(cache: u32, side: CacheSide, nowMs: f64): bool {
  const c = Cache.at(cache);
  if (c.used(side) >= c.capacity(side) && !evictOne(cache, side, c, nowMs)) return false;
  if (regionUsed(RegionId.CACHE) < regionCapacity(RegionId.CACHE) >> 1) return true;
  return evictOne(0, side, c, nowMs);
}

/** Bytes in REPLIES. @returns their offset, 0 = there are none even without many others */
export function makeChunk(cache: u32, side: CacheSide, bytes: u32, nowMs: f64): u32 {
  let offset = arenaTake(RegionId.REPLIES, bytes);
  for (let i: u32 = 0; offset == 0 && i < EVICTIONS_MAX; i++) {
    if (!evictOne(0, side, Cache.at(cache), nowMs)) return 0;
    offset = arenaTake(RegionId.REPLIES, bytes);
  }
  return offset;
}
