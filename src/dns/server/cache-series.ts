/** What the wire caches have and have done, under CoreDNS's names. */
import type { CacheCounts } from '../../core/wire-cache.js';
import type { ProgramCache } from '../chain/program.js';
import type { Family, Labels, Value } from './series.js';

type Read = (counts: CacheCounts) => readonly (readonly [Labels, number | bigint])[];

const sides =
  (success: (counts: CacheCounts) => number | bigint, denial: typeof success): Read =>
  (counts) => [
    [{ type: 'success' }, success(counts)],
    [{ type: 'denial' }, denial(counts)],
  ];
const one =
  (read: (counts: CacheCounts) => bigint): Read =>
  (counts) => [[{}, read(counts)]];

const SERIES: readonly (readonly [string, Family['type'], string, Read])[] = [
  [
    'coredns_cache_entries',
    'gauge',
    'Replies kept',
    sides(
      ({ success }) => success,
      ({ denial }) => denial,
    ),
  ],
  [
    'coredns_cache_hits_total',
    'counter',
    'Queries answered from the cache',
    sides(
      ({ HITS_SUCCESS }) => HITS_SUCCESS,
      ({ HITS_DENIAL }) => HITS_DENIAL,
    ),
  ],
  [
    'coredns_cache_evictions_total',
    'counter',
    'Replies that gave way',
    sides(
      ({ EVICTIONS_SUCCESS }) => EVICTIONS_SUCCESS,
      ({ EVICTIONS_DENIAL }) => EVICTIONS_DENIAL,
    ),
  ],
  [
    // Those that were not there are counted where they are asked for.
    'coredns_cache_requests_total',
    'counter',
    'Queries that came by the cache',
    one((c) => c.HITS_SUCCESS + c.HITS_DENIAL),
  ],
  ['coredns_cache_prefetch_total', 'counter', 'Replies asked for again in time', one((c) => c.DUE)],
  ['coredns_cache_drops_total', 'counter', 'Replies to other questions', one((c) => c.DROPS)],
  [
    'coredns_cache_served_stale_total',
    'counter',
    'Expired replies given',
    one((c) => c.SERVED_STALE),
  ],
];

/** @param countsOf  of the core: also what it has answered without the host */
export function cacheFamilies(
  caches: readonly ProgramCache[],
  countsOf: (cache: number) => CacheCounts,
): Family[] {
  return SERIES.map(([name, type, help, read]) => ({
    // Each thread has caches of its own.
    ...{ name, type, help, aggregator: 'sum' },
    values: caches.flatMap(({ id, server, zones, view }): Value[] =>
      read(countsOf(id)).map(([more, value]) => ({
        labels: { server, ...more, zones, view },
        value: Number(value),
      })),
    ),
  }));
}
