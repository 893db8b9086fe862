/**
 * RDATA as people write it (RFC 1035 5.1), to bytes and back.
 *
 * A type is a list of fields, so that names stay binary: the codecs of dns-packet take them as text
 * with dots, and lose what is in a label. Types that are not here are written as in RFC 3597 5.
 */
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '../../addr.js';
import { DataplaneError } from '../../errors.js';
import { readU16, readU32, writeU32 } from '../wire/header.js';
import { formatName, parseName } from '../wire/name.js';
import { formatString, parseString } from './character-string.js';
import { formatType, parseType } from './types.js';

/** A word of a record: quotes are off, escapes still there. */
export interface Word {
  readonly text: string;
  readonly isQuoted: boolean;
}

type Field =
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

const FORMS: Readonly<Record<string, readonly Field[]>> = {
  A: ['ip4'],
  NS: ['name'],
  CNAME: ['name'],
  SOA: ['name', 'name', 'u32', 'ttl', 'ttl', 'ttl', 'ttl'],
  PTR: ['name'],
  HINFO: ['string', 'string'],
  MX: ['u16', 'name'],
  TXT: ['strings'],
  RP: ['name', 'name'],
  AFSDB: ['u16', 'name'],
  AAAA: ['ip6'],
  SRV: ['u16', 'u16', 'u16', 'name'],
  NAPTR: ['u16', 'u16', 'string', 'string', 'string', 'name'],
  KX: ['u16', 'name'],
  DNAME: ['name'],
  DS: ['u16', 'u8', 'u8', 'hex'],
  SSHFP: ['u8', 'u8', 'hex'],
  DNSKEY: ['u16', 'u8', 'u8', 'base64'],
  TLSA: ['u8', 'u8', 'u8', 'hex'],
  SMIMEA: ['u8', 'u8', 'u8', 'hex'],
  CDS: ['u16', 'u8', 'u8', 'hex'],
  CDNSKEY: ['u16', 'u8', 'u8', 'base64'],
  OPENPGPKEY: ['base64'],
  SPF: ['strings'],
  URI: ['u16', 'u16', 'text'],
  CAA: ['u8', 'string', 'text'],
};

const FORM_BY_TYPE: ReadonlyMap<number, readonly Field[]> = new Map(
  Object.entries(FORMS).map(([name, form]) => [parseType(name) ?? 0, form]),
);

/** Words of these fields are put together: white space means nothing in them. */
const GREEDY: ReadonlySet<Field> = new Set(['strings', 'hex', 'base64']);
const SIZES = { u8: 1, u16: 2, u32: 4 } as const;
const RDATA_MAX = 0xffff;
const TTL_MAX = 0x7fffffff;
const TTL_PARTS = /^(\d+[smhdw])+$/i;
const TTL_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

function fail(word: string, expected: string): never {
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

function parseUnsigned(text: string, size: 1 | 2 | 4): Uint8Array {
  const max = 2 ** (8 * size) - 1;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value <= max)) fail(text, `a number up to ${max}`);
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes.slice(4 - size);
}

function parseIp(text: string, family: 4 | 6): Uint8Array {
  if (isIP(text) !== family || text.includes('%')) fail(text, `an IPv${family} address`);
  // ::ffff:192.0.2.1 is IPv4 elsewhere, but it can be written into AAAA.
  const { bytes } = parseAddress(text);
  return family === 4 ? bytes.subarray(12) : bytes;
}

function parseEncoded(text: string, encoding: 'hex' | 'base64'): Uint8Array {
  const bytes = Buffer.from(text, encoding);
  const strip = (value: string): string => value.replace(/=+$/, '').toLowerCase();
  if (strip(bytes.toString(encoding)) !== strip(text)) fail(text, `${encoding} digits`);
  return bytes;
}

function parseField(field: Field, word: Word, origin: Uint8Array): Uint8Array {
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
      if (octets.length > 0xff) fail(text, 'at most 255 octets');
      return Uint8Array.of(octets.length, ...octets);
    }
    case 'text':
      return parseString(text);
    case 'hex':
    case 'base64':
      return parseEncoded(text, field);
  }
}

/** `\# 4 C0000201` (RFC 3597 5). */
function parseUnknown(words: readonly Word[]): Uint8Array {
  const [, length, ...digits] = words.map(({ text }) => text);
  const bytes = parseEncoded(digits.join(''), 'hex');
  if (length !== String(bytes.length))
    fail(length ?? '', `${bytes.length}, the octets that follow`);
  return bytes;
}

/** The words of each field: one, or for the last field all that are left. */
function wordsOf(type: number, form: readonly Field[], words: readonly Word[]): Word[] {
  const last = form.at(-1);
  const isGreedy = last !== undefined && GREEDY.has(last);
  if (words.length < form.length || (!isGreedy && words.length > form.length)) {
    const expected = `${form.length}${isGreedy ? ' or more' : ''} words of data, got ${words.length}`;
    fail(formatType(type), expected);
  }
  if (!isGreedy || last === 'strings') return [...words];
  const rest = words.slice(form.length - 1).map(({ text }) => text);
  return [...words.slice(0, form.length - 1), { text: rest.join(''), isQuoted: false }];
}

/**
 * RDATA from its words.
 *
 * @param origin  what names without a dot at their end are below
 * @throws DataplaneError ERR_CONFIG
 */
export function parseRdata(type: number, words: readonly Word[], origin: Uint8Array): Uint8Array {
  const form = FORM_BY_TYPE.get(type);
  const isUnknown = words[0]?.text === '\\#' && !words[0].isQuoted;
  if (form === undefined && !isUnknown) fail(formatType(type), 'its data as "\\# length hex"');
  const rdata =
    form === undefined || isUnknown
      ? parseUnknown(words)
      : Buffer.concat(
          wordsOf(type, form, words).map((word, i) =>
            parseField(form[Math.min(i, form.length - 1)] ?? 'text', word, origin),
          ),
        );
  if (rdata.length > RDATA_MAX) fail(formatType(type), `at most ${RDATA_MAX} octets of data`);
  return Uint8Array.from(rdata);
}

/** Where a field that starts at `at` ends; beyond the data when it is cut. */
function fieldEnd(field: Field, rdata: Uint8Array, at: number): number {
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

function formatField(field: Field, octets: Uint8Array): string {
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

function formatUnknown(rdata: Uint8Array): string {
  const hex = Buffer.from(rdata).toString('hex').toUpperCase();
  return `\\# ${rdata.length}${hex === '' ? '' : ` ${hex}`}`;
}

/** Presentation form of RDATA; what does not fit its type is written as octets. */
export function formatRdata(type: number, rdata: Uint8Array): string {
  const form = FORM_BY_TYPE.get(type);
  if (form === undefined) return formatUnknown(rdata);
  const words: string[] = [];
  let at = 0;
  for (let i = 0; i < form.length || (form.at(-1) === 'strings' && at < rdata.length); i++) {
    const field = form[Math.min(i, form.length - 1)] ?? 'text';
    const end = fieldEnd(field, rdata, at);
    if (end > rdata.length) return formatUnknown(rdata);
    words.push(formatField(field, rdata.subarray(at, end)));
    at = end;
  }
  return at === rdata.length ? words.join(' ') : formatUnknown(rdata);
}
