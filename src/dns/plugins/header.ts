/**
 * `header`: bits of the header, of queries on their way down and of replies on their way up.
 *
 *     header {
 *         [query|response] set|clear aa|ra|rd...
 *     }
 *
 * Spec  CoreDNS, plugin/header
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import { needChoice } from '../corefile/values.js';
import type { Setup } from '../chain/setup.js';
import { FLAGS_OFF, FLAG_AA, FLAG_RA, FLAG_RD, readU16, writeU16 } from '../wire/header.js';

const FLAGS = { aa: FLAG_AA, ra: FLAG_RA, rd: FLAG_RD } as const;
const FLAG_NAMES = ['aa', 'ra', 'rd'] as const;

type Selector = 'query' | 'response';
type Action = 'set' | 'clear';

/** Bits of the second word of the header. */
interface Rule {
  readonly selector: Selector;
  readonly set: number;
  readonly clear: number;
}

function readAction(line: Arguments): { selector: Selector; action: Action } {
  const { name } = line;
  if (name === 'set' || name === 'clear') return { selector: 'response', action: name };
  if (name !== 'query' && name !== 'response') return line.unknown();
  return { selector: name, action: needChoice(line, ['set', 'clear']) };
}

function readRule(line: Arguments): Rule {
  const { selector, action } = readAction(line);
  let bits = 0;
  do {
    bits |= FLAGS[needChoice(line, FLAG_NAMES)];
  } while (line.left > 0);
  line.end();
  return { selector, set: action === 'set' ? bits : 0, clear: action === 'clear' ? bits : 0 };
}

function apply(message: Uint8Array, rules: readonly Rule[]): Uint8Array {
  if (rules.length === 0 || message.length < FLAGS_OFF + 2) return message;
  const changed = message.slice();
  writeU16(
    changed,
    FLAGS_OFF,
    rules.reduce((flags, { set, clear }) => (flags & ~clear) | set, readU16(message, FLAGS_OFF)),
  );
  return changed;
}

export const setUpHeader: Setup = (directives) => {
  const rules = directives.flatMap((directive) => {
    const args = argumentsOf(directive);
    const read = args.lines().map(readRule);
    args.end();
    return read;
  });
  const onQuery = rules.filter(({ selector }) => selector === 'query');
  const onResponse = rules.filter(({ selector }) => selector === 'response');
  return {
    name: 'header',
    claims: { kind: 'all' },
    handle: async (query, next) => {
      const reply = await next({ ...query, message: apply(query.message, onQuery) });
      return { ...reply, message: apply(reply.message, onResponse) };
    },
  };
};
