/**
 * Values that several plugins take: numbers, durations, percentages, one word of a few.
 */
import { parseGoDuration } from '../../go-duration.js';
import type { Arguments } from './arguments.js';

/** What Go's time.Duration holds: 2^63 nanoseconds. */
const DURATION_MAX_MS = 9_223_372_036_854;
const PERCENT_MAX = 100;

/** Inclusive. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/**
 * Take a whole number in decimal.
 *
 * @param what  with its article: `a TTL`
 * @throws DataplaneError ERR_CONFIG
 */
export function needInteger(args: Arguments, what: string, { min, max }: Bounds): number {
  const expected = `${what} of ${min} to ${max}`;
  const text = args.need(expected);
  const value = Number(text);
  if (!/^[-+]?\d+$/.test(text) || value < min || value > max) args.fail(`expected ${expected}`);
  return value;
}

/**
 * Take a duration as Go writes it: `1h30m`, `500ms`, `0`.
 *
 * @returns milliseconds, not negative
 * @throws  DataplaneError ERR_CONFIG  also for a number without a unit
 */
export function needDuration(args: Arguments, what: string): number {
  const expected = `${what} such as 500ms or 1h30m`;
  const text = args.need(expected);
  const ms = durationOf(text);
  if (ms === undefined) return args.fail(`expected ${expected}`);
  if (ms < 0 || ms > DURATION_MAX_MS) return args.fail(`expected ${what} of 0 to 292 years`);
  return ms;
}

function durationOf(text: string): number | undefined {
  try {
    return parseGoDuration(text);
  } catch {
    // The caller says what was expected, and where.
    return undefined;
  }
}

/**
 * Take a percentage, with its sign: `10%`.
 *
 * @returns 0 to 100
 * @throws  DataplaneError ERR_CONFIG
 */
export function needPercent(args: Arguments, what: string): number {
  const expected = `${what} such as 10%`;
  const text = args.need(expected);
  const value = Number(text.slice(0, -1));
  if (!/^\d+%$/.test(text) || value > PERCENT_MAX) args.fail(`expected ${expected}`);
  return value;
}

/**
 * Take one of a few words.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function needChoice<T extends string>(args: Arguments, choices: readonly T[]): T {
  const expected = choices.length === 1 ? String(choices[0]) : `one of ${choices.join(', ')}`;
  const text = args.need(expected);
  return choices.find((choice) => choice === text) ?? args.fail(`expected ${expected}`);
}
