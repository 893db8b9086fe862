/**
 * The TTLs that a cache lets pass: one for all records of a reply, whether it is kept or not.
 *
 * Spec  CoreDNS, plugin/cache: WriteMsg; plugin/pkg/dnsutil: MinimalTTL
 */
import type { CacheOptions } from '../chain/wire-cache.js';
import type { Query } from '../plugin.js';
import { Rcode, RecordType, readU32, writeU32 } from '../wire/header.js';
import { rcodeOf, walkMessage } from '../wire/message.js';
import type { Message } from '../wire/message.js';

/** Of a reply without records, as in the core. */
const TTL_OF_NOTHING_SEC = 5;
/** RFC 2181 8: with the top bit set, it is 0. */
const TTL_MAX = 0x7fffffff;
const FAILURES: ReadonlySet<number> = new Set([Rcode.SERVFAIL, Rcode.NOTIMP]);

export type Side = 'success' | 'denial';

/** Whether a reply says that there is something, or nothing. */
export function sideOf({ type }: Pick<Query, 'type'>, message: Message): Side {
  if (rcodeOf(message) !== Rcode.NOERROR) return 'denial';
  const isAny = type === RecordType.ANY;
  const has = (section: string, wanted: (type: number) => boolean): boolean =>
    message.records.some((record) => record.section === section && wanted(record.type));
  const isEmpty = !has('answer', (found) => isAny || found === type);
  return isEmpty && has('authority', (found) => found === RecordType.SOA) ? 'denial' : 'success';
}

/** Seconds that all records of a reply have. */
function ttlOf(side: Side, message: Message, ttls: readonly number[], cache: CacheOptions): number {
  if (FAILURES.has(rcodeOf(message))) return cache.servfailSec;
  const least = ttls.length === 0 ? TTL_OF_NOTHING_SEC : Math.min(...ttls);
  const { minTtlSec, maxTtlSec } = cache[side];
  return Math.min(Math.max(least, minTtlSec), maxTtlSec);
}

/** A reply with the TTL that it would be kept with; what is malformed stays as it is. */
export function boundTtls(query: Query, reply: Uint8Array, cache: CacheOptions): Uint8Array {
  const message = walkMessage(reply);
  if ('malformed' in message) return reply;
  const records = message.records.filter((record) => record !== message.opt);
  const ttls = records.map(({ ttlOff }) => {
    const ttl = readU32(reply, ttlOff);
    return ttl > TTL_MAX ? 0 : ttl;
  });
  const ttl = ttlOf(sideOf(query, message), message, ttls, cache);
  if (ttls.every((each) => each === ttl)) return reply;
  const bounded = reply.slice();
  for (const { ttlOff } of records) writeU32(bounded, ttlOff, ttl);
  return bounded;
}
