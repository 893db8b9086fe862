/**
 * Who wants which row. Each compiled object owns a group of rows; where two objects want the
 * same key with different rows, the one of better rank has it, then the one whose name sorts
 * first, whatever came first.
 */
import { byText } from '../model/keys.js';
import { rank } from './rows.js';
import type { Row, RowKey, Rows } from './rows.js';

export interface Conflict {
  readonly key: RowKey;
  /** The owner that has the row, then those that do not. */
  readonly owners: readonly string[];
}

export interface Desired {
  /** Set all rows of an owner; none takes the owner out. @returns keys that may have changed */
  replace(owner: string, rows: Rows): RowKey[];
  get(key: RowKey): Row | undefined;
  /** Keys of the rows that an owner wants. */
  ownedBy(owner: string): Iterable<RowKey>;
  rows(): Map<RowKey, Row>;
  /** Keys of FRONTEND, LINK and ROUTE rows that more than one owner wants. */
  conflicts(): Conflict[];
}

/** Wanted by several on purpose: equal endpoints are one backend. */
const isShared = (key: RowKey): boolean => key.startsWith('backend ');

type Claim = readonly [owner: string, row: Row];

function precedes([ownerA, a]: Claim, [ownerB, b]: Claim): boolean {
  const by = rank(a) - rank(b);
  return by < 0 || (by === 0 && ownerA < ownerB);
}

/** Owners, the one that has the row first. */
function inOrder(claimants: ReadonlyMap<string, Row>): string[] {
  return [...claimants].sort((a, b) => (precedes(a, b) ? -1 : 1)).map(([owner]) => owner);
}

export function createDesired(): Desired {
  const claims = new Map<RowKey, Map<string, Row>>();
  const owned = new Map<string, Rows>();

  const get = (key: RowKey): Row | undefined => {
    const claimants = claims.get(key);
    if (claimants === undefined) return undefined;
    let best: Claim | undefined;
    for (const claim of claimants) if (!best || precedes(claim, best)) best = claim;
    return best?.[1];
  };

  const release = (owner: string, key: RowKey): void => {
    const claimants = claims.get(key);
    claimants?.delete(owner);
    if (claimants?.size === 0) claims.delete(key);
  };

  return {
    replace: (owner, rows) => {
      const old = owned.get(owner) ?? new Map<RowKey, Row>();
      for (const key of old.keys()) if (!rows.has(key)) release(owner, key);
      for (const [key, row] of rows) {
        const claimants = claims.get(key) ?? new Map<string, Row>();
        claims.set(key, claimants.set(owner, row));
      }
      if (rows.size > 0) owned.set(owner, rows);
      else owned.delete(owner);
      return [...new Set([...old.keys(), ...rows.keys()])];
    },
    get,
    ownedBy: (owner) => owned.get(owner)?.keys() ?? [],
    rows: () => {
      const all = new Map<RowKey, Row>();
      for (const key of [...claims.keys()].sort(byText)) {
        const row = get(key);
        if (row) all.set(key, row);
      }
      return all;
    },
    conflicts: () =>
      [...claims]
        .filter(([key, claimants]) => claimants.size > 1 && !isShared(key))
        .map(([key, claimants]) => ({ key, owners: inOrder(claimants) })),
  };
}
