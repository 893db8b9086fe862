/**
 * Another question in place of a client's: what a plugin asks on the client's behalf.
 */
import { ARCOUNT_OFF, HEADER_SIZE, writeU16 } from '../wire/header.js';
import { walkMessage } from '../wire/message.js';
import type { Query, WireName } from '../plugin.js';

/** type(16) class(16) */
const QUESTION_TAIL_SIZE = 4;

/**
 * A query for another name or type, with header bits, class and OPT record of the client's.
 *
 * @param type  by default the client's
 */
export function askInstead(query: Query, name: WireName, type = query.type): Query {
  const walked = walkMessage(query.message);
  const opt = 'malformed' in walked ? undefined : walked.opt;
  const optBytes = opt === undefined ? [] : query.message.subarray(opt.nameOff, opt.end);
  const questionEnd = HEADER_SIZE + name.length + QUESTION_TAIL_SIZE;
  const message = new Uint8Array(questionEnd + optBytes.length);
  message.set(query.message.subarray(0, HEADER_SIZE));
  message.set(name, HEADER_SIZE);
  writeU16(message, questionEnd - 4, type);
  writeU16(message, questionEnd - 2, query.class);
  message.set(optBytes, questionEnd);
  writeU16(message, ARCOUNT_OFF, opt === undefined ? 0 : 1);
  return { ...query, message, name, type, depth: (query.depth ?? 0) + 1 };
}
