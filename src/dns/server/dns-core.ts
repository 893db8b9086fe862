/**
 * A core that only answers DNS: no packets, all room for names, and a little for messages.
 */
import {
  BATCH_SIZE,
  DNS_COUNTERS_BASE,
  DNS_COUNTERS_BYTES,
  DNS_F_TCP,
  DNS_F_UNCOUNTED,
  DNS_HOST,
  DNS_BASE,
  DNS_WHY_OFF,
} from '../../../assembly/abi-dns.js';
import { RegionId } from '../../../assembly/abi.js';
import { instantiatorOf, openCore } from '../../core/core.js';
import type { Core } from '../../core/core.js';
import { coreModule } from '../../core/instance.js';
import { SAMPLE_EVERY } from '../../core/query-log.js';
import type { Capacities } from '../../core/regions.js';
import { WIRE_CACHE_ROOM, createWireCache } from '../../core/wire-cache.js';
import type { WireCache } from '../../core/wire-cache.js';
import { monotonicMs } from '../../native.js';
import type { ZoneCore } from '../chain/zone-core.js';
import { SLOTS, SLOT_SIZE, STREAM_SIZE } from './answerer.js';
import type { Answerer } from './answerer.js';

/** Rows and bytes of names and of kept replies. */
export type DnsCapacities = Pick<Capacities, 'names' | 'rrsetBytes' | 'cache' | 'replyBytes'>;

/** As much as a cluster of 100 000 endpoints needs; what is not used costs no memory. */
export const DNS_CAPACITIES: DnsCapacities = {
  names: 524_288,
  rrsetBytes: 1 << 27,
  cache: 16_384,
  replyBytes: 1 << 24,
};

/** Tables of packets that there have to be, as small as they may be. */
const NO_PACKETS = {
  flows4: 1,
  flows6: 1,
  ringBytes: SLOTS * BATCH_SIZE,
  links: 1,
  frontends: 1,
  services: 1,
  backends: 1,
  setEntries: 1,
  maglevEntries: 1,
  routes: 1,
  ranges: 1,
  affinity: 1,
  fragments: 1,
  frames: SLOTS + (STREAM_SIZE + WIRE_CACHE_ROOM) / SLOT_SIZE,
  frameSize: SLOT_SIZE,
};

export interface DnsCore extends Answerer, ZoneCore {
  readonly core: Core;
  readonly wireCache: WireCache;
  /** Apply NAMES_* records; their result words are filled in. @returns how many were applied */
  applyNames(records: Uint8Array): number;
  /** A copy of the counters (ZONE_*_WORD of DNS_ZONE_MAX zones). */
  counters(): BigUint64Array;
  /** Add what another core has counted. */
  addCounters(counters: BigUint64Array): void;
}

/**
 * @param sampleEvery  of the queries that are answered, one in so many is kept for a while; 0: none
 * @param hashKeys     as StartOptions has them
 */
export function openDnsCore(
  capacities: DnsCapacities = DNS_CAPACITIES,
  sampleEvery = SAMPLE_EVERY,
  hashKeys?: Uint8Array,
): DnsCore {
  // Without the loader: it takes 2 ms of a start, for strings and arrays that no function here has.
  const core = openCore(instantiatorOf(coreModule()), { ...NO_PACKETS, ...capacities });
  core.start({ offload: false, nowMs: monotonicMs(), sampleEvery, hashKeys });
  const { view, words, exports } = core;
  const slotsAt = core.region(RegionId.UMEM).base;
  const space = {
    slots: SLOTS,
    slotSize: SLOT_SIZE,
    slotsAt,
    descriptorsAt: core.region(RegionId.RINGS).base,
    streamAt: slotsAt + SLOTS * SLOT_SIZE,
  };
  return {
    core,
    wireCache: createWireCache(core, space.streamAt + STREAM_SIZE, monotonicMs),
    exports,
    view,
    words,
    space,
    applyNames: core.applyNames,
    counters: () =>
      new BigUint64Array(
        view.slice(DNS_COUNTERS_BASE, DNS_COUNTERS_BASE + DNS_COUNTERS_BYTES).buffer,
      ),
    addCounters: (counters) => {
      for (const [i, count] of counters.entries()) {
        const at = DNS_COUNTERS_BASE + i * BigUint64Array.BYTES_PER_ELEMENT;
        if (count > 0n) words.setBigUint64(at, words.getBigUint64(at, true) + count, true);
      }
    },
    answer: (listener, message) => {
      view.set(message, space.streamAt);
      // How long a reply may be is seen to when it is sent.
      const length = exports.dnsAnswer(
        listener,
        space.streamAt,
        message.length,
        STREAM_SIZE - 1,
        DNS_F_TCP | DNS_F_UNCOUNTED,
        monotonicMs(),
      );
      if (length === DNS_HOST) {
        return { kind: 'host', why: words.getUint32(DNS_BASE + DNS_WHY_OFF, true) };
      }
      if (length <= 0) return { kind: 'drop' };
      return { kind: 'reply', message: view.slice(space.streamAt, space.streamAt + length) };
    },
  };
}
