/**
 * Where programmed services and backends lie: their indices and ranges, and who uses them.
 *
 * A backend stays as long as a programmed set holds it, a service as long as a programmed
 * frontend points at it, whatever is wanted meanwhile.
 */
import { RANGE_SIZE } from '../../assembly/abi.js';
import type { SetName } from '../model/select.js';
import { createIndexAllocator, createRangeAllocator } from './allocator.js';
import type { Range } from './allocator.js';
import { maglevSize } from './maglev.js';
import { sameRun } from './rows.js';
import type { RowKey, ServiceRow } from './rows.js';

/** Entries of the tables that are allocated here. */
export interface PlacementCapacities {
  readonly services: number;
  readonly backends: number;
  readonly setEntries: number;
  readonly maglevEntries: number;
  readonly ranges: number;
}

/** What a service takes of the tables that are allocated in runs; empty parts take nothing. */
interface Runs {
  readonly set: Range | undefined;
  readonly maglev: Readonly<Partial<Record<SetName, Range>>>;
  readonly ranges: Range | undefined;
}

/** A service where it lies. */
export interface PlacedService extends Runs {
  readonly idx: number;
  readonly row: ServiceRow;
  /** Where the backends of the row lie, in its order. */
  readonly members: readonly PlacedBackend[];
}

export interface PlacedBackend {
  readonly idx: number;
  /** Programmed sets that hold it; counted here only. */
  users: number;
}

/** What there was no room for, in words. */
export interface NoRoom {
  readonly noRoom: string;
}

export interface Placement {
  /** Index of a backend, taken now if it has none. */
  placeBackend(key: RowKey): number | NoRoom;
  /** @returns its index, or undefined while a programmed set still holds it */
  dropBackend(key: RowKey): number | undefined;
  /** Room for a service: what it has when that is for the same backends, else fresh. */
  placeService(key: RowKey, row: ServiceRow): PlacedService | NoRoom;
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

/** A service, and how many programmed frontends point at it. */
interface ServiceSlot extends PlacedService {
  users: number;
}

function createBackendSlots(capacity: number) {
  const indices = createIndexAllocator(capacity);
  const slots = new Map<RowKey, PlacedBackend>();
  return {
    indices,
    slots,
    place: (key: RowKey): number | NoRoom => {
      const known = slots.get(key);
      if (known) return known.idx;
      const idx = indices.take();
      if (idx === undefined) return { noRoom: `no free row among ${capacity} of BACKENDS` };
      slots.set(key, { idx, users: 0 });
      return idx;
    },
    drop: (key: RowKey): number | undefined => {
      const slot = slots.get(key);
      if (slot === undefined || slot.users > 0) return undefined;
      slots.delete(key);
      indices.retire(slot.idx);
      return slot.idx;
    },
    /** @returns undefined when one of them has no place */
    find: (members: readonly RowKey[]): PlacedBackend[] | undefined => {
      const found: PlacedBackend[] = [];
      for (const member of members) {
        const slot = slots.get(member);
        if (slot === undefined) return undefined;
        found.push(slot);
      }
      return found;
    },
  };
}

function createRuns({ setEntries, maglevEntries, ranges }: PlacementCapacities) {
  const tables = {
    SETS: { allocator: createRangeAllocator(setEntries), capacity: setEntries },
    MAGLEV: { allocator: createRangeAllocator(maglevEntries), capacity: maglevEntries },
    RANGES: { allocator: createRangeAllocator(ranges), capacity: ranges },
  };
  type Table = keyof typeof tables;

  const each = (runs: Runs, act: (table: Table, range: Range) => void): void => {
    if (runs.set) act('SETS', runs.set);
    if (runs.ranges) act('RANGES', runs.ranges);
    for (const range of Object.values(runs.maglev)) act('MAGLEV', range);
  };

  return {
    tables,
    take: (row: ServiceRow): Runs | NoRoom => {
      const taken: { table: Table; range: Range }[] = [];
      let noRoom: string | undefined;
      const take = (table: Table, count: number): Range | undefined => {
        if (count === 0 || noRoom !== undefined) return undefined;
        const { allocator, capacity } = tables[table];
        const range = allocator.take(count);
        if (range) taken.push({ table, range });
        else noRoom = `no run of ${count} free among ${capacity} entries of ${table}`;
        return range;
      };
      const maglev: Partial<Record<SetName, Range>> = {};
      const set = take('SETS', row.backends.length);
      for (const name of row.maglev) {
        const range = take('MAGLEV', maglevSize(row.sets[name].count));
        if (range) maglev[name] = range;
      }
      const ranges = take('RANGES', row.ranges.length / RANGE_SIZE);
      if (noRoom === undefined) return { set, maglev, ranges };
      for (const { table, range } of taken) tables[table].allocator.giveBack(range);
      return { noRoom };
    },
    giveBack: (runs: Runs): void => {
      each(runs, (table, range) => {
        tables[table].allocator.giveBack(range);
      });
    },
    retire: (runs: Runs): void => {
      each(runs, (table, range) => {
        tables[table].allocator.retire(range);
      });
    },
  };
}

export function createPlacement(capacities: PlacementCapacities): Placement {
  const backends = createBackendSlots(capacities.backends);
  const runs = createRuns(capacities);
  const indices = createIndexAllocator(capacities.services);
  const services = new Map<RowKey, ServiceSlot>();

  const leave = (placed: PlacedService): void => {
    for (const member of placed.members) member.users--;
    runs.retire(placed);
  };

  return {
    placeBackend: backends.place,
    dropBackend: backends.drop,
    placeService: (key, row) => {
      const known = services.get(key);
      if (known && sameRun(known.row, row)) return known;
      const members = backends.find(row.backends);
      if (members === undefined) return { noRoom: 'a backend of it is not programmed' };
      const placed = runs.take(row);
      if ('noRoom' in placed) return placed;
      const idx = known?.idx ?? indices.take();
      if (idx !== undefined) return { ...placed, idx, row, members };
      runs.giveBack(placed);
      return { noRoom: `no free row among ${capacities.services} of SERVICES` };
    },
    commitService: (key, placed) => {
      const old = services.get(key);
      if (old === placed) return;
      for (const member of placed.members) member.users++;
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
      const { SETS, MAGLEV, RANGES } = runs.tables;
      for (const { allocator } of [SETS, MAGLEV, RANGES]) allocator.reclaim();
      backends.indices.reclaim();
      indices.reclaim();
    },
    used: () => ({
      services: indices.used(),
      backends: backends.indices.used(),
      setEntries: runs.tables.SETS.allocator.used(),
      maglevEntries: runs.tables.MAGLEV.allocator.used(),
      ranges: runs.tables.RANGES.allocator.used(),
    }),
  };
}
