/**
 * Desired against programmed: what is left to do, and nothing else.
 *
 * After the DeltaTracker of Calico's Felix: only keys that differ are looked at, so a resync that
 * changes nothing costs nothing and says nothing.
 */
import { sameRow } from './rows.js';
import type { Row, RowKey } from './rows.js';

export interface Pending {
  readonly puts: readonly (readonly [RowKey, Row])[];
  readonly deletes: readonly (readonly [RowKey, Row])[];
}

export interface Tracker {
  /** State what a key should hold; undefined: nothing. */
  want(key: RowKey, row: Row | undefined): void;
  /** Differences in the order of their keys; a delete comes with the row as programmed. */
  pending(): Pending;
  /** A row has been written. */
  wrote(key: RowKey, row: Row): void;
  /** A row has been removed, or turned out not to be there. */
  removed(key: RowKey): void;
  programmed(key: RowKey): Row | undefined;
  /** Whether a key holds what it should. */
  isSettled(key: RowKey): boolean;
}

/** Told whenever what is programmed changes: `after` has taken the place of `before`. */
export type Watcher = (before: Row | undefined, after: Row | undefined) => void;

/** What one key should hold and what it holds; at least one of them is there. */
interface Slot {
  wanted: Row | undefined;
  programmed: Row | undefined;
}

export function createTracker(watch: Watcher = () => undefined): Tracker {
  const slots = new Map<RowKey, Slot>();
  const differing = new Set<RowKey>();

  const slotOf = (key: RowKey): Slot => {
    const known = slots.get(key);
    if (known) return known;
    const fresh = { wanted: undefined, programmed: undefined };
    slots.set(key, fresh);
    return fresh;
  };

  const compare = (key: RowKey, { wanted, programmed }: Slot): void => {
    if (wanted === programmed || sameRow(wanted, programmed)) differing.delete(key);
    else differing.add(key);
    if (!wanted && !programmed) slots.delete(key);
  };

  const setProgrammed = (key: RowKey, row: Row | undefined): void => {
    const slot = slotOf(key);
    watch(slot.programmed, row);
    slot.programmed = row;
    compare(key, slot);
  };

  return {
    want: (key, row) => {
      const slot = slotOf(key);
      slot.wanted = row;
      compare(key, slot);
    },
    pending: () => {
      const puts: (readonly [RowKey, Row])[] = [];
      const deletes: (readonly [RowKey, Row])[] = [];
      // Without a comparator: by UTF-16 code units, as `byText`, and natively.
      for (const key of [...differing].sort()) {
        const { wanted, programmed } = slotOf(key);
        if (wanted) puts.push([key, wanted]);
        else if (programmed) deletes.push([key, programmed]);
      }
      return { puts, deletes };
    },
    wrote: setProgrammed,
    removed: (key) => {
      setProgrammed(key, undefined);
    },
    programmed: (key) => slots.get(key)?.programmed,
    isSettled: (key) => !differing.has(key),
  };
}
