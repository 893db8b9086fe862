/**
 * Questions that a plugin asks the server on behalf of a client, such as for the target of a CNAME.
 *
 * They come down the whole chain again, to the same plugin too, which may have another question: how
 * deep that goes is bounded, however the names lead into a circle.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { SetupContext } from '../chain/setup.js';
import type { Query, Reply } from '../plugin.js';
import { replyFailure } from './reply.js';

/** Links of a chain of CNAMEs: as many as the core follows (assembly/abi-dns.ts). */
const DEPTH_MAX = 10;

const depths = new AsyncLocalStorage<number>();

/** Ask the server. @returns SERVFAIL when questions lead to questions without an end */
export function askAgain(ask: SetupContext['ask'], query: Query): Promise<Reply> {
  const depth = (depths.getStore() ?? 0) + 1;
  if (depth > DEPTH_MAX) {
    return Promise.resolve(replyFailure('chain', query, `more than ${DEPTH_MAX} links of CNAME`));
  }
  return depths.run(depth, () => ask(query));
}
