/**
 * Words of an expression.
 *
 * Spec  expr-lang, language definition: literals and operators
 */
import { DataplaneError } from '../../../errors.js';

export type WordKind = 'name' | 'string' | 'number' | 'symbol' | 'end';

export interface Word {
  readonly kind: WordKind;
  /** Of a string, its value; of a number, its decimal text. */
  readonly text: string;
}

/** In the order they are tried: longer symbols first. */
const WORD =
  /\s*(?:(?<name>[A-Za-z_$][\w$]*)|(?<number>0[xX][\da-fA-F_]+|\d[\d_]*(?:\.[\d_]+)?(?:[eE][+-]?\d+)?)|(?<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`(?<raw>[^`]*)`|(?<symbol>==|!=|<=|>=|&&|\|\||[<>!()[\],]))/sy;

const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|(.))/gs;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};
const SHOWN_MAX = 20;

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(ESCAPE, (all, x?: string, u?: string, plain = '') => {
    const code = x ?? u;
    if (code !== undefined) return String.fromCharCode(parseInt(code, 16));
    return ESCAPES[String(plain)] ?? failExpression(`${all} is no escape`);
  });
}

/** @throws DataplaneError ERR_CONFIG, always; without a place */
export function failExpression(message: string): never {
  throw new DataplaneError('ERR_CONFIG', message);
}

/**
 * Split an expression into words.
 *
 * @returns the words, and one of kind `end`
 * @throws  DataplaneError ERR_CONFIG, without a place
 */
export function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  const end = text.trimEnd().length;
  for (let at = 0; at < end;) {
    WORD.lastIndex = at;
    const { name, number, quoted, raw, symbol } = WORD.exec(text)?.groups ?? {};
    if (name !== undefined) words.push({ kind: 'name', text: name });
    else if (number !== undefined) {
      words.push({ kind: 'number', text: String(Number(number.replaceAll('_', ''))) });
    } else if (quoted !== undefined) words.push({ kind: 'string', text: unquote(quoted) });
    else if (raw !== undefined) words.push({ kind: 'string', text: raw });
    else if (symbol !== undefined) words.push({ kind: 'symbol', text: symbol });
    else {
      const rest = text.slice(at).trim().slice(0, SHOWN_MAX);
      failExpression(`nothing begins with ${JSON.stringify(rest)}`);
    }
    at = WORD.lastIndex;
  }
  return [...words, { kind: 'end', text: 'the end' }];
}
