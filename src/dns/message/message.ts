/**
 * Messages as records, for plugins that look into them or make them.
 *
 * Names are wire names without compression everywhere, in RDATA as well, so a record means the same
 * wherever it is put. Plugins that only pass a message on leave its bytes alone.
 */
import { FLAG_AA, FLAG_CD, FLAG_QR, FLAG_RA, FLAG_RD, OPCODE_MASK, Rcode } from '../wire/header.js';
import { FLAGS_OFF, readU16 } from '../wire/header.js';
import type { Query, WireName } from '../plugin.js';

/** A resource record (RFC 1035 3.2.1), but for OPT. */
export interface ResourceRecord {
  readonly owner: WireName;
  readonly type: number;
  readonly class: number;
  /** Seconds. */
  readonly ttl: number;
  /** Names in it are whole. */
  readonly rdata: Uint8Array;
}

export interface Question {
  readonly name: WireName;
  readonly type: number;
  readonly class: number;
}

/** An OPT record, without what is kept elsewhere: the upper bits of the RCODE are in `rcode`. */
export interface Edns {
  readonly udpSize: number;
  readonly version: number;
  readonly isDnssecOk: boolean;
  /** RDATA: options, each code(16) length(16) data (RFC 6891 6.1.2). */
  readonly options: Uint8Array;
}

export interface DnsMessage {
  readonly id: number;
  /** The second word of the header without its RCODE: FLAG_* and the opcode (wire/header.ts). */
  readonly flags: number;
  /** All 12 bits (RFC 6891 6.1.3). */
  readonly rcode: number;
  readonly question: Question | undefined;
  readonly answer: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  /** Without OPT. */
  readonly additional: readonly ResourceRecord[];
  readonly edns: Edns | undefined;
}

export const RECORD_SECTIONS = ['answer', 'authority', 'additional'] as const;

/** What a plugin says in a reply that it makes; the rest follows from the query. */
export interface ReplyParts {
  readonly rcode?: number;
  readonly answer?: readonly ResourceRecord[];
  readonly authority?: readonly ResourceRecord[];
  readonly additional?: readonly ResourceRecord[];
  readonly isAuthoritative?: boolean;
  readonly isRecursionAvailable?: boolean;
  /** Options of the OPT record; they are sent only to clients that have sent one. */
  readonly options?: Uint8Array;
}

/**
 * A reply to a query: its ID, opcode and question, RD and CD as in the query.
 *
 * The OPT record is put right when the reply is sent (finish.ts); here it carries the options and
 * the upper bits of the RCODE.
 */
export function replyTo(query: Query, parts: ReplyParts): DnsMessage {
  const asked = readU16(query.message, FLAGS_OFF);
  let flags = FLAG_QR | (asked & (OPCODE_MASK | FLAG_RD | FLAG_CD));
  if (parts.isAuthoritative === true) flags |= FLAG_AA;
  if (parts.isRecursionAvailable === true) flags |= FLAG_RA;
  const { edns } = query;
  return {
    id: readU16(query.message, 0),
    flags,
    rcode: parts.rcode ?? Rcode.NOERROR,
    question: { name: query.name, type: query.type, class: query.class },
    answer: parts.answer ?? [],
    authority: parts.authority ?? [],
    additional: parts.additional ?? [],
    edns: edns && { ...edns, version: 0, options: parts.options ?? new Uint8Array() },
  };
}
