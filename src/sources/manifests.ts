/**
 * The text of a manifest file to typed objects: several documents, lists, objects of kinds that
 * are not ours.
 */
import { KINDS } from '../model/events.js';
import type { Kind, PutEvent } from '../model/events.js';
import { namedKey } from '../model/keys.js';
import { check, findingAt } from '../validate.js';
import type { Checked, Finding } from '../validate.js';
import { readYaml } from '../yaml.js';
import type { KeyPath, YamlDocument } from '../yaml.js';
import { KIND_READERS } from './objects.js';

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object that cannot be used. */
export interface BadObject {
  /** `Service default/web`, or as much of it as can be told. */
  readonly name: string;
  /** At least one. */
  readonly findings: readonly Finding[];
}

/** What a file holds. */
export interface Manifests {
  readonly events: readonly PutEvent[];
  readonly bad: readonly BadObject[];
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

/** Kinds whose objects lie in no namespace. */
const NO_NAMESPACE = new Set(['Node', 'Namespace']);

/** What to call an object that may lack a name, or be none. */
function nameOf(value: unknown): string {
  if (!isMapping(value)) return 'object (no kind)';
  const { kind, metadata } = value;
  const { name, namespace = 'default' } = isMapping(metadata) ? metadata : {};
  const shownKind = typeof kind === 'string' ? kind : 'object';
  if (typeof name !== 'string' || name === '') return `${shownKind} (no name)`;
  return `${shownKind} ${namedKey(NO_NAMESPACE.has(shownKind) ? '' : String(namespace), name)}`;
}

function finding(document: YamlDocument, path: KeyPath, expectation: string): Checked<PutEvent[]> {
  return { ok: false, findings: [findingAt(document, path, expectation)] };
}

/** What reading one value came to, under the name the value has. */
function named(value: unknown, checked: Checked<PutEvent[]>): Manifests {
  if (checked.ok) return { events: checked.value, bad: [] };
  return { events: [], bad: [{ name: nameOf(value), findings: checked.findings }] };
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

function readList(document: YamlDocument, list: Mapping): Manifests {
  const { items = [] } = list;
  if (!Array.isArray(items)) return named(list, finding(document, ['items'], 'expected a list'));
  const completed = completeItems(document, list, items);
  const { value } = completed;
  const objects = isMapping(value) && Array.isArray(value['items']) ? value['items'] : [];
  return combine(
    objects.map((item: unknown, i) => {
      const path = ['items', i];
      if (isMapping(item)) return named(item, readObject(completed, path, item));
      return named(item, finding(completed, path, 'expected a Kubernetes object'));
    }),
  );
}

function combine(parts: readonly Manifests[]): Manifests {
  return {
    events: parts.flatMap(({ events }) => events),
    bad: parts.flatMap(({ bad }) => bad),
  };
}

function readDocument(raw: YamlDocument): Manifests {
  const document = { ...raw, value: dropNulls(raw.value) };
  const { value } = document;
  if (!isMapping(value)) {
    return named(value, finding(document, [], 'expected a Kubernetes object'));
  }
  const { kind } = value;
  if (typeof kind === 'string' && kind.endsWith('List')) return readList(document, value);
  return named(value, readObject(document, [], value));
}

/**
 * Read a manifest file.
 *
 * @returns its objects of our kinds, and those that cannot be used
 * @throws DataplaneError ERR_YAML  when it is not YAML
 */
export function readManifests(text: string, file: string): Manifests {
  return combine(readYaml(text, file).map(readDocument));
}
