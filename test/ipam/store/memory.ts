/** The store in this process's memory, and the ways a real one fails. */
import { StoreError, splitKey } from '../../../src/ipam/store/store.js';
import type { Entry, Store, StoreKey, StoreValue } from '../../../src/ipam/store/store.js';

export interface Faults {
  /** Requests that are refused before anything happens. */
  lost: number;
  /** Writes that happen, and whose answer does not come. */
  unanswered: number;
  /** Every request is lost. */
  isDown: boolean;
  /** What happens between a request and its answer. */
  between: (operation: string, key: string) => Promise<void>;
}

export function createMemoryStore() {
  const entries = new Map<StoreKey, Entry>();
  let clock = 0;
  const operations: string[] = [];
  const faults: Faults = {
    lost: 0,
    unanswered: 0,
    isDown: false,
    between: () => Promise.resolve(),
  };
  const gone = () => new StoreError('unavailable', 'the store does not answer');

  const ask = async <T>(operation: string, key: string, run: () => T): Promise<T> => {
    operations.push(`${operation} ${key}`);
    if (operation !== 'list') splitKey(key as StoreKey);
    await faults.between(operation, key);
    if (faults.isDown || faults.lost > 0) {
      faults.lost--;
      throw gone();
    }
    const result = run();
    if (faults.unanswered > 0 && !['get', 'list'].includes(operation)) {
      faults.unanswered--;
      throw gone();
    }
    return result;
  };
  const put = (key: StoreKey, value: StoreValue): Entry => {
    const copy = JSON.parse(JSON.stringify(value)) as StoreValue;
    const entry = { key, value: copy, revision: String(++clock) };
    entries.set(key, entry);
    return entry;
  };
  const at = (key: StoreKey, revision: string): void => {
    const entry = entries.get(key);
    if (entry === undefined) throw new StoreError('missing', key);
    if (entry.revision !== revision) throw new StoreError('conflict', key);
  };
  const store: Store = {
    get: (key) => ask('get', key, () => entries.get(key)),
    list: (folder) =>
      ask('list', folder, () =>
        [...entries.values()].filter(({ key }) => key.startsWith(`${folder}/`)),
      ),
    create: (key, value) =>
      ask('create', key, () => {
        if (entries.has(key)) throw new StoreError('conflict', key);
        return put(key, value);
      }),
    update: (key, value, revision) =>
      ask('update', key, () => {
        at(key, revision);
        return put(key, value);
      }),
    delete: (key, revision) =>
      ask('delete', key, () => {
        at(key, revision);
        entries.delete(key);
      }),
    close: () => Promise.resolve(),
  };
  return { store, entries, faults, operations };
}
