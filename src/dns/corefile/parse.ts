/**
 * Blocks of directives out of words.
 *
 *     file      := { snippet | import | block }
 *     snippet   := "(" NAME ")" "{" word... "}"
 *     block     := address { ("," | space) address } [ "{" { directive } "}" ]
 *     directive := NAME argument... [ "{" { directive } "}" ]
 *
 * A line ends a directive, an import takes the whole of one, and an opening brace may stand on the
 * next one.
 *
 * Spec  Caddyfile parser (caddy v1, package caddyfile), as CoreDNS uses it
 */
import { failAt, placeOf, shown } from './complaint.js';
import type { Directive, Token } from './corefile.js';
import { replaceEnvironment } from './environment.js';
import type { Environment } from './environment.js';
import type { Imports } from './import.js';
import type { SourceToken } from './lexer.js';
import type { TokenStream } from './token-stream.js';

/** Braces in braces in a directive; no plugin needs more than two. */
export const NESTING_MAX = 16;

/** A block whose addresses have not been looked at. */
export interface ParsedBlock {
  readonly addresses: readonly Token[];
  readonly directives: readonly Directive[];
}

export interface ParseInput {
  readonly stream: TokenStream;
  readonly imports: Imports;
  readonly env: Environment;
  /** Names that a line of a server block may begin with. */
  readonly directives: ReadonlySet<string>;
  /** Those of them that a block may have once only. */
  readonly onceOnly: ReadonlySet<string>;
  readonly warn: (message: string) => void;
}

/** @throws DataplaneError ERR_CONFIG */
export function parseBlocks(input: ParseInput): ParsedBlock[] {
  const { stream, imports, env } = input;
  const blocks: ParsedBlock[] = [];

  const withEnvironment = ({ text, file, line }: Token): Token => {
    return { text: replaceEnvironment(text, env), file, line };
  };

  /** Take the opening brace, if that is what comes next. */
  const takeOpening = (): SourceToken | undefined =>
    stream.peek()?.text === '{' ? stream.take() : undefined;

  const readAddresses = (): Token[] => {
    const addresses: Token[] = [];
    let comma: Token | undefined;
    for (let isFirst = true; ; isFirst = false) {
      if (comma !== undefined && stream.peek()?.startsLine === true) imports.expand(stream);
      const token = stream.peek();
      if (token === undefined || token.text === '{') {
        if (comma !== undefined) failAt(comma, 'expected another address behind the comma');
        if (isFirst && token !== undefined) failAt(token, 'expected an address before "{"');
        return addresses;
      }
      if (token.startsLine && !isFirst && comma === undefined) return addresses;
      if (token.text === '}') failAt(token, 'unexpected "}"');
      stream.take();
      const address = withEnvironment(token);
      comma = address.text.endsWith(',') ? token : undefined;
      const text = comma === undefined ? address.text : address.text.slice(0, -1);
      if (text !== '') addresses.push({ ...address, text });
    }
  };

  const readSnippet = (name: Token): void => {
    const opening = takeOpening();
    if (opening === undefined) failAt(name, `snippet ${shown(name.text)}: expected "{" behind it`);
    const body: SourceToken[] = [];
    for (let depth = 1; ;) {
      const token = stream.take();
      if (token === undefined) failAt(opening, '"{" is never closed');
      if (token.text === '{') depth++;
      if (token.text === '}' && --depth === 0) break;
      body.push(token);
    }
    imports.defineSnippet(name, name.text.slice(1, -1), body);
  };

  const readDirective = (depth: number): Directive => {
    const name = withEnvironment(stream.take() as SourceToken);
    if (depth === 0 && !input.directives.has(name.text)) {
      failAt(name, `unknown directive ${shown(name.text)}`);
    }
    const args: Token[] = [];
    for (;;) {
      const opening = takeOpening();
      if (opening !== undefined) {
        if (depth === NESTING_MAX) failAt(opening, `more than ${NESTING_MAX} braces in braces`);
        const block = readLines(opening, depth + 1);
        const next = stream.peek();
        if (next !== undefined && !next.startsLine && next.text !== '}') {
          failAt(next, `unexpected ${shown(next.text)} behind "}"`);
        }
        return { name, args, block };
      }
      const token = stream.peek();
      if (token === undefined || token.startsLine || token.text === '}') {
        return { name, args, block: undefined };
      }
      stream.take();
      args.push(withEnvironment(token));
    }
  };

  /** @param opening  undefined: there are no braces, the lines end with the file */
  const readLines = (opening: Token | undefined, depth: number): Directive[] => {
    const lines: Directive[] = [];
    for (;;) {
      imports.expand(stream);
      const token = stream.peek();
      if (token === undefined) {
        if (opening !== undefined) failAt(opening, '"{" is never closed');
        return lines;
      }
      if (token.text === '}' && opening !== undefined) {
        stream.take();
        return lines;
      }
      if (token.text === '{' || token.text === '}') {
        failAt(token, `unexpected ${shown(token.text)}`);
      }
      lines.push(readDirective(depth));
    }
  };

  const checkOnceOnly = (directives: readonly Directive[]): void => {
    const seen = new Map<string, Token>();
    for (const { name } of directives) {
      const first = seen.get(name.text);
      if (first !== undefined && input.onceOnly.has(name.text)) {
        const what = `a second ${shown(name.text)} in one server block`;
        failAt(name, `${what}; the first one is at ${placeOf(first)}`);
      }
      seen.set(name.text, name);
    }
  };

  for (;;) {
    imports.expand(stream);
    const first = stream.peek();
    if (first === undefined) return blocks;
    const addresses = readAddresses();
    const [address] = addresses;
    if (addresses.length === 1 && address !== undefined && /^\([^]*\)$/.test(address.text)) {
      readSnippet(address);
      continue;
    }
    const directives = readLines(takeOpening(), 0);
    checkOnceOnly(directives);
    if (addresses.length > 0) blocks.push({ addresses, directives });
    else input.warn(`${placeOf(first)}: a server block without an address is left out`);
  }
}
