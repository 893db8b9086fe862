/**
 * The objects of one kind as the API server last told them: lists and watch events in, changes out.
 *
 * Versions are compared where that is safe: an event that is older than what is known of its
 * object, than its deletion, or than everything the server has said to be complete, is a repetition
 * or came late. A list is the truth whatever the versions are: a restored server counts from an
 * earlier number.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../../log.js';
import type { DeleteEvent, Kind, PutEvent } from '../../model/events.js';
import type { ObjectKey } from '../../model/keys.js';
import type { Finding } from '../../validate.js';
import type { Counters } from '../counters.js';
import { identityOf, readObject } from './read-object.js';

export interface Entry {
  readonly version: string;
  readonly event: PutEvent;
}

/** A whole list, taken in page by page and put in force at once. */
export interface Replacement {
  add(raw: unknown): void;
  commit(version: string): void;
}

export interface Store {
  beginList(): Replacement;
  put(raw: unknown): void;
  remove(raw: unknown): void;
  /** The server has sent every change up to this version. */
  complete(version: string): void;
  /** Objects of an earlier run, until a list replaces them. */
  restore(entries: ReadonlyMap<ObjectKey, Entry>): void;
  /** A list is in force, or objects of an earlier run. */
  isKnown(): boolean;
  isListed(): boolean;
  entries(): ReadonlyMap<ObjectKey, Entry>;
}

export interface StoreOptions {
  readonly kind: Kind;
  readonly log: Log;
  readonly counters: Counters;
  readonly emit: (event: PutEvent | DeleteEvent) => void;
}

const NAMELESS = { key: 'metadata.name', value: '(missing)', expectation: 'expected a name' };
const DECIMAL = /^[1-9][0-9]*$/;

/** `a` is known to be at or before `b`; false when they cannot be compared. */
export function isNoLater(a: string, b: string | undefined): boolean {
  if (b === undefined || !DECIMAL.test(a) || !DECIMAL.test(b)) return false;
  return a.length === b.length ? a <= b : a.length < b.length;
}

/** Logs what is wrong with an object once, not at every repetition of it. */
function createComplaints({ kind, log, counters }: StoreOptions) {
  const made = new Map<string, string>();
  return {
    make: (name: string, finding: Finding | undefined, isKept: boolean): void => {
      const { key: field, value, expectation } = finding ?? NAMELESS;
      const text = `${kind} ${name}: ${field}: ${value}: ${expectation}`;
      if (made.get(name) === text) return;
      made.set(name, text);
      counters.malformed++;
      const { malformed } = counters;
      const outcome = isKept ? 'what it said before stays in force' : 'left out';
      log.error({ kind, object: name, field, malformed }, `${text}; ${outcome}`);
    },
    forget: (key: ObjectKey): void => {
      made.delete(key);
    },
  };
}

export function createStore(options: StoreOptions): Store {
  const { kind, counters, emit } = options;
  let known = new Map<ObjectKey, Entry>();
  const deleted = new Map<ObjectKey, string>();
  const complaints = createComplaints(options);
  /** Every change up to here is in `known`. */
  let floor: string | undefined;
  let isListed = false;
  let isRestored = false;

  const drop = (key: ObjectKey): void => {
    complaints.forget(key);
    if (known.delete(key)) emit({ type: 'delete', kind, key });
  };

  const read = (raw: unknown): readonly [ObjectKey, Entry] | undefined => {
    const { key, version } = identityOf(raw);
    const object = readObject(kind, raw);
    if (key === undefined || !object.ok) {
      const [finding] = object.ok ? [] : object.findings;
      complaints.make(key ?? '(no name)', finding, key !== undefined && known.has(key));
      return undefined;
    }
    complaints.forget(key);
    return [key, { version, event: object.event }];
  };

  const beginList = (): Replacement => {
    const listed = new Map<ObjectKey, Entry>();
    const present = new Set<ObjectKey>();
    return {
      add: (raw) => {
        const { key } = identityOf(raw);
        if (key !== undefined) present.add(key);
        const entry = read(raw);
        if (entry) listed.set(...entry);
      },
      commit: (version) => {
        for (const [key, entry] of listed) {
          const { event } = entry;
          const isSame = isDeepStrictEqual(known.get(key)?.event.object, event.object);
          known.set(key, entry);
          if (!isSame) emit(event);
        }
        for (const key of [...known.keys()]) if (!present.has(key)) drop(key);
        deleted.clear();
        floor = version;
        isListed = true;
      },
    };
  };

  const isStale = (key: ObjectKey, version: string): boolean =>
    [known.get(key)?.version, deleted.get(key), floor].some((seen) => isNoLater(version, seen));

  return {
    beginList,
    put: (raw) => {
      const { key, version } = identityOf(raw);
      if (key !== undefined && isStale(key, version)) {
        counters.stale++;
        return;
      }
      const entry = read(raw);
      if (!entry) return;
      known.set(...entry);
      emit(entry[1].event);
    },
    remove: (raw) => {
      const { key, version } = identityOf(raw);
      if (key === undefined) return;
      const current = known.get(key)?.version;
      if (current !== version && isNoLater(version, current)) {
        counters.stale++;
        return;
      }
      if (!isNoLater(version, deleted.get(key))) deleted.set(key, version);
      drop(key);
    },
    complete: (version) => {
      if (isNoLater(version, floor)) return;
      floor = version;
      for (const [key, gone] of deleted) if (isNoLater(gone, version)) deleted.delete(key);
    },
    restore: (entries) => {
      if (isListed) return;
      isRestored = true;
      known = new Map(entries);
      for (const { event } of known.values()) emit(event);
    },
    isKnown: () => isListed || isRestored,
    isListed: () => isListed,
    entries: () => known,
  };
}
