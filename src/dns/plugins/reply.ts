/**
 * Replies and follow-up queries of plugins.
 */
import { decodeMessage } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import { replyTo } from '../message/message.js';
import type { DnsMessage, Edns, ReplyParts, ResourceRecord } from '../message/message.js';
import type { Query, Reply } from '../plugin.js';
import { RecordClass, Rcode } from '../wire/header.js';

/** A plugin's own reply. */
export function replyWith(plugin: string, query: Query, parts: ReplyParts): Reply {
  return { message: encodeMessage(replyTo(query, parts)), plugin };
}

/** SERVFAIL, with what `errors` logs. */
export function replyFailure(plugin: string, query: Query, problem: string): Reply {
  return { ...replyWith(plugin, query, { rcode: Rcode.SERVFAIL }), problem };
}

/** A record of class IN. */
export function internetRecord(
  owner: Uint8Array,
  type: number,
  ttl: number,
  rdata: Uint8Array,
): ResourceRecord {
  return { owner, type, class: RecordClass.IN, ttl, rdata };
}

/** What is asked otherwise than the client has asked it. */
export interface Change {
  readonly name?: Uint8Array;
  readonly type?: number;
  readonly class?: number;
  readonly flags?: number;
  readonly edns?: Edns;
}

/** The query a client might have sent instead. */
export function changeQuery(query: Query, change: Change): Query {
  const { name = query.name, type = query.type, class: queryClass = query.class } = change;
  const asked = decodeMessage(query.message);
  if (asked === undefined) return query;
  const question = { name, type, class: queryClass };
  const edns = change.edns ?? asked.edns;
  const message = encodeMessage({ ...asked, flags: change.flags ?? asked.flags, question, edns });
  return { ...query, message, ...question, ...(edns && { edns }) };
}

/**
 * A reply with its records changed.
 *
 * @param change  gets the reply decoded; what is undefined is left as it came, as are messages that
 *                are empty or malformed
 */
export function changeReply(
  reply: Reply,
  change: (message: DnsMessage) => DnsMessage | undefined,
): Reply {
  const decoded = reply.message.length === 0 ? undefined : decodeMessage(reply.message);
  const changed = decoded && change(decoded);
  return changed === undefined ? reply : { ...reply, message: encodeMessage(changed) };
}
