/**
 * Records as in a master file: one line of it, or a whole one.
 *
 * Owner, TTL and class may be left out: then they are those of the record before. Parentheses let a
 * record go on over lines. `$ORIGIN`, `$TTL` and `$INCLUDE` are known; `$GENERATE` is not.
 *
 * Spec  RFC 1035 5.1; RFC 2308 4 ($TTL)
 */
import { DataplaneError, messageOf } from '../../errors.js';
import { RecordClass } from '../wire/header.js';
import type { ResourceRecord } from './message.js';
import { parseRdata, parseRelativeName, parseTtl } from './rdata.js';
import type { Word } from './rdata.js';
import { parseClass, parseType } from './types.js';

export interface MasterOptions {
  /** For complaints: `db.example.org`. */
  readonly file: string;
  /** What names without a dot at their end are below. */
  readonly origin: Uint8Array;
  /** Seconds, of records that say none and have none before them. */
  readonly ttl: number;
  /** The text of a file that `$INCLUDE` names; without it, nothing can be included. */
  readonly include?: (path: string) => string;
}

/** Files that include files; more is a circle. */
const INCLUDE_DEPTH_MAX = 8;

/** A record's words, without its parentheses. */
interface Entry {
  readonly line: number;
  /** The line starts with white space: its owner is the one before. */
  readonly isIndented: boolean;
  readonly words: readonly Word[];
}

/** What one record leaves to the next. */
interface Carried {
  readonly origin: Uint8Array;
  readonly owner: Uint8Array;
  readonly ttl: number;
  readonly class: number;
}

/** White space, line end, comment, parenthesis, a word in quotes, a word; an open quote. */
const TOKEN =
  /([ \t\r]+)|(\n)|(;[^\n]*)|([()])|"((?:\\[^]|[^"\\])*)"|((?:\\[^]|[^\s;()"\\])+)|([^])/y;

function failAtLine(file: string, line: number, what: string): never {
  throw new DataplaneError('ERR_CONFIG', `${file}:${line}: ${what}`);
}

/** Words of each record. */
function* readEntries(text: string, file: string): Generator<Entry> {
  let line = 1;
  let depth = 0;
  let words: Word[] = [];
  let start = { line: 1, isIndented: false };
  let isLineStart = true;
  // Of its own: a file that is included is read in the middle of another one.
  const token = new RegExp(TOKEN);
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [whole, space, newline, , paren, quoted, word, other] = match;
    if (isLineStart && depth === 0) start = { line, isIndented: space !== undefined };
    isLineStart = newline !== undefined;
    if (paren !== undefined) depth += paren === '(' ? 1 : -1;
    if (depth < 0) failAtLine(file, line, '")" without "("');
    if (other !== undefined) failAtLine(file, line, `${JSON.stringify(other)} is not closed`);
    const written = quoted ?? word;
    if (written !== undefined) words.push({ text: written, isQuoted: quoted !== undefined });
    if (newline !== undefined && depth === 0 && words.length > 0) {
      yield { ...start, words };
      words = [];
    }
    line += whole.split('\n').length - 1;
  }
  if (depth > 0) failAtLine(file, start.line, '"(" is not closed');
  if (words.length > 0) yield { ...start, words };
}

/** TTL and class, in either order, before the type. */
function readHead(words: readonly Word[], carried: Carried): { head: Carried; used: number } {
  let head = carried;
  let used = 0;
  let hasTtl = false;
  let hasClass = false;
  for (; used < 2; used++) {
    const text = words[used]?.text ?? '';
    const ttl: number | undefined = hasTtl ? undefined : parseTtl(text);
    const recordClass: number | undefined =
      hasClass || ttl !== undefined ? undefined : parseClass(text);
    // ANY is a class and a type; no record has either.
    if (ttl === undefined && recordClass === undefined) break;
    hasTtl ||= ttl !== undefined;
    hasClass ||= recordClass !== undefined;
    head = { ...head, ttl: ttl ?? head.ttl, class: recordClass ?? head.class };
  }
  return { head, used };
}

