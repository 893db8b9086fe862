/**
 * The name under which an address is looked up backwards.
 *
 * Spec  RFC 1035 3.5; RFC 3596 2.5
 */
import type { Address } from '../../../addr.js';
import type { WireName } from '../../plugin.js';
import { parseName } from '../../wire/name.js';

/** `7.2.0.192.in-addr.arpa`, or 32 nibbles below `ip6.arpa`. */
export function reverseName({ family, bytes }: Address): WireName {
  if (family === 4) {
    return parseName(`${Array.from(bytes.subarray(12)).reverse().join('.')}.in-addr.arpa`);
  }
  const nibbles = Array.from(Buffer.from(bytes).toString('hex')).reverse();
  return parseName(`${nibbles.join('.')}.ip6.arpa`);
}
