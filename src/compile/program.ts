/**
 * From differences to delta records, in an order that is right at every record.
 *
 *   NODE, POLICY, EXEMPT, TAKEN_PORTS              what masquerading stands on
 *   stale ROUTEs out, LINKs, ROUTEs                a route never points at another pod's link
 *   BACKENDs, SETs, RANGEs, MAGLEV, SERVICEs, FRONTENDs  nothing points at what is not there yet
 *   FRONTENDs out, SERVICEs out, BACKENDs out, LINKs out
 *   PURGEs                           flows of backends that nothing names any more
 *   STRAYS                           flows of links that are gone; after a start, until it is done
 *
 * A changed set is written at a fresh range with a fresh Maglev table; the SERVICE row then
 * switches over, and the old ranges are retired. What does not fit stays as it was, is reported,
 * and is tried again with the next flush.
 */
import {
  DeltaError,
  FRONTEND_SERVICE_OFF,
  Op,
  SERVICE_LOCAL_MAGLEV_COUNT_OFF,
  SERVICE_LOCAL_MAGLEV_OFF,
  SERVICE_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_OFF,
  SERVICE_RANGES_COUNT_OFF,
  SERVICE_RANGES_OFF,
  SERVICE_SET_OFF,
  TableId,
} from '../../assembly/abi.js';
import { createDeltaWriter, refusedDeltas } from '../core/delta-writer.js';
import type { DeltaWriter, KeyedTable } from '../core/delta-writer.js';
import type { Departures } from './departures.js';
import type { PlacedService, Placement } from './placement.js';
import type { FrontendRow, PlainRow, Row, RowKey, ServiceRow } from './rows.js';
import type { Tracker } from './tracker.js';

/** A row that could not be programmed as wanted. */
export interface Problem {
  readonly key: RowKey;
  readonly reason: string;
}

export interface Flushed {
  /** They count as applied. */
  readonly records: Uint8Array;
  /** The row each record is about; PURGEs, which come last, are about none. */
  readonly targets: readonly RowKey[];
  readonly problems: readonly Problem[];
}

/** One flush under way. */
interface Run {
  readonly tracker: Tracker;
  readonly placement: Placement;
  readonly writer: DeltaWriter;
  readonly targets: RowKey[];
  readonly problems: Problem[];
}

/** In the row of an address without a port the core looks only whether it is there. */
const ANY_PORT_SERVICE = 0;

type Entry<T extends Row = Row> = readonly [RowKey, T];

interface Change {
  readonly key: RowKey;
  readonly row: ServiceRow;
  readonly placed: PlacedService;
}

/** Entries by the table of their row, each table's in the order they came. */
interface Grouped {
  of<T extends Row>(table: T['table']): readonly Entry<T>[];
}

function grouped(entries: readonly Entry[]): Grouped {
  const groups = new Map<TableId, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry[1].table);
    if (group) group.push(entry);
    else groups.set(entry[1].table, [entry]);
  }
  return {
    of: <T extends Row>(table: T['table']) =>
      (groups.get(table) ?? []) as readonly Entry[] as readonly Entry<T>[],
  };
}

/** All records since the last call are about this row. */
function target({ targets, writer }: Run, key: RowKey): void {
  while (targets.length < writer.count()) targets.push(key);
}

function putKeyed(run: Run, [key, row]: Entry<PlainRow>): void {
  run.writer.keyed(Op.PUT, row.table as KeyedTable, row.bytes);
  target(run, key);
  run.tracker.wrote(key, row);
}

function deleteKeyed(run: Run, [key, row]: Entry): void {
  run.writer.keyed(Op.DELETE, row.table as KeyedTable, row.bytes);
  target(run, key);
  run.tracker.removed(key);
}

function putNode(run: Run, [key, row]: Entry<PlainRow>): void {
  const { writer, tracker } = run;
  if (row.table === TableId.NODE) writer.putNode(row.bytes);
  else if (row.table === TableId.EXEMPT) writer.putExempt(row.bytes);
  else if (row.table === TableId.TAKEN_PORTS) writer.putTakenPorts(row.bytes);
  else writer.putPolicy(row.bytes);
  target(run, key);
  tracker.wrote(key, row);
}

