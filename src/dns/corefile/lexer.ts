/**
 * The words of a Corefile.
 *
 * Words are separated by white space. A word that begins with a quote runs to the next quote, over
 * lines if need be, and `\"` is the only escape in it. `#` outside of quotes begins a comment, also
 * in the middle of a word. A carriage return is as if it were not there.
 *
 * Spec  Caddyfile lexer (caddy v1, package caddyfile), as CoreDNS uses it
 */
import { failAt } from './complaint.js';
import type { Token } from './corefile.js';

export interface SourceToken extends Token {
  /** Nothing stands before it on its line. */
  readonly startsLine: boolean;
}

/** Words in one file, and in everything that is imported together. */
export const TOKENS_MAX = 1_000_000;

const BYTE_ORDER_MARK = '\uFEFF';
/** Go's unicode.IsSpace: it has U+0085, which JavaScript's \s lacks, and not U+FEFF. */
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
/** What ends a plain word: white space but for the carriage return, or a comment. */
const WORD_END = /[\t-\f \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000#]/g;
/** What matters between quotes: a backslash with what it escapes, or the closing quote. */
const QUOTE_STOP = /\\[^]|"/g;

function indexFrom(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(text)?.index ?? text.length;
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

/** Where the quote that closes is, or -1. */
function closingQuote(text: string, from: number): number {
  QUOTE_STOP.lastIndex = from;
  for (let stop = QUOTE_STOP.exec(text); stop !== null; stop = QUOTE_STOP.exec(text)) {
    if (stop[0] === '"') return stop.index;
  }
  return -1;
}

/**
 * @throws DataplaneError ERR_CONFIG  a quote that is never closed, or more than TOKENS_MAX words
 */
export function lex(text: string, file: string): SourceToken[] {
  const tokens: SourceToken[] = [];
  let line = 1;
  let lastLine = 0;
  let at = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  const add = (word: string): void => {
    const token = { text: word, file, line, startsLine: line !== lastLine };
    if (tokens.length === TOKENS_MAX) failAt(token, `more than ${TOKENS_MAX} words`);
    tokens.push(token);
  };
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '\n') {
      line++;
      at++;
    } else if (SPACE.test(char)) {
      at++;
    } else if (char === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (char === '"') {
      const end = closingQuote(text, at + 1);
      if (end < 0) failAt({ text: char, file, line }, 'a quote is opened and never closed');
      const quoted = text.slice(at + 1, end);
      add(quoted.replace(/\\([^])/g, (pair, escaped) => (escaped === '"' ? '"' : pair)));
      line += countLines(quoted);
      lastLine = line;
      at = end + 1;
    } else {
      const end = indexFrom(WORD_END, text, at);
      add(text.slice(at, end).replaceAll('\r', ''));
      lastLine = line;
      at = end;
    }
  }
  return tokens;
}
