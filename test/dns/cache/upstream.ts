/**
 * A core with one wire cache, a clock of its own, and replies as upstreams send them, written by
 * dns-packet (which compresses nothing) or byte by byte.
 */
import packet from 'dns-packet';
import type { Answer, DecodedPacket } from 'dns-packet';
import { CachePut } from '../../../assembly/abi-cache.js';
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { createCore } from '../../../src/core/instance.js';
import { SMALL_CAPACITIES } from '../../../src/core/regions.js';
import type { Capacities } from '../../../src/core/regions.js';
import { createWireCache } from '../../../src/core/wire-cache.js';
import type { CacheLimits, CacheOptions } from '../../../src/core/wire-cache.js';
import { query } from '../core/zone.js';
import type { Ask } from '../core/zone.js';

export const NAME = 'www.example.org';

/** As `cache` without arguments. */
export const OPTIONS: CacheOptions = {
  success: { capacity: 9984, maxTtlSec: 3600, minTtlSec: 5 },
  denial: { capacity: 9984, maxTtlSec: 1800, minTtlSec: 5 },
  servfailSec: 5,
  isTtlKept: false,
  prefetch: undefined,
  stale: undefined,
};

export const STALE = {
  keepMs: 3_600_000,
  mode: 'immediate',
  ttlSec: 0,
  recheckMs: 0,
  isPositivePreferred: false,
} as const;

export type Decoded = DecodedPacket & { readonly rcode: string };

export const decode = (bytes: Uint8Array): Decoded => packet.decode(Buffer.from(bytes)) as Decoded;

export interface Sections {
  readonly answers?: Answer[];
  readonly authorities?: Answer[];
  readonly additionals?: Answer[];
  readonly rcode?: number;
  /** Besides QR, RD and RA. */
  readonly flags?: number;
  readonly name?: string;
  readonly type?: string;
  readonly class?: packet.RecordClass;
}

/** What an upstream says. */
export function reply(sections: Sections): Uint8Array {
  const { name = NAME, type = 'A', answers = [], authorities = [], additionals = [] } = sections;
  return packet.encode({
    type: 'response',
    id: 0x1234,
    flags: 0x8180 | (sections.flags ?? 0) | (sections.rcode ?? 0),
    questions: [{ name, type: type as packet.RecordType, class: sections.class ?? 'IN' }],
    answers,
    authorities,
    additionals,
  });
}

export const a = (name: string, data: string, ttl = 60): Answer => ({
  type: 'A',
  name,
  data,
  ttl,
});

export const cname = (name: string, data: string, ttl = 60): Answer => ({
  type: 'CNAME',
  name,
  data,
  ttl,
});

export const soa = (name: string, ttl = 60, minimum = 7): Answer => ({
  type: 'SOA',
  name,
  ttl,
  data: {
    mname: `ns.${name}`,
    rname: `admin.${name}`,
    serial: 1,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum,
  },
});

export const TTL_SEC = 60;

export function openCache(
  options: Partial<CacheOptions> = {},
  capacities: Partial<Capacities> = {},
) {
  const core = createCore({
    ...SMALL_CAPACITIES,
    cache: 16384,
    replyBytes: 1 << 22,
    ...capacities,
  });
  core.start({ offload: false, nowMs: 1 });
  let nowMs = 5_000_000.5;
  const caches = createWireCache(core, SCRATCH_BASE, () => nowMs);
  const id = caches.open({ ...OPTIONS, ...options });
  const ask = (name: string, wishes: Ask = {}): Uint8Array => query(name, wishes);
  return {
    core,
    caches,
    id,
    nowMs: () => nowMs,
    /** Let the clock go on. */
    pass: (seconds: number) => {
      nowMs += seconds * 1000;
    },
    /** @returns why it was not kept, or STORED */
    put: (message: Uint8Array, wishes: Ask = {}, name = NAME, limits: CacheLimits = {}) =>
      CachePut[caches.keep(id, ask(name, wishes), message, limits).result],
    /** The hit, decoded by dns-packet. */
    get: (wishes: Ask = {}, name = NAME) => {
      const hit = caches.get(id, ask(name, wishes));
      return hit && { ...hit, ...decode(hit.reply) };
    },
    ttl: (wishes: Ask = {}, name = NAME): number | undefined =>
      caches.get(id, ask(name, wishes))?.ttlSec,
  };
}

/** TTLs of all records but OPT, which has none for dns-packet. */
export function ttlsOf({ answers = [], authorities = [], additionals = [] }: Decoded): number[] {
  return [...answers, ...authorities, ...additionals].flatMap((rr) =>
    'ttl' in rr && typeof rr.ttl === 'number' ? [rr.ttl] : [],
  );
}
