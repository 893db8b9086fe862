/**
 * Queries and replies as CoreDNS counts them. The core counts every query, and the replies it makes
 * itself; replies of the host are added to them here.
 */
import {
  DNS_SIZE_SLOTS,
  DNS_ZONE_NONE,
  DNS_ZONE_WORDS,
  DnsTypeSlot,
  ZONE_DO_WORD,
  ZONE_REPLIES_WORD,
  ZONE_REPLY_BYTES_WORD,
  ZONE_REPLY_SIZES_WORD,
  ZONE_REQUESTS_WORD,
  ZONE_REQUEST_BYTES_WORD,
  ZONE_REQUEST_SIZES_WORD,
} from '../../../assembly/abi-dns.js';
import type { HostReply } from '../chain/setup.js';
import { DURATION_BUCKETS } from './metrics.js';
import { createHistograms, createSums } from './series.js';
import type { Family, Labels, Value } from './series.js';

/** Whose counters a CUT_ZONE has. */
export interface CountedZone {
  /** `dns://:53` */
  readonly server: string;
  /** Text of the zone, with the final dot. */
  readonly zone: string;
  readonly view: string;
}

/** Zones by their CUT_ZONE. */
export function countedZones(
  counters: readonly { readonly index: number; readonly server: string; readonly zone: string }[],
): (CountedZone | undefined)[] {
  const zones: (CountedZone | undefined)[] = [];
  for (const { index, server, zone } of counters) zones[index] ??= { server, zone, view: '' };
  return zones;
}

export interface DnsSeries {
  replied(reply: HostReply): void;
  families(): Family[];
}

const RCODES = [
  ...['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET'],
  ...['NXRRSET', 'NOTAUTH', 'NOTZONE', 'RCODE11', 'RCODE12', 'RCODE13', 'RCODE14', 'BADVERS'],
];
const SIZE_BOUNDS = [100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3];
/** Of what no server block has (CoreDNS's word). */
const DROPPED: CountedZone = { server: '', zone: 'dropped', view: '' };
/** A plugin that answers within the core. */
const CORE_PLUGIN = 'kubernetes';
const WAYS = [
  { family: '1', proto: 'udp' },
  { family: '1', proto: 'tcp' },
  { family: '2', proto: 'udp' },
  { family: '2', proto: 'tcp' },
] as const;

const HELP = {
  coredns_dns_requests_total: 'Queries',
  coredns_dns_do_requests_total: 'Queries with DO set',
  coredns_dns_responses_total: 'Replies',
  coredns_dns_request_size_bytes: 'Bytes of queries',
  coredns_dns_response_size_bytes: 'Bytes of replies',
  coredns_dns_request_duration_seconds: 'Time from a query to its reply',
} as const;

/**
 * @param counters  the core's DNS COUNTERS
 * @param zones     whose they are, by CUT_ZONE
 */
export function createDnsSeries(
  counters: () => BigUint64Array,
  zones: () => readonly (CountedZone | undefined)[],
): DnsSeries {
  const sizeName = 'coredns_dns_response_size_bytes';
  const timeName = 'coredns_dns_request_duration_seconds';
  const hostReplies = createSums();
  const hostSizes = createHistograms(sizeName, SIZE_BOUNDS);
  const hostTimes = createHistograms(timeName, DURATION_BUCKETS);

  const eachZone = (visit: (zone: CountedZone, word: (i: number) => number) => void): void => {
    const words = counters();
    const known = zones();
    for (let idx = 0; idx * DNS_ZONE_WORDS < words.length; idx++) {
      const zone = idx === DNS_ZONE_NONE ? DROPPED : (known[idx] ?? DROPPED);
      visit(zone, (i) => Number(words[idx * DNS_ZONE_WORDS + i] ?? 0n));
    }
  };
  const sizesOf = (name: string, first: number, bytes: number) => {
    const histograms = createHistograms(name, SIZE_BOUNDS);
    eachZone((zone, word) => {
      // Which of them came by TCP the core does not keep apart.
      const labels = { ...zone, proto: 'udp' };
      for (let slot = 0; slot < DNS_SIZE_SLOTS; slot++) {
        if (word(first + slot) > 0) histograms.add(labels, slot, word(first + slot));
      }
      if (word(bytes) > 0) histograms.addSum(labels, word(bytes));
    });
    return histograms;
  };
  const readers: Readonly<Record<keyof typeof HELP, () => Value[]>> = {
    coredns_dns_requests_total: () => {
      const sums = createSums();
      eachZone((zone, word) => {
        for (let slot = 0; slot <= DnsTypeSlot.ANY; slot++) {
          const type = slot === DnsTypeSlot.OTHER ? 'other' : (DnsTypeSlot[slot] ?? 'other');
          WAYS.forEach((way, i) => {
            sums.add({ ...zone, ...way, type }, word(ZONE_REQUESTS_WORD + slot * WAYS.length + i));
          });
        }
      });
      return sums.values();
    },
    coredns_dns_do_requests_total: () => {
      const sums = createSums();
      eachZone((zone, word) => {
        sums.add({ ...zone }, word(ZONE_DO_WORD));
      });
      return sums.values();
    },
    coredns_dns_responses_total: () => {
      const sums = createSums();
      eachZone((zone, word) => {
        const plugin = zone === DROPPED ? '' : CORE_PLUGIN;
        RCODES.forEach((rcode, i) => {
          sums.add({ ...zone, rcode, plugin }, word(ZONE_REPLIES_WORD + i));
        });
      });
      for (const { labels, value } of hostReplies.values()) sums.add(labels, value);
      return sums.values();
    },
    coredns_dns_request_size_bytes: () =>
      sizesOf(
        'coredns_dns_request_size_bytes',
        ZONE_REQUEST_SIZES_WORD,
        ZONE_REQUEST_BYTES_WORD,
      ).values(),
    coredns_dns_response_size_bytes: () => {
      const sizes = sizesOf(sizeName, ZONE_REPLY_SIZES_WORD, ZONE_REPLY_BYTES_WORD);
      for (const [text, { counts, sum }] of hostSizes.entries()) {
        const labels = JSON.parse(text) as Labels;
        counts.forEach((count, slot) => {
          sizes.add(labels, slot, count);
        });
        sizes.addSum(labels, sum);
      }
      return sizes.values();
    },
    coredns_dns_request_duration_seconds: hostTimes.values,
  };
  return {
    replied: ({ zone, rcode, plugin, type, transport, bytes, seconds }) => {
      hostReplies.add({ ...zone, rcode, plugin }, 1);
      hostSizes.observe({ ...zone, proto: transport }, bytes);
      hostTimes.observe({ ...zone, type }, seconds);
    },
    families: () =>
      Object.entries(HELP).map(([name, help]) => ({
        ...{ name, help, aggregator: 'sum' },
        type: name.endsWith('_total') ? 'counter' : 'histogram',
        values: readers[name as keyof typeof HELP](),
      })),
  };
}