function readRecord({ words, isIndented }: Entry, carried: Carried): ResourceRecord {
  const [first] = words;
  const owner =
    isIndented || first === undefined
      ? carried.owner
      : parseRelativeName(first.text, carried.origin);
  const rest = isIndented ? words : words.slice(1);
  const { head, used } = readHead(rest, carried);
  const typeText = rest[used]?.text;
  const type = typeText === undefined ? undefined : parseType(typeText);
  if (type === undefined) {
    const got = typeText === undefined ? 'nothing' : JSON.stringify(typeText);
    throw new DataplaneError('ERR_CONFIG', `expected a record type, got ${got}`);
  }
  const rdata = parseRdata(type, rest.slice(used + 1), carried.origin);
  return { owner, type, class: head.class, ttl: head.ttl, rdata };
}

function isControl({ words, isIndented }: Entry): boolean {
  return !isIndented && words[0]?.isQuoted === false && words[0].text.startsWith('$');
}

function readControl({ words }: Entry, carried: Carried): Carried {
  const [control, value] = words.map(({ text }) => text);
  const ttl = value === undefined ? undefined : parseTtl(value);
  if (control === '$TTL' && ttl !== undefined) return { ...carried, ttl };
  if (control === '$ORIGIN' && value !== undefined) {
    return { ...carried, origin: parseRelativeName(value, carried.origin) };
  }
  const what = `${control ?? ''} ${value ?? ''}`.trim();
  throw new DataplaneError('ERR_CONFIG', `${JSON.stringify(what)}: expected $ORIGIN name or $TTL`);
}

/** Records of `$INCLUDE file [origin]`; what it sets is forgotten at its end (RFC 1035 5.1). */
function readIncluded(
  { words }: Entry,
  carried: Carried,
  options: MasterOptions,
  depth: number,
): ResourceRecord[] {
  const [, file, origin] = words.map(({ text }) => text);
  if (file === undefined || words.length > 3 || options.include === undefined) {
    const what = options.include === undefined ? 'nothing can be included here' : 'expected a file';
    throw new DataplaneError('ERR_CONFIG', `$INCLUDE ${file ?? ''}: ${what}`);
  }
  if (depth === INCLUDE_DEPTH_MAX) {
    const what = `more than ${INCLUDE_DEPTH_MAX} files in each other`;
    throw new DataplaneError('ERR_CONFIG', `$INCLUDE ${file}: ${what}`);
  }
  const { ttl } = carried;
  const below = origin === undefined ? carried.origin : parseRelativeName(origin, carried.origin);
  return readFile(options.include(file), { ...options, file, origin: below, ttl }, depth + 1);
}

/**
 * Read a master file.
 *
 * @throws DataplaneError ERR_CONFIG, with file and line
 */
export function parseMasterFile(text: string, options: MasterOptions): ResourceRecord[] {
  return readFile(text, options, 0);
}

function readFile(text: string, options: MasterOptions, depth: number): ResourceRecord[] {
  const { file, origin } = options;
  let carried: Carried = { origin, owner: origin, ttl: options.ttl, class: RecordClass.IN };
  let defaultTtl: number | undefined;
  const records: ResourceRecord[] = [];
  for (const entry of readEntries(text, file)) {
    try {
      if (isControl(entry) && entry.words[0]?.text === '$INCLUDE') {
        records.push(...readIncluded(entry, carried, options, depth));
        continue;
      }
      if (isControl(entry)) {
        carried = readControl(entry, carried);
        defaultTtl = entry.words[0]?.text === '$TTL' ? carried.ttl : defaultTtl;
        continue;
      }
      const record = readRecord(entry, carried);
      const { owner, class: recordClass } = record;
      carried = { ...carried, owner, class: recordClass, ttl: defaultTtl ?? record.ttl };
      records.push(record);
    } catch (error) {
      failAtLine(file, entry.line, messageOf(error));
    }
  }
  return records;
}

/**
 * Read one record, such as `example.org. 60 IN A 192.0.2.1`.
 *
 * @throws DataplaneError ERR_CONFIG when it is none, or several
 */
export function parseRecord(line: string, options: MasterOptions): ResourceRecord {
  const records = parseMasterFile(line.trimStart(), options);
  const [record] = records;
  if (record === undefined || records.length > 1) {
    failAtLine(options.file, 1, `expected one record, got ${records.length}`);
  }
  return record;
}
