/** Opening and closing wire caches. */
import { RegionId } from '../abi';
import {
  CACHES_BASE,
  CACHES_BYTES,
  CACHE_MAX,
  CACHE_OPEN_OFF,
  CACHE_OPTIONS_SIZE,
  CACHE_ROW_SIZE,
  CACHE_SIZE,
} from '../abi-cache';
import { regionBase, regionCapacity } from '../mem/region';
import { dropCached, repliesReset } from './cache-evict';
import { isCache } from './cache-record';
import { CacheRow } from './cache-row';

/** No caches, over tables that are zero. */
export function cachesReset(): void {
  memory.fill(CACHES_BASE, 0, CACHES_BYTES);
  repliesReset();
}

/** Address of a cache's record. */
function recordOf(cache: u32): usize {
  return <usize>CACHES_BASE + <usize>(cache * CACHE_SIZE);
}

/**
 * Open a cache.
 *
 * @param options  address of CACHE_OPTIONS_SIZE bytes
 * @returns        its number, 0 = CACHE_MAX of them are open
 */
export function cacheOpen(options: usize): u32 {
  for (let cache: u32 = 1; cache <= <u32>CACHE_MAX; cache++) {
    if (isCache(cache)) continue;
    const record = recordOf(cache);
    memory.fill(record, 0, CACHE_SIZE);
    memory.copy(record, options, CACHE_OPTIONS_SIZE);
    store<u32>(record, 1, CACHE_OPEN_OFF);
    return cache;
  }
  return 0;
}

/** Forget all that a cache has, and its number with it. */
export function cacheClose(cache: u32): void {
  if (!isCache(cache)) return;
  const base = regionBase(RegionId.CACHE);
  const end = base + <usize>regionCapacity(RegionId.CACHE) * CACHE_ROW_SIZE;
  for (let row = base; row < end; row += CACHE_ROW_SIZE) {
    const r = CacheRow.at(row);
    if (r.isLive && r.cache == cache) dropCached(row);
  }
  memory.fill(recordOf(cache), 0, CACHE_SIZE);
}
