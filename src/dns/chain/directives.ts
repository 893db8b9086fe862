/**
 * Reading what a directive says: arguments, numbers, durations and zones, each with a complaint that
 * names file, line and word.
 */
import { messageOf } from '../../errors.js';
import { parseGoDuration } from '../../go-duration.js';
import { failAt, shown } from '../corefile/complaint.js';
import type { Directive, Token } from '../corefile/corefile.js';
import { readZoneAddress } from '../corefile/zone.js';
import type { WireName } from '../plugin.js';
import { nameKey, parseName } from '../wire/name.js';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** @throws DataplaneError ERR_CONFIG when a directive has more or fewer arguments */
export function expectArgs({ name, args }: Directive, min: number, max = min): void {
  if (args.length >= min && args.length <= max) return;
  const range = max === Infinity ? `${min} or more` : `${min} to ${max}`;
  const expected = min === max ? String(min) : range;
  failAt(name, `${name.text}: expected ${expected} arguments, got ${args.length}`);
}

/** @throws DataplaneError ERR_CONFIG when a directive has lines in braces */
export function expectNoBlock({ name, block }: Directive): void {
  if (block !== undefined) failAt(name, `${name.text}: expected no lines in braces`);
}

/** An argument that has to be there. */
export function argAt({ name, args }: Directive, index: number): Token {
  return args[index] ?? failAt(name, `${name.text}: expected an argument more`);
}

/** @throws DataplaneError ERR_CONFIG, always: a line that the plugin does not know */
export function failUnknown(plugin: string, { name }: Directive): never {
  return failAt(name, `${plugin}: unknown option ${shown(name.text)}`);
}

/**
 * A whole number in decimal.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function readInteger(token: Token, { min, max }: Range): number {
  const value = /^-?\d+$/.test(token.text) ? Number(token.text) : NaN;
  if (value >= min && value <= max) return value;
  const range = max === Infinity ? `a number not below ${min}` : `a number from ${min} to ${max}`;
  return failAt(token, `${shown(token.text)}: expected ${range}`);
}

/**
 * A duration such as `5s` or `1h30m`.
 *
 * @param range  milliseconds
 * @returns milliseconds
 * @throws  DataplaneError ERR_CONFIG
 */
export function readDuration(token: Token, range: Range = { min: 0, max: Infinity }): number {
  let duration: number;
  try {
    duration = parseGoDuration(token.text);
  } catch (error) {
    return failAt(token, messageOf(error));
  }
  if (duration >= range.min && duration <= range.max) return duration;
  const upTo = range.max === Infinity ? '' : ` and not above ${range.max / 1000}s`;
  return failAt(token, `${shown(token.text)}: expected not below ${range.min / 1000}s${upTo}`);
}

/** One of some words. */
export function readWord<Word extends string>(token: Token, words: readonly Word[]): Word {
  const word = words.find((each) => each === token.text);
  return word ?? failAt(token, `${shown(token.text)}: expected one of ${words.join(', ')}`);
}

/** A name in wire form, in lower case. */
export function readDomain(token: Token): WireName {
  try {
    return parseName(token.text.toLowerCase());
  } catch (error) {
    return failAt(token, messageOf(error));
  }
}

/**
 * Zones that a plugin works on: those it names, prefixes expanded, else those of its server block.
 *
 * @returns wire names in lower case, each once
 * @throws  DataplaneError ERR_CONFIG
 */
export function readZones(args: readonly Token[], ofBlock: readonly WireName[]): WireName[] {
  if (args.length === 0) return [...ofBlock];
  const zones = args.flatMap((token) =>
    readZoneAddress(token).zones.map((zone) => parseName(zone)),
  );
  return [...new Map(zones.map((zone) => [nameKey(zone), zone])).values()];
}
