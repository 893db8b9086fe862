/**
 * Where programmed services and backends lie: their indices and ranges, and who uses them.
 *
 * A backend stays as long as a programmed set holds it, a service as long as a programmed
 * frontend points at it, whatever is wanted meanwhile.
 */
import { createIndexAllocator, createRangeAllocator } from './allocator.js';
import type { Range } from './allocator.js';
import { maglevSize } from './maglev.js';
import { sameKeys } from './rows.js';
import type { RowKey } from './rows.js';

/** Entries of the tables that are allocated here. */
export interface PlacementCapacities {
  readonly services: number;
  readonly backends: number;
  readonly setEntries: number;
  readonly maglevEntries: number;
}

/** A set of backends where it lies, with its Maglev table; without ranges when it is empty. */
export interface PlacedSet {
  readonly members: readonly RowKey[];
  readonly set: Range | undefined;
  readonly maglev: Range | undefined;
}

export interface PlacedService extends PlacedSet {
  readonly idx: number;
}

/** What there was no room for, in words. */
export interface NoRoom {
  readonly noRoom: string;
}

export interface Placement {
  /** Index of a backend, taken now if it has none. */
  placeBackend(key: RowKey): number | NoRoom;
  backendIdx(key: RowKey): number | undefined;
  /** @returns its index, or undefined while a programmed set still holds it */
  dropBackend(key: RowKey): number | undefined;
  /** Room for a service over these backends: what it has when they are the same, else fresh. */
  placeService(key: RowKey, members: readonly RowKey[]): PlacedService | NoRoom;
  /** The SERVICE row has been written with this placement: the old one is retired. */
  commitService(key: RowKey, placed: PlacedService): void;
  service(key: RowKey): PlacedService | undefined;
  /** @returns its index, or undefined while a programmed frontend still points at it */
  dropService(key: RowKey): number | undefined;
  /** A programmed frontend begins (+1) or ceases (-1) to point at a service. */
  countFrontend(service: RowKey | undefined, by: 1 | -1): void;
  /** What was retired may be taken again: its last users' deltas have been handed over. */
  reclaim(): void;
  /** Entries in use. */
  used(): PlacementCapacities;
}

interface Slot {
  readonly idx: number;
  users: number;
}

function createBackendSlots(capacity: number) {
  const indices = createIndexAllocator(capacity);
  const slots = new Map<RowKey, Slot>();
  return {
    indices,
    slots,
    place: (key: RowKey): number | NoRoom => {
      const idx = slots.get(key)?.idx ?? indices.take();
      if (idx === undefined) return { noRoom: `no free row among ${capacity} of BACKENDS` };
      if (!slots.has(key)) slots.set(key, { idx, users: 0 });
      return idx;
    },
    drop: (key: RowKey): number | undefined => {
      const slot = slots.get(key);
      if (slot === undefined || slot.users > 0) return undefined;
      slots.delete(key);
      indices.retire(slot.idx);
      return slot.idx;
    },
    count: (members: readonly RowKey[], by: 1 | -1): void => {
      for (const member of members) {
        const slot = slots.get(member);
        if (slot) slot.users += by;
      }
    },
  };
}

function createSetRanges(setEntries: number, maglevEntries: number) {
  const sets = createRangeAllocator(setEntries);
  const maglevs = createRangeAllocator(maglevEntries);
  return {
    sets,
    maglevs,
    take: (members: readonly RowKey[]): PlacedSet | NoRoom => {
      const count = members.length;
      if (count === 0) return { members, set: undefined, maglev: undefined };
      const set = sets.take(count);
      if (!set) return { noRoom: `no run of ${count} free among ${setEntries} entries of SETS` };
      const size = maglevSize(count);
      const maglev = maglevs.take(size);
      if (maglev) return { members, set, maglev };
      sets.giveBack(set);
      return { noRoom: `no run of ${size} free among ${maglevEntries} entries of MAGLEV` };
    },
    giveBack: ({ set, maglev }: PlacedSet): void => {
      if (set) sets.giveBack(set);
      if (maglev) maglevs.giveBack(maglev);
    },
    retire: ({ set, maglev }: PlacedSet): void => {
      if (set) sets.retire(set);
      if (maglev) maglevs.retire(maglev);
    },
  };
}

export function createPlacement(capacities: PlacementCapacities): Placement {
  const backends = createBackendSlots(capacities.backends);
  const ranges = createSetRanges(capacities.setEntries, capacities.maglevEntries);
  const indices = createIndexAllocator(capacities.services);
  const services = new Map<RowKey, PlacedService & Slot>();

  const leave = (placed: PlacedSet): void => {
    backends.count(placed.members, -1);
    ranges.retire(placed);
  };

  return {
    placeBackend: backends.place,
    backendIdx: (key) => backends.slots.get(key)?.idx,
    dropBackend: backends.drop,
    placeService: (key, members) => {
      const known = services.get(key);
      if (known && sameKeys(known.members, members)) return known;
      if (members.some((member) => !backends.slots.has(member))) {
        return { noRoom: 'a backend of it is not programmed' };
      }
      const placed = ranges.take(members);
      if ('noRoom' in placed) return placed;
      const idx = known?.idx ?? indices.take();
      if (idx !== undefined) return { ...placed, idx };
      ranges.giveBack(placed);
      return { noRoom: `no free row among ${capacities.services} of SERVICES` };
    },
    commitService: (key, placed) => {
      const old = services.get(key);
      if (old === placed) return;
      backends.count(placed.members, 1);
      services.set(key, { ...placed, users: old?.users ?? 0 });
      if (old) leave(old);
    },
    service: (key) => services.get(key),
    dropService: (key) => {
      const slot = services.get(key);
      if (slot === undefined || slot.users > 0) return undefined;
      services.delete(key);
      leave(slot);
      indices.retire(slot.idx);
      return slot.idx;
    },
    countFrontend: (service, by) => {
      const slot = service === undefined ? undefined : services.get(service);
      if (slot) slot.users += by;
    },
    reclaim: () => {
      for (const each of [backends.indices, ranges.sets, ranges.maglevs, indices]) each.reclaim();
    },
    used: () => ({
      services: indices.used(),
      backends: backends.indices.used(),
      setEntries: ranges.sets.used(),
      maglevEntries: ranges.maglevs.used(),
    }),
  };
}
