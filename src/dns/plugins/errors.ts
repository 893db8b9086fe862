/**
 * `errors`: what went wrong is written to the log; what goes wrong often, once in a while.
 *
 * Spec  CoreDNS, plugin/errors
 */
import { messageOf } from '../../errors.js';
import type { Log, LogLevel } from '../../log.js';
import { argAt, expectArgs, expectNoBlock, failUnknown } from '../chain/directives.js';
import { readDuration, readWord } from '../chain/directives.js';
import type { Setup } from '../chain/setup.js';
import { failAt, shown } from '../corefile/complaint.js';
import type { Directive, Token } from '../corefile/corefile.js';
import { formatRcode, formatType } from '../message/types.js';
import type { Query, Reply } from '../plugin.js';
import { walkMessage, rcodeOf } from '../wire/message.js';
import { formatName } from '../wire/name.js';
import { compilePattern } from './regexp.js';
import type { Pattern } from './regexp.js';

const LEVELS = ['warning', 'error', 'info', 'debug'] as const;

interface Rule {
  readonly pattern: Pattern;
  readonly periodMs: number;
  readonly level: LogLevel;
  readonly isFirstShown: boolean;
}

interface Counted {
  count: number;
  timer: NodeJS.Timeout;
}

function readPattern(token: Token): Pattern {
  try {
    return compilePattern(token.text);
  } catch (error) {
    return failAt(token, `${shown(token.text)}: ${messageOf(error)}`);
  }
}

/** `consolidate PERIOD REGEXP [LEVEL] [show_first]` */
function readRule(line: Directive): Rule {
  expectArgs(line, 2, 4);
  expectNoBlock(line);
  const words = line.args.slice(2);
  const isFirstShown = words.at(-1)?.text === 'show_first';
  if (isFirstShown) words.pop();
  const [level, extra] = words;
  if (extra !== undefined) failAt(extra, `consolidate: ${shown(extra.text)} is too much`);
  const word = level === undefined ? 'error' : readWord(level, LEVELS);
  return {
    pattern: readPattern(argAt(line, 1)),
    periodMs: readDuration(argAt(line, 0), { min: 1, max: Infinity }),
    level: word === 'warning' ? 'warn' : word,
    isFirstShown,
  };
}

function readRules(directive: Directive): Rule[] {
  expectArgs(directive, 0);
  const rules: Rule[] = [];
  for (const line of directive.block ?? []) {
    if (line.name.text === 'consolidate') rules.push(readRule(line));
    // There is no stack to show: a plugin that fails is one sentence.
    else if (line.name.text !== 'stacktrace') failUnknown('errors', line);
  }
  return rules;
}

/** `SERVFAIL example.org. A: 192.0.2.1:53: timeout` */
function textOf({ name, type }: Query, { message, problem }: Reply): string {
  const walked = walkMessage(message);
  const rcode = 'malformed' in walked ? 'SERVFAIL' : formatRcode(rcodeOf(walked));
  return `${rcode} ${formatName(name)} ${formatType(type)}: ${problem ?? ''}`;
}

/** Errors that a rule has, counted until its period is over. */
function createCounters(log: Log) {
  const counted = new Map<Rule, Counted>();
  const report = (rule: Rule): void => {
    const { count } = counted.get(rule) ?? { count: 0 };
    counted.delete(rule);
    const { pattern, periodMs, level } = rule;
    log[level](
      { count },
      `${count} errors like '${pattern.source}' occurred in last ${periodMs}ms`,
    );
  };
  return {
    /** @returns whether it is the first of its period */
    add: (rule: Rule): boolean => {
      const entry = counted.get(rule);
      if (entry !== undefined) entry.count++;
      else {
        const timer = setTimeout(() => report(rule), rule.periodMs).unref();
        counted.set(rule, { count: 1, timer });
      }
      return entry === undefined;
    },
    close: () => {
      for (const [rule, { timer }] of counted) {
        clearTimeout(timer);
        report(rule);
      }
    },
  };
}

export const setUpErrors: Setup = (directives, context) => {
  const rules = directives.flatMap(readRules);
  const log = context.log.child({ component: 'dns.errors' });
  const counters = createCounters(log);
  const note = (query: Query, reply: Reply): void => {
    const { problem } = reply;
    if (problem === undefined) return;
    const rule = rules.find(({ pattern }) => pattern.matches(problem));
    const isShown = rule === undefined || (counters.add(rule) && rule.isFirstShown);
    if (isShown) log[rule?.level ?? 'error'](textOf(query, reply));
  };
  return {
    name: 'errors',
    claims: { kind: 'none' },
    handle: async (query, next) => {
      const reply = await next(query);
      note(query, reply);
      return reply;
    },
    close: () => {
      counters.close();
      return Promise.resolve();
    },
  };
};
