/**
 * Strings of octets as people write them: `\DDD` is an octet, `\X` is X.
 *
 * Spec  RFC 1035 5.1; RFC 4343 2.1
 */
import { DataplaneError } from '../../errors.js';

const ESCAPE = /\\(\d{3})|\\([^\d])|([^\\])/suy;

/**
 * @param text  without its quotes; what is not ASCII is UTF-8
 * @throws DataplaneError ERR_CONFIG
 */
export function parseString(text: string): Uint8Array {
  const octets: number[] = [];
  let at = 0;
  while (at < text.length) {
    ESCAPE.lastIndex = at;
    const match = ESCAPE.exec(text);
    const [whole = '', digits, escaped, plain] = match ?? [];
    if (match === null || Number(digits ?? 0) > 0xff) {
      const what = 'expected "\\" before three digits up to 255, or before the character it is for';
      throw new DataplaneError('ERR_CONFIG', `${JSON.stringify(text)}: ${what}`);
    }
    if (digits === undefined) octets.push(...Buffer.from(escaped ?? plain ?? ''));
    else octets.push(Number(digits));
    at += whole.length;
  }
  return Uint8Array.from(octets);
}

/** In quotes, printable. */
export function formatString(octets: Uint8Array): string {
  const text = Array.from(octets, (octet) => {
    if (octet === 0x22 || octet === 0x5c) return `\\${String.fromCharCode(octet)}`;
    if (octet >= 0x20 && octet < 0x7f) return String.fromCharCode(octet);
    return `\\${String(octet).padStart(3, '0')}`;
  });
  return `"${text.join('')}"`;
}
