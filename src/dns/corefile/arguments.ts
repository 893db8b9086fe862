/**
 * A plugin's view of its directive: arguments one by one, then the lines in its braces.
 *
 *     const args = argumentsOf(directive);
 *     const zones = readZones(args, ofBlock);
 *     for (const line of args.lines()) {
 *       if (line.name === 'ttl') ttl = needInteger(line, 'a TTL', { min: 0, max: 3600 });
 *       else line.unknown();
 *       line.end();
 *     }
 *     args.end();
 *
 * Whatever is refused is refused at the word it is about: `Corefile:9: kubernetes ttl: "1d":
 * expected a TTL of 0 to 3600`.
 */
import { failAt, shown } from './complaint.js';
import type { Directive, Token } from './corefile.js';

export interface Arguments {
  /** Name of the directive, or of the line in its braces. */
  readonly name: string;
  /** The argument that was taken last, before that the name: what `fail` is about. */
  readonly token: Token;
  /** Arguments that have not been taken. */
  readonly left: number;
  /** Whether there are braces, with or without lines. */
  readonly hasBlock: boolean;
  /** The next argument's text, or undefined behind the last one. */
  next(): string | undefined;
  /** The same without taking it. */
  peek(): string | undefined;
  /**
   * Take an argument that has to be there; `what` is what it is, with its article.
   *
   * @throws DataplaneError ERR_CONFIG
   */
  need(what: string): string;
  /** Take all that are left. */
  rest(): readonly Token[];
  /** Lines in the braces, each with its own arguments; none without braces. */
  lines(): Arguments[];
  /**
   * Refuse what is left: arguments, and braces unless `lines` was asked for.
   *
   * @throws DataplaneError ERR_CONFIG
   */
  end(): void;
  /**
   * Refuse arguments that are left, and let braces be.
   *
   * @throws DataplaneError ERR_CONFIG
   */
  endArguments(): void;
  /** @throws DataplaneError ERR_CONFIG, always: the name means nothing here */
  unknown(): never;
  /** @throws DataplaneError ERR_CONFIG, always: place, names, word, message */
  fail(message: string): never;
  /** @throws DataplaneError ERR_CONFIG, always: place, names, a message that has the word */
  failNaming(message: string): never;
}

/** @param path  names around this one: `kubernetes` for a line in its braces */
function createArguments(directive: Directive, path: readonly string[]): Arguments {
  const { name, args, block } = directive;
  const where = [...path, name.text].map(quoteOdd).join(' ');
  let taken = 0;
  let linesAsked = false;

  const at = (): Token => args[taken - 1] ?? name;
  const take = (): Token | undefined => {
    const token = args[taken];
    if (token !== undefined) taken++;
    return token;
  };
  const failOn = (token: Token, message: string): never => {
    const word = token === name ? '' : `${shown(token.text)}: `;
    return failAt(token, `${where}: ${word}${message}`);
  };
  const endArguments = (): void => {
    const extra = take();
    if (extra !== undefined) failOn(extra, 'unexpected argument');
  };

  return {
    name: name.text,
    get token() {
      return at();
    },
    get left() {
      return args.length - taken;
    },
    hasBlock: block !== undefined,
    next: () => take()?.text,
    peek: () => args[taken]?.text,
    need: (what) => take()?.text ?? failOn(at(), `expected ${what}`),
    rest: () => {
      const rest = args.slice(taken);
      taken = args.length;
      return rest;
    },
    lines: () => {
      linesAsked = true;
      return (block ?? []).map((line) => createArguments(line, [...path, name.text]));
    },
    end: () => {
      endArguments();
      if (block !== undefined && !linesAsked) failOn(name, 'expected no braces');
    },
    endArguments,
    unknown: () => {
      const around = path.map(quoteOdd).join(' ');
      return failAt(
        name,
        `${around === '' ? '' : `${around}: `}unknown property ${shown(name.text)}`,
      );
    },
    fail: (message) => failOn(at(), message),
    failNaming: (message) => failAt(at(), `${where}: ${message}`),
  };
}

/** A name as it is if it is a plain one. */
function quoteOdd(name: string): string {
  return /^[\w./:-]{1,60}$/.test(name) ? name : shown(name);
}

export function argumentsOf(directive: Directive): Arguments {
  return createArguments(directive, []);
}
