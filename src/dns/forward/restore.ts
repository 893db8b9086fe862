/**
 * A reply as the client expects it: its own id, and its own letters in the question and wherever
 * the reply repeats them.
 */
import { sameBytes } from '../../addr.js';
import { emptyReply } from '../wire/empty-reply.js';
import { HEADER_SIZE, ID_OFF, Rcode, writeU16 } from '../wire/header.js';
import { walkMessage } from '../wire/message.js';
import type { Message } from '../wire/message.js';
import { isWithin } from '../wire/name.js';
import { literalLabels, readName } from '../wire/read-name.js';
import { rebuild } from '../wire/rebuild.js';
import type { Prepared } from './prepare.js';

const QUESTION_TAIL_SIZE = 4;

function optionsOf({ bytes, opt }: Message): Uint8Array {
  return opt === undefined ? new Uint8Array(0) : bytes.subarray(opt.rdataOff, opt.end);
}

/** Options are between one client and its server (RFC 6891 6.2.1): a cookie is nobody else's. */
function withoutForeignOptions(reply: Uint8Array, asker: Prepared, to: Prepared): Uint8Array {
  if (sameBytes(optionsOf(asker.client), optionsOf(to.client))) return reply;
  const message = walkMessage(reply);
  if ('malformed' in message || optionsOf(message).length === 0) return reply;
  return rebuild(message, { keep: () => true, hasBareOpt: true }) ?? reply;
}

/** Owners that are the name asked for, or above it, get its letters. In place. */
function recaseOwners({ bytes, records }: Message, question: Uint8Array): void {
  for (const { nameOff } of records) {
    const owner = readName(bytes, nameOff);
    if (owner === undefined || !isWithin(question, owner)) continue;
    const suffixOff = question.length - owner.length;
    for (const { off, length } of literalLabels(bytes, nameOff)) {
      const from = suffixOff + off - nameOff;
      bytes.set(question.subarray(from, from + length + 1), off);
    }
  }
}

/**
 * @param reply  as it was checked; not changed
 * @param asker  the query it was asked with
 * @param to     the client it goes to; may be another one with the same question
 */
export function restore(reply: Uint8Array, asker: Prepared, to: Prepared): Uint8Array {
  const message = walkMessage(withoutForeignOptions(new Uint8Array(reply), asker, to));
  // What was checked is sound; a reply that is not would be our own mistake.
  if ('malformed' in message) return emptyReply(to.client, Rcode.SERVFAIL);
  const { bytes } = message;
  const question = to.client.bytes.subarray(HEADER_SIZE, to.questionEnd);
  recaseOwners(message, question.subarray(0, -QUESTION_TAIL_SIZE));
  bytes.set(question, HEADER_SIZE);
  writeU16(bytes, ID_OFF, to.client.id);
  return bytes;
}
