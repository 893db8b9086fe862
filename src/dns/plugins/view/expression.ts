/**
 * Expressions over a query: those of expr-lang that give true or false.
 *
 *     or      = and { ("||" | "or") and }
 *     and     = compare { ("&&" | "and") compare }
 *     compare = unary { ["not"] OPERATOR unary }
 *     unary   = ("!" | "not") unary | "(" or ")" | "[" literals "]" | LITERAL | NAME "(" arguments ")"
 *
 * OPERATOR is one of == != < <= > >= in matches contains startsWith endsWith; `not` stands in front of
 * words only. `!` binds closer than operators do, as in expr-lang. Kinds are checked when it is read.
 *
 * Spec  expr-lang, language definition; its numbers are not calculated with here
 */
import type { Query } from '../../plugin.js';
import { compilePattern } from '../regexp.js';
import { FUNCTIONS } from './functions.js';
import type { Kind, Value } from './functions.js';
import { failExpression, wordsOf } from './lexer.js';
import type { Word } from './lexer.js';

/** A part of an expression, read. */
interface Node {
  readonly kind: Kind | 'list';
  /** @throws when there is no value: an address that is none */
  readonly run: (query: Query) => Value;
  /** Known without a query. */
  readonly literal?: Value;
  readonly list?: readonly Value[];
}

/** Brackets and negations inside of each other. */
const DEPTH_MAX = 50;

const same = (a: Value, b: Value): boolean => a === b;
const EQUALITY: Readonly<Record<string, (a: Value, b: Value) => boolean>> = {
  '==': same,
  '!=': (a, b) => !same(a, b),
};
const ORDER: Readonly<Record<string, (a: Value, b: Value) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};
const TEXT: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  contains: (a, b) => a.includes(b),
  startsWith: (a, b) => a.startsWith(b),
  endsWith: (a, b) => a.endsWith(b),
};
const NEGATED: ReadonlySet<string> = new Set(['in', 'matches', ...Object.keys(TEXT)]);
const OPERATORS: ReadonlySet<string> = new Set([
  ...NEGATED,
  ...Object.keys(EQUALITY),
  ...Object.keys(ORDER),
]);

const logical = (run: (query: Query) => boolean): Node => ({ kind: 'boolean', run });
const literal = (kind: Kind, value: Value): Node => ({ kind, run: () => value, literal: value });

function expectKind({ kind }: Node, expected: Node['kind'], where: string): void {
  if (kind !== expected) failExpression(`${where} takes a ${expected}, not a ${kind}`);
}

function matching(left: Node, right: Node): Node {
  expectKind(left, 'string', 'matches');
  if (typeof right.literal !== 'string') failExpression('matches takes a pattern in quotes');
  const pattern = compilePattern(right.literal);
  return logical((query) => pattern.matches(String(left.run(query))));
}

function within(left: Node, { list }: Node): Node {
  if (list === undefined) failExpression('in takes a list such as ["A", "AAAA"]');
  for (const value of list) {
    const kind = typeof value;
    if (kind !== left.kind) failExpression(`in compares a ${left.kind} with a ${kind}`);
  }
  const values = new Set(list);
  return logical((query) => values.has(left.run(query)));
}

/** @param operator  one of OPERATORS */
function binary(operator: string, left: Node, right: Node): Node {
  if (operator === 'matches') return matching(left, right);
  if (operator === 'in') return within(left, right);
  const text = TEXT[operator];
  if (text !== undefined) {
    for (const side of [left, right]) expectKind(side, 'string', operator);
    return logical((query) => text(String(left.run(query)), String(right.run(query))));
  }
  if (left.kind !== right.kind || left.kind === 'list') {
    failExpression(`${operator} compares a ${left.kind} with a ${right.kind}`);
  }
  const compare = EQUALITY[operator] ?? ORDER[operator] ?? same;
  if (operator in ORDER && left.kind === 'boolean') failExpression(`${operator} takes no boolean`);
  return logical((query) => compare(left.run(query), right.run(query)));
}

/** Reads words from the left to the right. */
class Reader {
  #at = 0;
  #depth = 0;
  readonly #words: readonly Word[];

  constructor(words: readonly Word[]) {
    this.#words = words;
  }

  /** A whole expression, to its end. */
  whole(): Node {
    const node = this.#or();
    const rest = this.#peek();
    if (rest.kind !== 'end') failExpression(`unexpected ${JSON.stringify(rest.text)}`);
    return node;
  }

