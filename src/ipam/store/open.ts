/** The store a configuration names. */
import { readFile } from 'node:fs/promises';
import { messageOf } from '../../errors.js';
import { openEtcdStore } from './etcd.js';
import { openFileStore } from './file.js';
import { createKubernetesStore } from './kubernetes.js';
import type { ApiRequest } from './kubernetes.js';
import { StoreError } from './store.js';
import type { Store } from './store.js';

export interface EtcdSpec {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  /** Paths of PEM files; without `caFile` connections are plain. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

export type StoreSpec =
  | { readonly kind: 'file'; readonly dir: string }
  | { readonly kind: 'etcd'; readonly etcd: EtcdSpec }
  | { readonly kind: 'kubernetes' };

async function readPem(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  return readFile(path).catch((cause: unknown) => {
    throw new StoreError('refused', messageOf(cause), { cause });
  });
}

/**
 * @param request  how to ask the API server; for a store there
 * @throws StoreError  what cannot work, or does not answer
 */
export async function openStore(spec: StoreSpec, request?: ApiRequest): Promise<Store> {
  if (spec.kind === 'file') return openFileStore(spec.dir);
  if (spec.kind === 'etcd') {
    const { endpoints, prefix, caFile, certFile, keyFile } = spec.etcd;
    const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(readPem));
    return openEtcdStore({ endpoints, prefix, ca, cert, key });
  }
  if (request !== undefined) return createKubernetesStore(request);
  throw new StoreError('refused', 'a store in the API server needs source.kubernetes');
}
