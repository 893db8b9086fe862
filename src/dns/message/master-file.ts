/**
 * Records as in a master file: one line of it, or a whole one.
 *
 * Owner, TTL and class may be left out: then they are those of the record before. Parentheses let a
 * record go on over lines. `$ORIGIN`, `$TTL`, `$INCLUDE` and `$GENERATE` are known, in any case.
 *
 * Spec  RFC 1035 5.1; RFC 2308 4 ($TTL); $GENERATE is BIND's
 */
import { DataplaneError, messageOf } from '../../errors.js';
import { RecordClass } from '../wire/header.js';
import { parseRelativeName, parseTtl } from './fields.js';
import type { Word } from './fields.js';
import { generate } from './generate.js';
import type { ResourceRecord } from './message.js';
import { parseRdata } from './rdata.js';
import { parseClass, parseType } from './types.js';

export interface MasterOptions {
  /** For complaints: `db.example.org`. */
  readonly file: string;
  /** What names without a dot at their end are below. */
  readonly origin: Uint8Array;
  /** Seconds, of records that say none and have none before them. */
  readonly ttl: number;
  /**
   * A file that `$INCLUDE` names in the file `from`, under the name for complaints; without it,
   * nothing can be included.
   */
  readonly include?: (
    path: string,
    from: string,
  ) => { readonly file: string; readonly text: string };
}

/** Files that include files; more is a circle. */
const INCLUDE_DEPTH_MAX = 8;
/** Files in all: each of a circle could include several others. */
const INCLUDE_MAX = 1024;

/** A record's words, without its parentheses. */
interface Entry {
  readonly line: number;
  /** The line starts with white space: its owner is the one before. */
  readonly isIndented: boolean;
  readonly words: readonly Word[];
}

/** Where a file is among those that include each other. */
interface Place {
  readonly depth: number;
  /** Files that have been included so far, by all of them. */
  readonly included: { count: number };
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
  let wordEnd = -1;
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
    if (written !== undefined) {
      const isJoined = wordEnd === match.index;
      words.push({ text: written, isQuoted: quoted !== undefined, isJoined });
      wordEnd = token.lastIndex;
    }
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
  const [control = '', value = ''] = words.map(({ text }) => text);
  const ttl = parseTtl(value);
  if (isNamed(control, '$TTL') && ttl !== undefined) return { ...carried, ttl };
  if (isNamed(control, '$ORIGIN') && value !== '') {
    return { ...carried, origin: parseRelativeName(value, carried.origin) };
  }
  const shown = JSON.stringify(`${control} ${value}`.trim());
  const what = 'expected $ORIGIN name, $TTL, $INCLUDE file or $GENERATE range';
  throw new DataplaneError('ERR_CONFIG', `${shown}: ${what}`);
}

const isNamed = (control: string | undefined, name: string): boolean =>
  control?.toUpperCase() === name;

/** Records of `$INCLUDE file [origin]`; what it sets is forgotten at its end (RFC 1035 5.1). */
function readIncluded(
  { words }: Entry,
  carried: Carried,
  options: MasterOptions,
  { depth, included }: Place,
): ResourceRecord[] {
  const [, path, origin] = words.map(({ text }) => text);
  const fail = (what: string): never => {
    throw new DataplaneError('ERR_CONFIG', `$INCLUDE ${path ?? ''}: ${what}`);
  };
  if (options.include === undefined) return fail('nothing can be included here');
  if (path === undefined || words.length > 3) return fail('expected a file, and maybe an origin');
  if (depth === INCLUDE_DEPTH_MAX) fail(`more than ${INCLUDE_DEPTH_MAX} files in each other`);
  included.count += 1;
  if (included.count > INCLUDE_MAX) fail(`more than ${INCLUDE_MAX} files in all`);
  const { ttl } = carried;
  const below = origin === undefined ? carried.origin : parseRelativeName(origin, carried.origin);
  const { file, text } = options.include(path, options.file);
  return readFile(text, { ...options, file, origin: below, ttl }, { depth: depth + 1, included });
}

/**
 * Read a master file.
 *
 * @throws DataplaneError ERR_CONFIG, with file and line
 */
export function parseMasterFile(text: string, options: MasterOptions): ResourceRecord[] {
  return readFile(text, options, { depth: 0, included: { count: 0 } });
}

/** Reads the entries of one file; what one leaves to the next is kept here. */
function readFile(text: string, options: MasterOptions, place: Place): ResourceRecord[] {
  const { file, origin } = options;
  let carried: Carried = { origin, owner: origin, ttl: options.ttl, class: RecordClass.IN };
  let defaultTtl: number | undefined;
  const records: ResourceRecord[] = [];
  const addRecord = (entry: Entry): void => {
    const record = readRecord(entry, carried);
    const { owner, class: recordClass } = record;
    carried = { ...carried, owner, class: recordClass, ttl: defaultTtl ?? record.ttl };
    records.push(record);
  };
  const readEntry = (entry: Entry): void => {
    const [first, ...rest] = entry.words;
    if (!isControl(entry)) addRecord(entry);
    else if (isNamed(first?.text, '$INCLUDE')) {
      for (const record of readIncluded(entry, carried, options, place)) records.push(record);
    } else if (isNamed(first?.text, '$GENERATE')) {
      for (const words of generate(rest)) addRecord({ ...entry, words });
    } else {
      carried = readControl(entry, carried);
      if (isNamed(first?.text, '$TTL')) defaultTtl = carried.ttl;
    }
  };
  for (const entry of readEntries(text, file)) {
    try {
      readEntry(entry);
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