function putBackend(run: Run, [key, row]: Entry<PlainRow>): void {
  const idx = run.placement.placeBackend(key);
  if (typeof idx !== 'number') {
    run.problems.push({ key, reason: idx.noRoom });
    return;
  }
  run.writer.putIndexed(TableId.BACKEND, idx, row.bytes);
  target(run, key);
  run.tracker.wrote(key, row);
}

function stage(run: Run, [key, row]: Entry<ServiceRow>): Change[] {
  const placed = run.placement.placeService(key, row);
  if (!('noRoom' in placed)) return [{ key, row, placed }];
  run.problems.push({ key, reason: placed.noRoom });
  return [];
}

function putSet(run: Run, { key, placed: { set, members } }: Change): void {
  if (!set) return;
  run.writer.putSet(
    set.first,
    members.map(({ idx }) => idx),
  );
  target(run, key);
}

function putRanges(run: Run, { key, placed: { ranges, row } }: Change): void {
  if (!ranges) return;
  run.writer.putRanges(ranges.first, row.ranges);
  target(run, key);
}

function buildMaglev(run: Run, { key, placed: { set, maglev, row } }: Change): void {
  for (const name of row.maglev) {
    const slots = maglev[name];
    if (!set || !slots) continue;
    const { first, count } = row.sets[name];
    const setFirst = set.first + first;
    run.writer.buildMaglev({ first: slots.first, size: slots.count, setFirst, setCount: count });
    target(run, key);
  }
}

function putService(run: Run, { key, row, placed }: Change): void {
  const bytes = row.bytes.slice();
  const view = new DataView(bytes.buffer);
  const { cluster, local } = placed.maglev;
  view.setUint32(SERVICE_SET_OFF, placed.set?.first ?? 0, true);
  view.setUint32(SERVICE_MAGLEV_OFF, cluster?.first ?? 0, true);
  view.setUint32(SERVICE_MAGLEV_COUNT_OFF, cluster?.count ?? 0, true);
  view.setUint32(SERVICE_LOCAL_MAGLEV_OFF, local?.first ?? 0, true);
  view.setUint32(SERVICE_LOCAL_MAGLEV_COUNT_OFF, local?.count ?? 0, true);
  view.setUint32(SERVICE_RANGES_OFF, placed.ranges?.first ?? 0, true);
  view.setUint32(SERVICE_RANGES_COUNT_OFF, placed.ranges?.count ?? 0, true);
  run.writer.putIndexed(TableId.SERVICE, placed.idx, bytes);
  target(run, key);
  run.placement.commitService(key, placed);
  run.tracker.wrote(key, row);
}

function pointedAt(row: Row | undefined): RowKey | undefined {
  return row?.table === TableId.FRONTEND ? row.service : undefined;
}

function putFrontend(run: Run, [key, row]: Entry<FrontendRow>): void {
  const idx =
    row.service === undefined ? ANY_PORT_SERVICE : run.placement.service(row.service)?.idx;
  if (idx === undefined) {
    run.problems.push({ key, reason: 'its service is not programmed' });
    return;
  }
  const bytes = row.bytes.slice();
  // The kind is already there, in the high byte.
  const view = new DataView(bytes.buffer);
  view.setUint32(FRONTEND_SERVICE_OFF, view.getUint32(FRONTEND_SERVICE_OFF, true) | idx, true);
  run.writer.keyed(Op.PUT, TableId.FRONTEND, bytes);
  target(run, key);
  run.placement.countFrontend(row.service, 1);
  run.placement.countFrontend(pointedAt(run.tracker.programmed(key)), -1);
  run.tracker.wrote(key, row);
}

function deleteFrontend(run: Run, entry: Entry<FrontendRow>): void {
  run.placement.countFrontend(entry[1].service, -1);
  deleteKeyed(run, entry);
}

