/**
 * Rules about numbers: `type`, `class`, `ttl` and `rcode`.
 */
import type { Arguments } from '../../corefile/arguments.js';
import { RECORD_SECTIONS } from '../../message/message.js';
import type { DnsMessage, ResourceRecord } from '../../message/message.js';
import { parseClass, parseRcode, parseType } from '../../message/types.js';
import { needMatcher, takeKind, textOf } from './match.js';
import type { ReadRule, ReplyRule } from './rule.js';

/** RFC 2181 8. */
const TTL_MAX = 0x7fffffff;

function needNumber(
  args: Arguments,
  what: string,
  parse: (text: string) => number | undefined,
): number {
  return parse(args.need(what)) ?? args.fail(`expected ${what}`);
}

/** `type FROM TO` */
export const readTypeRule: ReadRule = (args) => {
  const from = needNumber(args, 'a record type', parseType);
  const to = needNumber(args, 'a record type', parseType);
  return {
    within: undefined,
    apply: (draft) => (draft.type === from ? { draft: { ...draft, type: to } } : undefined),
  };
};

/** `class FROM TO` */
export const readClassRule: ReadRule = (args) => {
  const from = needNumber(args, 'a class', parseClass);
  const to = needNumber(args, 'a class', parseClass);
  return {
    within: undefined,
    apply: (draft) => (draft.class === from ? { draft: { ...draft, class: to } } : undefined),
  };
};

/** Whoever matches has this done to the reply. */
function replyRule(args: Arguments, others: number, read: () => ReplyRule): ReturnType<ReadRule> {
  const { matches, within } = needMatcher(args, takeKind(args, others));
  const rule = read();
  return {
    within,
    apply: (draft) => (matches(textOf(draft.name)) ? { draft, onReply: [rule] } : undefined),
  };
}

/** `N`, `MIN-MAX`, `-MAX` or `MIN-`, in seconds. */
function needTtlRange(args: Arguments): { min: number; max: number } {
  const expected = 'a TTL or a range such as 30-300';
  const text = args.need(expected);
  const range = /^(\d*)(?:(-)(\d*))?$/.exec(text);
  const [, low = '', dash, high = ''] = range ?? [];
  if (range === null || (low === '' && high === '')) args.fail(`expected ${expected}`);
  const min = Number(low);
  const max = dash === undefined ? min : high === '' ? TTL_MAX : Number(high);
  if (min > max || max > TTL_MAX) args.fail(`expected ${expected} up to ${TTL_MAX}`);
  return { min, max };
}

function withTtls(message: DnsMessage, map: (ttl: number) => number): DnsMessage {
  const change = (record: ResourceRecord): ResourceRecord => ({ ...record, ttl: map(record.ttl) });
  const [answer = [], authority = [], additional = []] = RECORD_SECTIONS.map((section) =>
    message[section].map(change),
  );
  return { ...message, answer, authority, additional };
}

/** `ttl [exact|prefix|suffix|substring|regex] NAME TTL` */
export const readTtlRule: ReadRule = (args) =>
  replyRule(args, 2, () => {
    const { min, max } = needTtlRange(args);
    return (reply) => withTtls(reply, (ttl) => Math.min(Math.max(ttl, min), max));
  });

/** `rcode [exact|prefix|suffix|substring|regex] NAME FROM TO` */
export const readRcodeRule: ReadRule = (args) =>
  replyRule(args, 3, () => {
    const parse = (text: string): number | undefined =>
      /^\d+$/.test(text) ? parseRcode(`RCODE${text}`) : parseRcode(text);
    const from = needNumber(args, 'a response code', parse);
    const to = needNumber(args, 'a response code', parse);
    return (reply) => (reply.rcode === from ? { ...reply, rcode: to } : reply);
  });
