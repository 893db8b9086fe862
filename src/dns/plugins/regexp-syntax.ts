/**
 * Patterns as Go writes them, read into a tree.
 *
 * Spec  RE2 syntax, as Go's regexp/syntax reads it with its Perl flags, less Unicode classes
 *       (`\pL`): names are ASCII
 */
import { DataplaneError } from '../../errors.js';

/** Characters of a pattern, as in CoreDNS. */
export const PATTERN_MAX = 10_000;
/** Largest number in `{n,m}`, and groups within groups: Go's regexp/syntax. */
const REPEAT_MAX = 1000;
const DEPTH_MAX = 1000;
const SHOWN_MAX = 60;

/** Code units from the first to the second. */
export type Range = readonly [number, number];

/** What stands at a place without taking a character. */
export type Place = 'start' | 'end' | 'line-start' | 'line-end' | 'word-edge' | 'no-word-edge';

export type Node =
  | { readonly kind: 'chars'; readonly ranges: readonly Range[]; readonly isNegated: boolean }
  | { readonly kind: 'place'; readonly place: Place }
  | { readonly kind: 'group'; readonly index: number; readonly body: Node }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'either'; readonly choices: readonly Node[] }
  | {
      readonly kind: 'repeat';
      readonly body: Node;
      readonly min: number;
      readonly max: number;
      readonly isLazy: boolean;
    };

export interface Syntax {
  readonly root: Node;
  /** Name of each group, the whole match first; empty where a group has none. */
  readonly groupNames: readonly string[];
}

const CODE_MAX = 0xffff;
const NEWLINE: Range = [10, 10];
const DIGITS: Range = [48, 57];
const UPPER: Range = [65, 90];
const LOWER: Range = [97, 122];
const WORD: readonly Range[] = [DIGITS, UPPER, [95, 95], LOWER];
const PERL_SPACE: readonly Range[] = [
  [9, 10],
  [12, 13],
  [32, 32],
];
const PERL_CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: [DIGITS],
  s: PERL_SPACE,
  w: WORD,
};
const POSIX_CLASSES: Readonly<Record<string, readonly Range[]>> = {
  alnum: [DIGITS, UPPER, LOWER],
  alpha: [UPPER, LOWER],
  ascii: [[0, 127]],
  blank: [
    [9, 9],
    [32, 32],
  ],
  cntrl: [
    [0, 31],
    [127, 127],
  ],
  digit: [DIGITS],
  graph: [[33, 126]],
  lower: [LOWER],
  print: [[32, 126]],
  punct: [
    [33, 47],
    [58, 64],
    [91, 96],
    [123, 126],
  ],
  space: [
    [9, 13],
    [32, 32],
  ],
  upper: [UPPER],
  word: WORD,
  xdigit: [DIGITS, [65, 70], [97, 102]],
};
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const PLACES: Readonly<Record<string, Place>> = {
  A: 'start',
  z: 'end',
  b: 'word-edge',
  B: 'no-word-edge',
};

