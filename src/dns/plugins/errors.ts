/**
 * `errors`: what went wrong is written to the log; what goes wrong often, once in a while.
 *
 * Spec  CoreDNS, plugin/errors
 */
import { messageOf } from '../../errors.js';
import type { Log, LogLevel } from '../../log.js';
import type { Setup } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice, needDuration } from '../corefile/values.js';
import type { Bounds } from '../corefile/values.js';
import { formatRcode, formatType } from '../message/types.js';
import type { Query, Reply } from '../plugin.js';
import { walkMessage, rcodeOf } from '../wire/message.js';
import { formatName } from '../wire/name.js';
import { compilePattern } from './regexp.js';
import type { Pattern } from './regexp.js';

const LEVELS = ['warning', 'error', 'info', 'debug'] as const;
const SHOW_FIRST = 'show_first';
const PERIOD_RANGE: Bounds = { min: 1, max: Infinity };

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

function needPattern(line: Arguments): Pattern {
  const text = line.need('a pattern');
  try {
    return compilePattern(text);
  } catch (error) {
    return line.failNaming(messageOf(error));
  }
}

/** `consolidate PERIOD REGEXP [LEVEL] [show_first]` */
function readRule(line: Arguments): Rule {
  const periodMs = needDuration(line, 'a period', PERIOD_RANGE);
  const pattern = needPattern(line);
  const hasLevel = line.left > 0 && line.peek() !== SHOW_FIRST;
  const level = hasLevel ? needChoice(line, LEVELS) : 'error';
  const isFirstShown = line.left > 0;
  if (isFirstShown) needChoice(line, [SHOW_FIRST]);
  line.end();
  return { pattern, periodMs, level: level === 'warning' ? 'warn' : level, isFirstShown };
}

function readRules(directive: Directive): Rule[] {
  const args = argumentsOf(directive);
  const rules: Rule[] = [];
  for (const line of args.lines()) {
    if (line.name === 'consolidate') rules.push(readRule(line));
    // There is no stack to show: a plugin that fails is one sentence.
    else if (line.name !== 'stacktrace') line.unknown();
  }
  args.end();
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
