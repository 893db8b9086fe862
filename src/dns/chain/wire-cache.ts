/**
 * The cache of replies as the chain uses it: messages go in as they came and come out as they are sent.
 */

/** Sizes and times of one side of a cache; seconds. */
export interface CacheSide {
  readonly capacity: number;
  readonly maxTtlSec: number;
  readonly minTtlSec: number;
}

export interface CacheOptions {
  readonly success: CacheSide;
  readonly denial: CacheSide;
  /** 0: failures are not kept. */
  readonly servfailSec: number;
  /** TTLs stay as they were stored. */
  readonly isTtlKept: boolean;
  readonly prefetch:
    { readonly hits: number; readonly gapMs: number; readonly percent: number } | undefined;
  readonly stale: StaleOptions | undefined;
}

/** What is done with what has expired (RFC 8767). */
export interface StaleOptions {
  /** How long after its TTL a reply is still of use. */
  readonly keepMs: number;
  /** At once, and asked for again behind the client's back; or only when asking fails. */
  readonly mode: 'immediate' | 'verify';
  /** verify: how long to wait for a fresh reply; undefined = as long as it takes. */
  readonly verifyMs: number | undefined;
  /** TTL of stale replies. */
  readonly ttlSec: number;
  /** After a failure, nothing is asked for so long. */
  readonly recheckMs: number;
  /** A good reply outlives bad ones that come after it. */
  readonly isPositivePreferred: boolean;
}

export interface CacheHit {
  /** As it is sent, but for what is put right when it is (message/finish.ts). */
  readonly reply: Uint8Array;
  readonly isStale: boolean;
  /** It is time to ask again before it expires. */
  readonly isPrefetchDue: boolean;
}

export interface WireCache {
  open(options: CacheOptions): number;
  close(cache: number): void;
  /** @param query  a whole query */
  get(cache: number, query: Uint8Array): CacheHit | undefined;
  /**
   * Keep a reply if it may be kept.
   *
   * @returns the reply with TTLs as they were stored; the same bytes when it is not kept
   */
  put(cache: number, query: Uint8Array, reply: Uint8Array): Uint8Array;
}
