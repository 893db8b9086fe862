/**
 * Words in the layout of the core's counters (assembly/abi-dns.ts) that the host has counted: what the
 * core has not told apart.
 */
import {
  CUT_ZONE_OFF,
  DNS_BASE,
  DNS_CUT_OFF,
  DNS_DROP,
  DNS_HOST,
  DNS_SIZE_SLOTS,
  DNS_ZONE_MAX,
  DNS_ZONE_NONE,
  DNS_ZONE_WORDS,
  ZONE_DO_WORD,
  ZONE_REPLY_BYTES_WORD,
  ZONE_REPLY_SIZES_WORD,
  ZONE_REQUESTS_WORD,
  ZONE_REQUEST_BYTES_WORD,
  ZONE_REQUEST_SIZES_WORD,
} from '../../../assembly/abi-dns.js';
import type { HostRequest } from '../chain/setup.js';
import { typeSlot } from './type-label.js';

/** Bounds of the slots of sizes but the last one, which has none. */
export const SIZE_BOUNDS = [
  ...[100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3],
];

/** Ways that a query comes, in the order of the core's words. */
export const WAYS = [
  { family: '1', proto: 'udp' },
  { family: '1', proto: 'tcp' },
  { family: '2', proto: 'udp' },
  { family: '2', proto: 'tcp' },
] as const;

export type Proto = (typeof WAYS)[number]['proto'];

/** TLS is TCP. */
export const protoOf = (transport: string): Proto => (transport === 'udp' ? 'udp' : 'tcp');

/** First slot and sum of a histogram. */
export interface SizeWords {
  readonly sizes: number;
  readonly bytes: number;
}

export const REQUEST_SIZES: SizeWords = {
  sizes: ZONE_REQUEST_SIZES_WORD,
  bytes: ZONE_REQUEST_BYTES_WORD,
};
export const REPLY_SIZES: SizeWords = {
  sizes: ZONE_REPLY_SIZES_WORD,
  bytes: ZONE_REPLY_BYTES_WORD,
};

export interface ZoneWords {
  /** @param zone  CUT_ZONE */
  read(zone: number, word: number): number;
  add(zone: number, word: number, by: number): void;
  addSize(zone: number, words: SizeWords, size: number): void;
}

export function createZoneWords(): ZoneWords {
  const counts = new Float64Array(DNS_ZONE_MAX * DNS_ZONE_WORDS);
  const add = (zone: number, word: number, by: number): void => {
    const at = zone * DNS_ZONE_WORDS + word;
    counts[at] = (counts[at] ?? 0) + by;
  };
  return {
    read: (zone, word) => counts[zone * DNS_ZONE_WORDS + word] ?? 0,
    add,
    addSize: (zone, { sizes, bytes }, size) => {
      const slot = SIZE_BOUNDS.findIndex((bound) => size <= bound);
      add(zone, sizes + (slot < 0 ? DNS_SIZE_SLOTS - 1 : slot), 1);
      add(zone, bytes, size);
    },
  };
}

/** Count a query that the core has counted, too. */
export function addRequest(words: ZoneWords, { query, counters }: HostRequest): void {
  const { client, edns, message, type } = query;
  const family = client.address.family === 6 ? '2' : '1';
  const proto = protoOf(client.transport);
  const way = WAYS.findIndex((each) => each.family === family && each.proto === proto);
  words.add(counters, ZONE_REQUESTS_WORD + typeSlot(type) * WAYS.length + way, 1);
  words.addSize(counters, REQUEST_SIZES, message.length);
  if (edns?.isDnssecOk === true) words.add(counters, ZONE_DO_WORD, 1);
}

/** Sizes of what comes over streams: the core counts them as all others. */
export interface StreamMeter {
  readonly words: Pick<ZoneWords, 'read'>;
  /**
   * Count a query that has come over a stream, before the core answers another one.
   *
   * @param size    of the query
   * @param result  of `dnsAnswer`
   */
  count(size: number, result: number): void;
}

/** @param memory  of the core */
export function createStreamMeter(memory: DataView): StreamMeter {
  const words = createZoneWords();
  return {
    words,
    count: (size, result) => {
      // As in the core: who is not answered is not counted.
      if (result === DNS_DROP) return;
      const cut = memory.getUint32(DNS_BASE + DNS_CUT_OFF, true);
      const zone = cut === 0 ? DNS_ZONE_NONE : memory.getUint8(cut + CUT_ZONE_OFF);
      words.addSize(zone, REQUEST_SIZES, size);
      if (result !== DNS_HOST) words.addSize(zone, REPLY_SIZES, result);
    },
  };
}
