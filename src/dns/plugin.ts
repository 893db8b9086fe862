/**
 * What a plugin of the host's chain is: one that answers what the core does not answer by itself.
 *
 * A query comes down the chain, in CoreDNS's order of plugins, until one of them answers; the reply goes
 * back up through all that let it pass. Queries and replies are messages as they are sent; whoever
 * changes records decodes them (message/).
 */
import type { Address } from '../addr.js';

/** A name as in a message (RFC 1035 3.1), in the letter case it came in, its root included. */
export type WireName = Uint8Array;

/** Where a query came from, and by which way. */
export interface Client {
  readonly address: Address;
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** The address and port the query was sent to. */
  readonly server: { readonly address: Address; readonly port: number };
  /** The pod of this node that has the address, where the dataplane has vouched for it. */
  readonly pod?: { readonly namespace: string; readonly name: string };
}

/** One query: QUERY, one question, checked by the core. */
export interface Query {
  /** The whole message: what is forwarded. A plugin that asks for another name makes another query. */
  readonly message: Uint8Array;
  readonly name: WireName;
  readonly type: number;
  readonly class: number;
  /** The OPT record, if there is one (RFC 6891). */
  readonly edns?: { readonly udpSize: number; readonly isDnssecOk: boolean };
  readonly client: Client;
  /** Questions of plugins on the client's behalf that have led to this one; none = 0. */
  readonly depth?: number;
  /** Nobody waits for the answer: this wire cache is to have it again. */
  readonly refreshes?: number;
}

/** A reply, and who made it. */
export interface Reply {
  /**
   * A whole message; its ID, question and OPT are put right, and what is too long is cut, when it is
   * sent. Empty: nothing is sent.
   */
  readonly message: Uint8Array;
  /** Name of the plugin, for metrics and logs. */
  readonly plugin: string;
  /** Of an error the server made: what `errors` logs. */
  readonly problem?: string;
}

/** The rest of the chain. */
export type Next = (query: Query) => Promise<Reply>;

/** Which names the core must leave to the host, so that a plugin in front of the zones can act. */
export type Claims =
  | { readonly kind: 'none' }
  /** These names and all below them, wire names in lower case. */
  | { readonly kind: 'below'; readonly names: readonly WireName[] }
  | { readonly kind: 'all' };

/** A plugin as one server block has it. */
export interface Plugin {
  readonly name: string;
  readonly claims: Claims;
  handle(query: Query, next: Next): Promise<Reply>;
  /** Let go of sockets, timers and files. */
  close?(): Promise<void>;
  /** Why the server is not ready to be asked, if it is not (plugin `ready`). */
  notReady?(): string | undefined;
}
