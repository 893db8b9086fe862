/**
 * RDATA as people write it (RFC 1035 5.1), to bytes and back.
 *
 * Most types are a list of fields, so that names stay binary: the codecs of dns-packet take them as
 * text with dots, and lose what is in a label. Types that are not here are written as in RFC 3597 5.
 */
import { failWord, fieldEnd, formatField, parseEncoded, parseField } from './fields.js';
import type { Field, Word } from './fields.js';
import { formatLocation, parseLocation } from './location.js';
import { formatBinding, parseBinding } from './service-binding.js';
import { formatType, parseType } from './types.js';

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

/** Types that are more than one field after the other. */
interface OwnForm {
  readonly parse: (words: readonly Word[], origin: Uint8Array) => Uint8Array;
  /** @returns undefined for data that does not fit the type */
  readonly format: (rdata: Uint8Array) => string | undefined;
}

const BINDING: OwnForm = { parse: parseBinding, format: formatBinding };
const OWN_FORMS: ReadonlyMap<number, OwnForm> = new Map(
  Object.entries({
    LOC: { parse: parseLocation, format: formatLocation },
    SVCB: BINDING,
    HTTPS: BINDING,
  }).map(([name, form]) => [parseType(name) ?? 0, form]),
);

const FORM_BY_TYPE: ReadonlyMap<number, readonly Field[]> = new Map(
  Object.entries(FORMS).map(([name, form]) => [parseType(name) ?? 0, form]),
);

/** Words of these fields are put together: white space means nothing in them. */
const GREEDY: ReadonlySet<Field> = new Set(['strings', 'hex', 'base64']);
const RDATA_MAX = 0xffff;

/** `\# 4 C0000201` (RFC 3597 5). */
function parseUnknown(words: readonly Word[]): Uint8Array {
  const [, length, ...digits] = words.map(({ text }) => text);
  const bytes = parseEncoded(digits.join(''), 'hex');
  if (length !== String(bytes.length))
    failWord(length ?? '', `${bytes.length}, the octets that follow`);
  return bytes;
}

/** The words of each field: one, or for the last field all that are left. */
function wordsOf(type: number, form: readonly Field[], words: readonly Word[]): Word[] {
  const last = form.at(-1);
  const isGreedy = last !== undefined && GREEDY.has(last);
  if (words.length < form.length || (!isGreedy && words.length > form.length)) {
    const expected = `${form.length}${isGreedy ? ' or more' : ''} words of data, got ${words.length}`;
    failWord(formatType(type), expected);
  }
  if (!isGreedy || last === 'strings') return [...words];
  const rest = words.slice(form.length - 1).map(({ text }) => text);
  return [...words.slice(0, form.length - 1), { text: rest.join(''), isQuoted: false }];
}

function parseFields(type: number, words: readonly Word[], origin: Uint8Array): Uint8Array {
  const form = FORM_BY_TYPE.get(type) ?? failWord(formatType(type), 'its data as "\\# length hex"');
  const octets = wordsOf(type, form, words).map((word, i) =>
    parseField(form[Math.min(i, form.length - 1)] ?? 'text', word, origin),
  );
  return Buffer.concat(octets);
}

/**
 * RDATA from its words.
 *
 * @param origin  what names without a dot at their end are below
 * @throws DataplaneError ERR_CONFIG
 */
export function parseRdata(type: number, words: readonly Word[], origin: Uint8Array): Uint8Array {
  const isUnknown = words[0]?.text === '\\#' && !words[0].isQuoted;
  const known = OWN_FORMS.get(type)?.parse ?? parseFields.bind(undefined, type);
  const rdata = isUnknown ? parseUnknown(words) : known(words, origin);
  if (rdata.length > RDATA_MAX) failWord(formatType(type), `at most ${RDATA_MAX} octets of data`);
  return Uint8Array.from(rdata);
}

function formatUnknown(rdata: Uint8Array): string {
  const hex = Buffer.from(rdata).toString('hex').toUpperCase();
  return `\\# ${rdata.length}${hex === '' ? '' : ` ${hex}`}`;
}

/** Presentation form of RDATA; what does not fit its type is written as octets. */
export function formatRdata(type: number, rdata: Uint8Array): string {
  const own = OWN_FORMS.get(type);
  if (own !== undefined) return own.format(rdata) ?? formatUnknown(rdata);
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
