/**
 * One object of the API server's JSON to what Sluice uses of it.
 *
 * A field that this version does not know is no mistake here: the server has checked it, and may
 * be newer.
 */
import { NETNS_ANNOTATION } from '../../model/pods.js';
import type { Kind, PutEvent } from '../../model/events.js';
import { namedKey } from '../../model/keys.js';
import type { ObjectKey } from '../../model/keys.js';
import { check } from '../../validate.js';
import type { Finding } from '../../validate.js';
import type { YamlDocument } from '../../yaml.js';
import { dropNulls } from '../manifests.js';
import { KIND_READERS } from '../objects.js';

type Mapping = Record<string, unknown>;

export type ReadObject =
  | { readonly ok: true; readonly event: PutEvent }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** What identifies an object, of whatever else it is made. */
export interface Identity {
  /** undefined when the object has no name. */
  readonly key: ObjectKey | undefined;
  /** resourceVersion; empty when there is none. */
  readonly version: string;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function metadataOf(raw: unknown): Readonly<Mapping> {
  const metadata = isMapping(raw) ? raw['metadata'] : undefined;
  return isMapping(metadata) ? metadata : {};
}

export function identityOf(raw: unknown): Identity {
  const { name, namespace, resourceVersion } = metadataOf(raw);
  const key = textOf(name) === '' ? undefined : namedKey(textOf(namespace), textOf(name));
  return { key, version: textOf(resourceVersion) };
}

/** Take fields out that the schema does not know. @returns whether there were any */
function dropUnknown(kind: Kind, value: unknown): boolean {
  const { error } = KIND_READERS[kind].schema.safeParse(value);
  const unknown = (error?.issues ?? []).filter((issue) => issue.code === 'unrecognized_keys');
  for (const { path, keys } of unknown) {
    const parent = path.reduce<unknown>(
      (at, part) => (at as Readonly<Record<PropertyKey, unknown>>)[part],
      value,
    );
    for (const key of keys) if (isMapping(parent)) Reflect.deleteProperty(parent, key);
  }
  return unknown.length > 0;
}

/** Whoever may write a pod's annotations must not choose a namespace for the agent to enter. */
function dropNetns(kind: Kind, value: unknown): void {
  const { annotations } = metadataOf(value);
  if (kind === 'Pod' && isMapping(annotations)) {
    Reflect.deleteProperty(annotations, NETNS_ANNOTATION);
  }
}

/** @param raw  parsed JSON, ours to change; items of a list may leave out what they are */
export function readObject(kind: Kind, raw: unknown): ReadObject {
  const { group, version, schema } = KIND_READERS[kind];
  const typeMeta = { apiVersion: group === '' ? version : `${group}/${version}`, kind };
  const present = dropNulls(raw);
  const value = isMapping(present) ? { ...typeMeta, ...present } : present;
  dropNetns(kind, value);
  const document: YamlDocument = {
    file: kind,
    index: 1,
    value,
    locate: () => ({ line: 1, col: 1 }),
  };
  let checked = check(schema, document);
  if (!checked.ok && dropUnknown(kind, value)) checked = check(schema, document);
  if (!checked.ok) return checked;
  // The schema of the kind has just proven the shape.
  return { ok: true, event: { type: 'put', kind, object: checked.value } as PutEvent };
}
