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
import type { View } from '../../chain/server-blocks.js';
import { argumentsOf } from '../../corefile/arguments.js';
import type { Arguments } from '../../corefile/arguments.js';
import { failAt } from '../../corefile/complaint.js';
import type { Directive } from '../../corefile/corefile.js';
import { needCondition } from './condition.js';
import type { Condition } from './condition.js';

function readCondition(line: Arguments): Condition {
  if (line.name !== 'expr') line.unknown();
  return needCondition(line);
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
    has: (query) => conditions.every((holds) => holds(query)),
  };
}
