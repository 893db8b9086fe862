/**
 * Regular expressions of a Corefile: those of Go (RE2), in time linear in the text.
 *
 * JavaScript's own are of no use here. They spell things differently (`(?P<x>)`, `[[:alpha:]]`,
 * `\A`, `\z`, flags), and they go back without a bound: a client chooses the name that is searched,
 * and `(.*)x(.*)x(.*)x(.*)y` takes 5 s against 255 octets (Node 20).
 */
import { createRequire } from 'node:module';
import type * as Re2 from 're2js';
import { DataplaneError, messageOf } from '../../errors.js';

/** Characters of a pattern, as in CoreDNS. */
export const PATTERN_MAX = 10_000;
const SHOWN_MAX = 60;

const require = createRequire(import.meta.url);

/** A pattern that has been read. */
export interface Pattern {
  readonly source: string;
  /** Groups that capture, without the whole match. */
  readonly groupCount: number;
  /** Name of each group, the whole match first; empty where a group has none. */
  readonly groupNames: readonly string[];
  /** Whether there is a match anywhere; costs less than `find`. */
  matches(text: string): boolean;
  /**
   * The leftmost match and its groups, a group that took no part being empty.
   *
   * @returns undefined when nothing matches
   */
  find(text: string): readonly string[] | undefined;
}

/** Loaded with the first pattern: it takes 20 ms, and few Corefiles have any. */
function engine(): typeof Re2 {
  return require('re2js') as typeof Re2;
}

function failPattern(source: string, what: string): never {
  const shown = source.length > SHOWN_MAX ? `${source.slice(0, SHOWN_MAX)}...` : source;
  throw new DataplaneError('ERR_CONFIG', `pattern ${JSON.stringify(shown)}: ${what}`);
}

function compile(source: string): Re2.RE2JS {
  if (source.length > PATTERN_MAX) {
    failPattern(source, `it has more than ${PATTERN_MAX} characters`);
  }
  const { RE2JS } = engine();
  try {
    return RE2JS.compile(source);
  } catch (error) {
    return failPattern(source, messageOf(error).replace(/^error parsing regexp: /, ''));
  }
}

/**
 * Read a pattern.
 *
 * @throws DataplaneError ERR_CONFIG  no RE2 syntax, or too large; without a place
 */
export function compilePattern(source: string): Pattern {
  const compiled = compile(source);
  const groupCount = compiled.groupCount();
  const groupNames = new Array<string>(groupCount + 1).fill('');
  for (const [name, group] of Object.entries(compiled.namedGroups())) groupNames[group] = name;
  return {
    source,
    groupCount,
    groupNames,
    matches: (text) => compiled.test(text),
    find: (text) => {
      const groups: (string | undefined)[] | null = compiled.exec(text);
      return groups?.map((group) => group ?? '');
    },
  };
}
