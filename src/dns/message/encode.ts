/**
 * From records to the bytes of a message, compressed, and no longer than it may be.
 *
 * An owner becomes a pointer to the same name in any letter case, so the owner of an answer is
 * written as the client has asked for it. Names in RDATA are compressed for the types of RFC 1035 only
 * (RFC 3597 4), and keep their case.
 *
 * Spec  RFC 1035 4.1.4; RFC 2181 9 (TC); RFC 6891 6.1.2 and 6.1.3
 */
import { ANCOUNT_OFF, ARCOUNT_OFF, NSCOUNT_OFF, QDCOUNT_OFF } from '../wire/header.js';
import { FLAGS_OFF, FLAG_TC, HEADER_SIZE, MESSAGE_MAX, RCODE_MASK } from '../wire/header.js';
import { EDNS_DO, RecordType, readU16, writeU16, writeU32 } from '../wire/header.js';
import { foldName, labelOffsets } from '../wire/name.js';
import { fieldEnd, layoutOf } from '../wire/rdata.js';
import { RECORD_SECTIONS } from './message.js';
import type { DnsMessage, Edns, Question, ResourceRecord } from './message.js';

/** Pointers have 14 bits. */
const POINTER_TARGET_MAX = 0x3fff;
const POINTER_FLAGS = 0xc000;
/** type(16) class(16) */
const QUESTION_TAIL_SIZE = 4;
/** type(16) class(16) ttl(32) rdlength(16) */
const RECORD_TAIL_SIZE = 10;
/** Root, type, size, extended rcode, version, flags, no options. */
const BARE_OPT_SIZE = 11;

const COUNT_OFF = { answer: ANCOUNT_OFF, authority: NSCOUNT_OFF, additional: ARCOUNT_OFF } as const;

/** Bytes written so far, and where names begin among them. */
class Sheet {
  readonly bytes: Uint8Array;
  length = HEADER_SIZE;
  readonly #limit: number;
  readonly #exact = new Map<string, number>();
  readonly #folded = new Map<string, number>();
  /** Names of the record that is being written: forgotten if it does not fit. */
  #fresh: string[] = [];
  #freshFolded: string[] = [];

  constructor(limit: number) {
    this.#limit = limit;
    this.bytes = new Uint8Array(limit);
  }

