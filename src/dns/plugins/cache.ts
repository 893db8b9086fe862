/**
 * `cache`: replies of those behind are kept and given again.
 *
 * The core has looked already when a query comes here by its own name; names that a plugin in front
 * has changed are looked up here. Names of the cluster are never kept: the core has them.
 *
 * Spec  CoreDNS, plugin/cache; RFC 2308; RFC 8767
 */
import { setTimeout as wait } from 'node:timers/promises';
import { failure } from '../chain/chain.js';
import type { CacheShare, Setup, SetupContext } from '../chain/setup.js';
import type { CacheHit, StaleOptions } from '../chain/wire-cache.js';
import { failAt } from '../corefile/complaint.js';
import type { Next, Query, Reply } from '../plugin.js';
import { FLAG_CD, FLAGS_OFF, Rcode, readU16 } from '../wire/header.js';
import { rcodeOf, walkMessage } from '../wire/message.js';
import { formatName, nameKey } from '../wire/name.js';
import { readCache } from './cache-options.js';
import type { CachePlan } from './cache-options.js';
import { boundTtls, sideOf } from './cache-ttl.js';
import { isInZones } from './zones.js';

const NAME = 'cache';
/** Names that are asked for behind a client's back at once, and failures remembered. */
const REFRESHES_MAX = 1024;
const FRESH: ReadonlySet<number> = new Set([Rcode.NOERROR, Rcode.NXDOMAIN]);

/** Replies of one key are for the same question and wishes. */
function keyOf({ name, type, class: questionClass, edns, message }: Query): string {
  const isCd = (readU16(message, FLAGS_OFF) & FLAG_CD) !== 0;
  return `${type}/${questionClass}/${edns?.isDnssecOk === true}/${isCd}/${nameKey(name)}`;
}

function shareOf({ zones, cache, withoutSuccess, withoutDenial }: CachePlan, id: number) {
  const isOff = (name: Uint8Array): boolean =>
    isInZones(name, withoutSuccess) && isInZones(name, withoutDenial);
  const share: CacheShare = {
    id,
    zones,
    edges: [...zones, ...withoutSuccess, ...withoutDenial],
    covers: (name) => isInZones(name, zones) && !isOff(name),
    maxTtlSec: cache.success.maxTtlSec,
  };
  return share;
}

interface Keeper {
  /** What a miss gives: asked of those behind, its TTLs bounded, kept if it may be. */
  readonly fetch: (query: Query, next: Next) => Promise<Reply>;
  /** Ask behind the client's back, once at a time. */
  readonly refresh: (query: Query, next: Next) => Promise<Reply | undefined>;
}

function createKeeper(plan: CachePlan, id: number, context: SetupContext): Keeper {
  const { wireCache, nowMs } = context;
  const underway = new Map<string, Promise<Reply>>();
  const failedUntil = new Map<string, number>();
  const recheckMs = plan.cache.stale?.recheckMs ?? 0;

  const isKept = (query: Query, reply: Reply): boolean => {
    const message = walkMessage(reply.message);
    if ('malformed' in message) return false;
    const off = sideOf(query, message) === 'success' ? plan.withoutSuccess : plan.withoutDenial;
    return !isInZones(query.name, off);
  };

  const fetch = async (query: Query, next: Next): Promise<Reply> => {
    const reply = await next(query);
    // The core has the names of the cluster, with their TTLs; they change, and nobody waits for one.
    if (reply.message.length === 0 || reply.plugin === 'kubernetes') return reply;
    const message = isKept(query, reply)
      ? wireCache.put(id, query.message, reply.message)
      : reply.message;
    return { ...reply, message: boundTtls(query, message, plan.cache) };
  };

  const noteOutcome = (key: string, reply: Reply): void => {
    failedUntil.delete(key);
    if (recheckMs === 0 || reply.problem === undefined) return;
    const [oldest] = failedUntil.keys();
    if (failedUntil.size >= REFRESHES_MAX && oldest !== undefined) failedUntil.delete(oldest);
    failedUntil.set(key, nowMs() + recheckMs);
  };

  return {
    fetch,
    refresh: async (query, next) => {
      const key = keyOf(query);
      if ((failedUntil.get(key) ?? 0) > nowMs()) return undefined;
      const before = underway.get(key);
      if (before !== undefined) return before;
      if (underway.size >= REFRESHES_MAX) return undefined;
      const refreshing = fetch(query, next).finally(() => underway.delete(key));
      underway.set(key, refreshing);
      const reply = await refreshing;
      noteOutcome(key, reply);
      return reply;
    },
  };
}

/** A fresh reply if it comes in time and is one; else what has expired. */
async function verify(
  fresh: Promise<Reply | undefined>,
  stale: Reply,
  { verifyMs }: StaleOptions,
): Promise<Reply> {
  const timer = new AbortController();
  const waits = verifyMs === undefined ? [] : [wait(verifyMs, undefined, timer)];
  const reply = await Promise.race([fresh, ...waits]);
  timer.abort();
  if (reply === undefined) return stale;
  const message = walkMessage(reply.message);
  return !('malformed' in message) && FRESH.has(rcodeOf(message)) ? reply : stale;
}

/** The label `zones`. */
export const zonesText = (zones: readonly Uint8Array[]): string => zones.map(formatName).join(',');

export const setUpCache: Setup = (directives, context) => {
  const [directive, second] = directives;
  if (directive === undefined) return undefined;
  if (second !== undefined) failAt(second.name, 'cache: expected once in a server block');
  const plan = readCache(directive, context.zones);
  const { wireCache, metrics, server } = context;
  const labels = { server, zones: zonesText(plan.zones), view: '' };
  const id = wireCache.open(plan.cache);
  const share = shareOf(plan, id);
  const keeper = createKeeper(plan, id, context);
  const { stale } = plan.cache;

  const serve = async (hit: CacheHit, query: Query, next: Next): Promise<Reply> => {
    const reply: Reply = { message: hit.reply, plugin: NAME };
    if (!hit.isStale) {
      if (hit.isPrefetchDue) void keeper.refresh(query, next);
      return reply;
    }
    const fresh = keeper.refresh(query, next);
    return stale?.mode === 'verify' ? verify(fresh, reply, stale) : reply;
  };

  return {
    name: NAME,
    claims: { kind: 'none' },
    core: { cache: share },
    handle: async (query, next) => {
      if (!isInZones(query.name, plan.zones)) return next(query);
      if (!share.covers(query.name)) return keeper.fetch(query, next);
      if (query.refreshes === id) {
        return (await keeper.refresh(query, next)) ?? failure(query, NAME, 'asked already');
      }
      const hit = wireCache.get(id, query.message);
      if (hit !== undefined) return serve(hit, query, next);
      // The core counts what it gives; of what it has not, it does not know whether it was looked for.
      metrics.count('coredns_cache_misses_total', labels);
      metrics.count('coredns_cache_requests_total', labels);
      return keeper.fetch(query, next);
    },
    close: () => {
      wireCache.close(id);
      return Promise.resolve();
    },
  };
};
