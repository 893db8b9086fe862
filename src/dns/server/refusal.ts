/** The reply to a query for which there is no room: SERVFAIL, made of nothing but the query. */
import { emptyReply } from '../wire/empty-reply.js';
import { Rcode } from '../wire/header.js';
import { walkMessage } from '../wire/message.js';

/** @returns empty for what is no message */
export function refusal(message: Uint8Array): Uint8Array {
  const query = walkMessage(message);
  return 'malformed' in query ? new Uint8Array() : emptyReply(query, Rcode.SERVFAIL);
}
