/**
 * RDATA of SVCB and HTTPS as people write it: `16 foo.example.org. alpn=h2,h3-19 port=8443`.
 *
 * Layout  priority(16) target, then parameters by rising key: key(16) length(16) value
 * Spec    RFC 9460 2.1, 2.2, 7, appendix A; RFC 9461 5 (dohpath)
 */
import { readU16, writeU16 } from '../wire/header.js';
import { parseString } from './character-string.js';
import {
  failWord,
  fieldEnd,
  formatField,
  parseEncoded,
  parseIp,
  parseRelativeName,
  parseUnsigned,
} from './fields.js';
import type { Word } from './fields.js';

interface Param {
  readonly key: number;
  readonly value: Uint8Array;
}

/** How the value of a key is written. */
interface ParamForm {
  readonly parse: (text: string) => Uint8Array;
  /** @returns undefined for octets that are no such value */
  readonly format: (value: Uint8Array) => string | undefined;
}

const MANDATORY = 0;
const KEY_SIZE = 2;
const PARAM_HLEN = 4;
/** RFC 9460 14.3.2: not for use. */
const KEY_INVALID = 0xffff;
const ADDR4_SIZE = 4;
const ADDR6_SIZE = 16;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const KEY_NUMBER = /^key(0|[1-9]\d{0,4})$/;
/** What has to stand in quotes, or be escaped in them. */
const PLAIN_VALUE = /^[^\s"();\\]+$/;

/** Items of a list: behind a backslash, a comma or backslash is one (appendix A.1). */
function splitList(text: string): Uint8Array[] {
  const items: number[][] = [[]];
  const octets = parseString(text);
  for (let at = 0; at < octets.length; at++) {
    const isEscaped = octets[at] === BACKSLASH && at + 1 < octets.length;
    if (isEscaped) at++;
    const octet = octets[at] ?? 0;
    if (octet === COMMA && !isEscaped) items.push([]);
    else items.at(-1)?.push(octet);
  }
  if (items.some((item) => item.length === 0)) failWord(text, 'a list without empty items');
  return items.map((item) => Uint8Array.from(item));
}

/** Items of `size` octets each. */
function cut(value: Uint8Array, size: number): Uint8Array[] | undefined {
  if (value.length === 0 || value.length % size !== 0) return undefined;
  return Array.from({ length: value.length / size }, (_, i) =>
    value.subarray(i * size, (i + 1) * size),
  );
}

/** A list of addresses. */
function hints(family: 4 | 6): ParamForm {
  const size = family === 4 ? ADDR4_SIZE : ADDR6_SIZE;
  const parse = (item: Uint8Array) => parseIp(Buffer.from(item).toString('latin1'), family);
  const format = (item: Uint8Array) => formatField(`ip${family}`, item);
  return {
    parse: (text) => Buffer.concat(splitList(text).map(parse)),
    format: (value) => cut(value, size)?.map(format).join(','),
  };
}

const escapeOctet = (octet: number): string => {
  const isPrintable =
    octet > 0x20 && octet < 0x7f && !'"();\\'.includes(String.fromCharCode(octet));
  return isPrintable ? String.fromCharCode(octet) : `\\${String(octet).padStart(3, '0')}`;
};

const OPAQUE: ParamForm = {
  parse: parseString,
  format: (value) => Array.from(value, escapeOctet).join(''),
};

function parseAlpn(text: string): Uint8Array {
  const ids = splitList(text);
  if (ids.some(({ length }) => length > 0xff)) failWord(text, 'items of at most 255 octets');
  return Buffer.concat(ids.flatMap((id) => [Uint8Array.of(id.length), id]));
}

function formatAlpn(value: Uint8Array): string | undefined {
  const ids: string[] = [];
  for (let at = 0; at < value.length; at += (value[at] ?? 0) + 1) {
    const id = value.subarray(at + 1, at + 1 + (value[at] ?? 0));
    if (id.length === 0 || id.length !== value[at]) return undefined;
    // Commas and backslashes are escaped twice: in the list, and in the string that it stands in.
    const isSpecial = (octet: number): boolean => octet === COMMA || octet === BACKSLASH;
    const octets = Array.from(id).flatMap((octet) =>
      isSpecial(octet) ? [BACKSLASH, octet] : [octet],
    );
    ids.push(octets.map(escapeOctet).join(''));
  }
  return ids.length === 0 ? undefined : ids.join(',');
}

/** Keys in rising order, each once (RFC 9460 8). */
function parseMandatory(text: string): Uint8Array {
  const keys = splitList(text).map((item) => parseKey(Buffer.from(item).toString('latin1')));
  const isWrong = keys.includes(MANDATORY) || new Set(keys).size < keys.length;
  if (isWrong) failWord(text, 'other keys than mandatory, each once');
  return Buffer.concat(keys.toSorted((a, b) => a - b).map(keyOctets));
}

function keyOctets(key: number): Uint8Array {
  const octets = new Uint8Array(KEY_SIZE);
  writeU16(octets, 0, key);
  return octets;
}

const BY_NAME: Readonly<Record<string, { readonly key: number } & ParamForm>> = {
  mandatory: {
    key: MANDATORY,
    parse: parseMandatory,
    format: (value) =>
      cut(value, KEY_SIZE)
        ?.map((key) => formatKey(readU16(key, 0)))
        .join(','),
  },
  alpn: { key: 1, parse: parseAlpn, format: formatAlpn },
  'no-default-alpn': {
    key: 2,
    parse: (text) => (text === '' ? new Uint8Array() : failWord(text, 'no value')),
    format: (value) => (value.length === 0 ? '' : undefined),
  },
  port: {
    key: 3,
    parse: (text) => parseUnsigned(text, 2),
    format: (value) => (value.length === 2 ? String(readU16(value, 0)) : undefined),
  },
  ipv4hint: { key: 4, ...hints(4) },
  ech: {
    key: 5,
    parse: (text) => (text === '' ? failWord(text, 'a value') : parseEncoded(text, 'base64')),
    format: (value) => (value.length === 0 ? undefined : formatField('base64', value)),
  },
  ipv6hint: { key: 6, ...hints(6) },
  dohpath: { key: 7, ...OPAQUE },
};

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(BY_NAME).map(([name, { key }]) => [key, name]),
);

