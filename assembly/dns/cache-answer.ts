/** Looks at the wire cache: by dnsAnswer for its cuts, and by the host's chain of plugins. */
import {
  CACHE_ASK_MS,
  CACHE_HIT_DUE,
  CACHE_HIT_STALE,
  CACHE_R_USED,
  CacheCounter,
  CacheSide,
} from '../abi-cache';
import { CUT_FLAGS_OFF, DNS_HOST, DnsWhy } from '../abi-dns';
import { chooseCached, judgeHit } from './cache-choose';
import { pushDue } from './cache-due';
import { putCached } from './cache-hit';
import { Cache, isCache, isUnseen } from './cache-record';
import { CacheRow } from './cache-row';
import { Parsed, parseQuery } from './query';
import { Query } from './record';

/** Count and note a hit that is given. */
function noteHit(row: CacheRow, c: Cache, hit: u32): void {
  const isSuccess = row.side == CacheSide.SUCCESS;
  c.count(isSuccess ? CacheCounter.HITS_SUCCESS : CacheCounter.HITS_DENIAL);
  if (hit & CACHE_HIT_STALE) c.count(CacheCounter.SERVED_STALE);
  row.setFlags(row.flags | CACHE_R_USED);
}

/** Somebody asks again: nobody else is told to for a while. */
function noteAsked(row: CacheRow, c: Cache, nowMs: f64): void {
  row.setAskAfterMs(row.sinceMs(nowMs) + CACHE_ASK_MS);
  c.count(CacheCounter.DUE);
}

/** TTL of the records of a hit. @param left  whole seconds that are left of its own */
function ttlOf(row: CacheRow, c: Cache, left: i32): u32 {
  if (left <= 0) return c.staleTtl;
  return c.keepsTtl ? row.ttl : <u32>left;
}

/** Write the reply, and into the query's record how the hit is. */
function give(q: Query, row: CacheRow, msg: usize, room: u32, ttlSec: u32, hit: u32): u32 {
  const cutFlags: u32 = q.cut ? load<u16>(q.cut, CUT_FLAGS_OFF) : 0;
  q.setWhy(DnsWhy.CACHE);
  q.setCacheHit(hit, ttlSec);
  return putCached(q, row, msg, room, ttlSec, cutFlags);
}

/**
 * Answer a query that was parsed from a wire cache. What is due goes into the ring; what has to be
 * asked for first is the host's.
 *
 * @param room  bytes from `msg` on that a reply may take, at least those of the query
 * @returns     bytes of the reply, DNS_HOST = nothing to be given
 */
export function cacheAnswer(q: Query, cache: u32, msg: usize, room: u32, nowMs: f64): i32 {
  q.setWhy(DnsWhy.CACHE_MISS);
  if (!isCache(cache)) return DNS_HOST;
  const ptr = chooseCached(q, cache, nowMs);
  if (!ptr) return DNS_HOST;
  const row = CacheRow.at(ptr);
  const c = Cache.at(cache);
  const left = row.ttlLeft(nowMs);
  if (isUnseen(q)) return give(q, row, msg, room, ttlOf(row, c, left), 0);
  const hit = judgeHit(row, c, left, nowMs);
  const isDue = (hit & CACHE_HIT_DUE) != 0;
  if (isDue && left <= 0 && c.isVerifying) return DNS_HOST;
  if (isDue && pushDue(ptr)) noteAsked(row, c, nowMs);
  noteHit(row, c, hit);
  return give(q, row, msg, room, ttlOf(row, c, left), hit & CACHE_HIT_STALE);
}

/**
 * Answer a query from a wire cache, for a caller that asks again itself when CACHE_HIT_DUE is in
 * DNS_CACHE_HIT. A stale reply of a cache with CACHE_F_VERIFY is due for every caller.
 *
 * @param msg    the query, replaced by its reply
 * @param room   bytes from `msg` on
 * @param flags  DNS_F_TCP: no limit but the room; DNS_F_UNCOUNTED: leave no traces
 * @returns      bytes of the reply, 0 = a miss
 */
export function cacheGet(cache: u32, msg: usize, len: u32, room: u32, flags: u32, nowMs: f64): u32 {
  if (!isCache(cache) || room < len) return 0;
  const q = Query.begin(0, len, flags);
  if (parseQuery(q, msg, len) != Parsed.QUERY || q.ednsVersion != 0) return 0;
  const c = Cache.at(cache);
  const ptr = chooseCached(q, cache, nowMs);
  const unseen = isUnseen(q);
  if (!ptr) {
    q.setWhy(DnsWhy.CACHE_MISS);
    if (!unseen) c.count(CacheCounter.MISSES);
    return 0;
  }
  const row = CacheRow.at(ptr);
  const left = row.ttlLeft(nowMs);
  if (unseen) return give(q, row, msg, room, ttlOf(row, c, left), 0);
  const hit = judgeHit(row, c, left, nowMs);
  const isVerified = left <= 0 && c.isVerifying;
  if ((hit & CACHE_HIT_DUE) != 0 && !isVerified) noteAsked(row, c, nowMs);
  noteHit(row, c, hit);
  return give(q, row, msg, room, ttlOf(row, c, left), hit);
}
