/**
 * The cache of replies as the chain uses it: messages go in as they came and come out as they are sent.
 */
import type * as core from '../../core/wire-cache.js';

export type { CacheSide } from '../../core/wire-cache.js';

/** The core keeps what is stale; how long a fresh reply is waited for is the chain's affair. */
export interface StaleOptions extends core.StaleOptions {
  /** verify: how long to wait for a fresh reply; undefined = as long as it takes. */
  readonly verifyMs: number | undefined;
}

export interface CacheOptions extends core.CacheOptions {
  readonly stale: StaleOptions | undefined;
}

export type CacheHit = Omit<core.CacheHit, 'ttlSec'>;

export interface WireCache extends Pick<core.WireCache, 'close' | 'put'> {
  open(options: CacheOptions): number;
  /** @param query  a whole query */
  get(cache: number, query: Uint8Array): CacheHit | undefined;
}
