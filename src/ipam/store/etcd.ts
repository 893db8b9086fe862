/**
 * The store in etcd v3: a key a document, its mod_revision as the revision.
 *
 * The client library sends a transaction again when its connection breaks, so "somebody else was
 * first" may be about our own first attempt. Every write therefore carries a number of its own,
 * and a refused one is ours when that number is what is stored.
 *
 *   <prefix>/blocks/10.0.0.0-26   {"write":"<uuid>","value":{...}}
 *
 * etcd3 is an optional package: it is loaded when the first store of this kind is opened.
 */
import { randomUUID } from 'node:crypto';
import type { Etcd3, IKeyValue } from 'etcd3';
import { messageOf } from '../../errors.js';
import { StoreError, splitKey } from './store.js';
import type { Entry, Folder, Store, StoreKey, StoreValue } from './store.js';

export interface EtcdOptions {
  /** `http://192.0.2.1:2379`; https with `ca`. */
  readonly endpoints: readonly string[];
  /** What keys start with, such as `/sluice/ipam`. */
  readonly prefix: string;
  /** PEM. */
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  /** One request, ms. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
/** One answer, bytes: a full /26 block is about 16 KB, and a list is one answer. */
const ANSWER_MAX = 1 << 28;

/** Errors of the client library that no retry mends, by class name. */
const REFUSALS = new Set([
  'EtcdAuthenticationFailedError',
  'EtcdPermissionDeniedError',
  'GRPCInvalidArgumentError',
  'GRPCUnauthenticatedError',
]);

function storeError(what: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const name = cause instanceof Error ? cause.constructor.name : '';
  const kind = REFUSALS.has(name) ? 'refused' : 'unavailable';
  return new StoreError(kind, `etcd: ${what}: ${messageOf(cause)}`, { cause });
}

async function guarded<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw storeError(what, cause);
  }
}

interface Written {
  readonly write: string;
  readonly value: StoreValue;
}

const writtenIn = ({ value }: IKeyValue) => JSON.parse(value.toString()) as Written;

async function connect(options: EtcdOptions): Promise<Etcd3> {
  const { Etcd3: Client } = await import('etcd3').catch((cause: unknown) => {
    const what = 'the package etcd3 is not installed: npm install etcd3';
    throw new StoreError('refused', what, { cause });
  });
  const { ca, cert, key, timeoutMs = TIMEOUT_MS } = options;
  const client =
    cert === undefined || key === undefined ? {} : { certChain: cert, privateKey: key };
  return new Client({
    hosts: [...options.endpoints],
    ...(ca === undefined ? {} : { credentials: { rootCertificate: ca, ...client } }),
    grpcOptions: { 'grpc.max_receive_message_length': ANSWER_MAX },
    defaultCallOptions: () => ({ deadline: Date.now() + timeoutMs }),
  });
}

/** @throws StoreError refused  when the package etcd3 is not there */
export async function openEtcdStore(options: EtcdOptions): Promise<Store> {
  const client = await connect(options);
  const prefix = options.prefix.replace(/\/+$/, '');
  const pathOf = (key: StoreKey): string => {
    const { folder, name } = splitKey(key);
    return `${prefix}/${folder}/${name}`;
  };

  /** Write where a comparison holds. */
  const put = async (
    key: StoreKey,
    value: StoreValue,
    [column, wanted]: readonly ['Create' | 'Mod', string],
  ): Promise<Entry> => {
    const path = pathOf(key);
    const write = randomUUID();
    const text = JSON.stringify({ write, value } satisfies Written);
    const answer = await client
      .if(path, column, '==', wanted)
      .then(client.put(path).value(text))
      .else(client.get(path))
      .commit();
    if (answer.succeeded) return { key, value, revision: answer.header.revision };
    const found = answer.responses[0]?.response_range.kvs[0];
    if (found !== undefined && writtenIn(found).write === write) {
      return { key, value, revision: found.mod_revision };
    }
    if (found === undefined) throw new StoreError('missing', `${key}: is gone`);
    throw new StoreError('conflict', `${key}: is at revision ${found.mod_revision}`);
  };
  const remove = async (key: StoreKey, revision: string): Promise<void> => {
    const path = pathOf(key);
    const answer = await client
      .if(path, 'Mod', '==', revision)
      .then(client.delete().key(path))
      .else(client.get(path))
      .commit();
    if (answer.succeeded) return;
    const found = answer.responses[0]?.response_range.kvs[0];
    if (found === undefined) throw new StoreError('missing', `${key}: is gone`);
    throw new StoreError('conflict', `${key}: is at revision ${found.mod_revision}`);
  };
  const entryOf = (key: StoreKey, found: IKeyValue): Entry => ({
    key,
    value: writtenIn(found).value,
    revision: found.mod_revision,
  });

  return {
    get: (key) =>
      guarded(key, async () => {
        const [found] = (await client.get(pathOf(key)).exec()).kvs;
        return found && entryOf(key, found);
      }),
    list: (folder: Folder) =>
      guarded(folder, async () => {
        const { kvs } = await client.getAll().prefix(`${prefix}/${folder}/`).exec();
        return kvs.map((found) => {
          const name = found.key.toString().slice(prefix.length + folder.length + 2);
          return entryOf(`${folder}/${name}`, found);
        });
      }),
    create: (key, value) => guarded(key, () => put(key, value, ['Create', '0'])),
    update: (key, value, revision) => guarded(key, () => put(key, value, ['Mod', revision])),
    delete: (key, revision) => guarded(key, () => remove(key, revision)),
    close: () => {
      client.close();
      return Promise.resolve();
    },
  };
}
