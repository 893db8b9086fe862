/**
 * Blocks and how they are changed: whoever wants to change a block waits in its queue; all that
 * wait are done in one compare-and-swap. Blocks of this node are remembered, so that the usual
 * change is one request to the store.
 */
import { IpamError } from '../ipam.js';
import { StoreError } from '../store/store.js';
import type { Entry, Store, StoreKey } from '../store/store.js';
import { blockKey } from './block-cidr.js';
import { readBlock, writeBlock } from './block.js';
import type { Block } from './block.js';

/** What a change makes of a block. */
export interface Outcome<T> {
  /** The same object: nothing to write. undefined: the block is to go. */
  readonly block: Block | undefined;
  readonly result: T;
}

/**
 * A change. It may run more than once, on what the block is by then; undefined when there is no
 * such block.
 */
export type Change<T> = (block: Block | undefined) => Outcome<T>;

/** A block of the store with the revision it was read at. */
export interface Known {
  readonly block: Block;
  readonly revision: string;
  /** The store may have a newer one: read before the next change. */
  readonly isStale: boolean;
}

export interface BlockTable {
  /** @throws IpamError unavailable, invalid */
  edit<T>(key: StoreKey, change: Change<T>): Promise<T>;
  /** Claim a block by making it. @returns false when somebody has it */
  create(block: Block): Promise<boolean>;
  /** Every block of the store, read now; those that matter here are remembered. */
  readAll(): Promise<readonly Block[]>;
  /** What is remembered, by key. */
  readonly known: ReadonlyMap<StoreKey, Known>;
}

export interface TableOptions {
  readonly store: Store;
  /** Whether to remember a block: it is this node's, or has an address of this node's. */
  readonly isOurs: (block: Block) => boolean;
  /** Wait, ms. */
  readonly pause: (ms: number) => Promise<unknown>;
  /** From 0 up to, but not including, 1. */
  readonly random: () => number;
  readonly onBroken: (complaint: string) => void;
}

/** Compare-and-swap attempts; Calico's number. */
const ATTEMPTS_MAX = 100;
/** Attempts without a pause, and the longest pause. */
const EAGER = 2;
const PAUSE_MAX_MS = 100;

export function ipamErrorOf(cause: unknown): unknown {
  if (!(cause instanceof StoreError)) return cause;
  const kind = cause.kind === 'refused' ? 'invalid' : 'unavailable';
  return new IpamError(kind, cause.message, { cause });
}

interface Waiting {
  apply(block: Block | undefined): Block | undefined;
  settle(): void;
  fail(cause: unknown): void;
}

export function createBlockTable(options: TableOptions): BlockTable {
  const { store, isOurs, pause, random, onBroken } = options;
  const known = new Map<StoreKey, Known>();
  const queues = new Map<StoreKey, Waiting[]>();

  /** Keys that were forgotten since each listing that is under way was asked for. */
  const listings = new Set<Set<StoreKey>>();

  const forget = (key: StoreKey): void => {
    known.delete(key);
    for (const forgotten of listings) forgotten.add(key);
  };
  const remember = (key: StoreKey, { value, revision }: Entry): Known => {
    const block = readBlock(value);
    if (typeof block === 'string') throw new IpamError('invalid', `${key}: ${block}`);
    const found = { block, revision, isStale: false };
    if (isOurs(block)) known.set(key, found);
    else forget(key);
    return found;
  };
  /** What is remembered stays: it says what this node has given out. */
  const distrust = (key: StoreKey): void => {
    const found = known.get(key);
    if (found !== undefined) known.set(key, { ...found, isStale: true });
  };
  const read = async (key: StoreKey): Promise<Known | undefined> => {
    const entry = await store.get(key);
    if (entry !== undefined) return remember(key, entry);
    forget(key);
    return undefined;
  };

  /** Write a changed block. @returns false when it was changed by somebody else meanwhile */
  const swap = async (
    key: StoreKey,
    { revision }: Known,
    next: Block | undefined,
  ): Promise<boolean> => {
    try {
      if (next === undefined) {
        await store.delete(key, revision);
        forget(key);
      } else remember(key, await store.update(key, writeBlock(next), revision));
      return true;
    } catch (cause) {
      distrust(key);
      if (cause instanceof StoreError && ['conflict', 'missing'].includes(cause.kind)) return false;
      throw cause;
    }
  };

  /** Do all of a batch at once, on what the block is when it is written. */
  const commit = async (key: StoreKey, batch: readonly Waiting[]): Promise<void> => {
    const remembered = known.get(key);
    let isFresh = remembered === undefined || remembered.isStale;
    let found = isFresh ? await read(key) : remembered;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const before = found?.block;
      const after = batch.reduce<Block | undefined>((block, one) => one.apply(block), before);
      if (after === before && isFresh) return;
      if (after !== before && found !== undefined && (await swap(key, found, after))) return;
      if (attempt > EAGER) await pause(random() * Math.min(2 ** attempt, PAUSE_MAX_MS));
      found = await read(key);
      isFresh = true;
    }
    throw new IpamError('unavailable', `${key}: changed by others ${ATTEMPTS_MAX} times in a row`);
  };
  const run = async (key: StoreKey, queue: Waiting[]): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.splice(0);
      try {
        await commit(key, batch);
        for (const one of batch) one.settle();
      } catch (cause) {
        for (const one of batch) one.fail(ipamErrorOf(cause));
      }
    }
    queues.delete(key);
  };

  const edit = <T>(key: StoreKey, change: Change<T>): Promise<T> =>
    new Promise<T>((settle, fail) => {
      let outcome: Outcome<T> | undefined;
      const waiting: Waiting = {
        apply: (block) => {
          outcome = change(block);
          return outcome.block;
        },
        settle: () => {
          if (outcome !== undefined) settle(outcome.result);
        },
        fail,
      };
      const queue = queues.get(key);
      if (queue !== undefined) {
        queue.push(waiting);
        return;
      }
      const started = [waiting];
      queues.set(key, started);
      // Whoever comes in this same turn is in the first batch.
      queueMicrotask(() => void run(key, started));
    });

  /** Remember a listed block, which may be older than what is being written just now. */
  const notice = ({ key, revision }: Entry, block: Block, isForgotten: boolean): void => {
    const found = known.get(key);
    // What was given back meanwhile would be held again.
    if (found === undefined && !isForgotten && isOurs(block)) {
      known.set(key, { block, revision, isStale: true });
    } else if (found !== undefined && found.revision !== revision) distrust(key);
  };

  return {
    edit,
    known,
    create: async (block) => {
      const key = blockKey(block.cidr);
      try {
        remember(key, await store.create(key, writeBlock(block)));
        return true;
      } catch (cause) {
        if (cause instanceof StoreError && cause.kind === 'conflict') return false;
        throw ipamErrorOf(cause);
      }
    },
    readAll: async () => {
      const forgotten = new Set<StoreKey>();
      listings.add(forgotten);
      let entries: readonly Entry[];
      try {
        entries = await store.list('blocks');
      } catch (cause) {
        throw ipamErrorOf(cause);
      } finally {
        listings.delete(forgotten);
      }
      const listed = new Set(entries.map(({ key }) => key));
      for (const key of known.keys()) if (!listed.has(key)) distrust(key);
      return entries.flatMap((entry) => {
        const block = readBlock(entry.value);
        if (typeof block === 'string') {
          onBroken(`${entry.key}: ${block}`);
          return [];
        }
        notice(entry, block, forgotten.has(entry.key));
        return [block];
      });
    },
  };
}
