/**
 * What is made of an upstream's reply before anybody sees it.
 *
 * Spec  RFC 5452 9.1 (question, id, address); RFC 2181 8 (TTL); RFC 1035 7.3
 */
import {
  FLAGS_OFF,
  FLAG_QR,
  HEADER_SIZE,
  opcodeOf,
  QDCOUNT_OFF,
  RecordType,
  readU16,
  writeU32,
} from '../wire/header.js';
import type { Message } from '../wire/message.js';
import { rcodeOf, walkMessage } from '../wire/message.js';
import { sameName } from '../wire/name.js';
import { checkName, readName } from '../wire/read-name.js';
import { rebuild } from '../wire/rebuild.js';
import { chainOf } from './chain.js';

export type Checked =
  | { readonly kind: 'good'; readonly reply: Uint8Array; readonly rcode: number }
  /** Another question, no question, several, or no reply at all. */
  | { readonly kind: 'mismatch' }
  /** The right question in another case. */
  | { readonly kind: 'recased' }
  | { readonly kind: 'malformed' }
  /** CNAMEs without an end. */
  | { readonly kind: 'endless' };

const QUESTION_TAIL_SIZE = 4;
const TTL_TOP_BIT = 0x80;

type QuestionFit = 'same' | 'recased' | 'mismatch' | 'malformed';

/** Compare the question of a reply with the one asked, before the rest is looked at. */
function fitQuestion(reply: Uint8Array, asked: Uint8Array): QuestionFit {
  const flags = readU16(reply, FLAGS_OFF);
  if ((flags & FLAG_QR) === 0 || opcodeOf(flags) !== opcodeOf(readU16(asked, FLAGS_OFF))) {
    return 'mismatch';
  }
  if (readU16(reply, QDCOUNT_OFF) !== 1) return 'mismatch';
  const name = checkName(reply, HEADER_SIZE);
  if (name === undefined || name.end + QUESTION_TAIL_SIZE > reply.length) return 'malformed';
  const questionEnd = name.end + QUESTION_TAIL_SIZE;
  const theirs = Buffer.from(reply.subarray(HEADER_SIZE, questionEnd));
  const ours = asked.subarray(HEADER_SIZE, questionEnd);
  if (theirs.equals(ours)) return 'same';
  const isRecased =
    theirs.subarray(-QUESTION_TAIL_SIZE).equals(ours.subarray(-QUESTION_TAIL_SIZE)) &&
    sameName(theirs.subarray(0, -QUESTION_TAIL_SIZE), ours.subarray(0, -QUESTION_TAIL_SIZE));
  return isRecased ? 'recased' : 'mismatch';
}

/** TTLs are signed; negative ones are 0 (RFC 2181 8). In place. */
function clearNegativeTtls({ bytes, records }: Message): void {
  for (const { type, ttlOff } of records) {
    const isNegative = ((bytes[ttlOff] ?? 0) & TTL_TOP_BIT) !== 0;
    if (type !== RecordType.OPT && isNegative) writeU32(bytes, ttlOff, 0);
  }
}

export interface Asked {
  /** What was sent, with the case it was sent with. */
  readonly wire: Uint8Array;
  /** Whether the reply must have the same case. */
  readonly isExact: boolean;
}

/**
 * Judge a reply whose id is right, and take out of it what does not belong there: strangers in the
 * answer, OPT records for those who sent none, octets behind the last record.
 *
 * @param reply  at least a header; changed in place, and not to be used afterwards
 */
export function checkReply(reply: Uint8Array, { wire, isExact }: Asked): Checked {
  const fit = fitQuestion(reply, wire);
  if (fit === 'mismatch' || fit === 'malformed') return { kind: fit };
  if (fit === 'recased' && isExact) return { kind: 'recased' };
  const message = walkMessage(reply);
  if ('malformed' in message) return { kind: 'malformed' };
  const question = readName(reply, HEADER_SIZE);
  if (question === undefined) return { kind: 'malformed' };
  const { strangers, isEndless } = chainOf(message, question);
  if (isEndless) return { kind: 'endless' };
  clearNegativeTtls(message);
  const rcode = rcodeOf(message);
  const hasOpt = readU16(wire, HEADER_SIZE - 2) > 0;
  const isUnwantedOpt = !hasOpt && message.opt !== undefined;
  if (strangers.size === 0 && !isUnwantedOpt) {
    return { kind: 'good', reply: reply.subarray(0, message.end), rcode };
  }
  const cleaned = rebuild(message, {
    keep: (record) => !strangers.has(record) && (hasOpt || record !== message.opt),
  });
  return cleaned === undefined ? { kind: 'malformed' } : { kind: 'good', reply: cleaned, rcode };
}
