/**
 * Values of a document against a zod schema, and what is wrong with them in one line each.
 */
import { z } from 'zod';
import { DataplaneError, messageOf } from './errors.js';
import type { ErrorCode } from './errors.js';
import type { KeyPath, YamlDocument } from './yaml.js';

/** One thing wrong with a document. */
export interface Finding {
  readonly file: string;
  readonly document: number;
  readonly line: number;
  readonly col: number;
  /** `spec.ports[0].port`; empty for the whole document. */
  readonly key: string;
  /** The value as JSON, shortened. */
  readonly value: string;
  readonly expectation: string;
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly findings: readonly Finding[] };

const VALUE_SHOWN_MAX = 60;

/** `spec.ports[0].port` */
export function formatPath(path: KeyPath): string {
  return path
    .map((part, i) =>
      typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${String(part)}`,
    )
    .join('');
}

function formatValue(value: unknown): string {
  if (value === undefined) return '(missing)';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > VALUE_SHOWN_MAX ? `${text.slice(0, VALUE_SHOWN_MAX)}...` : text;
}

function valueAt(root: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, part) => {
    if (typeof value !== 'object' || value === null) return undefined;
    return (value as Record<PropertyKey, unknown>)[part];
  }, root);
}

/** A finding about the value at `path` of a document. */
export function findingAt(document: YamlDocument, path: KeyPath, expectation: string): Finding {
  const { line, col } = document.locate(path);
  const value = formatValue(valueAt(document.value, path));
  const { file, index } = document;
  return { file, document: index, line, col, key: formatPath(path), value, expectation };
}

/** `a.yaml:3:9: document 1: trunk.kind: "xpd": expected one of auto, xdp, packet` */
export function formatFinding(finding: Finding): string {
  const { file, line, col, document, key, value, expectation } = finding;
  const what = key === '' ? value : `${key}: ${value}`;
  return `${file}:${line}:${col}: document ${document}: ${what}: ${expectation}`;
}

/** Throw all findings as one error, a line each. */
export function throwFindings(code: ErrorCode, findings: readonly Finding[]): never {
  throw new DataplaneError(code, findings.map(formatFinding).join('\n'));
}

/** zod's generic complaints in this program's words; a schema's own wording wins. */
function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return `expected ${article(String(issue['expected']))}`;
  if (issue.code === 'invalid_value') {
    const values = issue['values'] as readonly unknown[];
    return values.length === 1
      ? `expected ${String(values[0])}`
      : `expected one of ${values.map(String).join(', ')}`;
  }
  if (issue.code === 'too_small') return `expected at least ${String(issue['minimum'])}`;
  if (issue.code === 'too_big') return `expected at most ${String(issue['maximum'])}`;
  return undefined;
}

function article(type: string): string {
  const names: Record<string, string> = {
    array: 'a list',
    boolean: 'true or false',
    int: 'a whole number',
    number: 'a number',
    object: 'a mapping',
    record: 'a mapping',
    string: 'a string',
  };
  return names[type] ?? type;
}

/** Field names a schema knows at a path, as far as its JSON Schema tells. */
function knownFields(schema: z.ZodType, path: KeyPath): string[] {
  let at: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  for (const part of path) {
    at = typeof part === 'number' ? valueAt(at, ['items']) : valueAt(at, ['properties', part]);
  }
  const properties = valueAt(at, ['properties']);
  return typeof properties === 'object' && properties !== null ? Object.keys(properties) : [];
}

function findingsOf(
  document: YamlDocument,
  base: KeyPath,
  schema: z.ZodType,
  issue: z.core.$ZodIssue,
): Finding[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownFields(schema, issue.path).join(', ');
    const expected = known === '' ? 'unknown field' : `unknown field; expected one of ${known}`;
    return issue.keys.map((key) => findingAt(document, [...base, ...issue.path, key], expected));
  }
  return [findingAt(document, [...base, ...issue.path], issue.message)];
}

/**
 * Check the value at `base` of a document.
 *
 * @returns the value as the schema gives it, or what is wrong, one finding a key
 */
export function check<T>(
  schema: z.ZodType<T>,
  document: YamlDocument,
  base: KeyPath = [],
): Checked<T> {
  const result = schema.safeParse(valueAt(document.value, base), { error: expectation });
  if (result.success) return { ok: true, value: result.data };
  const findings = result.error.issues.flatMap((issue) =>
    findingsOf(document, base, schema, issue),
  );
  const isFirst = (finding: Finding, i: number) =>
    findings.findIndex((other) => other.key === finding.key) === i;
  return { ok: false, findings: findings.filter(isFirst) };
}

/** A string field that a parser turns into something else; the parser's complaint is the expectation. */
export function parsed<T>(parse: (text: string) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (cause) {
      const shown = `${JSON.stringify(text)} `;
      const message = messageOf(cause);
      const short = message.startsWith(shown) ? message.slice(shown.length) : message;
      context.addIssue({ code: 'custom', message: short });
      return z.NEVER;
    }
  });
}
