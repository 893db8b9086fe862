/**
 * How a Corefile is refused: one line that names file, line and word.
 */
import { DataplaneError } from '../../errors.js';
import type { Token } from './corefile.js';

const TEXT_SHOWN_MAX = 60;

/** A word as JSON, shortened: `"kubernets"`. */
export function shown(text: string): string {
  const short = text.length > TEXT_SHOWN_MAX ? `${text.slice(0, TEXT_SHOWN_MAX)}...` : text;
  return JSON.stringify(short);
}

/** `Corefile:7` */
export function placeOf(token: Token): string {
  return `${token.file}:${token.line}`;
}

/**
 * `Corefile:7: unknown directive "kubernets"`
 *
 * @throws DataplaneError ERR_CONFIG, always
 */
export function failAt(token: Token, message: string): never {
  throw new DataplaneError('ERR_CONFIG', `${placeOf(token)}: ${message}`);
}
