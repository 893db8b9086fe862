/**
 * `cancel [TIMEOUT]`: a query that takes longer fails.
 *
 * Spec  CoreDNS, plugin/cancel
 */
import { argumentsOf } from '../corefile/arguments.js';
import { needDuration } from '../corefile/values.js';
import type { Setup } from '../chain/setup.js';
import type { Reply } from '../plugin.js';
import { replyFailure } from './reply.js';

/** A little longer than the timeout of glibc's resolver. */
const DEFAULT_MS = 5001;

export const setUpCancel: Setup = (directives) => {
  let timeoutMs = DEFAULT_MS;
  for (const directive of directives) {
    const args = argumentsOf(directive);
    if (args.left > 0) timeoutMs = needDuration(args, 'a timeout');
    if (timeoutMs === 0) args.fail('expected a timeout above 0');
    args.end();
  }
  return {
    name: 'cancel',
    // What the core answers, it answers at once.
    claims: { kind: 'none' },
    handle: async (query, next) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<Reply>((resolve) => {
        const problem = `no answer within ${timeoutMs} ms`;
        timer = setTimeout(() => resolve(replyFailure('cancel', query, problem)), timeoutMs);
      });
      try {
        return await Promise.race([next(query), late]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
};
