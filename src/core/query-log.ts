/**
 * The sample of queries in a core's memory (DNS LOG of assembly/abi-dns.ts): read by who wants to know
 * what is asked, without taking anything away from others who do.
 */
import {
  DNS_BASE,
  DNS_F_TCP,
  DNS_LOG_BASE,
  DNS_SAMPLE_OFF,
  LOG_BATCH_OFF,
  LOG_CLIENT_OFF,
  LOG_ENTRIES_OFF,
  LOG_ENTRY_SIZE,
  LOG_EVERY_OFF,
  LOG_FLAGS_OFF,
  LOG_IFINDEX_OFF,
  LOG_LEFT_OFF,
  LOG_NAME_LEN_OFF,
  LOG_NAME_OFF,
  LOG_QTYPE_OFF,
  LOG_RCODE_OFF,
  LOG_SLOTS,
  LOG_TIME_OFF,
  LOG_WHY_OFF,
  LOG_WRITTEN_OFF,
} from '../../assembly/abi-dns.js';
import type { DnsWhy } from '../../assembly/abi-dns.js';
import { ADDR_SIZE, familyOf } from '../addr.js';
import type { Address } from '../addr.js';

/** One query in so many, unless the host is told otherwise. */
export const SAMPLE_EVERY = 64;
/** The rarest sample there is. */
export const SAMPLE_EVERY_MAX = 1_000_000;

/** A query of the sample, and what became of it. */
export interface SampledQuery {
  /** Of a clock that is never set back. */
  readonly timeMs: number;
  /** Wire name in lower case; empty: the question could not be read. */
  readonly name: Uint8Array;
  readonly type: number;
  readonly rcode: number;
  /** Who has answered: a part of the core, or a plugin of the host's chain. */
  readonly by: DnsWhy | string;
  /** Undefined: not known. */
  readonly client: Address | undefined;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** Link that the frame came from; 0: by a socket. */
  readonly ifindex: number;
}

/** What has been sampled since somebody last looked. */
export interface QueryPage {
  /** What each of them stands for: one in so many; 0: none are taken. */
  readonly every: number;
  /** Say so the next time. */
  readonly written: number;
  /** Overwritten before they were read. */
  readonly lost: number;
  /** Oldest first. */
  readonly queries: readonly SampledQuery[];
}

/** A sample. @param since  `written` of the page before; undefined: all that is still there */
export type QuerySource = (since: number | undefined) => Promise<QueryPage>;

/** A core, as far as its memory goes. */
export interface LogMemory {
  readonly view: Uint8Array;
  readonly words: DataView;
}

const WORD_WRAP = 2 ** 32;

/** How many entries since `since`, and how many of them are still there. */
export function freshOf(written: number, since: number | undefined, slots: number) {
  const fresh = since === undefined ? written : (written - since + WORD_WRAP) % WORD_WRAP;
  const kept = Math.min(fresh, slots);
  return { kept, lost: since === undefined ? 0 : fresh - kept };
}

const slotAt = (n: number): number =>
  DNS_LOG_BASE + LOG_ENTRIES_OFF + ((n + WORD_WRAP) % LOG_SLOTS) * LOG_ENTRY_SIZE;

function entryAt({ view, words }: LogMemory, at: number): SampledQuery {
  const client = view.slice(at + LOG_CLIENT_OFF, at + LOG_CLIENT_OFF + ADDR_SIZE);
  const isKnown = client.some((byte) => byte !== 0);
  const nameAt = at + LOG_NAME_OFF;
  return {
    timeMs: words.getFloat64(at + LOG_TIME_OFF, true),
    name: view.slice(nameAt, nameAt + words.getUint8(at + LOG_NAME_LEN_OFF)),
    type: words.getUint16(at + LOG_QTYPE_OFF, true),
    rcode: words.getUint16(at + LOG_RCODE_OFF, true),
    by: words.getUint8(at + LOG_WHY_OFF),
    client: isKnown ? { family: familyOf(client), bytes: client } : undefined,
    transport: (words.getUint16(at + LOG_FLAGS_OFF, true) & DNS_F_TCP) === 0 ? 'udp' : 'tcp',
    ifindex: words.getUint32(at + LOG_IFINDEX_OFF, true),
  };
}

/** Entries written so far: what `noteBatch` starts from. */
export function logWritten({ words }: LogMemory): number {
  return words.getUint32(DNS_LOG_BASE + LOG_WRITTEN_OFF, true);
}

/**
 * Read the sample.
 *
 * @param since  `written` of the page before; undefined: all that is there
 */
export function readQueryLog(memory: LogMemory, since: number | undefined): QueryPage {
  const written = logWritten(memory);
  const { kept, lost } = freshOf(written, since, LOG_SLOTS);
  return {
    every: memory.words.getUint32(DNS_LOG_BASE + LOG_EVERY_OFF, true),
    written,
    lost,
    queries: Array.from({ length: kept }, (_, i) => entryAt(memory, slotAt(written - kept + i))),
  };
}

/** Take one query in `every`, the next one first; 0: none. */
export function setSampling({ words }: LogMemory, every: number): void {
  words.setUint32(DNS_LOG_BASE + LOG_EVERY_OFF, every, true);
  words.setUint32(DNS_LOG_BASE + LOG_LEFT_OFF, 0, true);
}

/** Say whose query `dnsAnswer` has just answered. @param client  16 bytes, IPv4 mapped */
export function noteClient({ view, words }: LogMemory, client: Uint8Array): void {
  const entry = words.getUint32(DNS_BASE + DNS_SAMPLE_OFF, true);
  if (entry !== 0) view.set(client, entry + LOG_CLIENT_OFF);
}

/**
 * Say whose queries `dnsBatch` has just answered.
 *
 * @param since     `logWritten` before the batch
 * @param clientOf  16 bytes, IPv4 mapped, of a descriptor's sender: asked for sampled ones only
 */
export function noteBatch(
  memory: LogMemory,
  since: number,
  clientOf: (descriptor: number) => Uint8Array,
): void {
  const written = logWritten(memory);
  if (written === since) return;
  const { kept } = freshOf(written, since, LOG_SLOTS);
  for (let i = written - kept; i < written; i++) {
    const entry = slotAt(i);
    const descriptor = memory.words.getUint32(entry + LOG_BATCH_OFF, true);
    if (descriptor !== 0) memory.view.set(clientOf(descriptor - 1), entry + LOG_CLIENT_OFF);
  }
}
