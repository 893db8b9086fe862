/**
 * The wire cache of the core (assembly/dns/cache*.ts) as the host's plugins use it: messages go in as
 * they came and come out as they are sent.
 */
import {
  CACHES_BASE,
  CACHE_COUNTERS_OFF,
  CACHE_DENIAL_CAPACITY_OFF,
  CACHE_DENIAL_MAX_TTL_OFF,
  CACHE_DENIAL_MIN_TTL_OFF,
  CACHE_DUE_CACHE_OFF,
  CACHE_DUE_HEAD_OFF,
  CACHE_DUE_OFF,
  CACHE_DUE_TAIL_OFF,
  CACHE_FLAGS_OFF,
  CACHE_F_KEEP_TTL,
  CACHE_F_PREFER_POSITIVE,
  CACHE_F_VERIFY,
  CACHE_HIT_DUE,
  CACHE_HIT_STALE,
  CACHE_MAX,
  CACHE_OPTIONS_SIZE,
  CACHE_PREFETCH_GAP_MS_OFF,
  CACHE_PREFETCH_HITS_OFF,
  CACHE_PREFETCH_PERCENT_OFF,
  CACHE_PUT_NO_DENIAL,
  CACHE_PUT_NO_SUCCESS,
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
  CachePut,
  CacheSide as Side,
} from '../../assembly/abi-cache.js';
import {
  DNS_BASE,
  DNS_CACHE_HIT_OFF,
  DNS_CACHE_TTL_OFF,
  DNS_F_TCP,
} from '../../assembly/abi-dns.js';
import { DataplaneError } from '../errors.js';
import type { Core } from './core.js';

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
  /** TTL of stale replies. */
  readonly ttlSec: number;
  /** After a failure, nothing is asked for so long. */
  readonly recheckMs: number;
  /** A good reply outlives bad ones that come after it. */
  readonly isPositivePreferred: boolean;
}

export interface CacheHit {
  /** As it is sent, but for OPT and the client's limit: whole, with the query's ID and question. */
  readonly reply: Uint8Array;
  readonly isStale: boolean;
  /** The caller is to ask again: before it expires, or because it has. */
  readonly isPrefetchDue: boolean;
  /** Of its records. */
  readonly ttlSec: number;
}

/** What is not to be kept of a name (`disable`). */
export interface CacheLimits {
  readonly isSuccessOff?: boolean;
  readonly isDenialOff?: boolean;
}

export interface CacheKept {
  /** STORED, or why it is not kept. */
  readonly result: CachePut;
  /** With TTLs as they were stored; the same bytes when it is not kept. */
  readonly reply: Uint8Array;
}

/** A reply that was given and should be asked for again. */
export interface CacheDue {
  readonly cache: number;
  /** A whole query, its ID 0. */
  readonly query: Uint8Array;
}

/** What a cache has counted, and the replies it has. */
export interface CacheCounts extends Readonly<Record<keyof typeof CacheCounter, bigint>> {
  readonly success: number;
  readonly denial: number;
}

export interface WireCache {
  /** @throws DataplaneError ERR_CONFIG when there are too many */
  open(options: CacheOptions): number;
  close(cache: number): void;
  /** @param query  a whole query */
  get(cache: number, query: Uint8Array): CacheHit | undefined;
  /** Keep a reply if it may be kept. */
  keep(cache: number, query: Uint8Array, reply: Uint8Array, limits?: CacheLimits): CacheKept;
  /** `keep`, when nobody wants to know whether. @returns the reply as it was stored, if it was */
  put(cache: number, query: Uint8Array, reply: Uint8Array): Uint8Array;
  /** Nobody answered: a stale reply is not due for the recheck time. */
  failed(cache: number, query: Uint8Array): void;
  /** What the core gave and wants asked for again; to be called after each batch. */
  takeDue(): readonly CacheDue[];
  counts(cache: number): CacheCounts;
}

/** Longest message (RFC 1035 4.2.2), and what a query takes: with OPT and options, far less. */
const MESSAGE_MAX = 0xffff;
const QUERY_ROOM = 0x10000;
const U32_MAX = 0xffffffff;
const NONE: readonly CacheDue[] = [];

/** Bytes of linear memory that are needed for messages on their way. */
export const WIRE_CACHE_ROOM = QUERY_ROOM + MESSAGE_MAX + 1;

