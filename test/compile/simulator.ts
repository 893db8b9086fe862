/**
 * The tables as delta records leave them, in plain JavaScript: an independent reader of the
 * records, and the judge of every state between them.
 */
import {
  Action,
  BACKEND_ID_OFF,
  DELTA_COUNT_OFF,
  DELTA_IDX_OFF,
  DELTA_OP_OFF,
  DELTA_PAYLOAD_OFF,
  DELTA_SIZE,
  DELTA_TABLE_OFF,
  FRONTEND_KEY_OFF,
  FRONTEND_SERVICE_OFF,
  LINK_KEY_OFF,
  Op,
  ROUTE_ACTION_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_KEY_OFF,
  SERVICE_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_OFF,
  SERVICE_SET_COUNT_OFF,
  SERVICE_SET_OFF,
  TableId,
} from '../../assembly/abi.js';
import type { Row, Rows } from '../../src/compile/rows.js';

const ROW_SIZE = 64;
const INDEXED_SIZE = 32;
const KEY_SIZE = 24;
const LINK_KEY_BYTES = 8;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const u32 = (bytes: Uint8Array, off: number) =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(off, true);

interface MaglevTable {
  readonly size: number;
  readonly setFirst: number;
  readonly setCount: number;
  /** Identities of the backends it was built over. */
  readonly ids: readonly number[];
}

/** Tables as they lie somewhere, keyed rows with their state word 0. */
export interface Tables {
  readonly node: string;
  readonly links: ReadonlyMap<string, Uint8Array>;
  readonly routes: ReadonlyMap<string, Uint8Array>;
  readonly frontends: ReadonlyMap<string, Uint8Array>;
  readonly services: ReadonlyMap<number, Uint8Array>;
  readonly backends: ReadonlyMap<number, Uint8Array>;
  readonly sets: { get(entry: number): number | undefined };
}

/** Port and protocol 0. */
const isAnyPort = (key: string) => /^.{32}0{16}$/.test(key);

/** Everything in the tables, with indices replaced by what they point at. */
export function dumpTables(tables: Tables): string[] {
  const { node, links, routes, frontends, services, backends, sets } = tables;
  const serviceText = (service: Uint8Array | undefined): string => {
    if (!service) return 'none';
    const bare = service.slice();
    bare.fill(0, SERVICE_SET_OFF, SERVICE_MAGLEV_COUNT_OFF);
    const [first, count] = [u32(service, SERVICE_SET_OFF), u32(service, SERVICE_SET_COUNT_OFF)];
    const members = Array.from({ length: count }, (_, i) =>
      backends.get(sets.get(first + i) ?? -1),
    );
    return `${hex(bare)} over ${members.map((b) => (b ? hex(b) : '?')).join(' ')}`;
  };
  const frontendText = ([key, row]: [string, Uint8Array]): string => {
    const service = isAnyPort(key) ? undefined : services.get(u32(row, FRONTEND_SERVICE_OFF));
    return `frontend ${key} ${serviceText(service)}`;
  };
  return [
    `node ${node}`,
    ...[...links.values()].map((row) => `link ${hex(row)}`),
    ...[...routes.values()].map((row) => `route ${hex(row)}`),
    ...[...frontends].map(frontendText),
    ...[...services.values()].map((row) => `service ${serviceText(row)}`),
    ...[...backends.values()].map((row) => `backend ${hex(row)}`),
  ].sort();
}

export interface Simulator {
  /** Apply records one by one; throws at the first state that must not be. */
  apply(records: Uint8Array): void;
  /** Everything reachable, with indices replaced by what they point at. */
  dump(): string[];
  backendCount(): number;
  serviceCount(): number;
}

