/**
 * `reload`: how often it is looked whether the Corefile is another one. The server does the looking.
 *
 * Spec  CoreDNS, plugin/reload
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needDuration } from '../corefile/values.js';
import type { Bounds } from '../corefile/values.js';

export interface ReloadOptions {
  /** 0: never. */
  readonly intervalMs: number;
  /** Up to so much is added to each interval, or taken from it. */
  readonly jitterMs: number;
}

const INTERVAL_MS = 30_000;
const JITTER_MS = 15_000;
const INTERVAL_RANGE: Bounds = { min: 2_000, max: Infinity };
const JITTER_RANGE: Bounds = { min: 1_000, max: Infinity };
const OFF = 'off';

/** `off`, `[INTERVAL [JITTER]]` */
function readOptions(args: Arguments): ReloadOptions {
  if (args.left === 0) return { intervalMs: INTERVAL_MS, jitterMs: JITTER_MS };
  if (args.peek() === OFF) {
    args.next();
    return { intervalMs: 0, jitterMs: 0 };
  }
  const intervalMs = needDuration(args, 'an interval', INTERVAL_RANGE);
  const jitterMs = args.left === 0 ? JITTER_MS : needDuration(args, 'a jitter', JITTER_RANGE);
  return { intervalMs, jitterMs: Math.min(jitterMs, Math.floor(intervalMs / 2)) };
}

/** @throws DataplaneError ERR_CONFIG */
export function readReload(directive: Directive): ReloadOptions {
  const args = argumentsOf(directive);
  const options = readOptions(args);
  args.end();
  return options;
}