function putOptions(words: DataView, at: number, options: CacheOptions): void {
  const { success, denial, prefetch, stale } = options;
  const put = (offset: number, value: number): void => {
    words.setUint32(at + offset, Math.min(Math.max(Math.round(value), 0), U32_MAX), true);
  };
  for (let offset = 0; offset < CACHE_OPTIONS_SIZE; offset += 4) put(offset, 0);
  put(CACHE_SUCCESS_CAPACITY_OFF, success.capacity);
  put(CACHE_SUCCESS_MAX_TTL_OFF, success.maxTtlSec);
  put(CACHE_SUCCESS_MIN_TTL_OFF, success.minTtlSec);
  put(CACHE_DENIAL_CAPACITY_OFF, denial.capacity);
  put(CACHE_DENIAL_MAX_TTL_OFF, denial.maxTtlSec);
  put(CACHE_DENIAL_MIN_TTL_OFF, denial.minTtlSec);
  put(CACHE_SERVFAIL_TTL_OFF, options.servfailSec);
  put(
    CACHE_FLAGS_OFF,
    (options.isTtlKept ? CACHE_F_KEEP_TTL : 0) |
      (stale?.mode === 'verify' ? CACHE_F_VERIFY : 0) |
      (stale?.isPositivePreferred === true ? CACHE_F_PREFER_POSITIVE : 0),
  );
  put(CACHE_PREFETCH_HITS_OFF, prefetch?.hits ?? 0);
  put(CACHE_PREFETCH_GAP_MS_OFF, prefetch?.gapMs ?? 0);
  put(CACHE_PREFETCH_PERCENT_OFF, prefetch?.percent ?? 0);
  put(CACHE_STALE_MS_OFF, stale?.keepMs ?? 0);
  put(CACHE_STALE_TTL_OFF, stale?.ttlSec ?? 0);
  put(CACHE_RECHECK_MS_OFF, stale?.recheckMs ?? 0);
}

/**
 * @param at     linear address of WIRE_CACHE_ROOM bytes, used within a call only
 * @param nowMs  a clock that does not go back, the one that dnsAnswer is given
 */
export function createWireCache(core: Core, at: number, nowMs: () => number): WireCache {
  const { exports, view, words } = core;
  const replyAt = at + QUERY_ROOM;
  const record = (cache: number): number => CACHES_BASE + cache * CACHE_SIZE;
  const dueWord = (offset: number): number =>
    words.getUint32(CACHES_BASE + CACHE_DUE_OFF + offset, true);

  const isTooLong = (message: Uint8Array): boolean => message.length > MESSAGE_MAX;

  const keep: WireCache['keep'] = (cache, query, reply, limits = {}) => {
    if (isTooLong(query)) return { result: CachePut.QUERY_MALFORMED, reply };
    if (isTooLong(reply)) return { result: CachePut.TOO_LONG, reply };
    view.set(query, at);
    view.set(reply, replyAt);
    const flags =
      (limits.isSuccessOff === true ? CACHE_PUT_NO_SUCCESS : 0) |
      (limits.isDenialOff === true ? CACHE_PUT_NO_DENIAL : 0);
    const result: CachePut = exports.cachePut(
      cache,
      at,
      query.length,
      replyAt,
      reply.length,
      flags,
      nowMs(),
    );
    if (result !== CachePut.STORED) return { result, reply };
    return { result, reply: view.slice(replyAt, replyAt + reply.length) };
  };

  return {
    open: (options) => {
      putOptions(words, at, options);
      const cache = exports.cacheOpen(at);
      if (cache !== 0) return cache;
      throw new DataplaneError('ERR_CONFIG', `one cache too many: expected at most ${CACHE_MAX}`);
    },
    close: (cache) => {
      exports.cacheClose(cache);
    },
    get: (cache, query) => {
      if (isTooLong(query)) return undefined;
      view.set(query, at);
      const length = exports.cacheGet(cache, at, query.length, MESSAGE_MAX, DNS_F_TCP, nowMs());
      if (length === 0) return undefined;
      const hit = words.getUint16(DNS_BASE + DNS_CACHE_HIT_OFF, true);
      return {
        reply: view.slice(at, at + length),
        isStale: (hit & CACHE_HIT_STALE) !== 0,
        isPrefetchDue: (hit & CACHE_HIT_DUE) !== 0,
        ttlSec: words.getUint32(DNS_BASE + DNS_CACHE_TTL_OFF, true),
      };
    },
    keep,
    put: (cache, query, reply) => keep(cache, query, reply).reply,
    failed: (cache, query) => {
      if (isTooLong(query)) return;
      view.set(query, at);
      exports.cacheFailed(cache, at, query.length, nowMs());
    },
    takeDue: () => {
      if (dueWord(CACHE_DUE_HEAD_OFF) === dueWord(CACHE_DUE_TAIL_OFF)) return NONE;
      const due: CacheDue[] = [];
      // The ring is bounded, and nothing fills it meanwhile.
      for (let length = exports.cacheDue(at); length !== 0; length = exports.cacheDue(at)) {
        due.push({ cache: dueWord(CACHE_DUE_CACHE_OFF), query: view.slice(at, at + length) });
      }
      return due;
    },
    counts: (cache) => {
      const counter = (name: CacheCounter): bigint =>
        words.getBigUint64(record(cache) + CACHE_COUNTERS_OFF + name * 8, true);
      const used = (side: Side): number =>
        words.getUint32(record(cache) + CACHE_USED_OFF + side * 4, true);
      return {
        HITS_SUCCESS: counter(CacheCounter.HITS_SUCCESS),
        HITS_DENIAL: counter(CacheCounter.HITS_DENIAL),
        MISSES: counter(CacheCounter.MISSES),
        SERVED_STALE: counter(CacheCounter.SERVED_STALE),
        DUE: counter(CacheCounter.DUE),
        DROPS: counter(CacheCounter.DROPS),
        EVICTIONS_SUCCESS: counter(CacheCounter.EVICTIONS_SUCCESS),
        EVICTIONS_DENIAL: counter(CacheCounter.EVICTIONS_DENIAL),
        success: used(Side.SUCCESS),
        denial: used(Side.DENIAL),
      };
    },
  };
}
