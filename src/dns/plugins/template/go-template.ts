/**
 * The part of Go's templates that records are made with: text, and in double braces a value.
 *
 *     {{ .Name }}  {{ .Question.Qtype }}  {{ .Group.a }}  {{ index .Match 1 }}  {{ parseInt .Group.b 16 8 }}
 *     {{ .Meta "kubernetes/client-namespace" }}  {{- "trims white space" -}}
 *
 * Conditions, loops and variables are refused when the template is read.
 *
 * Spec  Go, text/template; CoreDNS, plugin/template
 */
import { DataplaneError } from '../../../errors.js';

const PLAIN_FIELDS = [
  'Zone',
  'Name',
  'Class',
  'Type',
  'Remote',
  'Question.Name',
  'Question.Qtype',
  'Question.Qclass',
  'Message.Id',
] as const;
type PlainField = (typeof PLAIN_FIELDS)[number];

/** What a template is about. `Remote` is the client's address; numbers are in decimal. */
export interface TemplateValues extends Readonly<Record<PlainField, string>> {
  /** The whole match and the groups. */
  readonly Match: readonly string[];
  /** Groups by name and by number. */
  readonly Group: Readonly<Record<string, string>>;
  readonly Meta: (label: string) => string;
}

/** @throws DataplaneError ERR_CONFIG  a match that is not there, a number that is none */
export type Template = (values: TemplateValues) => string;

type Expression = (values: TemplateValues) => string;

