/**
 * Fields of RDATA as people write them, one by one.
 *
 * Spec  RFC 1035 5.1; TTLs with units: BIND, and all that came after it
 */
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '../../addr.js';
import { DataplaneError } from '../../errors.js';
import { readU16, readU32, writeU32 } from '../wire/header.js';
import { formatName, parseName } from '../wire/name.js';
import { formatString, parseString } from './character-string.js';

/** A word of a record: quotes are off, escapes still there. */
export interface Word {
  readonly text: string;
  readonly isQuoted: boolean;
  /** Nothing is between it and the word before. */
  readonly isJoined?: boolean;
}

export type Field =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'ttl'
  | 'ip4'
  | 'ip6'
  | 'name'
  | 'string'
  /** Character strings up to the end: one at least. */
  | 'strings'
  /** A string that is the rest, without a length octet. */
  | 'text'
  | 'hex'
  | 'base64';

const SIZES = { u8: 1, u16: 2, u32: 4 } as const;
const TTL_MAX = 0x7fffffff;
const TTL_PARTS = /^(\d+[smhdw])+$/i;
const TTL_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

export function failWord(word: string, expected: string): never {
  throw new DataplaneError('ERR_CONFIG', `${JSON.stringify(word)}: expected ${expected}`);
}

/** Seconds: a number, or parts such as `1h30m`. @returns undefined for what is no TTL */
export function parseTtl(text: string): number | undefined {
  let seconds = NaN;
  if (/^\d+$/.test(text)) seconds = Number(text);
  else if (TTL_PARTS.test(text)) {
    seconds = (text.toLowerCase().match(/\d+[smhdw]/g) ?? []).reduce(
      (sum, part) => sum + Number(part.slice(0, -1)) * (TTL_UNITS[part.slice(-1)] ?? NaN),
      0,
    );
  }
  return seconds <= TTL_MAX ? seconds : undefined;
}

/** A name as in a master file: `@` and names without a dot at their end are below the origin. */
export function parseRelativeName(text: string, origin: Uint8Array): Uint8Array {
  if (text === '@') return origin;
  const endsInDot = /(^|[^\\])(\\\\)*\.$/.test(text);
  if (endsInDot) return parseName(text);
  return parseName(origin.length === 1 ? `${text}.` : `${text}.${formatName(origin)}`);
}

export function parseUnsigned(text: string, size: 1 | 2 | 4): Uint8Array {
  const max = 2 ** (8 * size) - 1;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value <= max)) failWord(text, `a number up to ${max}`);
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes.slice(4 - size);
}

export function parseIp(text: string, family: 4 | 6): Uint8Array {
  if (isIP(text) !== family || text.includes('%')) failWord(text, `an IPv${family} address`);
  // ::ffff:192.0.2.1 is IPv4 elsewhere, but it can be written into AAAA.
  const { bytes } = parseAddress(text);
  return family === 4 ? bytes.subarray(12) : bytes;
}

export function parseEncoded(text: string, encoding: 'hex' | 'base64'): Uint8Array {
  const bytes = Buffer.from(text, encoding);
  const strip = (value: string): string => value.replace(/=+$/, '').toLowerCase();
  if (strip(bytes.toString(encoding)) !== strip(text)) failWord(text, `${encoding} digits`);
  return bytes;
}

export function parseField(field: Field, word: Word, origin: Uint8Array): Uint8Array {
  const { text } = word;
  switch (field) {
    case 'u8':
    case 'u16':
    case 'u32':
      return parseUnsigned(text, SIZES[field]);
    case 'ttl':
      return parseUnsigned(String(parseTtl(text) ?? text), 4);
    case 'ip4':
    case 'ip6':
      return parseIp(text, field === 'ip4' ? 4 : 6);
    case 'name':
      return parseRelativeName(text, origin);
    case 'string':
    case 'strings': {
      const octets = parseString(text);
      if (octets.length > 0xff) failWord(text, 'at most 255 octets');
      return Uint8Array.of(octets.length, ...octets);
    }
    case 'text':
      return parseString(text);
    case 'hex':
    case 'base64':
      return parseEncoded(text, field);
  }
}

/** Where a field that starts at `at` ends; beyond the data when it is cut. */
export function fieldEnd(field: Field, rdata: Uint8Array, at: number): number {
  switch (field) {
    case 'u8':
    case 'u16':
    case 'u32':
      return at + SIZES[field];
    case 'ttl':
    case 'ip4':
      return at + 4;
    case 'ip6':
      return at + 16;
    case 'name': {
      let end = at;
      while (end < rdata.length && rdata[end] !== 0) end += (rdata[end] ?? 0) + 1;
      return end + 1;
    }
    case 'string':
    case 'strings':
      return at + 1 + (rdata[at] ?? 0);
    case 'text':
    case 'hex':
    case 'base64':
      return rdata.length;
  }
}

export function formatField(field: Field, octets: Uint8Array): string {
  switch (field) {
    case 'u8':
      return String(octets[0]);
    case 'u16':
      return String(readU16(octets, 0));
    case 'u32':
    case 'ttl':
      return String(readU32(octets, 0));
    case 'ip4':
      return octets.join('.');
    case 'ip6':
      return formatAddress({ family: 6, bytes: octets });
    case 'name':
      return formatName(octets);
    case 'string':
    case 'strings':
      return formatString(octets.subarray(1));
    case 'text':
      return formatString(octets);
    case 'hex':
      return Buffer.from(octets).toString('hex').toUpperCase();
    case 'base64':
      return Buffer.from(octets).toString('base64');
  }
}
