/**
 * From the bytes of a message to records, strictly: what is not sound is not decoded at all.
 *
 * Spec  RFC 1035 4.1; RFC 9267; RFC 3597 4 (which types may have compressed names in their data)
 */
import { FLAGS_OFF, RCODE_MASK, readU16, readU32 } from '../wire/header.js';
import { rcodeOf, walkMessage, wantsDnssec } from '../wire/message.js';
import type { Message, QuestionAt, RecordAt } from '../wire/message.js';
import { fieldEnd, layoutOf } from '../wire/rdata.js';
import { readName } from '../wire/read-name.js';
import type { Query } from '../plugin.js';
import type { DnsMessage, Edns, Question, ResourceRecord } from './message.js';

/** A TTL with its top bit set is 0 (RFC 2181 8). */
const TTL_MAX = 0x7fffffff;
const ROOT = Uint8Array.of(0);

/** A name of a message that has been walked. */
function nameAt(bytes: Uint8Array, off: number): Uint8Array {
  return readName(bytes, off) ?? ROOT;
}

/** RDATA with the names in it whole. */
function wholeRdata(bytes: Uint8Array, record: RecordAt): Uint8Array {
  const { fields } = layoutOf(record.type, record.class);
  if (!fields.includes('name')) return bytes.slice(record.rdataOff, record.end);
  const parts: Uint8Array[] = [];
  let at = record.rdataOff;
  for (const field of fields) {
    const next = fieldEnd(bytes, at, record.end, field) ?? record.end;
    parts.push(field === 'name' ? nameAt(bytes, at) : bytes.subarray(at, next));
    at = next;
  }
  parts.push(bytes.subarray(at, record.end));
  return Uint8Array.from(Buffer.concat(parts));
}

/** One record of a message that has been walked. */
export function recordAt(bytes: Uint8Array, record: RecordAt): ResourceRecord {
  const ttl = readU32(bytes, record.ttlOff);
  return {
    owner: nameAt(bytes, record.nameOff),
    type: record.type,
    class: record.class,
    ttl: ttl > TTL_MAX ? 0 : ttl,
    rdata: wholeRdata(bytes, record),
  };
}

function questionOf(bytes: Uint8Array, at: QuestionAt | undefined): Question | undefined {
  return at && { name: nameAt(bytes, at.nameOff), type: at.type, class: at.class };
}

function ednsOf(message: Message): Edns | undefined {
  const { bytes, opt } = message;
  return (
    opt && {
      udpSize: opt.class,
      version: bytes[opt.ttlOff + 1] ?? 0,
      isDnssecOk: wantsDnssec(message),
      options: bytes.slice(opt.rdataOff, opt.end),
    }
  );
}

/** Records of a message that has been walked (wire/message.ts). */
export function decodeWalked(message: Message): DnsMessage {
  const { bytes, opt, questions, records } = message;
  const section = (name: RecordAt['section']): ResourceRecord[] =>
    records
      .filter((record) => record.section === name && record !== opt)
      .map((record) => recordAt(bytes, record));
  return {
    id: message.id,
    flags: readU16(bytes, FLAGS_OFF) & ~RCODE_MASK,
    rcode: rcodeOf(message),
    question: questionOf(bytes, questions[0]),
    answer: section('answer'),
    authority: section('authority'),
    additional: section('additional'),
    edns: ednsOf(message),
  };
}

/**
 * Decode a query or a reply.
 *
 * @returns undefined when it is malformed, or has more than one question
 */
export function decodeMessage(bytes: Uint8Array): DnsMessage | undefined {
  const message = walkMessage(bytes);
  if ('malformed' in message || message.questions.length > 1) return undefined;
  return decodeWalked(message);
}

/**
 * What plugins are asked, from a message that has one question.
 *
 * @returns undefined when it is malformed, or has no question or several
 */
export function queryOf(bytes: Uint8Array, client: Query['client']): Query | undefined {
  const message = walkMessage(bytes);
  if ('malformed' in message || message.questions.length > 1) return undefined;
  const question = questionOf(bytes, message.questions[0]);
  if (question === undefined) return undefined;
  const { opt } = message;
  const edns = opt && { udpSize: opt.class, isDnssecOk: wantsDnssec(message) };
  return { message: bytes, ...question, client, ...(edns && { edns }) };
}
