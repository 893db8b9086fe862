/**
 * Packages that the suites compare with. A suite whose package is not installed leaves that rival
 * out and says so.
 *
 *   hashring              the consistent-hash package that npm users take most; a ketama ring, its
 *                         LRU of recent answers turned off: a flow asks once. No package has Maglev
 *   longest-prefix-match  the only package whose structure is made for the question (hash maps, then
 *                         radix tries); the popular ones scan a list of blocks
 *   dns-packet            what Node programs encode and decode DNS with
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export interface HashRing {
  get(key: string): string;
}

type HashRingClass = new (
  servers: readonly string[],
  algorithm: string,
  options: { readonly 'max cache size': number },
) => HashRing;

export interface PrefixTable {
  addPrefix(prefix: string, data: object): void;
  /** The most specific one that covers a prefix, in an array. */
  getMatch(prefix: string): readonly object[];
}

function load(name: string): unknown {
  try {
    return require(name);
  } catch {
    return undefined; // not installed: whoever asks says that it is missing
  }
}

/** A ring of the addresses; undefined when the package is not installed. */
export function createHashRing(servers: readonly string[]): HashRing | undefined {
  const Ring = load('hashring') as HashRingClass | undefined;
  return Ring && new Ring(servers, 'md5', { 'max cache size': 1 });
}

/** An empty table; undefined when the package is not installed. */
export function createPrefixTable(): PrefixTable | undefined {
  const Table = load('longest-prefix-match') as (new () => PrefixTable) | undefined;
  return Table && new Table();
}
