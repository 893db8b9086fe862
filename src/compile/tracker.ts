/**
 * Desired against programmed: what is left to do, and nothing else.
 *
 * After the DeltaTracker of Calico's Felix: only keys that differ are held, so a resync that
 * changes nothing costs nothing and says nothing.
 */
import { byText } from '../model/keys.js';
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
  programmedKeys(): Iterable<RowKey>;
}

export function createTracker(): Tracker {
  const desired = new Map<RowKey, Row>();
  const programmed = new Map<RowKey, Row>();
  const differing = new Set<RowKey>();

  const compare = (key: RowKey): void => {
    if (sameRow(desired.get(key), programmed.get(key))) differing.delete(key);
    else differing.add(key);
  };

  return {
    want: (key, row) => {
      if (row) desired.set(key, row);
      else desired.delete(key);
      compare(key);
    },
    pending: () => {
      const puts: (readonly [RowKey, Row])[] = [];
      const deletes: (readonly [RowKey, Row])[] = [];
      for (const key of [...differing].sort(byText)) {
        const wanted = desired.get(key);
        const present = programmed.get(key);
        if (wanted) puts.push([key, wanted]);
        else if (present) deletes.push([key, present]);
      }
      return { puts, deletes };
    },
    wrote: (key, row) => {
      programmed.set(key, row);
      compare(key);
    },
    removed: (key) => {
      programmed.delete(key);
      compare(key);
    },
    programmed: (key) => programmed.get(key),
    programmedKeys: () => programmed.keys(),
  };
}
