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
import { argAt, expectArgs, failUnknown, readDuration, readInteger } from '../chain/directives.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';

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

function checkLine(line: Directive): void {
  const key = line.name.text;
  if (key !== 'max_queries' && !DURATIONS.has(key)) failUnknown('timeouts', line);
  expectArgs(line, 1);
  if (key === 'max_queries') readInteger(argAt(line, 0), COUNT_RANGE);
  else readDuration(argAt(line, 0), RANGE);
}

/**
 * @returns undefined values for what it does not say. How long a client may take to read, and how many
 *          queries it may send, are bounded by the server itself (server/stream.ts).
 * @throws  DataplaneError ERR_CONFIG
 */
export function readTimeouts(directive: Directive): StreamTimeouts {
  const { name, block = [] } = directive;
  expectArgs(directive, 0);
  if (block.length === 0) failAt(name, 'timeouts: expected read, write, idle or max_queries');
  block.forEach(checkLine);
  const valueOf = (key: string): number | undefined => {
    const line = block.findLast((each) => each.name.text === key);
    return line && readDuration(argAt(line, 0), RANGE);
  };
  return { readMs: valueOf('read'), idleMs: valueOf('idle') };
}
