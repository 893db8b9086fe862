/**
 * `timeouts`: how long a connection is waited for.
 *
 *     timeouts {
 *         read DURATION
 *         write DURATION
 *         idle DURATION
 *         max_queries COUNT
 *     }
 *
 * Spec  CoreDNS, plugin/timeouts
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needDuration, needInteger } from '../corefile/values.js';

/** Milliseconds; undefined: the server's own. */
export interface StreamTimeouts {
  /** Until the first query of a connection has come. */
  readonly readMs: number | undefined;
  /** Between queries. */
  readonly idleMs: number | undefined;
}

const RANGE = { min: 1_000, max: 86_400_000 };
const COUNT_RANGE = { min: 0, max: 0x7fffffff };
const DURATIONS: ReadonlySet<string> = new Set(['read', 'write', 'idle']);

/**
 * @returns undefined values for what it does not say. How long a client may take to read, and how many
 *          queries it may send, are bounded by the server itself (server/stream.ts).
 * @throws  DataplaneError ERR_CONFIG
 */
export function readTimeouts(directive: Directive): StreamTimeouts {
  const args = argumentsOf(directive);
  const lines = args.lines();
  args.end();
  if (lines.length === 0) args.fail('expected read, write, idle or max_queries');
  const durations = new Map<string, number>();
  for (const line of lines) {
    if (line.name === 'max_queries') needInteger(line, 'a count', COUNT_RANGE);
    else if (!DURATIONS.has(line.name)) line.unknown();
    else durations.set(line.name, needDuration(line, 'a timeout', RANGE));
    line.endArguments();
  }
  return { readMs: durations.get('read'), idleMs: durations.get('idle') };
}
