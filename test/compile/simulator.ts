/**
 * The tables as delta records leave them, in plain JavaScript: an independent reader of the
 * records, and the judge of every state between them.
 */
import {
  Action,
  BACKEND_ID_OFF,
  BACKEND_PROTO_OFF,
  BACKEND_SIZE,
  DELTA_COUNT_OFF,
  DELTA_IDX_OFF,
  DELTA_OP_OFF,
  DELTA_PAYLOAD_OFF,
  DELTA_SIZE,
  DELTA_TABLE_OFF,
  FRONTEND_KEY_OFF,
  FRONTEND_KIND_OFF,
  FRONTEND_SERVICE_MASK,
  FRONTEND_SERVICE_OFF,
  FrontendKind,
  LINK_KEY_OFF,
  Op,
  RANGE_SIZE,
  ROUTE_ACTION_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_KEY_OFF,
  SERVICE_CLUSTER_COUNT_OFF,
  SERVICE_CLUSTER_FIRST_OFF,
  SERVICE_ID_OFF,
  SERVICE_LOCAL_COUNT_OFF,
  SERVICE_LOCAL_MAGLEV_COUNT_OFF,
  SERVICE_LOCAL_MAGLEV_OFF,
  SERVICE_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_OFF,
  SERVICE_RANGES_COUNT_OFF,
  SERVICE_RANGES_OFF,
  SERVICE_SET_OFF,
  SERVICE_SIZE,
  TAKEN_PORTS_BYTES,
  TableId,
} from '../../assembly/abi.js';
import type { Row, Rows, ServiceRow } from '../../src/compile/rows.js';

const ROW_SIZE = 64;
const KEY_SIZE = 24;
const LINK_KEY_BYTES = 8;
const NODE_SIZE = 32;
/** Payload of a POLICY record that the core keeps: flags, and from here on both ranges and aliases. */
export const POLICY_REST_OFF = 16;
export const POLICY_REST_SIZE = 96;

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
  readonly policy: string;
  readonly exempt: string;
  readonly takenPorts: string;
  readonly links: ReadonlyMap<string, Uint8Array>;
  readonly routes: ReadonlyMap<string, Uint8Array>;
  readonly frontends: ReadonlyMap<string, Uint8Array>;
  readonly services: ReadonlyMap<number, Uint8Array>;
  readonly backends: ReadonlyMap<number, Uint8Array>;
  readonly sets: { get(entry: number): number | undefined };
  readonly ranges: { get(entry: number): Uint8Array | undefined };
}

/** What a PURGE record says. */
export interface Purged {
  readonly service: number;
  readonly backend: number;
  readonly proto: number;
}

/** Port and protocol 0. */
const isAnyPort = (key: string) => /^.{32}0{16}$/.test(key);

/** Entries of both sets of a service together. */
function runLength(service: Uint8Array): number {
  const cluster = u32(service, SERVICE_CLUSTER_FIRST_OFF) + u32(service, SERVICE_CLUSTER_COUNT_OFF);
  return Math.max(u32(service, SERVICE_LOCAL_COUNT_OFF), cluster);
}

/** Offsets of a SERVICE row that say where something lies. */
const PLACES = [SERVICE_SET_OFF, SERVICE_MAGLEV_OFF, SERVICE_LOCAL_MAGLEV_OFF, SERVICE_RANGES_OFF];