  #peek(ahead = 0): Word {
    return this.#words[this.#at + ahead] ?? { kind: 'end', text: 'the end' };
  }

  /** Take the next word if it is one of these, and no string. */
  #take(...texts: readonly string[]): string | undefined {
    const { kind, text } = this.#peek();
    const isWord = kind === 'symbol' || kind === 'name';
    if (!isWord || !texts.includes(text)) return undefined;
    this.#at += 1;
    return text;
  }

  #need(text: string): void {
    if (this.#take(text) !== undefined) return;
    failExpression(`expected ${JSON.stringify(text)}, got ${JSON.stringify(this.#peek().text)}`);
  }

  #or(): Node {
    let left = this.#and();
    for (let word = this.#take('||', 'or'); word !== undefined; word = this.#take('||', 'or')) {
      const [a, b] = [left, this.#and()];
      for (const side of [a, b]) expectKind(side, 'boolean', word);
      left = logical((query) => a.run(query) === true || b.run(query) === true);
    }
    return left;
  }

  #and(): Node {
    let left = this.#compare();
    for (let word = this.#take('&&', 'and'); word !== undefined; word = this.#take('&&', 'and')) {
      const [a, b] = [left, this.#compare()];
      for (const side of [a, b]) expectKind(side, 'boolean', word);
      left = logical((query) => a.run(query) === true && b.run(query) === true);
    }
    return left;
  }

  #compare(): Node {
    let left = this.#unary();
    for (;;) {
      const isNegated = this.#peek().text === 'not' && NEGATED.has(this.#peek(1).text);
      if (isNegated) this.#need('not');
      const operator = this.#take(...OPERATORS);
      if (operator === undefined) return left;
      const node = binary(operator, left, this.#unary());
      left = isNegated ? logical((query) => node.run(query) !== true) : node;
    }
  }

  #unary(): Node {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) failExpression(`more than ${DEPTH_MAX} inside of each other`);
    const node = this.#operand();
    this.#depth -= 1;
    return node;
  }

  #operand(): Node {
    const not = this.#take('!', 'not');
    if (not !== undefined) {
      const node = this.#unary();
      expectKind(node, 'boolean', not);
      return logical((query) => node.run(query) !== true);
    }
    if (this.#take('(') !== undefined) {
      const node = this.#or();
      this.#need(')');
      return node;
    }
    if (this.#take('[') !== undefined) return this.#list();
    const { kind, text } = this.#peek();
    this.#at += 1;
    if (kind === 'string') return literal('string', text);
    if (kind === 'number') return literal('number', Number(text));
    if (kind !== 'name') failExpression(`expected a value, got ${JSON.stringify(text)}`);
    if (text === 'true' || text === 'false') return literal('boolean', text === 'true');
    return this.#call(text);
  }

  #list(): Node {
    const list: Value[] = [];
    while (this.#take(']') === undefined) {
      const { literal: value } = this.#unary();
      list.push(value ?? failExpression('a list has values in quotes, numbers, true and false'));
      if (this.#peek().text !== ']') this.#need(',');
    }
    return { kind: 'list', run: () => false, list };
  }

  #call(name: string): Node {
    const known = FUNCTIONS.get(name);
    if (known === undefined) {
      const hint = this.#peek().text === '(' ? '' : '; text stands in single quotes';
      failExpression(`${JSON.stringify(name)} is no function${hint}`);
    }
    const args: Node[] = [];
    this.#need('(');
    while (this.#take(')') === undefined) {
      args.push(this.#or());
      if (this.#peek().text !== ')') this.#need(',');
    }
    if (args.length !== known.arity) {
      failExpression(`${name} takes ${known.arity} arguments, not ${args.length}`);
    }
    for (const arg of args) expectKind(arg, 'string', name);
    known.check?.(args.map((arg) => (arg.literal === undefined ? undefined : String(arg.literal))));
    return {
      kind: known.gives,
      run: (query) =>
        known.call(
          query,
          args.map((arg) => String(arg.run(query))),
        ),
    };
  }
}

/**
 * Read an expression.
 *
 * @returns whether a query fits; it throws where a value does not exist, such as an address
 * @throws  DataplaneError ERR_CONFIG, without a place
 */
export function compileExpression(text: string): (query: Query) => boolean {
  const node = new Reader(wordsOf(text)).whole();
  if (node.kind !== 'boolean') failExpression(`expected true or false, not a ${node.kind}`);
  return (query) => node.run(query) === true;
}
