/**
 * Which of a key's replies is given, and whether it is time to ask for it again.
 *
 * What says something about the name goes before a failure, what is not over before what is, and of
 * two that are over, the later one. A denial that is not over goes before a success.
 *
 * Spec: RFC 2308 5, 7.1; RFC 8767 5; CoreDNS plugin/cache (prefetch, serve_stale)
 */
import { CACHE_HIT_DUE, CACHE_HIT_STALE, CacheSide } from '../abi-cache';
import { Cache } from './cache-record';
import { CacheRow, findCached, keyOf } from './cache-row';
import { Query } from './record';

const PERCENT: u64 = 100;

/** Whether a reply that is over may still be given. */
function isOfUse(row: usize, c: Cache, nowMs: f64): bool {
  if (row == 0 || c.staleMs == 0) return false;
  const r = CacheRow.at(row);
  return !r.isFailure && r.isOfUse(nowMs, c.staleMs);
}

/** The row of the reply that the question of the query gets from a cache, 0 = none. */
export function chooseCached(q: Query, cache: u32, nowMs: f64): usize {
  const key = keyOf(q, cache);
  const denial = findCached(q, key, CacheSide.DENIAL);
  const isDenied = denial != 0 && CacheRow.at(denial).ttlLeft(nowMs) > 0;
  if (isDenied && !CacheRow.at(denial).isFailure) return denial;
  const success = findCached(q, key, CacheSide.SUCCESS);
  if (success != 0 && CacheRow.at(success).ttlLeft(nowMs) > 0) return success;
  const c = Cache.at(cache);
  const isSuccessOfUse = isOfUse(success, c, nowMs);
  if (isOfUse(denial, c, nowMs)) {
    const isLater = isSuccessOfUse && CacheRow.at(success).storedMs > CacheRow.at(denial).storedMs;
    return isLater ? success : denial;
  }
  if (isSuccessOfUse) return success;
  return isDenied ? denial : 0;
}

/** Hits in a row, this one included. */
function countHit(row: CacheRow, c: Cache, since: u32): u32 {
  const last = row.lastHitMs;
  const isPause = since > last && since - last > c.prefetchGapMs;
  const hits = isPause ? 1 : row.hits + 1;
  row.setHits(hits, since);
  return hits;
}

/**
 * How a hit is: CACHE_HIT_*. Counts it for what is asked for ahead.
 *
 * @param left  whole seconds of its TTL that are left
 */
export function judgeHit(row: CacheRow, c: Cache, left: i32, nowMs: f64): u32 {
  const since = row.sinceMs(nowMs);
  const isAskedFor = since < row.askAfterMs;
  if (left <= 0) return CACHE_HIT_STALE | (isAskedFor ? 0 : CACHE_HIT_DUE);
  if (c.prefetchHits == 0) return 0;
  const hits = countHit(row, c, since);
  // remaining <= ceil(percent * TTL / 100), without the division.
  const share = <u64>c.prefetchPercent * row.ttl + (PERCENT - 1);
  const isLate = <u64>left * PERCENT <= share;
  return isLate && hits >= c.prefetchHits && !isAskedFor ? CACHE_HIT_DUE : 0;
}
