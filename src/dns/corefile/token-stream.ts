/**
 * The words in the order they are read in: those of a file, with what it imports in the place of
 * each import.
 */
import { failAt } from './complaint.js';
import { TOKENS_MAX } from './lexer.js';
import type { SourceToken } from './lexer.js';

/** A snippet or a file whose words are being read. */
interface Part {
  readonly origin: string;
  readonly tokens: readonly SourceToken[];
  next: number;
}

export interface TokenStream {
  /** The word that `take` gives next. */
  peek(): SourceToken | undefined;
  take(): SourceToken | undefined;
  /** Take the next word if it stands on the line of the one before it and in the same file. */
  takeOnLine(): SourceToken | undefined;
  /** Go on with these words, as if they began a line; `at` is the import that asked for them. */
  insert(origin: string, tokens: readonly SourceToken[], at: SourceToken): void;
  /** Whether words of `origin` are being read, or what it imported is. */
  isOpen(origin: string): boolean;
}

export function createTokenStream(origin: string, tokens: readonly SourceToken[]): TokenStream {
  const parts: Part[] = [{ origin, tokens, next: 0 }];
  /** Of the parts that have been begun; the others wait for their turn. */
  const begun = new Set<string>();
  let total = tokens.length;

  const peek = (): SourceToken | undefined => {
    for (;;) {
      const part = parts.at(-1);
      if (part === undefined) return undefined;
      if (part.next < part.tokens.length) return part.tokens[part.next];
      parts.pop();
      begun.delete(part.origin);
    }
  };

  const take = (): SourceToken | undefined => {
    const token = peek();
    const part = parts.at(-1);
    if (part === undefined) return undefined;
    begun.add(part.origin);
    part.next++;
    return token;
  };

  return {
    peek,
    take,
    takeOnLine: () => {
      // Not through peek: a part must stay open while its last line is read.
      const part = parts.at(-1);
      const token = part?.tokens[part.next];
      return token === undefined || token.startsLine ? undefined : take();
    },
    insert: (from, inserted, at) => {
      total += inserted.length;
      if (total > TOKENS_MAX) failAt(at, `with what is imported, more than ${TOKENS_MAX} words`);
      const [first, ...rest] = inserted;
      if (first === undefined) return;
      parts.push({ origin: from, tokens: [{ ...first, startsLine: true }, ...rest], next: 0 });
    },
    isOpen: (asked) => begun.has(asked),
  };
}
