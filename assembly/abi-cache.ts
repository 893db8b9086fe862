/**
 * The part of the binary contract that is about wire caches: compiled twice, as abi.ts is, and with the
 * same rules. Offsets are bytes; integers are little-endian.
 */

// ---- Wire caches: replies of upstream servers, each a row in CACHE and a chunk in REPLIES ----
//
// Fixed part, at CACHES_BASE: a record for each cache, the keys that are due to be asked for again,
// and room to work on a reply in.
//
//   0                                  4096            5120    5248       6144              8192
//   +----------------------------------+---------------+-------+----------+-----------------+
//   | records, CACHE_SIZE each         | due           | reply | cuts     | label starts    |
//   +----------------------------------+---------------+-------+----------+-----------------+

export const CACHES_BASE = 0x26000;
export const CACHES_BYTES = 0x2000;
export const CACHE_SIZE = 256;
/** Caches have numbers from 1 on; 0 is none. */
export const CACHE_MAX = 15;
/** Longest reply that is kept: as far as pointers reach (RFC 1035 4.1.4). */
export const CACHE_REPLY_MAX = 16383;

// The record of a cache. Up to CACHE_OPTIONS_SIZE it is what `cacheOpen` is given: u32 each, times in
// seconds or, where the name says so, in milliseconds.

/** Replies that are kept, longest and shortest TTL: of what exists, and of what does not. */
export const CACHE_SUCCESS_CAPACITY_OFF = 0;
export const CACHE_SUCCESS_MAX_TTL_OFF = 4;
export const CACHE_SUCCESS_MIN_TTL_OFF = 8;
export const CACHE_DENIAL_CAPACITY_OFF = 12;
export const CACHE_DENIAL_MAX_TTL_OFF = 16;
export const CACHE_DENIAL_MIN_TTL_OFF = 20;
/** How long failures are kept; 0 = they are not. */
export const CACHE_SERVFAIL_TTL_OFF = 24;
/** CACHE_F_*. */
export const CACHE_FLAGS_OFF = 28;
/** Hits after which, when so many percent of the TTL are left, a reply is due; 0 = never. */
export const CACHE_PREFETCH_HITS_OFF = 32;
/** Hits are counted anew after a pause of so long. */
export const CACHE_PREFETCH_GAP_MS_OFF = 36;
export const CACHE_PREFETCH_PERCENT_OFF = 40;
/** How long replies are of use after their TTL (RFC 8767); 0 = not at all. */
export const CACHE_STALE_MS_OFF = 44;
/** TTL in stale replies. */
export const CACHE_STALE_TTL_OFF = 48;
/** After a failure, a stale reply is not due for so long. */
export const CACHE_RECHECK_MS_OFF = 52;
export const CACHE_OPTIONS_SIZE = 64;

/** TTLs stay as they were stored. */
export const CACHE_F_KEEP_TTL = 1;
/** Whoever has a stale reply asks first. */
export const CACHE_F_VERIFY = 2;
/** A reply with records outlives, as long as it is of use, denials and failures that come after it. */
export const CACHE_F_PREFER_POSITIVE = 4;

/** u32 each: rows of success and of denial, and where their eviction goes on. */
export const CACHE_USED_OFF = 64;
export const CACHE_HANDS_OFF = 72;
/** u32: it is open. */
export const CACHE_OPEN_OFF = 80;
/** u64 words. */
export const CACHE_COUNTERS_OFF = 128;

export enum CacheCounter {
  HITS_SUCCESS = 0,
  HITS_DENIAL = 1,
  /** By `cacheGet` only: what `dnsAnswer` misses, the host looks for again. */
  MISSES = 2,
  SERVED_STALE = 3,
  /** Replies that became due. */
  DUE = 4,
  /** Replies that were not kept because they answer another question. */
  DROPS = 5,
  EVICTIONS_SUCCESS = 6,
  EVICTIONS_DENIAL = 7,
}

// What is due, at CACHES_BASE + CACHE_DUE_OFF: a ring that dnsAnswer fills and `cacheDue` empties.

export const CACHE_DUE_OFF = 4096;
/** u32: written and read in all; they differ when something is due. */
export const CACHE_DUE_HEAD_OFF = 0;
export const CACHE_DUE_TAIL_OFF = 4;
/** u32: the cache of the key that `cacheDue` took last. */
export const CACHE_DUE_CACHE_OFF = 8;
/** u32 each: row number in CACHE. */
export const CACHE_DUE_ROWS_OFF = 16;
export const CACHE_DUE_MAX = 128;

