/**
 * From differences to delta records, in an order that is right at every record.
 *
 *   NODE, stale ROUTEs out, LINKs, ROUTEs          a route never points at another pod's link
 *   BACKENDs, SETs, MAGLEV, SERVICEs, FRONTENDs    nothing points at what is not there yet
 *   FRONTENDs out, SERVICEs out, BACKENDs out, LINKs out
 *
 * A changed set is written at a fresh range with a fresh Maglev table; the SERVICE row then
 * switches over, and the old ranges are retired. What does not fit stays as it was, is reported,
 * and is tried again with the next flush.
 */
import {
  DeltaError,
  FRONTEND_SERVICE_OFF,
  Op,
  SERVICE_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_OFF,
  SERVICE_SET_COUNT_OFF,
  SERVICE_SET_OFF,
  TableId,
} from '../../assembly/abi.js';
import { createDeltaWriter, refusedDeltas } from '../core/delta-writer.js';
import type { DeltaWriter, KeyedTable } from '../core/delta-writer.js';
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
  /** The row each record is about. */
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

function ofTable<T extends Row>(entries: readonly Entry[], table: T['table']): Entry<T>[] {
  return entries.filter((entry): entry is Entry<T> => entry[1].table === table);
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
  run.writer.putNode(row.bytes);
  target(run, key);
  run.tracker.wrote(key, row);
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
  const placed = run.placement.placeService(key, row.backends);
  if (!('noRoom' in placed)) return [{ key, row, placed }];
  run.problems.push({ key, reason: placed.noRoom });
  return [];
}

function putSet(run: Run, { key, placed: { set, members } }: Change): void {
  if (!set) return;
  const indices = members.flatMap((member) => run.placement.backendIdx(member) ?? []);
  run.writer.putSet(set.first, indices);
  target(run, key);
}

function buildMaglev(run: Run, { key, placed: { set, maglev } }: Change): void {
  if (!set || !maglev) return;
  const { first, count: size } = maglev;
  run.writer.buildMaglev({ first, size, setFirst: set.first, setCount: set.count });
  target(run, key);
}

function putService(run: Run, { key, row, placed }: Change): void {
  const bytes = row.bytes.slice();
  const view = new DataView(bytes.buffer);
  view.setUint32(SERVICE_SET_OFF, placed.set?.first ?? 0, true);
  view.setUint32(SERVICE_SET_COUNT_OFF, placed.set?.count ?? 0, true);
  view.setUint32(SERVICE_MAGLEV_OFF, placed.maglev?.first ?? 0, true);
  view.setUint32(SERVICE_MAGLEV_COUNT_OFF, placed.maglev?.count ?? 0, true);
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
  new DataView(bytes.buffer).setUint32(FRONTEND_SERVICE_OFF, idx, true);
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

/** Where things are: this node, links, routes. Links go out last of all, see `flush`. */
function writeTopology(run: Run, puts: readonly Entry[], deletes: readonly Entry[]): void {
  for (const entry of ofTable<PlainRow>(puts, TableId.NODE)) putNode(run, entry);
  for (const entry of ofTable(deletes, TableId.ROUTE)) deleteKeyed(run, entry);
  for (const entry of ofTable<PlainRow>(puts, TableId.LINK)) putKeyed(run, entry);
  for (const entry of ofTable<PlainRow>(puts, TableId.ROUTE)) putKeyed(run, entry);
}

function writeServices(run: Run, puts: readonly Entry[], deletes: readonly Entry[]): void {
  for (const entry of ofTable<PlainRow>(puts, TableId.BACKEND)) putBackend(run, entry);
  const changes = ofTable<ServiceRow>(puts, TableId.SERVICE).flatMap((entry) => stage(run, entry));
  const fresh = changes.filter(({ key, placed }) => run.placement.service(key) !== placed);
  for (const change of fresh) putSet(run, change);
  for (const change of fresh) buildMaglev(run, change);
  for (const change of changes) putService(run, change);
  for (const entry of ofTable<FrontendRow>(puts, TableId.FRONTEND)) putFrontend(run, entry);
  for (const entry of ofTable<FrontendRow>(deletes, TableId.FRONTEND)) deleteFrontend(run, entry);
  for (const entry of ofTable(deletes, TableId.SERVICE)) deleteIndexed(run, entry);
  for (const entry of ofTable(deletes, TableId.BACKEND)) deleteIndexed(run, entry);
}

/** Records that turn the tables into what the tracker wants. */
export function flush(tracker: Tracker, placement: Placement): Flushed {
  const writer = createDeltaWriter();
  const run: Run = { tracker, placement, writer, targets: [], problems: [] };
  placement.reclaim();
  const { puts, deletes } = tracker.pending();
  writeTopology(run, puts, deletes);
  writeServices(run, puts, deletes);
  for (const entry of ofTable(deletes, TableId.LINK)) deleteKeyed(run, entry);
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
