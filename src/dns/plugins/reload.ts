/**
 * `reload`: how often it is looked whether the Corefile is another one. The server does the looking.
 *
 * Spec  CoreDNS, plugin/reload
 */
import { argAt, expectArgs, expectNoBlock, readDuration } from '../chain/directives.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';

export interface ReloadOptions {
  /** 0: never. */
  readonly intervalMs: number;
  /** Up to so much is added to each interval, or taken from it. */
  readonly jitterMs: number;
}

const INTERVAL_MS = 30_000;
const JITTER_MS = 15_000;
const INTERVAL_MIN_MS = 2_000;
const JITTER_MIN_MS = 1_000;
const OFF = 'off';

/** @throws DataplaneError ERR_CONFIG */
export function readReload(directive: Directive): ReloadOptions {
  expectArgs(directive, 0, 2);
  expectNoBlock(directive);
  const [interval, jitter] = directive.args;
  if (interval === undefined) return { intervalMs: INTERVAL_MS, jitterMs: JITTER_MS };
  if (interval.text === OFF) {
    if (jitter !== undefined) failAt(jitter, 'reload: off takes no jitter');
    return { intervalMs: 0, jitterMs: 0 };
  }
  const intervalMs = readDuration(argAt(directive, 0), { min: INTERVAL_MIN_MS, max: Infinity });
  const half = Math.floor(intervalMs / 2);
  if (jitter === undefined) return { intervalMs, jitterMs: Math.min(JITTER_MS, half) };
  return {
    intervalMs,
    jitterMs: Math.min(readDuration(jitter, { min: JITTER_MIN_MS, max: Infinity }), half),
  };
}
