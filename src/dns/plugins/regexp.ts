/**
 * Regular expressions of a Corefile: those of Go (RE2), in time that is bounded.
 *
 * JavaScript's own are of no use here. They spell things differently (`(?P<x>)`, `[[:alpha:]]`,
 * `\A`, `\z`, flags), and they go back without a bound: a client chooses the name that is searched,
 * and `(.*)x(.*)x(.*)x(.*)y` takes 5 s against 255 octets (Node 20).
 */
import { compileProgram, searchProgram } from './regexp-program.js';
import { parsePattern } from './regexp-syntax.js';

/** A pattern that has been read. */
export interface Pattern {
  readonly source: string;
  /** Groups that capture, without the whole match. */
  readonly groupCount: number;
  /** Name of each group, the whole match first; empty where a group has none. */
  readonly groupNames: readonly string[];
  /**
   * The leftmost match and its groups, a group that took no part being empty.
   *
   * @returns undefined when nothing matches
   */
  find(text: string): readonly string[] | undefined;
}

/**
 * Read a pattern.
 *
 * @throws DataplaneError ERR_CONFIG  no RE2 syntax, not supported, or too large; without a place
 */
export function compilePattern(source: string): Pattern {
  const { root, groupNames } = parsePattern(source);
  const program = compileProgram(root);
  const groupCount = groupNames.length - 1;
  return {
    source,
    groupCount,
    groupNames,
    find: (text) => {
      const slots = searchProgram(program, text, groupCount);
      return slots && groupNames.map((_, i) => text.slice(slots[i * 2], slots[i * 2 + 1]));
    },
  };
}