function parseKey(text: string): number {
  const known = Object.hasOwn(BY_NAME, text) ? BY_NAME[text]?.key : undefined;
  const number = KEY_NUMBER.exec(text)?.[1];
  const key = known ?? Number(number ?? NaN);
  return key < KEY_INVALID ? key : failWord(text, 'a parameter such as alpn, port or key667');
}

const formatKey = (key: number): string => NAMES.get(key) ?? `key${key}`;

/** `key=value`, `key="value"`, `key`; a value in quotes is a word of its own, joined to the key. */
function readParams(words: readonly Word[]): Param[] {
  const params: Param[] = [];
  for (let at = 0; at < words.length; at++) {
    const { text, isQuoted } = words[at] ?? { text: '', isQuoted: true };
    if (isQuoted) failWord(text, 'a parameter such as alpn="h2"');
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const next = words[at + 1];
    const isSplit = equals === text.length - 1 && next?.isQuoted === true && next.isJoined === true;
    if (isSplit) at++;
    const value = isSplit ? next.text : equals < 0 ? '' : text.slice(equals + 1);
    const key = parseKey(name);
    const { parse } = (Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined) ?? OPAQUE;
    params.push({ key, value: parse(value) });
  }
  return params.toSorted((a, b) => a.key - b.key);
}

function checkParams(params: readonly Param[]): void {
  const keys = params.map(({ key }) => key);
  const twice = keys.find((key, i) => keys.indexOf(key) < i);
  if (twice !== undefined) failWord(formatKey(twice), 'each parameter once');
  const mandatory = params.find(({ key }) => key === MANDATORY);
  for (const key of mandatory === undefined ? [] : (cut(mandatory.value, KEY_SIZE) ?? [])) {
    const number = readU16(key, 0);
    if (!keys.includes(number)) failWord(formatKey(number), 'it here, as it is mandatory');
  }
}

/** @throws DataplaneError ERR_CONFIG */
export function parseBinding(words: readonly Word[], origin: Uint8Array): Uint8Array {
  const [priority, target, ...rest] = words;
  if (priority === undefined || target === undefined) {
    return failWord(words.map(({ text }) => text).join(' '), 'a priority and a target');
  }
  const params = readParams(rest);
  checkParams(params);
  return Buffer.concat([
    parseUnsigned(priority.text, 2),
    parseRelativeName(target.text, origin),
    ...params.flatMap(({ key, value }) => [keyOctets(key), keyOctets(value.length), value]),
  ]);
}

function formatParam(key: number, value: Uint8Array): string {
  const name = formatKey(key);
  const own = BY_NAME[name]?.format(value);
  // What is no value of its key can be written by the key's number.
  const [shownKey, text] =
    own === undefined ? [`key${key}`, OPAQUE.format(value) ?? ''] : [name, own];
  if (text === '') return shownKey;
  return PLAIN_VALUE.test(text) ? `${shownKey}=${text}` : `${shownKey}="${text}"`;
}

/** @returns undefined for data that is cut */
export function formatBinding(rdata: Uint8Array): string | undefined {
  const nameEnd = fieldEnd('name', rdata, KEY_SIZE);
  if (nameEnd > rdata.length) return undefined;
  const words = [String(readU16(rdata, 0)), formatField('name', rdata.subarray(KEY_SIZE, nameEnd))];
  for (let at = nameEnd; at < rdata.length;) {
    const end = at + PARAM_HLEN + (at + PARAM_HLEN <= rdata.length ? readU16(rdata, at + 2) : 0);
    if (end > rdata.length) return undefined;
    words.push(formatParam(readU16(rdata, at), rdata.subarray(at + PARAM_HLEN, end)));
    at = end;
  }
  return words.join(' ');
}