/** `{{`, a trim mark, what is inside with its strings, a trim mark, `}}`. */
const ACTION =
  /\{\{(-(?=\s))?((?:"(?:\\[^]|[^"\\])*"|`[^`]*`|\/\*[^]*?\*\/|[^"`])*?)((?<=\s)-)?\}\}/g;
const COMMENT = /^\s*\/\*[^]*\*\/\s*$/;
const WORD = /\s*(?:"((?:\\[^]|[^"\\])*)"|`([^`]*)`|([^\s"`]+))/y;
const BITS_MAX = 64;

interface Word {
  readonly text: string;
  readonly isString: boolean;
}

function fail(what: string): never {
  throw new DataplaneError('ERR_CONFIG', what);
}

function unescape(text: string): string {
  return text.replace(/\\([^])/g, (whole, char: string) => {
    if (char === 'n') return '\n';
    if (char === 't') return '\t';
    return char === '"' || char === '\\' ? char : fail(`template: "${whole}" is not supported`);
  });
}

function splitWords(action: string): Word[] {
  const words: Word[] = [];
  WORD.lastIndex = 0;
  for (let match = WORD.exec(action); match !== null; match = WORD.exec(action)) {
    const [, quoted, raw, plain] = match;
    const text = quoted === undefined ? (raw ?? plain ?? '') : unescape(quoted);
    words.push({ text, isString: plain === undefined });
  }
  return words;
}

function matchAt(values: TemplateValues, index: number): string {
  const text = values.Match[index];
  return text ?? fail(`template: there is no match ${index}, only ${values.Match.length}`);
}

/** One word that is a value: a string, a number, or a field. */
function readValue({ text, isString }: Word): Expression {
  if (isString || /^\d+$/.test(text)) return () => text;
  const field = PLAIN_FIELDS.find((each) => `.${each}` === text);
  if (field !== undefined) return readPlain(field);
  const [, base, key = ''] = /^\.(Group|Match)\.(\w+)$/.exec(text) ?? [];
  // A map gives nothing for what it does not have.
  if (base === 'Group') return ({ Group }) => (Object.hasOwn(Group, key) ? (Group[key] ?? '') : '');
  if (base === 'Match' && /^\d+$/.test(key)) return (values) => matchAt(values, Number(key));
  return fail(`template: ${JSON.stringify(text)} is not supported`);
}

function readPlain(field: PlainField): Expression {
  return (values) => values[field];
}

function readNumber(word: Word | undefined, of: string): number {
  const number = word !== undefined && /^\d{1,4}$/.test(word.text) ? Number(word.text) : NaN;
  return Number.isNaN(number) ? fail(`template: ${of}: expected a number`) : number;
}

/** `index .Match 1`, `index .Group "a"`. */
function readIndex([list, at]: readonly Word[]): Expression {
  if (list?.text === '.Group' && at !== undefined) {
    return readValue({ text: `.Group.${at.text}`, isString: false });
  }
  if (list?.text !== '.Match') return fail('template: index: expected .Match or .Group');
  const index = readNumber(at, 'index');
  return (values) => matchAt(values, index);
}

/** `parseInt VALUE BASE BITS`, as Go's strconv.ParseUint: a number in decimal. */
function readParseInt([value, baseWord, bitsWord]: readonly Word[]): Expression {
  if (value === undefined) return fail('template: parseInt: expected a value, a base and bits');
  const read = readValue(value);
  const base = readNumber(baseWord, 'parseInt');
  const bits = readNumber(bitsWord, 'parseInt') || BITS_MAX;
  if (base < 2 || base > 36 || bits > BITS_MAX) {
    fail(`template: parseInt: expected a base of 2 to 36 and up to ${BITS_MAX} bits`);
  }
  return (values) => {
    const text = read(values);
    let number = 0n;
    for (const char of text) {
      const digit = Number.parseInt(char, base);
      if (Number.isNaN(digit)) fail(`template: parseInt: ${JSON.stringify(text)} is no number`);
      number = number * BigInt(base) + BigInt(digit);
      if (number >> BigInt(bits) !== 0n) {
        fail(`template: parseInt: ${JSON.stringify(text)} has more than ${bits} bits`);
      }
    }
    return text === '' ? fail('template: parseInt: "" is no number') : String(number);
  };
}

const FUNCTIONS: ReadonlyMap<
  string,
  { readonly argCount: number; readonly read: (args: readonly Word[]) => Expression }
> = new Map([
  ['index', { argCount: 2, read: readIndex }],
  ['parseInt', { argCount: 3, read: readParseInt }],
  [
    '.Meta',
    {
      argCount: 1,
      read:
        ([label]) =>
        ({ Meta }) =>
          Meta(label?.isString ? label.text : ''),
    },
  ],
]);

function readAction(action: string): Expression {
  const [first, ...args] = splitWords(action);
  if (first === undefined) return fail('template: expected something in {{ }}');
  const known = first.isString ? undefined : FUNCTIONS.get(first.text);
  if (known === undefined) {
    if (args.length > 0) fail(`template: ${JSON.stringify(action.trim())} is not supported`);
    return readValue(first);
  }
  if (args.length !== known.argCount) {
    fail(`template: ${first.text}: expected ${known.argCount} arguments, got ${args.length}`);
  }
  return known.read(args);
}

/**
 * Read a template.
 *
 * @throws DataplaneError ERR_CONFIG  what is not supported, without a place
 */
export function readTemplate(source: string): Template {
  const parts: Expression[] = [];
  const addText = (text: string): void => void parts.push(() => text);
  let from = 0;
  let isTrimmed = false;
  const textUpTo = (end: number): string => {
    const text = source.slice(from, end);
    return isTrimmed ? text.trimStart() : text;
  };
  for (const match of source.matchAll(ACTION)) {
    const [whole, trimBefore, action = '', trimAfter] = match;
    const text = textUpTo(match.index);
    addText(trimBefore === undefined ? text : text.trimEnd());
    if (!COMMENT.test(action)) parts.push(readAction(action));
    from = match.index + whole.length;
    isTrimmed = trimAfter !== undefined;
  }
  const rest = textUpTo(source.length);
  if (rest.includes('{{')) fail('template: "{{" is never closed');
  addText(rest);
  return (values) => parts.map((part) => part(values)).join('');
}
