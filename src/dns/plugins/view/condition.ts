/**
 * Lines `expr EXPRESSION`: what has to be true of a query.
 */
import { DataplaneError, messageOf } from '../../../errors.js';
import type { Arguments } from '../../corefile/arguments.js';
import { shown } from '../../corefile/complaint.js';
import { needEach } from '../../corefile/values.js';
import type { Query } from '../../plugin.js';
import { compileExpression } from './expression.js';

/** Whether an expression is true of a query; one that has no answer is not. */
export type Condition = (query: Query) => boolean;

/** @throws DataplaneError ERR_CONFIG */
export function needCondition(line: Arguments): Condition {
  const text = needEach(line, () => line.need('an expression')).join(' ');
  let holds: (query: Query) => boolean;
  try {
    holds = compileExpression(text);
  } catch (error) {
    return line.failNaming(`${shown(text)}: ${messageOf(error)}`);
  }
  return (query) => {
    try {
      return holds(query);
    } catch (error) {
      if (error instanceof DataplaneError) return false;
      throw error;
    }
  };
}
