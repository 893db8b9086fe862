/**
 * Reading JSON that others wrote: a value and the key it stands under, so that every complaint can
 * name both.
 *
 * As in Go, which most runtimes are written in, null is the same as absent, and keys are found
 * whatever their case: containerd sends `HostPort`, CRI-O `hostPort`.
 */
import { CNI_CODE, CniError } from './errors.js';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface Field {
  /** `runtimeConfig.portMappings[0].hostPort`; empty for the whole document. */
  readonly key: string;
  readonly value: unknown;
}

const VALUE_SHOWN_MAX = 80;

function show(value: unknown): string {
  const text = value === undefined ? '(missing)' : JSON.stringify(value);
  return text.length > VALUE_SHOWN_MAX ? `${text.slice(0, VALUE_SHOWN_MAX)}...` : text;
}

/** @throws CniError always, `key: value: expectation` */
export function refuse(
  { key, value }: Field,
  expectation: string,
  code: number = CNI_CODE.INVALID_CONFIG,
): never {
  throw new CniError(code, `${key}: ${show(value)}: ${expectation}`);
}

export function isAbsent({ value }: Field): boolean {
  return value === undefined || value === null;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object; an empty one when absent. */
export function objectOf(field: Field): JsonObject {
  if (isAbsent(field)) return {};
  return isObject(field.value) ? field.value : refuse(field, 'expected an object');
}

/** A member of an object: by its exact name, else by its name in another case. */
export function member(parent: Field, name: string): Field {
  const object = objectOf(parent);
  const key = parent.key === '' ? name : `${parent.key}.${name}`;
  if (Object.hasOwn(object, name)) return { key, value: object[name] };
  const wanted = name.toLowerCase();
  const found = Object.keys(object).find((candidate) => candidate.toLowerCase() === wanted);
  return { key, value: found === undefined ? undefined : object[found] };
}

/** Elements of a list; none when absent. */
export function elements(field: Field): Field[] {
  if (isAbsent(field)) return [];
  const { key, value } = field;
  if (!Array.isArray(value)) return refuse(field, 'expected a list');
  return value.map((element: unknown, i) => ({ key: `${key}[${i}]`, value: element }));
}

/** A text; undefined when absent. */
export function optionalText(field: Field): string | undefined {
  if (isAbsent(field)) return undefined;
  return typeof field.value === 'string' ? field.value : refuse(field, 'expected a string');
}

/** A text; undefined when absent or empty. */
export function someText(field: Field): string | undefined {
  const text = optionalText(field);
  return text === '' ? undefined : text;
}

/** A text that has to be there. */
export function requiredText(field: Field): string {
  return someText(field) ?? refuse(field, 'expected a string');
}

export function texts(field: Field): string[] {
  return elements(field).map((element) => requiredText(element));
}

/** A whole number; undefined when absent. */
export function wholeNumber(field: Field, min: number, max: number): number | undefined {
  if (isAbsent(field)) return undefined;
  const { value } = field;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) {
    return value;
  }
  return refuse(field, `expected a whole number from ${min} to ${max}`);
}

/** A text that a parser turns into something else; its complaint is kept. */
export function parsedText<T>(field: Field, parse: (text: string) => T, expectation: string): T {
  const text = requiredText(field);
  try {
    return parse(text);
  } catch {
    return refuse(field, expectation);
  }
}
