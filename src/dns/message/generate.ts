/**
 * `$GENERATE 1-127 $ CNAME host-$.example.`: a line for each number of a range.
 *
 * `$` is the number; `${OFFSET[,WIDTH[,BASE]]}` adds to it, fills it up with zeros, and writes it in
 * base d, o, x or X. `\$` and `$$` are a dollar sign.
 *
 * Spec  BIND 9, Administrator Reference Manual: $GENERATE; miekg/dns, generate.go (its limit)
 */
import { DataplaneError } from '../../errors.js';
import { failWord } from './fields.js';
import type { Word } from './fields.js';

/** Lines of one range. */
const LINES_MAX = 65_536;
const RANGE = /^(\d{1,10})-(\d{1,10})(?:\/(\d{1,10}))?$/;
const DOLLAR = /\\[^]|\$\$|\$\{-?\d{1,10}(?:,\d{1,3}(?:,[doxX])?)?\}|\$(?!\{)/g;
const BRACES = /^\$\{(-?\d+)(?:,(\d+)(?:,(.))?)?\}$/;
const BASES: Readonly<Record<string, number>> = { d: 10, o: 8, x: 16, X: 16 };
const WIDTH_MAX = 255;

function formatNumber(value: number, width: number, base: string, word: string): string {
  if (value < 0) failWord(word, 'offsets that leave no number below 0');
  if (width > WIDTH_MAX) failWord(word, `widths of at most ${WIDTH_MAX}`);
  const digits = value.toString(BASES[base] ?? 10).padStart(width, '0');
  return base === 'X' ? digits.toUpperCase() : digits;
}

function substitute(text: string, number: number): string {
  const write = (whole: string): string => {
    if (whole.startsWith('\\')) return whole;
    if (whole === '$$') return '\\$';
    const [, offset = '0', width = '0', base = 'd'] = BRACES.exec(whole) ?? [];
    return formatNumber(number + Number(offset), Number(width), base, text);
  };
  const isOpen = /\$\{/.test(text.replaceAll(DOLLAR, ''));
  if (isOpen) failWord(text, '${OFFSET[,WIDTH[,BASE]]} with a base of d, o, x or X');
  return text.replaceAll(DOLLAR, write);
}

/**
 * Lines of a `$GENERATE`, each as its words.
 *
 * @param words  those behind `$GENERATE`
 * @throws DataplaneError ERR_CONFIG
 */
export function* generate([range, ...words]: readonly Word[]): Generator<Word[]> {
  const [, first, last, by = '1'] = RANGE.exec(range?.text ?? '') ?? [];
  const [start, stop, step] = [Number(first ?? NaN), Number(last), Number(by)];
  if (!(start <= stop) || step === 0 || words.length < 3) {
    const what = 'expected START-STOP[/STEP], an owner, a type and data';
    throw new DataplaneError('ERR_CONFIG', `$GENERATE ${range?.text ?? ''}: ${what}`);
  }
  if ((stop - start) / step >= LINES_MAX) {
    failWord(range?.text ?? '', `at most ${LINES_MAX} records of one line`);
  }
  for (let number = start; number <= stop; number += step) {
    yield words.map((word) => ({ ...word, text: substitute(word.text, number) }));
  }
}
