/**
 * A reply that has only the question: what a client is told when there is no answer to give.
 *
 * Spec  RFC 1035 4.1.1; RFC 6891 6.1.1 (an OPT record for those who sent one)
 */
import {
  EDNS_DO,
  FLAGS_OFF,
  FLAG_CD,
  FLAG_QR,
  FLAG_RD,
  HEADER_SIZE,
  OPCODE_MASK,
  QDCOUNT_OFF,
  ARCOUNT_OFF,
  RCODE_MASK,
  RecordType,
  writeU16,
} from './header.js';
import type { Message } from './message.js';
import { wantsDnssec } from './message.js';

/** Root, type, size, extended rcode, version, flags, no options (RFC 6891 6.1.2). */
const BARE_OPT_SIZE = 11;
/** What we receive over UDP: fits every link without fragments (RFC 9715 3). */
export const UDP_PAYLOAD_SIZE = 1232;

/**
 * @param query  a query with at least one question; the first one is repeated octet by octet
 * @param rcode  up to 12 bits; what does not fit the header needs an OPT record in the query
 * @param flags  flags to add, such as `FLAG_TC`
 */
export function emptyReply(query: Message, rcode: number, flags = 0): Uint8Array {
  const questionEnd = query.questions[0]?.end ?? HEADER_SIZE;
  const reply = new Uint8Array(questionEnd + (query.opt === undefined ? 0 : BARE_OPT_SIZE));
  reply.set(query.bytes.subarray(0, questionEnd));
  const copied = query.flags & (OPCODE_MASK | FLAG_RD | FLAG_CD);
  writeU16(reply, FLAGS_OFF, FLAG_QR | copied | flags | (rcode & RCODE_MASK));
  reply.fill(0, QDCOUNT_OFF, HEADER_SIZE);
  writeU16(reply, QDCOUNT_OFF, query.questions.length > 0 ? 1 : 0);
  if (query.opt !== undefined) {
    writeU16(reply, ARCOUNT_OFF, 1);
    writeU16(reply, questionEnd + 1, RecordType.OPT);
    writeU16(reply, questionEnd + 3, UDP_PAYLOAD_SIZE);
    reply[questionEnd + 5] = rcode >>> 4;
    writeU16(reply, questionEnd + 7, wantsDnssec(query) ? EDNS_DO : 0);
  }
  return reply;
}
