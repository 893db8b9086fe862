/**
 * What a Corefile says, before any plugin has looked at it.
 */

/** A word of a Corefile, with the place it was read from. */
export interface Token {
  readonly text: string;
  readonly file: string;
  /** 1-based; of a word in quotes that spans lines, the first one. */
  readonly line: number;
}

/**
 * A line of a block: a name, its arguments, and the lines in braces behind them.
 *
 * Inside of a directive's braces the same shape holds the lines that belong to it.
 */
export interface Directive {
  readonly name: Token;
  readonly args: readonly Token[];
  /** undefined: no braces; empty: braces with nothing in them. */
  readonly block: readonly Directive[] | undefined;
}

export type Scheme = 'dns' | 'tls' | 'https' | 'quic' | 'grpc' | 'https3';

/** One zone on one port. */
export interface ServerAddress {
  readonly scheme: Scheme;
  /** Lower case and absolute: `example.org.`; `.` is the root. */
  readonly zone: string;
  /** Host order. */
  readonly port: number;
  /** The address as it was written; several zones of one prefix share it. */
  readonly token: Token;
}

export interface ServerBlock {
  /** One entry a zone: a prefix such as 10.0.0.0/15 stands for several. */
  readonly addresses: readonly ServerAddress[];
  /** In file order; a directive that is written twice is here twice. */
  readonly directives: readonly Directive[];
}

export interface Corefile {
  readonly blocks: readonly ServerBlock[];
  /** One line each, with file and line. */
  readonly warnings: readonly string[];
  /** Every file read, in the order of reading. */
  readonly files: readonly string[];
  /** SHA-512 in hex over the names and contents of `files`: it changes when a reload is due. */
  readonly hash: string;
}
