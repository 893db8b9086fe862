/**
 * What a `cache` directive says.
 *
 * Spec  CoreDNS, plugin/cache: setup.go; RFC 8767 (stale data)
 */
import type { CacheOptions, CacheSide, StaleOptions } from '../chain/wire-cache.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice, needDuration, needInteger, needPercent } from '../corefile/values.js';
import type { WireName } from '../plugin.js';
import { readZones } from './zones.js';

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
const PREFETCH_RANGE = { min: 10, max: 90 };
const COUNT_RANGE = { min: 0, max: 0x7fffffff };
const TTL_RANGE = { min: 1, max: 0x7fffffff };
const MIN_TTL_RANGE = COUNT_RANGE;
const SERVFAIL_RANGE = { min: 0, max: 5 * MINUTE_MS };
const SIDES = ['success', 'denial'] as const;
const STALE_MODES = ['immediate', 'verify'] as const;

/** `success CAPACITY [TTL] [MINTTL]` */
function readSide(line: Arguments, side: CacheSide): CacheSide {
  const wanted = needInteger(line, 'a capacity', COUNT_RANGE);
  const { maxTtlSec, minTtlSec } = side;
  return {
    capacity: Math.max(CAPACITY_MIN, wanted - (wanted % CAPACITY_STEP)),
    maxTtlSec: line.left === 0 ? maxTtlSec : needInteger(line, 'a TTL', TTL_RANGE),
    minTtlSec: line.left === 0 ? minTtlSec : needInteger(line, 'a TTL', MIN_TTL_RANGE),
  };
}

function readDuration(line: Arguments, what: string, otherwise: number): number {
  return line.left === 0 ? otherwise : needDuration(line, what);
}

/** `prefetch HITS [GAP [PERCENT%]]` */
function readPrefetch(line: Arguments): CacheOptions['prefetch'] {
  const hits = needInteger(line, 'a count', COUNT_RANGE);
  const gapMs = readDuration(line, 'a gap', MINUTE_MS);
  const percent = line.left === 0 ? PREFETCH_PERCENT : needPercent(line, 'a share', PREFETCH_RANGE);
  return hits === 0 ? undefined : { hits, gapMs, percent };
}

/** `serve_stale [KEEP] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]` */
function readStale(line: Arguments): StaleOptions {
  const isKeepFirst = /^\d/.test(line.peek() ?? '');
  const keepMs = isKeepFirst ? needDuration(line, 'a period') : HOUR_MS;
  const mode = line.left === 0 ? 'immediate' : needChoice(line, STALE_MODES);
  const hasTimeout = mode === 'verify' && line.left > 0;
  const verifyMs = hasTimeout ? needDuration(line, 'a timeout') : undefined;
  const ttlSec = Math.floor(readDuration(line, 'a TTL', 0) / MS_PER_SEC);
  const recheckMs = readDuration(line, 'an interval', 0);
  return { keepMs, mode, verifyMs, ttlSec, recheckMs, isPositivePreferred: false };
}

/** `disable success|denial [ZONES...]` */
function readDisable(line: Arguments, draft: Draft): void {
  const side = needChoice(line, SIDES);
  const zones = readZones(line, draft.zones);
  if (side === 'success') draft.withoutSuccess.push(...zones);
  else draft.withoutDenial.push(...zones);
}

function readServfail(line: Arguments): number {
  return Math.floor(needDuration(line, 'a period', SERVFAIL_RANGE) / MS_PER_SEC);
}

function readLine(line: Arguments, draft: Draft): void {
  const { cache } = draft;
  switch (line.name) {
    case 'success':
    case 'denial':
      cache[line.name] = readSide(line, cache[line.name]);
      break;
    case 'prefetch':
      cache.prefetch = readPrefetch(line);
      break;
    case 'serve_stale':
      cache.stale = readStale(line);
      break;
    case 'serve_stale_policy':
      needChoice(line, ['prefer_positive']);
      draft.isPositivePreferred = true;
      line.endArguments();
      return;
    case 'servfail':
      cache.servfailSec = readServfail(line);
      break;
    case 'disable':
      readDisable(line, draft);
      break;
    case 'keepttl':
      cache.isTtlKept = true;
      line.endArguments();
      return;
    default:
      line.unknown();
  }
  line.end();
}

/**
 * Read a `cache` directive: `cache [TTL] [ZONES...]`.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function readCache(directive: Directive, ofBlock: readonly WireName[]): CachePlan {
  const args = argumentsOf(directive);
  const isTtlFirst = /^-?\d+$/.test(args.peek() ?? '');
  const ttl = isTtlFirst ? needInteger(args, 'a TTL', TTL_RANGE) : undefined;
  const zones = readZones(args, ofBlock);
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
  for (const line of args.lines()) readLine(line, draft);
  const { cache, isPositivePreferred, withoutSuccess, withoutDenial } = draft;
  if (isPositivePreferred && cache.stale === undefined) {
    failAt(directive.name, 'cache: serve_stale_policy: expected serve_stale as well');
  }
  const stale = cache.stale && { ...cache.stale, isPositivePreferred };
  return { zones, cache: { ...cache, stale }, withoutSuccess, withoutDenial };
}
