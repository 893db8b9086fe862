/**
 * Durations as Go programs write them: `30s`, `1h0m0s`, `250ms`, `1.5h`, `0`.
 *
 * Spec  Go, time.ParseDuration
 */
import { DataplaneError } from './errors.js';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/y;

/**
 * @returns milliseconds, negative for a leading minus
 * @throws  DataplaneError ERR_CONFIG
 */
export function parseGoDuration(text: string): number {
  const body = text.replace(/^[-+]/, '');
  if (body === '0') return 0;
  let total = 0;
  PART.lastIndex = 0;
  let end = 0;
  for (let part = PART.exec(body); part !== null; part = PART.exec(body)) {
    total += Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? NaN);
    end = PART.lastIndex;
  }
  if (end === 0 || end !== body.length) {
    const what = `${JSON.stringify(text)} is no duration; expected one such as 30s or 1h0m0s`;
    throw new DataplaneError('ERR_CONFIG', what);
  }
  return text.startsWith('-') ? -total : total;
}
