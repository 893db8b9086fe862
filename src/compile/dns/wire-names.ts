/**
 * Names as they lie in a message (RFC 1035 3.1), in lower case: built from labels, over a suffix that
 * is one already.
 */
import { formatAddress } from '../../addr.js';
import type { Address } from '../../addr.js';
import { LABEL_MAX, NAME_MAX, foldOctet, isWithin } from '../../dns/wire/name.js';

const ROOT = new Uint8Array(1);
const ASCII_END = 0x80;
const MAPPED_ADDR4_OFF = 12;

/** Whether a text can be one label that a query is able to spell: without dots, in ASCII. */
export function isLabel(text: string): boolean {
  if (text.length === 0 || text.length > LABEL_MAX || text.includes('.')) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= ASCII_END) return false;
  return true;
}

/** @param labels  dots between them, none at the end; empty: none. @param suffix  a wire name */
export function nameBelow(labels: string, suffix: Uint8Array): Uint8Array {
  if (labels === '') return suffix;
  const name = new Uint8Array(labels.length + 1 + suffix.length);
  let lengthAt = 0;
  for (let i = 0; i < labels.length; i++) {
    const c = labels.charCodeAt(i);
    if (c === 0x2e) lengthAt = i + 1;
    else {
      name[i + 1] = foldOctet(c);
      name[lengthAt] = i + 1 - lengthAt;
    }
  }
  name.set(suffix, labels.length + 1);
  return name;
}

/** What addresses are below. */
const REVERSE = {
  4: nameBelow('in-addr.arpa', ROOT),
  6: nameBelow('ip6.arpa', ROOT),
} as const;

/** Whether a name is short enough to be asked for. */
export function isName(name: Uint8Array): boolean {
  return name.length <= NAME_MAX;
}

/**
 * A domain name from its text, with or without the last dot.
 *
 * @returns undefined when it is none: an empty or long label, or too long as a whole
 */
export function nameFromText(text: string): Uint8Array | undefined {
  const labels = text.endsWith('.') ? text.slice(0, -1) : text;
  if (labels === '') return text === '.' ? ROOT : undefined;
  if (!labels.split('.').every(isLabel)) return undefined;
  const name = nameBelow(labels, ROOT);
  return isName(name) ? name : undefined;
}

/** The octets of an address as a packet has them, 4 or 16. */
export function addressBytes({ family, bytes }: Address): Uint8Array {
  return family === 4 ? bytes.subarray(MAPPED_ADDR4_OFF) : bytes;
}

/** The address with dashes: `10-1-2-3`, `fd00--5`. */
export function dashed(address: Address): string {
  return formatAddress(address).replaceAll(address.family === 4 ? '.' : ':', '-');
}

/** The same as an endpoint's name, which does not end in a dash (RFC 1123 2.1): `5678-abcd--0`. */
export function dashedLabel(address: Address): string {
  const label = dashed(address);
  return label.endsWith('-') ? `${label}0` : label;
}

/** An address as a short text to find it by: a character an octet. */
export function addressId(address: Address): string {
  const { family, bytes } = address;
  let id = '';
  for (let i = family === 4 ? MAPPED_ADDR4_OFF : 0; i < bytes.length; i++) {
    id += String.fromCharCode(bytes[i] ?? 0);
  }
  return id;
}

/** Where an address is looked up backwards (RFC 1035 3.5, RFC 3596 2.5), of its `addressId`. */
export function reverseName(id: string): Uint8Array {
  const octets = Array.from(id, (c) => c.charCodeAt(0)).reverse();
  if (octets.length === 4) return nameBelow(octets.join('.'), REVERSE[4]);
  const nibbles = octets.flatMap((octet) => [octet & 0xf, octet >> 4]);
  return nameBelow(nibbles.map((nibble) => nibble.toString(16)).join('.'), REVERSE[6]);
}

/** Whether names of addresses may be in a zone: it is one of them, or above them. */
export function holdsAddresses(zone: Uint8Array): boolean {
  return isReverseZone(zone) || Object.values(REVERSE).some((domain) => isWithin(domain, zone));
}

/** Whether a zone is one of addresses. */
export function isReverseZone(zone: Uint8Array): boolean {
  return Object.values(REVERSE).some((domain) => isWithin(zone, domain));
}
