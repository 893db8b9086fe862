/**
 * Values that several plugins take: numbers, durations, percentages, names, one word of a few.
 */
import { messageOf } from '../../errors.js';
import { parseGoDuration } from '../../go-duration.js';
import type { WireName } from '../plugin.js';
import { parseName } from '../wire/name.js';
import type { Arguments } from './arguments.js';

/** Inclusive. */
export interface Bounds {
  readonly min: number;
  /** Infinity: none. */
  readonly max: number;
}

const MS_PER_SEC = 1000;
/** Milliseconds that Go's time.Duration holds: 2^63 nanoseconds. */
const GO_DURATION: Bounds = { min: 0, max: 9_223_372_036_854 };

function isWithin(value: number, { min, max }: Bounds): boolean {
  return value >= min && value <= max;
}

/** `0 to 3600`, `2s or more` */
function rangeText({ min, max }: Bounds, write: (value: number) => string = String): string {
  return max === Infinity ? `${write(min)} or more` : `${write(min)} to ${write(max)}`;
}

/** Milliseconds as they are written in a range. */
function durationText(ms: number): string {
  if (ms === GO_DURATION.max) return '292 years';
  if (ms === 0) return '0';
  return ms < MS_PER_SEC ? `${ms}ms` : `${ms / MS_PER_SEC}s`;
}

/**
 * Take a whole number in decimal, `+5` among them as for Go's Atoi.
 *
 * @param what  with its article: `a TTL`
 * @throws DataplaneError ERR_CONFIG
 */
export function needInteger(args: Arguments, what: string, bounds: Bounds): number {
  const expected = `${what} of ${rangeText(bounds)}`;
  const text = args.need(expected);
  const value = Number(text);
  if (!/^[-+]?\d+$/.test(text) || !isWithin(value, bounds)) args.fail(`expected ${expected}`);
  return value;
}

/**
 * Take a duration as Go writes it: `1h30m`, `500ms`, `0`.
 *
 * @param bounds  milliseconds
 * @returns milliseconds
 * @throws  DataplaneError ERR_CONFIG  also for a number without a unit
 */
export function needDuration(args: Arguments, what: string, bounds = GO_DURATION): number {
  const expected = `${what} such as 500ms or 1h30m`;
  const text = args.need(expected);
  const ms = durationOf(text);
  if (ms === undefined) return args.fail(`expected ${expected}`);
  if (!isWithin(ms, bounds)) args.fail(`expected ${what} of ${rangeText(bounds, durationText)}`);
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
 * Take a whole percentage, with its sign: `10%`.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function needPercent(args: Arguments, what: string, bounds: Bounds): number {
  const expected = `${what} of ${rangeText(bounds, (value) => `${value}%`)}`;
  const text = args.need(expected);
  const value = Number.parseInt(text, 10);
  if (text !== `${value}%` || !isWithin(value, bounds)) args.fail(`expected ${expected}`);
  return value;
}

/**
 * Take a domain name.
 *
 * @returns wire form, in lower case
 * @throws  DataplaneError ERR_CONFIG
 */
export function needName(args: Arguments): WireName {
  const text = args.need('a name');
  try {
    return parseName(text.toLowerCase());
  } catch (error) {
    return args.failNaming(messageOf(error));
  }
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

/**
 * Take all arguments that are left, one at least.
 *
 * @param need  takes one, or complains that there is none
 */
export function needEach<T>(args: Arguments, need: (args: Arguments) => T): T[] {
  const values: T[] = [];
  do values.push(need(args));
  while (args.left > 0);
  return values;
}
