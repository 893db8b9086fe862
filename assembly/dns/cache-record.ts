/** Wire caches: what each was opened with, and what it counts. */
import {
  CACHES_BASE,
  CACHES_BYTES,
  CACHE_COUNTERS_OFF,
  CACHE_DENIAL_CAPACITY_OFF,
  CACHE_DENIAL_MAX_TTL_OFF,
  CACHE_DENIAL_MIN_TTL_OFF,
  CACHE_FLAGS_OFF,
  CACHE_F_KEEP_TTL,
  CACHE_F_PREFER_POSITIVE,
  CACHE_F_VERIFY,
  CACHE_HANDS_OFF,
  CACHE_MAX,
  CACHE_OPEN_OFF,
  CACHE_OPTIONS_SIZE,
  CACHE_PREFETCH_GAP_MS_OFF,
  CACHE_PREFETCH_HITS_OFF,
  CACHE_PREFETCH_PERCENT_OFF,
  CACHE_RECHECK_MS_OFF,
  CACHE_SERVFAIL_TTL_OFF,
  CACHE_SIZE,
  CACHE_STALE_MS_OFF,
  CACHE_STALE_TTL_OFF,
  CACHE_SUCCESS_CAPACITY_OFF,
  CACHE_SUCCESS_MAX_TTL_OFF,
  CACHE_SUCCESS_MIN_TTL_OFF,
  CACHE_USED_OFF,
  CacheCounter,
  CacheSide,
} from '../abi-cache';
import { DNS_F_UNCOUNTED } from '../abi-dns';
import { isTraced } from '../mem/trace';
import { Query } from './record';

if ((CACHE_MAX + 1) * CACHE_SIZE > 4096 || CACHES_BYTES < 8192) ERROR('CACHES is too small');
if (CACHE_OPTIONS_SIZE > CACHE_USED_OFF) ERROR('options overlap what is counted');

@unmanaged
@final
export class Cache {
  /** @param id  1 to CACHE_MAX */
  @inline static at(id: u32): Cache {
    return changetype<Cache>(<usize>CACHES_BASE + <usize>(id * CACHE_SIZE));
  }

  @inline private word(offset: usize): u32 {
    return load<u32>(changetype<usize>(this) + offset);
  }
  @inline private has(flag: u32): bool {
    return (this.word(CACHE_FLAGS_OFF) & flag) != 0;
  }

  @inline get isOpen(): bool {
    return this.word(CACHE_OPEN_OFF) != 0;
  }
  @inline capacity(side: CacheSide): u32 {
    return this.word(
      side == CacheSide.SUCCESS ? CACHE_SUCCESS_CAPACITY_OFF : CACHE_DENIAL_CAPACITY_OFF,
    );
  }
  @inline maxTtl(side: CacheSide): u32 {
    return this.word(
      side == CacheSide.SUCCESS ? CACHE_SUCCESS_MAX_TTL_OFF : CACHE_DENIAL_MAX_TTL_OFF,
    );
  }
  @inline minTtl(side: CacheSide): u32 {
    return this.word(
      side == CacheSide.SUCCESS ? CACHE_SUCCESS_MIN_TTL_OFF : CACHE_DENIAL_MIN_TTL_OFF,
    );
  }
  @inline get servfailTtl(): u32 {
    return this.word(CACHE_SERVFAIL_TTL_OFF);
  }
  @inline get keepsTtl(): bool {
    return this.has(CACHE_F_KEEP_TTL);
  }
  @inline get isVerifying(): bool {
    return this.has(CACHE_F_VERIFY);
  }
  @inline get prefersPositive(): bool {
    return this.has(CACHE_F_PREFER_POSITIVE);
  }
  @inline get prefetchHits(): u32 {
    return this.word(CACHE_PREFETCH_HITS_OFF);
  }
  @inline get prefetchGapMs(): u32 {
    return this.word(CACHE_PREFETCH_GAP_MS_OFF);
  }
  @inline get prefetchPercent(): u32 {
    return this.word(CACHE_PREFETCH_PERCENT_OFF);
  }
  @inline get staleMs(): u32 {
    return this.word(CACHE_STALE_MS_OFF);
  }
  @inline get staleTtl(): u32 {
    return this.word(CACHE_STALE_TTL_OFF);
  }
  @inline get recheckMs(): u32 {
    return this.word(CACHE_RECHECK_MS_OFF);
  }

  /** Rows. */
  @inline used(side: CacheSide): u32 {
    return this.word(<usize>CACHE_USED_OFF + <usize>((<u32>side) << 2));
  }
  @inline addUsed(side: CacheSide, by: i32): void {
    const at = changetype<usize>(this) + CACHE_USED_OFF + <usize>((<u32>side) << 2);
    store<u32>(at, load<u32>(at) + by);
  }
  /** Slot where eviction goes on. */
  @inline hand(side: CacheSide): u32 {
    return this.word(<usize>CACHE_HANDS_OFF + <usize>((<u32>side) << 2));
  }
  @inline setHand(side: CacheSide, slot: u32): void {
    store<u32>(changetype<usize>(this) + CACHE_HANDS_OFF + <usize>((<u32>side) << 2), slot);
  }
  @inline count(counter: CacheCounter): void {
    const at = changetype<usize>(this) + CACHE_COUNTERS_OFF + <usize>((<u32>counter) << 3);
    store<u64>(at, load<u64>(at) + 1);
  }
}

/** Whether there is an open cache of this number. */
export function isCache(id: u32): bool {
  return id != 0 && id <= <u32>CACHE_MAX && Cache.at(id).isOpen;
}

/** Whether a look leaves no traces. */
export function isUnseen(q: Query): bool {
  return (q.flags & DNS_F_UNCOUNTED) != 0 || isTraced();
}