/** Everything in the tables, with indices replaced by what they point at. */
export function dumpTables(tables: Tables): string[] {
  const { node, policy, exempt, takenPorts } = tables;
  const { links, routes, frontends, services, backends, sets, ranges } = tables;
  const serviceText = (service: Uint8Array | undefined): string => {
    if (!service) return 'none';
    const bare = service.slice();
    for (const at of PLACES) bare.fill(0, at, at + 4);
    const first = u32(service, SERVICE_SET_OFF);
    const members = Array.from({ length: runLength(service) }, (_, i) =>
      backends.get(sets.get(first + i) ?? -1),
    );
    const from = Array.from({ length: u32(service, SERVICE_RANGES_COUNT_OFF) }, (_, i) =>
      ranges.get(u32(service, SERVICE_RANGES_OFF) + i),
    );
    const text = (all: (Uint8Array | undefined)[]) => all.map((b) => (b ? hex(b) : '?')).join(' ');
    return `${hex(bare)} over ${text(members)} from ${text(from)}`;
  };
  const frontendText = ([key, row]: [string, Uint8Array]): string => {
    const idx = u32(row, FRONTEND_SERVICE_OFF) & FRONTEND_SERVICE_MASK;
    const service = isAnyPort(key) ? undefined : services.get(idx);
    return `frontend ${row[FRONTEND_KIND_OFF] ?? '?'} ${key} ${serviceText(service)}`;
  };
  return [
    `node ${node}`,
    `policy ${policy}`,
    `exempt ${exempt}`,
    `taken ports ${takenPorts}`,
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
  /** PURGE records since the last call. */
  purges(): Purged[];
  /** Maglev tables: identities each was built over, by its first slot. */
  maglevs(): ReadonlyMap<number, MaglevTable>;
}

export function createSimulator(): Simulator {
  const links = new Map<string, Uint8Array>();
  const routes = new Map<string, Uint8Array>();
  const frontends = new Map<string, Uint8Array>();
  const services = new Map<number, Uint8Array>();
  const backends = new Map<number, Uint8Array>();
  const sets = new Map<number, number>();
  const ranges = new Map<number, Uint8Array>();
  const maglevs = new Map<number, MaglevTable>();
  let purged: Purged[] = [];
  let node = '';
  let policy = '';
  let exempt = new Uint8Array();
  const takenPorts = new Uint8Array(TAKEN_PORTS_BYTES);

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

  const indexed = (op: number, row: Uint8Array, table: Map<number, Uint8Array>, idx: number) => {
    if (op === Op.PUT) table.set(idx, row);
    else if (!table.delete(idx)) throw new Error(`delete of an absent index ${idx}`);
  };

  const memberAt = (entry: number): Uint8Array => {
    const backend = backends.get(sets.get(entry) ?? -1);
    if (!backend) throw new Error(`set entry ${entry} holds no live backend`);
    return backend;
  };

  const idsOf = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => u32(memberAt(first + i), BACKEND_ID_OFF));

  const buildMaglev = (first: number, size: number, payload: Uint8Array): void => {
    const [setFirst, setCount] = [u32(payload, 0), u32(payload, 4)];
    for (const [at, { size: known }] of maglevs) {
      if (at < first + size && first < at + known) maglevs.delete(at);
    }
    maglevs.set(first, { size, setFirst, setCount, ids: idsOf(setFirst, setCount) });
  };

  const purge = (payload: Uint8Array): void => {
    const [service, backend, proto] = [u32(payload, 0), u32(payload, 4), payload[8] ?? 0];
    for (const row of services.values()) {
      if (u32(row, SERVICE_ID_OFF) !== service) continue;
      for (let i = 0; i < runLength(row); i++) {
        const member = memberAt(u32(row, SERVICE_SET_OFF) + i);
        if (u32(member, BACKEND_ID_OFF) === backend && member[BACKEND_PROTO_OFF] === proto)
          throw new Error('flows of a backend purged that a service still names');
      }
    }
    purged.push({ service, backend, proto });
  };

  const applyOne = (record: Uint8Array): void => {
    const view = new DataView(record.buffer, record.byteOffset, DELTA_SIZE);
    const op = view.getUint16(DELTA_OP_OFF, true);
    const table: TableId = view.getUint16(DELTA_TABLE_OFF, true);
    const idx = view.getUint32(DELTA_IDX_OFF, true);
    const count = view.getUint32(DELTA_COUNT_OFF, true);
    const payload = record.subarray(DELTA_PAYLOAD_OFF, DELTA_SIZE);
    if (op !== Op.PUT && op !== Op.DELETE) throw new Error(`op ${op}`);
    if (purged.length > 0 && table !== TableId.PURGE) throw new Error('a change after a purge');
    switch (table) {
      case TableId.LINK: {
        keyed(op, payload, links, [LINK_KEY_OFF, LINK_KEY_BYTES]);
        return;
      }
      case TableId.ROUTE: {
        keyed(op, payload, routes, [ROUTE_KEY_OFF, KEY_SIZE]);
        return;
      }
      case TableId.FRONTEND: {
        keyed(op, payload, frontends, [FRONTEND_KEY_OFF, KEY_SIZE]);
        return;
      }
      case TableId.SERVICE: {
        indexed(op, payload.slice(0, SERVICE_SIZE), services, idx);
        return;
      }
      case TableId.BACKEND: {
        indexed(op, payload.slice(0, BACKEND_SIZE), backends, idx);
        return;
      }
      case TableId.SET:
        for (let i = 0; i < count; i++) sets.set(idx + i, u32(payload, i * 4));
        return;
      case TableId.RANGE:
        for (let i = 0; i < count; i++) {
          ranges.set(idx + i, payload.slice(i * RANGE_SIZE, (i + 1) * RANGE_SIZE));
        }
        return;
      case TableId.MAGLEV: {
        buildMaglev(idx, count, payload);
        return;
      }
      case TableId.NODE:
        node = hex(payload.subarray(0, NODE_SIZE));
        return;
      case TableId.POLICY:
        policy = policyText(payload);
        return;
      case TableId.EXEMPT: {
        const list = new Uint8Array((idx + count) * RANGE_SIZE);
        list.set(exempt.subarray(0, idx * RANGE_SIZE));
        list.set(payload.subarray(0, count * RANGE_SIZE), idx * RANGE_SIZE);
        exempt = list;
        return;
      }
      case TableId.TAKEN_PORTS:
        takenPorts.set(payload.subarray(0, count), idx);
        return;
      case TableId.PURGE: {
        purge(payload);
        return;
      }
      default:
        throw new Error(`table ${table}`);
    }
  };

  const checkMaglev = (at: number, size: number, setFirst: number, setCount: number): void => {
    if (size === 0) return;
    const table = maglevs.get(at);
    if (!table) throw new Error('service without its Maglev table');
    const isOwn = table.size === size && table.setFirst === setFirst && table.setCount === setCount;
    if (!isOwn) throw new Error('service with the Maglev table of another');
    if (idsOf(setFirst, setCount).join() !== table.ids.join())
      throw new Error('set changed under its table');
  };

  const checkService = (row: Uint8Array): void => {
    const word = (off: number) => u32(row, off);
    const first = word(SERVICE_SET_OFF);
    idsOf(first, runLength(row));
    checkMaglev(
      word(SERVICE_MAGLEV_OFF),
      word(SERVICE_MAGLEV_COUNT_OFF),
      first + word(SERVICE_CLUSTER_FIRST_OFF),
      word(SERVICE_CLUSTER_COUNT_OFF),
    );
    checkMaglev(
      word(SERVICE_LOCAL_MAGLEV_OFF),
      word(SERVICE_LOCAL_MAGLEV_COUNT_OFF),
      first,
      word(SERVICE_LOCAL_COUNT_OFF),
    );
    for (let i = 0; i < word(SERVICE_RANGES_COUNT_OFF); i++) {
      if (!ranges.has(word(SERVICE_RANGES_OFF) + i)) throw new Error('service with no such range');
    }
  };

  const check = (): void => {
    for (const [key, frontend] of frontends) {
      const idx = u32(frontend, FRONTEND_SERVICE_OFF) & FRONTEND_SERVICE_MASK;
      const isNone = frontend[FRONTEND_KIND_OFF] === FrontendKind.NONE;
      if (isNone !== isAnyPort(key)) throw new Error(`frontend ${key} of the wrong kind`);
      if (!isNone && !services.has(idx)) throw new Error(`frontend ${key} of nothing`);
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
      purged = [];
      for (let at = 0; at < records.length; at += DELTA_SIZE) {
        applyOne(records.subarray(at, at + DELTA_SIZE));
        check();
      }
    },
    dump: () =>
      dumpTables({
        node,
        policy,
        exempt: hex(exempt),
        takenPorts: hex(takenPorts),
        links,
        routes,
        frontends,
        services,
        backends,
        sets,
        ranges,
      }),
    backendCount: () => backends.size,
    serviceCount: () => services.size,
    purges: () => purged.splice(0),
    maglevs: () => maglevs,
  };
}

