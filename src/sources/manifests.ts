/**
 * The text of a manifest file to typed objects: several documents, lists, objects of kinds that
 * are not ours.
 */
import { KINDS } from '../model/events.js';
import type { Kind, PutEvent } from '../model/events.js';
import { check, findingAt } from '../validate.js';
import type { Checked, Finding } from '../validate.js';
import { readYaml } from '../yaml.js';
import type { KeyPath, YamlDocument } from '../yaml.js';
import { KIND_READERS } from './objects.js';

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field that is null is a field that is absent, as for the API server. */
export function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropNulls);
  if (!isMapping(value)) return value;
  const present = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(present.map(([name, field]) => [name, dropNulls(field)]));
}

function kindOf(text: string): Kind | undefined {
  return KINDS.find((kind) => kind === text);
}

function finding(document: YamlDocument, path: KeyPath, expectation: string): Checked<PutEvent[]> {
  return { ok: false, findings: [findingAt(document, path, expectation)] };
}

/** One object at a path of a document; nothing for a kind that is not ours. */
function readObject(document: YamlDocument, base: KeyPath, value: Mapping): Checked<PutEvent[]> {
  const { apiVersion, kind: kindText } = value;
  if (typeof kindText !== 'string') return finding(document, [...base, 'kind'], 'expected a kind');
  if (typeof apiVersion !== 'string') {
    return finding(document, [...base, 'apiVersion'], 'expected an API version');
  }
  const kind = kindOf(kindText);
  if (kind === undefined) return { ok: true, value: [] };
  const { group, version, schema } = KIND_READERS[kind];
  const slash = apiVersion.indexOf('/');
  if ((slash < 0 ? '' : apiVersion.slice(0, slash)) !== group) return { ok: true, value: [] };
  const expected = group === '' ? version : `${group}/${version}`;
  if (apiVersion !== expected) {
    return finding(document, [...base, 'apiVersion'], `expected ${expected} for a ${kind}`);
  }
  const checked = check(schema, document, base);
  if (!checked.ok) return checked;
  // The schema of the kind has just proven the shape.
  return { ok: true, value: [{ type: 'put', kind, object: checked.value } as PutEvent] };
}

/** Items of a typed list (ServiceList) may leave out what the list's kind says. */
function completeItems(document: YamlDocument, list: Mapping, items: unknown[]): YamlDocument {
  const kind = String(list['kind']).slice(0, -'List'.length);
  if (kind === '') return document;
  const typeMeta = { apiVersion: list['apiVersion'], kind };
  const completed = items.map((item) => (isMapping(item) ? { ...typeMeta, ...item } : item));
  return { ...document, value: { ...list, items: completed } };
}

function readList(document: YamlDocument, list: Mapping): Checked<PutEvent[]> {
  const { items = [] } = list;
  if (!Array.isArray(items)) return finding(document, ['items'], 'expected a list');
  const completed = completeItems(document, list, items);
  const { value } = completed;
  const objects = isMapping(value) && Array.isArray(value['items']) ? value['items'] : [];
  return combine(
    objects.map((item: unknown, i) => {
      if (isMapping(item)) return readObject(completed, ['items', i], item);
      return finding(completed, ['items', i], 'expected a Kubernetes object');
    }),
  );
}

function combine(parts: readonly Checked<PutEvent[]>[]): Checked<PutEvent[]> {
  const findings: Finding[] = parts.flatMap((part) => (part.ok ? [] : part.findings));
  if (findings.length > 0) return { ok: false, findings };
  return { ok: true, value: parts.flatMap((part) => (part.ok ? part.value : [])) };
}

function readDocument(raw: YamlDocument): Checked<PutEvent[]> {
  const document = { ...raw, value: dropNulls(raw.value) };
  const { value } = document;
  if (!isMapping(value)) return finding(document, [], 'expected a Kubernetes object');
  const { kind } = value;
  if (typeof kind === 'string' && kind.endsWith('List')) return readList(document, value);
  return readObject(document, [], value);
}

/**
 * Read a manifest file.
 *
 * @returns its objects of our kinds, or everything that is wrong with it
 * @throws DataplaneError ERR_YAML  when it is not YAML
 */
export function readManifests(text: string, file: string): Checked<PutEvent[]> {
  return combine(readYaml(text, file).map(readDocument));
}
