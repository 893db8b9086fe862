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
  ZONE_REQUESTS_WORD,
} from '../../../assembly/abi-dns.js';
import type { HostReply, HostRequest, ZoneLabels } from '../chain/setup.js';
import { DROPPED } from '../chain/zone-labels.js';
import type { ZoneCounters } from '../chain/zone-labels.js';
import { DURATION_BUCKETS } from './metrics.js';
import { createHistograms, createSums } from './series.js';
import type { Family, Labels, Value } from './series.js';
import { slotLabel, typeLabel } from './type-label.js';
import { REPLY_SIZES, REQUEST_SIZES, SIZE_BOUNDS, WAYS } from './zone-words.js';
import { addRequest, createZoneWords, protoOf } from './zone-words.js';
import type { Proto, SizeWords, ZoneWords } from './zone-words.js';

/** Zones by their CUT_ZONE. */
export function countedZones(counters: readonly ZoneCounters[]): (ZoneLabels | undefined)[] {
  const zones: (ZoneLabels | undefined)[] = [];
  for (const { index, server, zone } of counters) zones[index] ??= { server, zone, view: '' };
  return zones;
}

export interface DnsSeries {
  asked(request: HostRequest): void;
  replied(reply: HostReply): void;
  families(): Family[];
}

const RCODES = [
  ...['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET'],
  ...['NXRRSET', 'NOTAUTH', 'NOTZONE', 'RCODE11', 'RCODE12', 'RCODE13', 'RCODE14', 'BADVERS'],
];
/** A plugin that answers within the core. */
const CORE_PLUGIN = 'kubernetes';
const PROTOS: readonly Proto[] = ['udp', 'tcp'];
const HELP = {
  coredns_dns_requests_total: 'Queries',
  coredns_dns_do_requests_total: 'Queries with DO set',
  coredns_dns_responses_total: 'Replies',
  coredns_dns_request_size_bytes: 'Bytes of queries',
  coredns_dns_response_size_bytes: 'Bytes of replies',
  coredns_dns_request_duration_seconds: 'Time from a query to its reply',
} as const;

export interface CoreCounts {
  /** The core's DNS COUNTERS. */
  readonly counters: () => BigUint64Array;
  /** Whose they are, by CUT_ZONE. */
  readonly zones: () => readonly (ZoneLabels | undefined)[];
  /** What of them came over streams; left out: nothing. */
  readonly streamed?: Pick<ZoneWords, 'read'>;
}

/** Requests to a zone, those of one of its views, or those of none. */
interface Counted {
  readonly labels: ZoneLabels;
  readonly word: (word: number) => number;
  /** A word of sizes: of what came so. */
  readonly sizeWord: (proto: Proto, word: number) => number;
}

type ByProto = Readonly<Record<Proto, ZoneWords>>;

