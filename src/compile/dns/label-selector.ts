/**
 * Label selectors in the text that kubectl takes: `env in (a, b),tier!=db,!canary`.
 *
 * Spec  k8s.io/apimachinery, pkg/labels: Parse
 */

/** @param labels  `key=value` each */
export type LabelSelector = (labels: readonly string[]) => boolean;

type Values = ReadonlyMap<string, string>;
type Requirement = (values: Values) => boolean;

const KEY = String.raw`[A-Za-z0-9](?:[\w./-]*[A-Za-z0-9])?`;
const VALUE = String.raw`(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?`;
const PRESENCE = new RegExp(`^(!?)\\s*(${KEY})$`);
const EQUALITY = new RegExp(`^(${KEY})\\s*(=|==|!=)\\s*(${VALUE})$`);
const MEMBERSHIP = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const NUMERIC = new RegExp(`^(${KEY})\\s*([<>])\\s*(-?\\d+)$`);
const ONE_VALUE = new RegExp(`^${VALUE}$`);

function membership(key: string, operator: string, texts: readonly string[]): Requirement {
  const set = new Set(texts);
  return (values) => {
    const value = values.get(key);
    return operator === 'in' ? value !== undefined && set.has(value) : !set.has(value ?? '\0');
  };
}

function numeric(key: string, isLess: boolean, bound: number): Requirement {
  return (values) => {
    const text = values.get(key) ?? '';
    if (!/^-?\d+$/.test(text)) return false;
    return isLess ? Number(text) < bound : Number(text) > bound;
  };
}

function parseRequirement(text: string): Requirement | undefined {
  const [, not, present = ''] = PRESENCE.exec(text) ?? [];
  if (not !== undefined) return (values) => values.has(present) === (not === '');
  const [, key, sign, value = ''] = EQUALITY.exec(text) ?? [];
  if (key !== undefined) return membership(key, sign === '!=' ? 'notin' : 'in', [value]);
  const [, member, operator = '', list = ''] = MEMBERSHIP.exec(text) ?? [];
  if (member !== undefined) {
    const texts = list.split(',').map((each) => each.trim());
    const isSound = texts.every((each) => ONE_VALUE.test(each));
    return isSound ? membership(member, operator, texts) : undefined;
  }
  const [, number, order, bound] = NUMERIC.exec(text) ?? [];
  return number === undefined ? undefined : numeric(number, order === '<', Number(bound));
}

/** Commas that are not between parentheses. */
const SEPARATOR = /,(?![^(]*\))/;

/** @returns undefined when the text is no selector; an empty one takes everything */
export function parseLabelSelector(text: string): LabelSelector | undefined {
  const parts = text.trim() === '' ? [] : text.split(SEPARATOR).map((part) => part.trim());
  const requirements = parts.map(parseRequirement);
  if (requirements.includes(undefined)) return undefined;
  return (labels) => {
    const values = new Map(
      labels.map((label): [string, string] => {
        const at = label.indexOf('=');
        return [label.slice(0, at), label.slice(at + 1)];
      }),
    );
    return requirements.every((requirement) => requirement?.(values) === true);
  };
}
