/**
 * `rewrite`: queries that are changed on their way down, and their replies on their way up.
 *
 *     rewrite [continue|stop] name|type|class|ttl|rcode|cname|edns0 ...
 *     rewrite [continue|stop] {
 *         name ...
 *         answer ...
 *     }
 *
 * Rules are tried in file order; the first one that matches is the last one, unless it says
 * `continue`. What they do to replies is done in the opposite order. The client sees its own question.
 *
 * Spec  CoreDNS 1.14.7, plugin/rewrite
 */
import { argumentsOf } from '../../corefile/arguments.js';
import { failAt } from '../../corefile/complaint.js';
import type { Directive, Token } from '../../corefile/corefile.js';
import type { Setup } from '../../chain/setup.js';
import { decodeMessage } from '../../message/decode.js';
import { encodeMessage } from '../../message/encode.js';
import type { Claims, Query, Reply } from '../../plugin.js';
import { createMetadata } from '../metadata.js';
import { changeQuery, replyFailure } from '../reply.js';
import { claimBelow, ROOT } from '../zones.js';
import { readEdnsRule } from './edns.js';
import { readCnameRule, readNameRule } from './names.js';
import { readClassRule, readRcodeRule, readTtlRule, readTypeRule } from './numbers.js';
import type { Draft, ReadRule, ReplyRule, Rule, RuleContext } from './rule.js';

const FIELDS: ReadonlyMap<string, ReadRule> = new Map([
  ['name', readNameRule],
  ['type', readTypeRule],
  ['class', readClassRule],
  ['ttl', readTtlRule],
  ['rcode', readRcodeRule],
  ['cname', readCnameRule],
  ['edns0', readEdnsRule],
]);

/** Words of a directive as one line: lines in braces belong to one rule. */
function wordsOf({ args, block }: Directive): Token[] {
  return [...args, ...(block ?? []).flatMap((line) => [line.name, ...wordsOf(line)])];
}

function readRule(directive: Directive, context: RuleContext): Rule {
  const words = wordsOf(directive);
  const args = argumentsOf({ name: directive.name, args: words, block: undefined });
  const mode = args.peek()?.toLowerCase();
  if (mode === 'continue' || mode === 'stop') args.next();
  const field = args.need(`one of ${[...FIELDS.keys()].join(', ')}`).toLowerCase();
  if (field === 'answer') failAt(args.token, 'rewrite: an answer rule belongs behind a name rule');
  const read = FIELDS.get(field) ?? args.fail(`expected one of ${[...FIELDS.keys()].join(', ')}`);
  const rule = read(args, context);
  args.end();
  return { ...rule, isLast: mode !== 'continue' };
}

interface Rewritten {
  readonly draft: Draft;
  readonly onReply: readonly ReplyRule[];
  readonly problem: string | undefined;
}

/** @returns undefined when no rule matches */
function rewriteQuery(rules: readonly Rule[], query: Query): Rewritten | undefined {
  const { name, type, class: queryClass } = query;
  const edns = decodeMessage(query.message)?.edns;
  let draft: Draft = { name, type, class: queryClass, edns };
  const onReply: ReplyRule[] = [];
  let isMatched = false;
  for (const rule of rules) {
    const effect = rule.apply(draft, query);
    if (effect === undefined) continue;
    isMatched = true;
    draft = effect.draft;
    onReply.push(...(effect.onReply ?? []).toReversed());
    if (effect.problem !== undefined) return { draft, onReply, problem: effect.problem };
    if (rule.isLast) break;
  }
  return isMatched ? { draft, onReply: onReply.reverse(), problem: undefined } : undefined;
}

/** What the rules make of a reply; the question is the client's again. */
async function rewriteReply(
  reply: Reply,
  query: Query,
  onReply: readonly ReplyRule[],
): Promise<Reply> {
  const decoded = reply.message.length === 0 ? undefined : decodeMessage(reply.message);
  if (decoded === undefined) return reply;
  let message = decoded;
  for (const rule of onReply) message = await rule(message);
  const { name, type, class: queryClass } = query;
  const question = { name, type, class: queryClass };
  return { ...reply, message: encodeMessage({ ...message, question }) };
}

function claimsOf(rules: readonly Rule[]): Claims {
  return claimBelow(rules.map(({ within }) => within ?? ROOT));
}

export const setUpRewrite: Setup = (directives, context) => {
  const ruleContext: RuleContext = { ask: context.ask, metadata: createMetadata(context) };
  const rules = directives.map((directive) => readRule(directive, ruleContext));
  return {
    name: 'rewrite',
    claims: claimsOf(rules),
    handle: async (query, next) => {
      const rewritten = rewriteQuery(rules, query);
      if (rewritten === undefined) return next(query);
      const { draft, onReply, problem } = rewritten;
      if (problem !== undefined) return replyFailure('rewrite', query, problem);
      const { edns, ...question } = draft;
      const reply = await next(changeQuery(query, { ...question, ...(edns && { edns }) }));
      return rewriteReply(reply, query, onReply);
    },
  };
};
