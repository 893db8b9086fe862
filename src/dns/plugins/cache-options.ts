/**
 * What a `cache` directive says.
 *
 * Spec  CoreDNS, plugin/cache: setup.go; RFC 8767 (stale data)
 */
import { argAt, expectArgs, expectNoBlock, failUnknown } from '../chain/directives.js';
import { readDuration, readInteger, readWord, readZones } from '../chain/directives.js';
import type { CacheOptions, CacheSide, StaleOptions } from '../chain/wire-cache.js';
import { failAt, shown } from '../corefile/complaint.js';
import type { Directive, Token } from '../corefile/corefile.js';
import type { WireName } from '../plugin.js';

export interface CachePlan {
  readonly zones: readonly WireName[];
  readonly cache: CacheOptions;
  /** Zones of which nothing that exists, or nothing that does not exist, is kept. */
  readonly withoutSuccess: readonly WireName[];
  readonly withoutDenial: readonly WireName[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Draft {
  readonly zones: readonly WireName[];
  readonly cache: Mutable<CacheOptions>;
  isPositivePreferred: boolean;
  withoutSuccess: WireName[];
  withoutDenial: WireName[];
}

const CAPACITY = 9984;
const CAPACITY_MIN = 1024;
/** Sizes are multiples of the number of CoreDNS's shards. */
const CAPACITY_STEP = 256;
const MIN_TTL_SEC = 5;
const SUCCESS_TTL_SEC = 3600;
const DENIAL_TTL_SEC = 1800;
const SERVFAIL_SEC = 5;
const MS_PER_SEC = 1000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const PREFETCH_PERCENT = 10;
const TTL_RANGE = { min: 0, max: 0x7fffffff };
const SIDES = ['success', 'denial'] as const;
const STALE_MODES = ['immediate', 'verify'] as const;

/** `success CAPACITY [TTL] [MINTTL]` */
function readSide(line: Directive, side: CacheSide): CacheSide {
  expectArgs(line, 1, 3);
  expectNoBlock(line);
  const [, ttl, minTtl] = line.args;
  const wanted = readInteger(argAt(line, 0), { min: 0, max: 0x7fffffff });
  return {
    capacity: Math.max(CAPACITY_MIN, wanted - (wanted % CAPACITY_STEP)),
    maxTtlSec:
      ttl === undefined ? side.maxTtlSec : readInteger(ttl, { min: 1, max: TTL_RANGE.max }),
    minTtlSec: minTtl === undefined ? side.minTtlSec : readInteger(minTtl, TTL_RANGE),
  };
}

/** `prefetch HITS [GAP [PERCENT%]]` */
function readPrefetch(line: Directive): CacheOptions['prefetch'] {
  expectArgs(line, 1, 3);
  expectNoBlock(line);
  const [, gap, share] = line.args;
  const hits = readInteger(argAt(line, 0), TTL_RANGE);
  let percent = PREFETCH_PERCENT;
  if (share !== undefined) {
    const digits = /^(\d{1,2})%$/.exec(share.text)?.[1];
    percent = Number(digits ?? 0);
    if (percent < 10 || percent > 90) failAt(share, `${shown(share.text)}: expected 10% to 90%`);
  }
  const gapMs = gap === undefined ? MINUTE_MS : readDuration(gap);
  return hits === 0 ? undefined : { hits, gapMs, percent };
}

function optional(token: Token | undefined, otherwise: number): number {
  return token === undefined ? otherwise : readDuration(token);
}

/** `serve_stale [KEEP] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]` */
function readStale(line: Directive): StaleOptions {
  expectArgs(line, 0, 5);
  expectNoBlock(line);
  const words = [...line.args];
  const isKeepFirst = /^\d/.test(words[0]?.text ?? '');
  const keepMs = optional(isKeepFirst ? words.shift() : undefined, HOUR_MS);
  const modeToken = words.shift();
  const mode = modeToken === undefined ? 'immediate' : readWord(modeToken, STALE_MODES);
  const timeout = mode === 'verify' ? words.shift() : undefined;
  const verifyMs = timeout === undefined ? undefined : readDuration(timeout);
  const ttlSec = Math.floor(optional(words.shift(), 0) / MS_PER_SEC);
  const recheckMs = optional(words.shift(), 0);
  const [extra] = words;
  if (extra !== undefined) failAt(extra, `serve_stale: ${shown(extra.text)} is too much`);
  return { keepMs, mode, verifyMs, ttlSec, recheckMs, isPositivePreferred: false };
}

function readDisable(line: Directive, draft: Draft): void {
  expectArgs(line, 1, Infinity);
  expectNoBlock(line);
  const zones = readZones(line.args.slice(1), draft.zones);
  if (readWord(argAt(line, 0), SIDES) === 'success') draft.withoutSuccess.push(...zones);
  else draft.withoutDenial.push(...zones);
}

function readServfail(line: Directive): number {
  expectArgs(line, 1);
  expectNoBlock(line);
  const range = { min: 0, max: 5 * MINUTE_MS };
  return Math.floor(readDuration(argAt(line, 0), range) / MS_PER_SEC);
}

function readLine(line: Directive, draft: Draft): void {
  const { cache } = draft;
  switch (line.name.text) {
    case 'success':
    case 'denial':
      cache[line.name.text] = readSide(line, cache[line.name.text]);
      break;
    case 'prefetch':
      cache.prefetch = readPrefetch(line);
      break;
    case 'serve_stale':
      cache.stale = readStale(line);
      break;
    case 'serve_stale_policy':
      expectArgs(line, 1);
      readWord(argAt(line, 0), ['prefer_positive'] as const);
      draft.isPositivePreferred = true;
      break;
    case 'servfail':
      cache.servfailSec = readServfail(line);
      break;
    case 'disable':
      readDisable(line, draft);
      break;
    case 'keepttl':
      expectArgs(line, 0);
      cache.isTtlKept = true;
      break;
    default:
      failUnknown('cache', line);
  }
}

/**
 * Read a `cache` directive: `cache [TTL] [ZONES...]`.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function readCache(directive: Directive, ofBlock: readonly WireName[]): CachePlan {
  const [first, ...others] = directive.args;
  const ttlToken = first !== undefined && /^-?\d+$/.test(first.text) ? first : undefined;
  const ttl = ttlToken && readInteger(ttlToken, { min: 1, max: TTL_RANGE.max });
  const zones = readZones(ttlToken === undefined ? directive.args : others, ofBlock);
  const side = (maxTtlSec: number): CacheSide => ({
    capacity: CAPACITY,
    maxTtlSec: ttl ?? maxTtlSec,
    minTtlSec: MIN_TTL_SEC,
  });
  const draft: Draft = {
    zones,
    cache: {
      success: side(SUCCESS_TTL_SEC),
      denial: side(DENIAL_TTL_SEC),
      servfailSec: SERVFAIL_SEC,
      isTtlKept: false,
      prefetch: undefined,
      stale: undefined,
    },
    isPositivePreferred: false,
    withoutSuccess: [],
    withoutDenial: [],
  };
  for (const line of directive.block ?? []) readLine(line, draft);
  const { cache, isPositivePreferred, withoutSuccess, withoutDenial } = draft;
  if (isPositivePreferred && cache.stale === undefined) {
    failAt(directive.name, 'cache: serve_stale_policy: expected serve_stale as well');
  }
  const stale = cache.stale && { ...cache.stale, isPositivePreferred };
  return { zones, cache: { ...cache, stale }, withoutSuccess, withoutDenial };
}