function policyText(payload: Uint8Array): string {
  const rest = payload.subarray(POLICY_REST_OFF, POLICY_REST_OFF + POLICY_REST_SIZE);
  return `${hex(payload.subarray(0, 4))} ${hex(rest)}`;
}

/** What `dump` of a simulator has to say when exactly these rows are programmed. */
export function expectedDump(rows: Rows): string[] {
  const bytesOf = (key: unknown) => hex(rows.get(key as never)?.bytes ?? new Uint8Array());
  const serviceText = (row: Row | undefined): string => {
    if (row?.table !== TableId.SERVICE) return 'none';
    const from = Array.from({ length: row.ranges.length / RANGE_SIZE }, (_, i) =>
      hex(row.ranges.subarray(i * RANGE_SIZE, (i + 1) * RANGE_SIZE)),
    );
    const over = row.backends.map(bytesOf).join(' ');
    return `${hex(counted(row))} over ${over} from ${from.join(' ')}`;
  };
  const lines = [...rows.values()].map((row) => {
    const padded = new Uint8Array(ROW_SIZE);
    if (row.bytes.length <= ROW_SIZE) padded.set(row.bytes);
    switch (row.table) {
      case TableId.SERVICE:
        return `service ${serviceText(row)}`;
      case TableId.FRONTEND: {
        const key = hex(row.bytes.subarray(FRONTEND_KEY_OFF, FRONTEND_KEY_OFF + KEY_SIZE));
        const service = serviceText(row.service && rows.get(row.service));
        return `frontend ${row.bytes[FRONTEND_KIND_OFF] ?? '?'} ${key} ${service}`;
      }
      case TableId.BACKEND:
        return `backend ${hex(row.bytes)}`;
      case TableId.NODE:
        return `node ${hex(row.bytes)}`;
      case TableId.POLICY:
        return `policy ${policyText(row.bytes)}`;
      case TableId.EXEMPT:
        return `exempt ${hex(row.bytes)}`;
      case TableId.TAKEN_PORTS:
        return `taken ports ${hex(row.bytes)}`;
      default:
        return `${row.table === TableId.LINK ? 'link' : 'route'} ${hex(padded)}`;
    }
  });
  return lines.sort();
}

/** The row with the counts that programming adds. */
function counted(row: ServiceRow): Uint8Array {
  const bytes = row.bytes.slice();
  const view = new DataView(bytes.buffer);
  const { cluster, local } = row.sets;
  const slots = (name: 'cluster' | 'local', count: number) =>
    row.maglev.includes(name) ? maglevSizeOf(count) : 0;
  view.setUint32(SERVICE_MAGLEV_COUNT_OFF, slots('cluster', cluster.count), true);
  view.setUint32(SERVICE_LOCAL_MAGLEV_COUNT_OFF, slots('local', local.count), true);
  view.setUint32(SERVICE_RANGES_COUNT_OFF, row.ranges.length / RANGE_SIZE, true);
  return bytes;
}

/** The rule of the contract, written out once more. */
function maglevSizeOf(count: number): number {
  const ladder = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521];
  return count === 1 ? 1 : (ladder.find((m) => m >= 100 * count) ?? 65521);
}