export function createDnsSeries({ counters, zones, streamed }: CoreCounts): DnsSeries {
  const sizeName = 'coredns_dns_response_size_bytes';
  const timeName = 'coredns_dns_request_duration_seconds';
  const hostReplies = createSums();
  const hostSizes = createHistograms(sizeName, SIZE_BOUNDS);
  const hostTimes = createHistograms(timeName, DURATION_BUCKETS);
  /** Queries by view, which the core has counted for their zones. */
  const byView = new Map<string, ByProto>();

  const ofView = (view: string): ByProto => {
    const known = byView.get(view) ?? { udp: createZoneWords(), tcp: createZoneWords() };
    byView.set(view, known);
    return known;
  };
  const inViews = (proto: Proto, zone: number, word: number): number =>
    [...byView.values()].reduce((sum, words) => sum + words[proto].read(zone, word), 0);

  const countedOf = (zone: number, labels: ZoneLabels, words: BigUint64Array): Counted[] => {
    const all = (word: number): number => Number(words[zone * DNS_ZONE_WORDS + word] ?? 0n);
    const byStream = (word: number): number => streamed?.read(zone, word) ?? 0;
    const total = {
      tcp: byStream,
      udp: (word: number) => all(word) - byStream(word),
    };
    return [
      {
        labels,
        word: (word) => all(word) - inViews('udp', zone, word) - inViews('tcp', zone, word),
        sizeWord: (proto, word) => total[proto](word) - inViews(proto, zone, word),
      },
      ...[...byView].map(([view, { udp, tcp }]) => ({
        labels: { ...labels, view },
        word: (word: number) => udp.read(zone, word) + tcp.read(zone, word),
        sizeWord: (proto: Proto, word: number) => ({ udp, tcp })[proto].read(zone, word),
      })),
    ];
  };
  const allCounted = (): Counted[] => {
    const words = counters();
    const known = zones();
    return Array.from({ length: Math.floor(words.length / DNS_ZONE_WORDS) }, (_, zone) =>
      countedOf(zone, zone === DNS_ZONE_NONE ? DROPPED : (known[zone] ?? DROPPED), words),
    ).flat();
  };
  const sizesOf = (name: string, { sizes, bytes }: SizeWords) => {
    const histograms = createHistograms(name, SIZE_BOUNDS);
    const all = allCounted().flatMap((each) => PROTOS.map((proto) => ({ ...each, proto })));
    for (const { labels, sizeWord, proto } of all) {
      for (let slot = 0; slot < DNS_SIZE_SLOTS; slot++) {
        const count = sizeWord(proto, sizes + slot);
        if (count > 0) histograms.add({ ...labels, proto }, slot, count);
      }
      const sum = sizeWord(proto, bytes);
      if (sum > 0) histograms.addSum({ ...labels, proto }, sum);
    }
    return histograms;
  };
  const readers: Readonly<Record<keyof typeof HELP, () => Value[]>> = {
    coredns_dns_requests_total: () => {
      const sums = createSums();
      for (const { labels, word } of allCounted()) {
        for (let slot = 0; slot <= DnsTypeSlot.ANY; slot++) {
          const type = slotLabel(slot);
          WAYS.forEach((way, i) => {
            sums.add(
              { ...labels, ...way, type },
              word(ZONE_REQUESTS_WORD + slot * WAYS.length + i),
            );
          });
        }
      }
      return sums.values();
    },
    coredns_dns_do_requests_total: () => {
      const sums = createSums();
      for (const { labels, word } of allCounted()) sums.add({ ...labels }, word(ZONE_DO_WORD));
      return sums.values();
    },
    coredns_dns_responses_total: () => {
      const sums = createSums();
      for (const { labels, word } of allCounted()) {
        const plugin = labels === DROPPED ? '' : CORE_PLUGIN;
        RCODES.forEach((rcode, i) => {
          sums.add({ ...labels, rcode, plugin }, word(ZONE_REPLIES_WORD + i));
        });
      }
      for (const { labels, value } of hostReplies.values()) sums.add(labels, value);
      return sums.values();
    },
    coredns_dns_request_size_bytes: () =>
      sizesOf('coredns_dns_request_size_bytes', REQUEST_SIZES).values(),
    coredns_dns_response_size_bytes: () => {
      const sizes = sizesOf(sizeName, REPLY_SIZES);
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
    asked: (request) => {
      const { query, zone } = request;
      if (zone.view === '') return;
      addRequest(ofView(zone.view)[protoOf(query.client.transport)], request);
    },
    replied: ({ query, zone, rcode, plugin, transport, bytes, seconds }) => {
      hostReplies.add({ ...zone, rcode, plugin }, 1);
      hostSizes.observe({ ...zone, proto: protoOf(transport) }, bytes);
      hostTimes.observe({ ...zone, type: typeLabel(query.type) }, seconds);
    },
    families: () =>
      Object.entries(HELP).map(([name, help]) => ({
        ...{ name, help, aggregator: 'sum' },
        type: name.endsWith('_total') ? 'counter' : 'histogram',
        values: readers[name as keyof typeof HELP](),
      })),
  };
}
