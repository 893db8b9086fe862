/**
 * A walk over a whole message, query or reply: where everything is, and that it is sound.
 *
 * Nothing is decoded and nothing is copied. Counts of the header allocate nothing: a record is
 * noted when it has been seen, so a message has at most as many as its octets can hold.
 *
 * Spec  RFC 1035 4.1; RFC 6891 6.1 (OPT: one, in Additional, owned by the root); RFC 9267
 */
import {
  ANCOUNT_OFF,
  ARCOUNT_OFF,
  EDNS_DO,
  FLAGS_OFF,
  HEADER_SIZE,
  ID_OFF,
  NSCOUNT_OFF,
  QDCOUNT_OFF,
  RCODE_MASK,
  RecordType,
  readU16,
} from './header.js';
import { checkOptions, checkRdata, layoutOf } from './rdata.js';
import { checkName } from './read-name.js';

/** type(16) class(16) */
const QUESTION_TAIL_SIZE = 4;
/** type(16) class(16) ttl(32) rdlength(16) */
const RECORD_TAIL_SIZE = 10;

export type Section = 'answer' | 'authority' | 'additional';

/** A question and where it stands; offsets are from the start of the message. */
export interface QuestionAt {
  readonly nameOff: number;
  readonly type: number;
  readonly class: number;
  readonly end: number;
}

/** A record and where it stands. Of an OPT, the class is a size and the TTL is flags. */
export interface RecordAt {
  readonly section: Section;
  readonly nameOff: number;
  readonly type: number;
  readonly class: number;
  readonly ttlOff: number;
  readonly rdataOff: number;
  /** Octet behind the data. */
  readonly end: number;
}

export interface Message {
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly QuestionAt[];
  /** In the order of the message. */
  readonly records: readonly RecordAt[];
  readonly opt: RecordAt | undefined;
  /** Octet behind the last record counted; more may follow and means nothing. */
  readonly end: number;
}

/** Why a message is none, in a few words. */
export interface Malformed {
  readonly malformed: string;
}

const SECTIONS: readonly (readonly [Section, number])[] = [
  ['answer', ANCOUNT_OFF],
  ['authority', NSCOUNT_OFF],
  ['additional', ARCOUNT_OFF],
];

function walkQuestion(bytes: Uint8Array, nameOff: number): QuestionAt | undefined {
  const name = checkName(bytes, nameOff);
  if (name === undefined || name.end + QUESTION_TAIL_SIZE > bytes.length) return undefined;
  const { end } = name;
  return {
    nameOff,
    type: readU16(bytes, end),
    class: readU16(bytes, end + 2),
    end: end + QUESTION_TAIL_SIZE,
  };
}

function walkRecord(bytes: Uint8Array, nameOff: number, section: Section): RecordAt | undefined {
  const name = checkName(bytes, nameOff);
  if (name === undefined || name.end + RECORD_TAIL_SIZE > bytes.length) return undefined;
  const type = readU16(bytes, name.end);
  const recordClass = readU16(bytes, name.end + 2);
  const rdataOff = name.end + RECORD_TAIL_SIZE;
  const end = rdataOff + readU16(bytes, rdataOff - 2);
  if (end > bytes.length) return undefined;
  const isSound =
    type === RecordType.OPT
      ? checkOptions(bytes, rdataOff, end)
      : checkRdata(bytes, rdataOff, end, layoutOf(type, recordClass));
  if (!isSound) return undefined;
  return { section, nameOff, type, class: recordClass, ttlOff: name.end + 4, rdataOff, end };
}

/** What is wrong with the OPT records of a message. */
function optComplaint(bytes: Uint8Array, opts: readonly RecordAt[]): string | undefined {
  if (opts.length > 1) return 'two OPT records';
  const [opt] = opts;
  if (opt === undefined) return undefined;
  if (opt.section !== 'additional') return `OPT record in ${opt.section}`;
  return bytes[opt.nameOff] === 0 ? undefined : 'OPT record not owned by the root';
}

/** Walk a message from its header to its last record. Never throws. */
export function walkMessage(bytes: Uint8Array): Message | Malformed {
  if (bytes.length < HEADER_SIZE) return { malformed: 'shorter than a header' };
  const questions: QuestionAt[] = [];
  const records: RecordAt[] = [];
  let at = HEADER_SIZE;
  for (let left = readU16(bytes, QDCOUNT_OFF); left > 0; left--) {
    const question = walkQuestion(bytes, at);
    if (question === undefined) return { malformed: `question at octet ${at}` };
    questions.push(question);
    at = question.end;
  }
  for (const [section, countOff] of SECTIONS) {
    for (let left = readU16(bytes, countOff); left > 0; left--) {
      const record = walkRecord(bytes, at, section);
      if (record === undefined) return { malformed: `${section} record at octet ${at}` };
      records.push(record);
      at = record.end;
    }
  }
  const opts = records.filter((record) => record.type === RecordType.OPT);
  const malformed = optComplaint(bytes, opts);
  if (malformed !== undefined) return { malformed };
  return {
    bytes,
    id: readU16(bytes, ID_OFF),
    flags: readU16(bytes, FLAGS_OFF),
    questions,
    records,
    opt: opts[0],
    end: at,
  };
}

/** The whole rcode: four bits of the header, eight more of the OPT record (RFC 6891 6.1.3). */
export function rcodeOf({ bytes, flags, opt }: Message): number {
  const upper = opt === undefined ? 0 : (bytes[opt.ttlOff] ?? 0);
  return (upper << 4) | (flags & RCODE_MASK);
}

/** Whether DNSSEC records are wanted (RFC 3225). */
export function wantsDnssec({ bytes, opt }: Message): boolean {
  return opt !== undefined && (readU16(bytes, opt.ttlOff + 2) & EDNS_DO) !== 0;
}