/** How a hit is, at DNS_CACHE_HIT. */
export const CACHE_HIT_STALE = 1;
/** It is the caller's to ask again; nobody else is told to for CACHE_ASK_MS. */
export const CACHE_HIT_DUE = 2;
/** An upstream has answered by then or never will (forward: 5 seconds). */
export const CACHE_ASK_MS = 5000;

/** Of `cachePut`: what has records, or what has none, is not to be kept. */
export const CACHE_PUT_NO_SUCCESS = 1;
export const CACHE_PUT_NO_DENIAL = 2;

/** What `cachePut` says. */
export enum CachePut {
  STORED = 0,
  /** No such cache. */
  NO_CACHE = 1,
  /** The query is none. */
  QUERY_MALFORMED = 2,
  /** Transfers, OPT, transactions, and classes that no record has. */
  QUERY_EXCLUDED = 3,
  /** The reply is none, or not sound in every part. */
  MALFORMED = 4,
  /** It answers another question, or none. */
  WRONG_QUESTION = 5,
  TRUNCATED = 6,
  /** Longer than CACHE_REPLY_MAX. */
  TOO_LONG = 7,
  /** It is signed as a transaction. */
  SIGNED = 8,
  /** An RCODE that says nothing about the name. */
  RCODE = 9,
  /** NXDOMAIN without the zone's SOA, by which it would be remembered (RFC 2308 5). */
  NO_SOA = 10,
  NXDOMAIN_WITH_ANSWER = 11,
  /** Its answer ends before a record of the type, and there is no SOA. */
  UNREACHED = 12,
  /** CNAMEs in a circle, or more than DNS_CHAIN_MAX. */
  CHAIN = 13,
  /** Its answer has records of names that were not asked for. */
  OUTSIDE = 14,
  /** By its TTL or the options it is over at once. */
  TTL_ZERO = 15,
  /** As the flags say. */
  SWITCHED_OFF = 16,
  /**
   * One that says more is still of use: records with CACHE_F_PREFER_POSITIVE, and a denial against a
   * failure.
   */
  BETTER_KEPT = 17,
  /** Neither a row nor room for its bytes could be made. */
  FULL = 18,
}

// A row of CACHE: open addressing. Success and denial of one key are two rows of one run.

export const CACHE_ROW_SIZE = 48;
/** u32: RowState; u32: hash. */
export const CACHE_ROW_STATE_OFF = 0;
export const CACHE_ROW_HASH_OFF = 4;
/** The key but for the name: u16 QTYPE, u16 QCLASS, u8 cache, u8 CACHE_K_*, u8 bytes of the name, u8 0. */
export const CACHE_ROW_KEY_OFF = 8;
export const CACHE_K_DO = 1;
export const CACHE_K_CD = 2;
/** u8 CacheSide, u8 CACHE_R_*, u8 RCODE. */
export const CACHE_ROW_SIDE_OFF = 16;
export const CACHE_ROW_FLAGS_OFF = 17;
export const CACHE_ROW_RCODE_OFF = 18;
/** u32: offset of the chunk in REPLIES. */
export const CACHE_ROW_CHUNK_OFF = 20;
/** f64: when it was stored. */
export const CACHE_ROW_STORED_MS_OFF = 24;
/** u32: seconds. */
export const CACHE_ROW_TTL_OFF = 32;
/** u32: hits without a pause; u32: the last one, and u32: not due before, in ms since it was stored. */
export const CACHE_ROW_HITS_OFF = 36;
export const CACHE_ROW_LAST_HIT_OFF = 40;
export const CACHE_ROW_ASK_AFTER_OFF = 44;

export enum CacheSide {
  SUCCESS = 0,
  DENIAL = 1,
}

/** The upstream's RA and AD. */
export const CACHE_R_RA = 1;
export const CACHE_R_AD = 2;
/** Hit since eviction came by. */
export const CACHE_R_USED = 4;

// A chunk of REPLIES: the name in lower case, padded to an even length; u16 for each record, where its
// TTL is in the message; then the message from behind its question on, without OPT.

/** u16 each: bytes of the message behind the question; records of the three sections. */
export const CHUNK_BODY_LEN_OFF = 0;
export const CHUNK_COUNTS_OFF = 2;
/** u16 each: the first of the addresses that may change places, offset in the message, and how many. */
export const CHUNK_ADDRESSES_OFF = 8;
export const CHUNK_ADDRESS_COUNT_OFF = 10;
/** u16: bytes of each. */
export const CHUNK_ADDRESS_SIZE_OFF = 12;
export const CHUNK_NAME_OFF = 16;
