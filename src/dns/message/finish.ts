/**
 * What a reply gets before it is sent: the ID and the question of the client, its own OPT record,
 * and no more bytes than the client takes.
 *
 * A reply that is right already but for its header and OPT is patched; only one that is too long, or
 * answers another question than the client's, is decoded and written anew.
 *
 * Spec  RFC 1035 4.1.1; RFC 6891 6.1.1, 6.2.3; RFC 4035 3.2.3 (AD); RFC 2181 9 (TC)
 */
import {
  ARCOUNT_OFF,
  EDNS_DO,
  FLAGS_OFF,
  FLAG_AA,
  FLAG_AD,
  FLAG_CD,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  HEADER_SIZE,
  ID_OFF,
  MESSAGE_MAX,
  OPCODE_MASK,
  RCODE_MASK,
  Rcode,
  RecordType,
  readU16,
  writeU16,
  writeU32,
} from '../wire/header.js';
import { rcodeOf, walkMessage } from '../wire/message.js';
import type { Message } from '../wire/message.js';
import { sameName } from '../wire/name.js';
import type { Query } from '../plugin.js';
import { decodeWalked } from './decode.js';
import { encodeMessage } from './encode.js';
import { replyTo } from './message.js';

/** What everybody takes by UDP without EDNS (RFC 1035 2.3.4). */
const UDP_MIN = 512;
/** What we say we take: no path of today cuts it into fragments (RFC 9715 3). */
const UDP_PAYLOAD_SIZE = 1232;
/** type(16) class(16) of a question, and root, type, size, flags, length of an OPT record. */
const QUESTION_TAIL_SIZE = 4;
const BARE_OPT_SIZE = 11;
/** Options that are passed on: NSID (RFC 5001), EDE (RFC 8914). All others are between neighbours. */
const PASSED_OPTIONS: ReadonlySet<number> = new Set([3, 15]);
const OPTION_HLEN = 4;

export interface FinishOptions {
  /** Most bytes by UDP, whatever the client takes. */
  readonly udpMax: number;
}

/** Most bytes of a reply to a query. */
export function replyLimit({ client, edns }: Query, { udpMax }: FinishOptions): number {
  if (client.transport !== 'udp') return MESSAGE_MAX;
  return Math.max(UDP_MIN, Math.min(edns?.udpSize ?? UDP_MIN, udpMax));
}

/** Flags and the lower bits of the RCODE. */
function flagsFor(query: Query, reply: Message, rcode: number): number {
  const asked = readU16(query.message, FLAGS_OFF);
  const isAdWanted = (asked & FLAG_AD) !== 0 || query.edns?.isDnssecOk === true;
  const kept = FLAG_AA | FLAG_TC | FLAG_RA | (isAdWanted ? FLAG_AD : 0);
  const copied = asked & (OPCODE_MASK | FLAG_RD | FLAG_CD);
  return FLAG_QR | copied | (reply.flags & kept) | (rcode & RCODE_MASK);
}

/** Without OPT, there is no room for the upper bits. */
function rcodeFor(query: Query, reply: Message): number {
  const rcode = rcodeOf(reply);
  return rcode > RCODE_MASK && query.edns === undefined ? Rcode.SERVFAIL : rcode;
}

function passedOptions({ bytes, opt }: Message): Uint8Array {
  if (opt === undefined) return new Uint8Array();
  const passed: Uint8Array[] = [];
  let at = opt.rdataOff;
  while (at < opt.end) {
    const end = at + OPTION_HLEN + readU16(bytes, at + 2);
    if (PASSED_OPTIONS.has(readU16(bytes, at))) passed.push(bytes.subarray(at, end));
    at = end;
  }
  return Buffer.concat(passed);
}

/** The bytes of the question as the client has sent it. */
function questionBytes({ message, name }: Query): Uint8Array {
  return message.subarray(HEADER_SIZE, HEADER_SIZE + name.length + QUESTION_TAIL_SIZE);
}

/** Whether the question of the reply has the same length and name, so that pointers to it hold. */
function answersQuestion(query: Query, { bytes, questions }: Message): boolean {
  const [question] = questions;
  if (question === undefined || questions.length > 1) return false;
  const name = bytes.subarray(question.nameOff, question.end - QUESTION_TAIL_SIZE);
  return (
    question.type === query.type && question.class === query.class && sameName(name, query.name)
  );
}

function writeOpt(bytes: Uint8Array, at: number, query: Query, options: Uint8Array): void {
  writeU16(bytes, at + 1, RecordType.OPT);
  writeU16(bytes, at + 3, UDP_PAYLOAD_SIZE);
  writeU32(bytes, at + 5, query.edns?.isDnssecOk === true ? EDNS_DO : 0);
  writeU16(bytes, at + 9, options.length);
  bytes.set(options, at + BARE_OPT_SIZE);
}

/**
 * The reply with its header, question and OPT record put right in place of its own.
 *
 * @returns undefined when that is not enough
 */
function patch(query: Query, reply: Message, limit: number): Uint8Array | undefined {
  const { bytes, opt, records } = reply;
  const isOptLast = opt === undefined || records.at(-1) === opt;
  if (!isOptLast || !answersQuestion(query, reply)) return undefined;
  const bodyEnd = opt?.nameOff ?? reply.end;
  const hasOpt = query.edns !== undefined;
  const options = hasOpt ? passedOptions(reply) : new Uint8Array();
  const length = bodyEnd + (hasOpt ? BARE_OPT_SIZE + options.length : 0);
  if (length > limit) return undefined;
  const rcode = rcodeFor(query, reply);
  const patched = new Uint8Array(length);
  patched.set(bytes.subarray(0, bodyEnd));
  patched.set(query.message.subarray(ID_OFF, ID_OFF + 2));
  writeU16(patched, FLAGS_OFF, flagsFor(query, reply, rcode));
  patched.set(questionBytes(query), HEADER_SIZE);
  const others = readU16(bytes, ARCOUNT_OFF) - (opt === undefined ? 0 : 1);
  writeU16(patched, ARCOUNT_OFF, others + (hasOpt ? 1 : 0));
  if (hasOpt) {
    writeOpt(patched, bodyEnd, query, options);
    patched[bodyEnd + 5] = rcode >>> 4;
  }
  return patched;
}

/** The reply written anew, its end left out if it is too long. */
function rewrite(query: Query, reply: Message, limit: number): Uint8Array {
  const { name, type, class: questionClass, edns } = query;
  const rcode = rcodeFor(query, reply);
  const options = passedOptions(reply);
  const finished = {
    ...decodeWalked(reply),
    id: readU16(query.message, ID_OFF),
    flags: flagsFor(query, reply, rcode) & ~RCODE_MASK,
    rcode,
    question: { name, type, class: questionClass },
    edns: edns && { ...edns, udpSize: UDP_PAYLOAD_SIZE, version: 0, options },
  };
  return encodeMessage(finished, limit);
}

/**
 * Make a reply ready to be sent.
 *
 * @param query  as the client has sent it
 * @param reply  a message of whatever question and OPT record; empty: nothing is sent
 * @returns a message within `replyLimit`; SERVFAIL in place of what is malformed; empty for empty
 */
export function finishReply(query: Query, reply: Uint8Array, options: FinishOptions): Uint8Array {
  if (reply.length === 0) return reply;
  const limit = replyLimit(query, options);
  let message = walkMessage(reply);
  if ('malformed' in message) {
    message = walkMessage(encodeMessage(replyTo(query, { rcode: Rcode.SERVFAIL })));
    if ('malformed' in message) return new Uint8Array();
  }
  return patch(query, message, limit) ?? rewrite(query, message, limit);
}
