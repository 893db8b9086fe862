/**
 * Which names a rule is about, and what becomes of them.
 *
 * Names are compared as text, in lower case and with the dot at their end. Only `exact` is about
 * whole labels; a prefix, a suffix or a substring may begin and end within one.
 */
import { messageOf } from '../../../errors.js';
import type { Arguments } from '../../corefile/arguments.js';
import type { WireName } from '../../plugin.js';
import { foldName, formatName, parseName } from '../../wire/name.js';
import { compilePattern } from '../regexp.js';
import type { Pattern } from '../regexp.js';

const MATCH_KINDS = ['exact', 'prefix', 'suffix', 'substring', 'regex'] as const;
type MatchKind = (typeof MATCH_KINDS)[number];

/** `{0}`, `{1}`: the whole match, the groups. */
const GROUP = /\{(\d{1,3})\}/g;

/** @returns the text instead, undefined when it is not about it */
export type Replace = (text: string) => string | undefined;

export interface NameMatcher {
  readonly kind: MatchKind;
  matches(text: string): boolean;
  /** Below which name all that match are; undefined: anywhere. */
  readonly within: WireName | undefined;
}

export interface NameRewriter extends NameMatcher {
  readonly replace: Replace;
  /** suffix: the way back. */
  readonly restore: Replace | undefined;
}

/** A name as rules see it. */
export function textOf(name: WireName): string {
  return formatName(foldName(name));
}

function absolute(text: string): string {
  const lower = text.toLowerCase();
  return lower.endsWith('.') ? lower : `${lower}.`;
}

function needPattern(args: Arguments): Pattern {
  const source = args.need('a pattern');
  try {
    return compilePattern(source);
  } catch (error) {
    return args.fail(messageOf(error));
  }
}

function needName(args: Arguments): WireName {
  const text = absolute(args.need('a name'));
  try {
    return parseName(text);
  } catch (error) {
    return args.fail(messageOf(error));
  }
}

/** What all names with a suffix are below: from its first whole label on. */
function zoneOfSuffix(suffix: string): WireName | undefined {
  const dot = suffix.indexOf('.');
  try {
    return dot < 0 || dot === suffix.length - 1 ? undefined : parseName(suffix.slice(dot + 1));
  } catch {
    return undefined;
  }
}

/**
 * Take the kind of a match if it is given.
 *
 * @param others  words that come behind it
 */
export function takeKind(args: Arguments, others: number): MatchKind {
  const kind = MATCH_KINDS.find((each) => each === args.peek()?.toLowerCase());
  if (kind === undefined || args.left <= others) return 'exact';
  args.next();
  return kind;
}

/** Take what a name is compared with. @throws DataplaneError ERR_CONFIG */
export function needMatcher(args: Arguments, kind: MatchKind): NameMatcher {
  if (kind === 'exact') {
    const name = needName(args);
    const wanted = textOf(name);
    return { kind, matches: (text) => text === wanted, within: name };
  }
  if (kind === 'regex') {
    return { kind, matches: needPattern(args).matches, within: undefined };
  }
  const part = args.need('a part of a name').toLowerCase();
  if (kind === 'prefix')
    return { kind, matches: (text) => text.startsWith(part), within: undefined };
  if (kind === 'substring')
    return { kind, matches: (text) => text.includes(part), within: undefined };
  const suffix = absolute(part);
  return { kind, matches: (text) => text.endsWith(suffix), within: zoneOfSuffix(suffix) };
}

/**
 * Take a pattern and what is put in the place of a name that matches.
 *
 * @throws DataplaneError ERR_CONFIG  also for a group that the pattern does not have
 */
export function needPatternRewriter(args: Arguments): Replace {
  const { find, groupCount } = needPattern(args);
  const to = absolute(args.need('a name, with {1} for a group'));
  for (const [group, digits] of to.matchAll(GROUP)) {
    if (Number(digits) > groupCount) {
      args.fail(`the pattern has no group ${group}: it has ${groupCount}`);
    }
  }
  return (text) => {
    const groups = find(text);
    return groups && to.replace(GROUP, (_, digits: string) => groups[Number(digits)] ?? '');
  };
}

function replaceSuffix(from: string, to: string): Replace {
  return (text) =>
    text.endsWith(from) ? text.slice(0, text.length - from.length) + to : undefined;
}

/** Take what a name is compared with and what it becomes. @throws DataplaneError ERR_CONFIG */
export function needRewriter(args: Arguments, kind: MatchKind): NameRewriter {
  if (kind === 'regex') {
    const replace = needPatternRewriter(args);
    const matches = (text: string): boolean => replace(text) !== undefined;
    return { kind, matches, within: undefined, replace, restore: undefined };
  }
  const from = (args.peek() ?? '').toLowerCase();
  const matcher = needMatcher(args, kind);
  const only = (replaced: (text: string) => string): Replace => {
    return (text) => (matcher.matches(text) ? replaced(text) : undefined);
  };
  if (kind === 'exact') {
    const to = textOf(needName(args));
    return { ...matcher, replace: only(() => to), restore: undefined };
  }
  const to = args.need('what is put in its place').toLowerCase();
  if (kind === 'suffix') {
    const [suffix, other] = [absolute(from), absolute(to)];
    const restore = replaceSuffix(other, suffix);
    return { ...matcher, replace: replaceSuffix(suffix, other), restore };
  }
  const replaced =
    kind === 'prefix'
      ? (text: string): string => to + text.slice(from.length)
      : (text: string): string => text.replaceAll(from, () => to);
  return { ...matcher, replace: only(replaced), restore: undefined };
}
