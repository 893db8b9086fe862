/**
 * What a line of `rewrite` does: to a query on its way down, to the reply on its way up.
 */
import type { Arguments } from '../../corefile/arguments.js';
import type { SetupContext } from '../../chain/setup.js';
import type { DnsMessage, Edns } from '../../message/message.js';
import type { Query, WireName } from '../../plugin.js';
import type { Metadata } from '../metadata.js';

/** A query as rules change it, one after the other. */
export interface Draft {
  readonly name: WireName;
  readonly type: number;
  readonly class: number;
  readonly edns: Edns | undefined;
}

/** Changes a reply; rules are applied to it in the opposite order. */
export type ReplyRule = (reply: DnsMessage) => DnsMessage | Promise<DnsMessage>;

/** What a rule that matches makes of a query. */
export interface Effect {
  readonly draft: Draft;
  readonly onReply?: readonly ReplyRule[];
  /** The query cannot be asked: what `errors` logs. */
  readonly problem?: string;
}

export interface Rule {
  /** Nothing is matched behind it. */
  readonly isLast: boolean;
  /** Below which name all queries are that it acts on; undefined: anywhere. */
  readonly within: WireName | undefined;
  /** @returns undefined when the rule is not about the query */
  apply(draft: Draft, query: Query): Effect | undefined;
}

/** What rules are given of the server block. */
export interface RuleContext {
  readonly ask: SetupContext['ask'];
  readonly metadata: Metadata;
}

/** Reads the arguments of a field, such as `ttl`. */
export type ReadRule = (args: Arguments, context: RuleContext) => Pick<Rule, 'within' | 'apply'>;