export function createSimulator(): Simulator {
  const links = new Map<string, Uint8Array>();
  const routes = new Map<string, Uint8Array>();
  const frontends = new Map<string, Uint8Array>();
  const services = new Map<number, Uint8Array>();
  const backends = new Map<number, Uint8Array>();
  const sets = new Map<number, number>();
  const maglevs = new Map<number, MaglevTable>();
  let node = '';

  const keyed = (
    op: number,
    payload: Uint8Array,
    table: Map<string, Uint8Array>,
    key: [number, number],
  ) => {
    const row = new Uint8Array(ROW_SIZE);
    row.set(payload.subarray(0, ROW_SIZE - 4), 4);
    const name = hex(row.subarray(key[0], key[0] + key[1]));
    if (op === Op.PUT) table.set(name, row);
    else if (!table.delete(name)) throw new Error(`delete of an absent row ${name}`);
  };

  const indexed = (
    op: number,
    payload: Uint8Array,
    table: Map<number, Uint8Array>,
    idx: number,
  ) => {
    if (op === Op.PUT) table.set(idx, payload.slice(0, INDEXED_SIZE));
    else if (!table.delete(idx)) throw new Error(`delete of an absent index ${idx}`);
  };

  const idsOf = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => {
      const backend = backends.get(sets.get(first + i) ?? -1);
      if (!backend) throw new Error(`set entry ${first + i} holds no live backend`);
      return u32(backend, BACKEND_ID_OFF);
    });

  const buildMaglev = (first: number, size: number, payload: Uint8Array): void => {
    const [setFirst, setCount] = [u32(payload, 0), u32(payload, 4)];
    for (const [at, { size: known }] of maglevs) {
      if (at < first + size && first < at + known) maglevs.delete(at);
    }
    maglevs.set(first, { size, setFirst, setCount, ids: idsOf(setFirst, setCount) });
  };

  const applyOne = (record: Uint8Array): void => {
    const view = new DataView(record.buffer, record.byteOffset, DELTA_SIZE);
    const op = view.getUint16(DELTA_OP_OFF, true);
    const table: TableId = view.getUint16(DELTA_TABLE_OFF, true);
    const idx = view.getUint32(DELTA_IDX_OFF, true);
    const count = view.getUint32(DELTA_COUNT_OFF, true);
    const payload = record.subarray(DELTA_PAYLOAD_OFF, DELTA_SIZE);
    if (op !== Op.PUT && op !== Op.DELETE) throw new Error(`op ${op}`);
    if (table === TableId.LINK) keyed(op, payload, links, [LINK_KEY_OFF, LINK_KEY_BYTES]);
    else if (table === TableId.ROUTE) keyed(op, payload, routes, [ROUTE_KEY_OFF, KEY_SIZE]);
    else if (table === TableId.FRONTEND)
      keyed(op, payload, frontends, [FRONTEND_KEY_OFF, KEY_SIZE]);
    else if (table === TableId.SERVICE) indexed(op, payload, services, idx);
    else if (table === TableId.BACKEND) indexed(op, payload, backends, idx);
    else if (table === TableId.SET) {
      for (let i = 0; i < count; i++) sets.set(idx + i, u32(payload, i * 4));
    } else if (table === TableId.MAGLEV) buildMaglev(idx, count, payload);
    else if (table === TableId.NODE) node = hex(payload.subarray(0, INDEXED_SIZE));
    else throw new Error(`table ${table}`);
  };

  const checkService = (service: Uint8Array): void => {
    const [first, count] = [u32(service, SERVICE_SET_OFF), u32(service, SERVICE_SET_COUNT_OFF)];
    const size = u32(service, SERVICE_MAGLEV_COUNT_OFF);
    if (count === 0 && size === 0) return;
    const table = maglevs.get(u32(service, SERVICE_MAGLEV_OFF));
    if (!table) throw new Error('service without its Maglev table');
    const { setFirst, setCount, ids } = table;
    const isOwn = table.size === size && setFirst === first && setCount === count;
    if (!isOwn) throw new Error('service with the Maglev table of another');
    if (idsOf(first, count).join() !== ids.join()) throw new Error('set changed under its table');
  };

  const check = (): void => {
    for (const [key, frontend] of frontends) {
      const idx = u32(frontend, FRONTEND_SERVICE_OFF);
      if (!isAnyPort(key) && !services.has(idx)) throw new Error(`frontend ${key} of nothing`);
    }
    for (const service of services.values()) checkService(service);
    for (const [key, route] of routes) {
      if (route[ROUTE_ACTION_OFF] !== Action.POD) continue;
      const link = hex(
        new Uint8Array(new BigUint64Array([BigInt(u32(route, ROUTE_IFINDEX_OFF))]).buffer),
      );
      if (!links.has(link)) throw new Error(`route ${key} behind no link`);
    }
  };

  return {
    apply: (records) => {
      for (let at = 0; at < records.length; at += DELTA_SIZE) {
        applyOne(records.subarray(at, at + DELTA_SIZE));
        check();
      }
    },
    dump: () => dumpTables({ node, links, routes, frontends, services, backends, sets }),
    backendCount: () => backends.size,
    serviceCount: () => services.size,
  };
}

/** What `dump` of a simulator has to say when exactly these rows are programmed. */
export function expectedDump(rows: Rows): string[] {
  const bytesOf = (key: unknown) => hex(rows.get(key as never)?.bytes ?? new Uint8Array());
  const serviceText = (row: Row | undefined): string => {
    if (row?.table !== TableId.SERVICE) return 'none';
    const bare = row.bytes.slice();
    const size = row.backends.length === 0 ? 0 : maglevSizeOf(row.backends.length);
    new DataView(bare.buffer).setUint32(SERVICE_MAGLEV_COUNT_OFF, size, true);
    return `${hex(bare)} over ${row.backends.map(bytesOf).join(' ')}`;
  };
  const lines = [...rows.values()].map((row) => {
    const padded = new Uint8Array(ROW_SIZE);
    padded.set(row.bytes);
    if (row.table === TableId.SERVICE) return `service ${serviceText(row)}`;
    if (row.table === TableId.FRONTEND) {
      const key = hex(row.bytes.subarray(FRONTEND_KEY_OFF, FRONTEND_KEY_OFF + KEY_SIZE));
      return `frontend ${key} ${serviceText(row.service && rows.get(row.service))}`;
    }
    if (row.table === TableId.BACKEND) return `backend ${hex(row.bytes)}`;
    if (row.table === TableId.NODE) return `node ${hex(row.bytes)}`;
    return `${row.table === TableId.LINK ? 'link' : 'route'} ${hex(padded)}`;
  });
  return lines.sort();
}

/** The rule of the contract, written out once more. */
function maglevSizeOf(count: number): number {
  const ladder = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521];
  return count === 1 ? 1 : (ladder.find((m) => m >= 100 * count) ?? 65521);
}