  /** Past the limit nothing is written, but the length goes on. */
  octets(octets: Uint8Array): void {
    if (this.length + octets.length <= this.#limit) this.bytes.set(octets, this.length);
    this.length += octets.length;
  }

  u16(value: number): void {
    if (this.length + 2 <= this.#limit) writeU16(this.bytes, this.length, value);
    this.length += 2;
  }

  u32(value: number): void {
    if (this.length + 4 <= this.#limit) writeU32(this.bytes, this.length, value);
    this.length += 4;
  }

  /** A name, ending in a pointer from the first label on that stands somewhere already. */
  name(name: Uint8Array, isCaseKept: boolean): void {
    const exact = Buffer.from(name).toString('latin1');
    const folded = Buffer.from(foldName(name)).toString('latin1');
    const known = isCaseKept ? this.#exact : this.#folded;
    for (const at of labelOffsets(name).slice(0, -1)) {
      const pointer = known.get((isCaseKept ? exact : folded).slice(at));
      if (pointer !== undefined) {
        this.u16(POINTER_FLAGS | pointer);
        return;
      }
      this.#remember(exact.slice(at), folded.slice(at));
      this.octets(name.subarray(at, at + 1 + (name[at] ?? 0)));
    }
    this.octets(name.subarray(-1));
  }

  /** Do `write` unless it passes the limit, less `reserved` bytes. @returns whether it is done */
  attempt(reserved: number, write: () => void): boolean {
    const start = this.length;
    this.#fresh = [];
    this.#freshFolded = [];
    write();
    if (this.length + reserved <= this.#limit) return true;
    for (const name of this.#fresh) this.#exact.delete(name);
    for (const name of this.#freshFolded) this.#folded.delete(name);
    this.length = start;
    return false;
  }

  #remember(exact: string, folded: string): void {
    if (this.length > POINTER_TARGET_MAX) return;
    if (!this.#exact.has(exact)) {
      this.#exact.set(exact, this.length);
      this.#fresh.push(exact);
    }
    if (!this.#folded.has(folded)) {
      this.#folded.set(folded, this.length);
      this.#freshFolded.push(folded);
    }
  }
}

function writeRdata(sheet: Sheet, { type, class: recordClass, rdata }: ResourceRecord): void {
  let at = 0;
  // The target of SRV is not compressed (RFC 2782).
  const fields = type === RecordType.SRV ? [] : layoutOf(type, recordClass).fields;
  for (const field of fields) {
    const next = fieldEnd(rdata, at, rdata.length, field);
    if (next === undefined) break;
    const octets = rdata.subarray(at, next);
    if (field === 'name') sheet.name(octets, true);
    else sheet.octets(octets);
    at = next;
  }
  sheet.octets(rdata.subarray(at));
}

function writeRecord(sheet: Sheet, record: ResourceRecord): void {
  sheet.name(record.owner, false);
  sheet.u16(record.type);
  sheet.u16(record.class);
  sheet.u32(record.ttl);
  sheet.u16(0);
  const start = sheet.length;
  writeRdata(sheet, record);
  if (sheet.length <= sheet.bytes.length) writeU16(sheet.bytes, start - 2, sheet.length - start);
}

function writeQuestion(sheet: Sheet, question: Question): void {
  sheet.name(question.name, true);
  sheet.u16(question.type);
  sheet.u16(question.class);
}

function optSize(edns: Edns | undefined): number {
  return edns === undefined ? 0 : BARE_OPT_SIZE + edns.options.length;
}

function writeOpt(sheet: Sheet, edns: Edns, rcode: number): void {
  sheet.octets(Uint8Array.of(0));
  sheet.u16(RecordType.OPT);
  sheet.u16(edns.udpSize);
  sheet.u16(((rcode >>> 4) << 8) | edns.version);
  sheet.u16(edns.isDnssecOk ? EDNS_DO : 0);
  sheet.u16(edns.options.length);
  sheet.octets(edns.options);
}

/**
 * Write records from the front until one does not fit. The first one of Answer may be passed over:
 * some stub resolvers ignore TC, and for them some records are better than none.
 *
 * @returns how many are written
 */
function writeSection(
  sheet: Sheet,
  records: readonly ResourceRecord[],
  reserved: number,
  isAnswer: boolean,
): number {
  let written = 0;
  for (const record of records) {
    if (sheet.attempt(reserved, () => writeRecord(sheet, record))) written++;
    else if (!isAnswer || written > 0) break;
  }
  return written;
}

/** What a message takes at most, without any compression. */
function sizeBound({ question, edns, ...sections }: DnsMessage): number {
  let size = HEADER_SIZE + optSize(edns);
  if (question !== undefined) size += question.name.length + QUESTION_TAIL_SIZE;
  for (const section of RECORD_SECTIONS) {
    for (const { owner, rdata } of sections[section]) {
      size += owner.length + RECORD_TAIL_SIZE + rdata.length;
    }
  }
  return size;
}

/**
 * Encode a message. Records that do not fit are left out, whole, from the end; TC is set when they are
 * of Answer or Authority. Question and OPT always stay.
 *
 * @param limit  most bytes; must have room for header, question and OPT
 */
export function encodeMessage(message: DnsMessage, limit = MESSAGE_MAX): Uint8Array {
  const { question, edns, rcode } = message;
  const sheet = new Sheet(Math.min(limit, sizeBound(message)));
  const { bytes } = sheet;
  if (question !== undefined) writeQuestion(sheet, question);
  const reserved = optSize(edns);
  let flags = message.flags | (rcode & RCODE_MASK);
  let isFull = false;
  for (const section of RECORD_SECTIONS) {
    const records = message[section];
    const count: number = isFull ? 0 : writeSection(sheet, records, reserved, section === 'answer');
    isFull = isFull || count < records.length;
    if (count < records.length && section !== 'additional') flags |= FLAG_TC;
    writeU16(bytes, COUNT_OFF[section], count);
  }
  if (edns !== undefined) {
    writeOpt(sheet, edns, rcode);
    writeU16(bytes, ARCOUNT_OFF, readU16(bytes, ARCOUNT_OFF) + 1);
  }
  writeU16(bytes, 0, message.id);
  writeU16(bytes, FLAGS_OFF, flags);
  writeU16(bytes, QDCOUNT_OFF, question === undefined ? 0 : 1);
  return bytes.slice(0, sheet.length);
}
