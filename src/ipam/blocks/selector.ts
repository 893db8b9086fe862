/**
 * Label selectors as Kubernetes writes them in one line, and the part of Calico's that says the
 * same: `all()`, `has(key)`, `&&`, quoted values.
 *
 *   zone=a, tier!=web, disk in (ssd, nvme), !spot
 *   zone == 'a' && has(disk)
 */
import { DataplaneError } from '../../errors.js';

export type Labels = Readonly<Record<string, string>>;
export type Selector = (labels: Labels) => boolean;

const KEY = String.raw`([A-Za-z0-9][-A-Za-z0-9_./]*)`;
const VALUE = String.raw`(?:"([^"]*)"|'([^']*)'|([-A-Za-z0-9_.]*))`;
const EXISTS = new RegExp(`^${KEY}$`);
const HAS = new RegExp(String.raw`^has\(\s*${KEY}\s*\)$`);
const COMPARES = new RegExp(String.raw`^${KEY}\s*(==?|!=)\s*${VALUE}$`);
const CHOOSES = new RegExp(String.raw`^${KEY}\s+(in|notin|not in)\s*[({]([^(){}]*)[)}]$`);
/** A comma or `&&` that is in no brackets and no quotes. */
const BETWEEN = /(?:,|&&)(?=(?:[^'"]|'[^']*'|"[^"]*")*$)(?![^({]*[)}])/;

const unquoted = (text: string): string => text.trim().replace(/^(['"])(.*)\1$/, '$2');

function parseTerm(term: string): Selector | undefined {
  if (term === 'all()') return () => true;
  const negated = /^!\s*(.+)$/.exec(term)?.[1];
  const key = (HAS.exec(negated ?? term) ?? EXISTS.exec(negated ?? term))?.[1];
  if (key !== undefined) return (labels) => key in labels === (negated === undefined);
  const compared = COMPARES.exec(term);
  if (compared !== null) {
    const [, name = '', operator, double, single, bare] = compared;
    const value = double ?? single ?? bare ?? '';
    return (labels) => (labels[name] === value) === (operator !== '!=');
  }
  const chosen = CHOOSES.exec(term);
  if (chosen === null) return undefined;
  const [, name = '', operator, list = ''] = chosen;
  const values = new Set(list.split(',').map(unquoted));
  return (labels) => {
    const value = labels[name];
    return (value !== undefined && values.has(value)) === (operator === 'in');
  };
}

/**
 * Read a selector; an empty one selects everything, like `all()`.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function parseSelector(text: string): Selector {
  if (text.trim() === '') return () => true;
  const terms = text.split(BETWEEN).map((term) => {
    const selector = parseTerm(term.trim());
    if (selector !== undefined) return selector;
    const what = `${JSON.stringify(text)}: ${JSON.stringify(term.trim())} is no requirement; expected all(), key, !key, key=value, key!=value, key in (a,b) or key notin (a,b)`;
    throw new DataplaneError('ERR_CONFIG', what);
  });
  return (labels) => terms.every((term) => term(labels));
}
