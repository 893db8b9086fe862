/**
 * The store in the API server: custom resources of group ipam.sluice.dev (deploy/ipam-crds.yaml),
 * one object a document, `spec` as the value, resourceVersion as the revision.
 *
 * Who opens it passes in how to ask the API server: a driver knows no other driver.
 */
import { messageOf } from '../../errors.js';
import { StoreError, splitKey } from './store.js';
import type { Entry, Folder, Store, StoreKey, StoreValue } from './store.js';

export const IPAM_GROUP = 'ipam.sluice.dev';
export const IPAM_VERSION = 'v1alpha1';

/** What each folder is there. */
export const RESOURCES: Readonly<
  Record<Folder, { readonly plural: string; readonly kind: string }>
> = {
  pools: { plural: 'ippools', kind: 'IPPool' },
  reservations: { plural: 'ipreservations', kind: 'IPReservation' },
  blocks: { plural: 'ipblocks', kind: 'IPBlock' },
};

export interface ApiAnswer {
  readonly status: number;
  /** JSON. */
  readonly text: string;
}

/** One request to the API server, answered whatever its status; throws when nothing answers. */
export type ApiRequest = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  options: { readonly body?: object; readonly signal: AbortSignal },
) => Promise<ApiAnswer>;

const TIMEOUT_MS = 10_000;
/** Objects of one page of a list. */
const PAGE = 500;

interface ApiObject {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly spec: StoreValue;
}

interface ApiList {
  readonly metadata: { readonly continue?: string };
  readonly items: readonly ApiObject[];
}

/** The API server's own words, when it has some. */
function complaintOf({ status, text }: ApiAnswer): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return `${status} ${message}`;
  } catch {
    // Not JSON: a proxy's page, for instance. The status has to do.
  }
  return String(status);
}

/** @param what  the request, for the message */
function storeError(what: string, answer: ApiAnswer): StoreError {
  const { status } = answer;
  const message = `API server: ${what}: ${complaintOf(answer)}`;
  if (status === 404) return new StoreError('missing', message);
  if (status === 409) return new StoreError('conflict', message);
  // 401 may be a token that is just being rotated; 408 and 429 ask for patience.
  const isPassing = status >= 500 || [401, 408, 410, 429].includes(status);
  return new StoreError(isPassing ? 'unavailable' : 'refused', message);
}

/** Nothing at the path of a whole resource: it is not known there. */
function unknownResource(folder: Folder): StoreError {
  const what = `the API server knows no ${RESOURCES[folder].plural}.${IPAM_GROUP}: apply deploy/ipam-crds.yaml`;
  return new StoreError('refused', what);
}

/** An answer's JSON; what is none did not come from an API server. */
function read(what: string, { status, text }: ApiAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `API server: ${what}: ${status} without JSON`;
    throw new StoreError('unavailable', message, { cause });
  }
}

const isFine = ({ status }: ApiAnswer): boolean => status >= 200 && status < 300;

export function createKubernetesStore(request: ApiRequest, timeoutMs = TIMEOUT_MS): Store {
  const folderPath = (folder: Folder): string =>
    `/apis/${IPAM_GROUP}/${IPAM_VERSION}/${RESOURCES[folder].plural}`;
  const pathOf = (key: StoreKey): string => {
    const { folder, name } = splitKey(key);
    return `${folderPath(folder)}/${name}`;
  };
  const ask = async (
    method: Parameters<ApiRequest>[0],
    path: string,
    body?: object,
  ): Promise<ApiAnswer> => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await request(method, path, body === undefined ? { signal } : { signal, body });
    } catch (cause) {
      const message = `API server: ${method} ${path}: ${messageOf(cause)}`;
      throw new StoreError('unavailable', message, { cause });
    }
  };
  const entryOf = (folder: Folder, { metadata, spec }: ApiObject): Entry => ({
    key: `${folder}/${metadata.name}`,
    value: spec,
    revision: metadata.resourceVersion,
  });
  const objectOf = (key: StoreKey, spec: StoreValue, resourceVersion?: string): object => {
    const { folder, name } = splitKey(key);
    const apiVersion = `${IPAM_GROUP}/${IPAM_VERSION}`;
    const metadata = resourceVersion === undefined ? { name } : { name, resourceVersion };
    return { apiVersion, kind: RESOURCES[folder].kind, metadata, spec };
  };
  /** Write an object and read what became of it. */
  const write = async (method: 'POST' | 'PUT', key: StoreKey, object: object): Promise<Entry> => {
    const { folder } = splitKey(key);
    const path = method === 'POST' ? folderPath(folder) : pathOf(key);
    const answer = await ask(method, path, object);
    if (method === 'POST' && answer.status === 404) throw unknownResource(folder);
    if (!isFine(answer)) throw storeError(`${method} ${key}`, answer);
    return entryOf(folder, read(key, answer) as ApiObject);
  };
  const page = async (folder: Folder, next: string): Promise<ApiList> => {
    const token = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
    const answer = await ask('GET', `${folderPath(folder)}?limit=${PAGE}${token}`);
    if (answer.status === 404) throw unknownResource(folder);
    if (!isFine(answer)) throw storeError(`list ${folder}`, answer);
    return read(folder, answer) as ApiList;
  };

  return {
    get: async (key) => {
      const answer = await ask('GET', pathOf(key));
      if (answer.status === 404) return undefined;
      if (!isFine(answer)) throw storeError(`get ${key}`, answer);
      return entryOf(splitKey(key).folder, read(key, answer) as ApiObject);
    },
    list: async (folder) => {
      const entries: Entry[] = [];
      let next = '';
      do {
        const { items, metadata } = await page(folder, next);
        for (const item of items) entries.push(entryOf(folder, item));
        next = metadata.continue ?? '';
      } while (next !== '');
      return entries;
    },
    create: (key, value) => write('POST', key, objectOf(key, value)),
    update: (key, value, revision) => write('PUT', key, objectOf(key, value, revision)),
    delete: async (key, revision) => {
      const preconditions = { resourceVersion: revision };
      const answer = await ask('DELETE', pathOf(key), { preconditions });
      if (!isFine(answer)) throw storeError(`delete ${key}`, answer);
    },
    close: () => Promise.resolve(),
  };
}