const PUNCTUATION = /[!-/:-@[-`{-~]/;
const REPEAT = /\{(\d+)(?:(,)(\d*))?\}/y;
const HEX = /x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/y;
const OCTAL = /0[0-7]{0,2}|[1-7][0-7]{2}/y;
const GROUP_NAME = /\(\?P?<(\w+)>/y;
const FLAGS = /\(\?([imsU]*)(?:-([imsU]+))?([:)])/y;
const POSIX = /\[:(\^?)(\w+):\]/y;

/** Everything but some ranges. */
function complement(ranges: readonly Range[]): Range[] {
  const sorted = ranges.toSorted((a, b) => a[0] - b[0]);
  const rest: Range[] = [];
  let from = 0;
  for (const [low, high] of sorted) {
    if (low > from) rest.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  if (from <= CODE_MAX) rest.push([from, CODE_MAX]);
  return rest;
}

/** Ranges with the other letter case of ASCII letters added. */
function folded(ranges: readonly Range[]): Range[] {
  const other = (letters: Range, shift: number): Range[] =>
    ranges.flatMap(([low, high]) => {
      const from = Math.max(low, letters[0]);
      const to = Math.min(high, letters[1]);
      return from <= to ? [[from + shift, to + shift] as const] : [];
    });
  return [...ranges, ...other(UPPER, 32), ...other(LOWER, -32)];
}

class Reader {
  #at = 0;
  #depth = 0;
  #flags = new Set<string>();
  readonly groupNames: string[] = [''];
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  read(): Node {
    if (this.#source.length > PATTERN_MAX) {
      this.#fail(`it has more than ${PATTERN_MAX} characters`);
    }
    const root = this.#readEither();
    if (this.#at < this.#source.length) this.#fail('a ")" closes nothing');
    return root;
  }

  #fail(what: string): never {
    const source = this.#source;
    const shown = source.length > SHOWN_MAX ? `${source.slice(0, SHOWN_MAX)}...` : source;
    throw new DataplaneError('ERR_CONFIG', `pattern ${JSON.stringify(shown)}: ${what}`);
  }

  #char(): string {
    return this.#source.charAt(this.#at);
  }

  /** Take what matches here, if it does. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }

  /** Choices up to the end or a `)`; flags that are set among them end with them. */
  #readEither(): Node {
    const flags = new Set(this.#flags);
    const choices: Node[] = [];
    do {
      choices.push({ kind: 'all', parts: this.#readParts() });
    } while (this.#char() === '|' && ++this.#at > 0);
    this.#flags = flags;
    return choices.length === 1 && choices[0] !== undefined
      ? choices[0]
      : { kind: 'either', choices };
  }

  #readParts(): Node[] {
    const parts: Node[] = [];
    for (;;) {
      const char = this.#char();
      if (char === '' || char === ')' || char === '|') return parts;
      const quoted = this.#source.startsWith('\\Q', this.#at) ? this.#readQuoted() : undefined;
      const atoms = quoted ?? this.#readAtom(char);
      const last = atoms.pop();
      parts.push(...atoms);
      if (last !== undefined) parts.push(this.#readRepeat(last));
    }
  }

  #readAtom(char: string): Node[] {
    if (char === '(') return this.#readGroup();
    this.#at++;
    if (char === '[') return [this.#readClass()];
    if (char === '\\') return [this.#readEscape()];
    if (char === '.') {
      return [{ kind: 'chars', ranges: this.#flags.has('s') ? [] : [NEWLINE], isNegated: true }];
    }
    const isMultiLine = this.#flags.has('m');
    if (char === '^') return [{ kind: 'place', place: isMultiLine ? 'line-start' : 'start' }];
    if (char === '$') return [{ kind: 'place', place: isMultiLine ? 'line-end' : 'end' }];
    if (char === '*' || char === '+' || char === '?') {
      this.#fail(`nothing stands before ${JSON.stringify(char)} that could be repeated`);
    }
    return [this.#literal(char.charCodeAt(0))];
  }

  #literal(code: number): Node {
    return this.#chars([[code, code]], false);
  }

  #chars(ranges: readonly Range[], isNegated: boolean): Node {
    const both = this.#flags.has('i') ? folded(ranges) : ranges;
    return { kind: 'chars', ranges: both, isNegated };
  }

  #readQuoted(): Node[] {
    const start = this.#at + 2;
    const found = this.#source.indexOf('\\E', start);
    const end = found < 0 ? this.#source.length : found;
    this.#at = found < 0 ? end : end + 2;
    return Array.from({ length: end - start }, (_, i) =>
      this.#literal(this.#source.charCodeAt(start + i)),
    );
  }

  #readGroup(): Node[] {
    const name = this.#take(GROUP_NAME)?.[1];
    if (name !== undefined) {
      if (this.groupNames.includes(name)) this.#fail(`two groups are named ${name}`);
      return [this.#readGroupBody(this.groupNames.push(name) - 1)];
    }
    const flags = this.#take(FLAGS);
    if (flags !== undefined) return this.#readFlagged(flags);
    if (this.#source.startsWith('(?', this.#at)) {
      this.#fail(`${JSON.stringify(this.#source.slice(this.#at, this.#at + 4))} is not supported`);
    }
    this.#at++;
    return [this.#readGroupBody(this.groupNames.push('') - 1)];
  }

  #readFlagged([, on = '', off = '', end]: RegExpExecArray): Node[] {
    const outer = new Set(this.#flags);
    for (const flag of on) this.#flags.add(flag);
    for (const flag of off) this.#flags.delete(flag);
    if (end === ')') return [];
    const body = this.#readGroupBody(0);
    this.#flags = outer;
    return [body];
  }

  /** @param index  0 captures nothing */
  #readGroupBody(index: number): Node {
    if (++this.#depth > DEPTH_MAX) this.#fail(`more than ${DEPTH_MAX} groups in each other`);
    const body = this.#readEither();
    if (this.#char() !== ')') this.#fail('a "(" is never closed');
    this.#at++;
    this.#depth--;
    return index === 0 ? body : { kind: 'group', index, body };
  }

  #readRepeat(body: Node): Node {
    const bounds = this.#readBounds();
    if (bounds === undefined) return body;
    let isLazy = this.#flags.has('U');
    if (this.#char() === '?') {
      isLazy = !isLazy;
      this.#at++;
    }
    if (this.#readBounds() !== undefined) this.#fail('a repetition is repeated');
    return { kind: 'repeat', body, ...bounds, isLazy };
  }

  #readBounds(): { min: number; max: number } | undefined {
    const char = this.#char();
    if (char === '*' || char === '+' || char === '?') {
      this.#at++;
      return { min: char === '+' ? 1 : 0, max: char === '?' ? 1 : Infinity };
    }
    const repeat = this.#take(REPEAT);
    if (repeat === undefined) return undefined;
    const [whole, least = '', comma, most = ''] = repeat;
    const min = Number(least);
    const max = comma === undefined ? min : most === '' ? Infinity : Number(most);
    if (min > max) this.#fail(`${whole} has its numbers the wrong way round`);
    if (min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX)) {
      this.#fail(`${whole} repeats more than ${REPEAT_MAX} times`);
    }
    return { min, max };
  }

  #readEscape(): Node {
    const char = this.#char();
    const place = PLACES[char];
    const perl = PERL_CLASSES[char.toLowerCase()];
    if (place === undefined && perl === undefined) return this.#literal(this.#readCode());
    this.#at++;
    if (place !== undefined) return { kind: 'place', place };
    return this.#chars(perl ?? [], char < 'a');
  }

  /** Behind a backslash: the character it stands for, within brackets or without. */
  #readCode(): number {
    const hex = this.#take(HEX);
    const octal = this.#take(OCTAL);
    if (hex !== undefined || octal !== undefined) {
      const code = Number.parseInt(hex?.[1] ?? hex?.[2] ?? octal?.[0] ?? '', hex ? 16 : 8);
      if (code > CODE_MAX) this.#fail(`\\${hex?.[0] ?? ''} is in no name`);
      return code;
    }
    const char = this.#char();
    if (char === '') this.#fail('a backslash at its end escapes nothing');
    this.#at++;
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    if (!PUNCTUATION.test(char)) this.#fail(`"\\${char}" is not supported`);
    return char.charCodeAt(0);
  }

  #readClass(): Node {
    const isNegated = this.#char() === '^';
    if (isNegated) this.#at++;
    const ranges: Range[] = [];
    for (let isFirst = true; isFirst || this.#char() !== ']'; isFirst = false) {
      if (this.#char() === '') this.#fail('a "[" is never closed');
      ranges.push(...(this.#takeNamedClass() ?? [this.#readRange()]));
    }
    this.#at++;
    return this.#chars(ranges, isNegated);
  }

  /** `[:alpha:]`, `[:^alpha:]`, `\d` or `\D` within brackets. */
  #takeNamedClass(): readonly Range[] | undefined {
    const posix = this.#take(POSIX);
    if (posix !== undefined) {
      const ranges = POSIX_CLASSES[posix[2] ?? ''];
      if (ranges === undefined) this.#fail(`there is no class ${posix[0]}`);
      return posix[1] === '^' ? complement(ranges) : ranges;
    }
    const letter = this.#char() === '\\' ? this.#source.charAt(this.#at + 1) : '';
    const perl = PERL_CLASSES[letter.toLowerCase()];
    if (perl === undefined) return undefined;
    this.#at += 2;
    return letter < 'a' ? complement(perl) : perl;
  }

  #readRange(): Range {
    const low = this.#readClassCode();
    const isRange = this.#char() === '-' && !['', ']'].includes(this.#source.charAt(this.#at + 1));
    if (!isRange) return [low, low];
    this.#at++;
    const high = this.#readClassCode();
    if (high < low) this.#fail('a range in brackets is the wrong way round');
    return [low, high];
  }

  #readClassCode(): number {
    const char = this.#char();
    this.#at++;
    return char === '\\' ? this.#readCode() : char.charCodeAt(0);
  }
}

/**
 * @throws DataplaneError ERR_CONFIG  no RE2 syntax, or not supported; without a place
 */
export function parsePattern(source: string): Syntax {
  const reader = new Reader(source);
  return { root: reader.read(), groupNames: reader.groupNames };
}
