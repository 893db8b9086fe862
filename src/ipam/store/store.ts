/**
 * What block addresses are kept in: documents with a name and a revision, changed by
 * compare-and-swap. Nobody holds a lock, so nobody can leave one behind.
 */

/** The three sorts of documents. Each is a folder, a key prefix or a resource of its own. */
export const FOLDERS = ['pools', 'reservations', 'blocks'] as const;
export type Folder = (typeof FOLDERS)[number];

/** `folder/name`; a name is a DNS-1123 subdomain, as Kubernetes wants it. */
export type StoreKey = `${Folder}/${string}`;

/** JSON. Who reads it checks it. */
export type StoreValue = Readonly<Record<string, unknown>>;

export interface Entry {
  readonly key: StoreKey;
  readonly value: StoreValue;
  /** Opaque; another one after every change, also when the key was deleted in between. */
  readonly revision: string;
}

export type StoreErrorKind =
  /** Somebody else has changed or created it since. */
  | 'conflict'
  /** It is gone. */
  | 'missing'
  /** The store refuses what it was sent, now and again. */
  | 'refused'
  /** No answer. A write may have happened, or may still happen. */
  | 'unavailable';

export class StoreError extends Error {
  override readonly name = 'StoreError';

  constructor(
    readonly kind: StoreErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Every method throws StoreError `unavailable` when no answer comes in time. */
export interface Store {
  get(key: StoreKey): Promise<Entry | undefined>;
  /** All of a folder, in no order. */
  list(folder: Folder): Promise<readonly Entry[]>;
  /** @throws StoreError conflict  when the key exists */
  create(key: StoreKey, value: StoreValue): Promise<Entry>;
  /** @throws StoreError conflict, missing  unless the key has this revision */
  update(key: StoreKey, value: StoreValue, revision: string): Promise<Entry>;
  /** @throws StoreError conflict, missing  unless the key has this revision */
  delete(key: StoreKey, revision: string): Promise<void>;
  close(): Promise<void>;
}

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** DNS-1123 subdomain. */
const NAME_MAX = 253;

export function isName(text: string): boolean {
  return text.length <= NAME_MAX && NAME.test(text);
}

/** A key's two parts. @throws StoreError refused  when the name is none */
export function splitKey(key: StoreKey): { readonly folder: Folder; readonly name: string } {
  const at = key.indexOf('/');
  const name = key.slice(at + 1);
  const folder = FOLDERS.find((known) => known === key.slice(0, at));
  if (folder === undefined || !isName(name)) {
    const what = `${JSON.stringify(key)}: expected lower-case letters, digits, "-" and "." after ${FOLDERS.join('/, ')}/`;
    throw new StoreError('refused', what);
  }
  return { folder, name };
}
