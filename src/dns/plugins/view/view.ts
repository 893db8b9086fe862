/**
 * `view`: which queries for its zones a server block answers.
 *
 *     view NAME {
 *         expr EXPRESSION
 *     }
 *
 * All expressions have to be true. A server block of the same zone that comes later gets the others.
 *
 * Spec  CoreDNS, plugin/view
 */
import { DataplaneError, messageOf } from '../../../errors.js';
import type { View } from '../../chain/server-blocks.js';
import { argumentsOf } from '../../corefile/arguments.js';
import type { Arguments } from '../../corefile/arguments.js';
import { failAt, shown } from '../../corefile/complaint.js';
import type { Directive } from '../../corefile/corefile.js';
import { needEach } from '../../corefile/values.js';
import type { Query } from '../../plugin.js';
import { compileExpression } from './expression.js';

type Condition = (query: Query) => boolean;

function readCondition(line: Arguments): Condition {
  if (line.name !== 'expr') line.unknown();
  const text = needEach(line, () => line.need('an expression')).join(' ');
  try {
    return compileExpression(text);
  } catch (error) {
    return line.failNaming(`${shown(text)}: ${messageOf(error)}`);
  }
}

/** Whether a condition is true; one that has no answer is not. */
function holds(condition: Condition, query: Query): boolean {
  try {
    return condition(query);
  } catch (error) {
    if (error instanceof DataplaneError) return false;
    throw error;
  }
}

/**
 * The view of a server block.
 *
 * @param directives  all of the block
 * @returns undefined: the block has every query
 * @throws  DataplaneError ERR_CONFIG
 */
export function readView(directives: readonly Directive[]): View | undefined {
  const [directive, second] = directives.filter(({ name }) => name.text === 'view');
  if (directive === undefined) return undefined;
  if (second !== undefined) failAt(second.name, 'view: expected once in a server block');
  const args = argumentsOf(directive);
  const name = args.need('a name');
  const conditions = args.lines().map(readCondition);
  args.end();
  return {
    name,
    has: (query) => conditions.every((condition) => holds(condition, query)),
  };
}