function deleteIndexed(run: Run, [key, row]: Entry): void {
  const isService = row.table === TableId.SERVICE;
  const { placement, tracker, writer } = run;
  const idx = isService ? placement.dropService(key) : placement.dropBackend(key);
  if (idx === undefined) return;
  writer.deleteIndexed(isService ? TableId.SERVICE : TableId.BACKEND, idx);
  target(run, key);
  tracker.removed(key);
}

/** What there is one of, in CONTROL; always wanted, so that none is ever deleted. */
const NODE_TABLES = [TableId.NODE, TableId.POLICY, TableId.EXEMPT, TableId.TAKEN_PORTS] as const;

/** Where things are: this node, links, routes. Links go out last of all, see `flush`. */
function writeTopology(run: Run, puts: Grouped, deletes: Grouped): void {
  for (const table of NODE_TABLES) {
    for (const entry of puts.of<PlainRow>(table)) putNode(run, entry);
  }
  for (const entry of deletes.of(TableId.ROUTE)) deleteKeyed(run, entry);
  for (const entry of puts.of<PlainRow>(TableId.LINK)) putKeyed(run, entry);
  for (const entry of puts.of<PlainRow>(TableId.ROUTE)) putKeyed(run, entry);
}

function writeServices(run: Run, puts: Grouped, deletes: Grouped): void {
  for (const entry of puts.of<PlainRow>(TableId.BACKEND)) putBackend(run, entry);
  const changes = puts.of<ServiceRow>(TableId.SERVICE).flatMap((entry) => stage(run, entry));
  const fresh = changes.filter(({ key, placed }) => run.placement.service(key) !== placed);
  for (const change of fresh) putSet(run, change);
  for (const change of fresh) putRanges(run, change);
  for (const change of fresh) buildMaglev(run, change);
  for (const change of changes) putService(run, change);
  for (const entry of puts.of<FrontendRow>(TableId.FRONTEND)) putFrontend(run, entry);
  for (const entry of deletes.of<FrontendRow>(TableId.FRONTEND)) deleteFrontend(run, entry);
  for (const entry of deletes.of(TableId.SERVICE)) deleteIndexed(run, entry);
  for (const entry of deletes.of(TableId.BACKEND)) deleteIndexed(run, entry);
}

/** Last of all: the next packet of a forgotten flow has to find the tables as they are to be. */
function purge(run: Run, departures: Departures): void {
  for (const { service, backend, proto } of departures.take(run.tracker.isSettled)) {
    run.writer.purge(service, backend, proto);
  }
}

/**
 * Records that turn the tables into what the tracker wants.
 *
 * @param hasStrays  flows may name links that are gone without anybody having deleted them
 */
export function flush(
  tracker: Tracker,
  placement: Placement,
  departures: Departures,
  hasStrays = false,
): Flushed {
  const writer = createDeltaWriter();
  const run: Run = { tracker, placement, writer, targets: [], problems: [] };
  placement.reclaim();
  const pending = tracker.pending();
  const puts = grouped(pending.puts);
  const deletes = grouped(pending.deletes);
  writeTopology(run, puts, deletes);
  writeServices(run, puts, deletes);
  for (const entry of deletes.of(TableId.LINK)) deleteKeyed(run, entry);
  purge(run, departures);
  if (hasStrays) writer.purgeStrays();
  return { records: writer.take(), targets: run.targets, problems: run.problems };
}

/**
 * Look at the result words the core left in a flushed batch. A row of a hashed table that it
 * had no room for is wanted again, and the next flush tries it.
 *
 * @param batch    the records after `applyDelta` has been through them
 * @param targets  as the flush gave them
 */
export function acknowledge(
  batch: Uint8Array,
  targets: readonly RowKey[],
  tracker: Tracker,
  placement: Placement,
): Problem[] {
  return refusedDeltas(batch).flatMap(({ record, error }) => {
    const key = targets[record];
    const row = key === undefined ? undefined : tracker.programmed(key);
    if (key === undefined || row === undefined) return [];
    const { table } = row;
    if (table === TableId.FRONTEND || table === TableId.LINK || table === TableId.ROUTE) {
      placement.countFrontend(pointedAt(row), -1);
      tracker.removed(key);
    }
    return [{ key, reason: `refused by the core: ${DeltaError[error]}` }];
  });
}
