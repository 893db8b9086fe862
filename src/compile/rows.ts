/**
 * Desired rows: what the tables should hold, without the indices that only programming knows.
 *
 * A row is the image of `assembly/abi.ts` with its index fields 0, and beside it the keys of the
 * rows it points at. So two compiles of the same cluster are equal byte for byte, whatever
 * indices are in use.
 */
import {
  Action,
  FRONTEND_KIND_OFF,
  FrontendKind,
  ROUTE_ACTION_OFF,
  ROUTE_FLAGS_OFF,
  ROUTE_F_OUTSIDE,
  ROUTE_F_OWN,
  TableId,
} from '../../assembly/abi.js';
import { sameBytes } from '../addr.js';
import type { SetName } from '../model/select.js';
import { sha256 } from '../sha256.js';

/** Names one row: `frontend 10.96.0.10:53/UDP`, `route 10.244.2.0/24`. */
export type RowKey = string & { readonly brand: 'RowKey' };

/** A row that points at no other. */
export interface PlainRow {
  readonly table:
    | TableId.LINK
    | TableId.ROUTE
    | TableId.BACKEND
    | TableId.NODE
    | TableId.POLICY
    | TableId.EXEMPT
    | TableId.TAKEN_PORTS;
  readonly bytes: Uint8Array;
}

export interface FrontendRow {
  readonly table: TableId.FRONTEND;
  readonly bytes: Uint8Array;
  /** Undefined for the row that says "a service address, whatever the port". */
  readonly service: RowKey | undefined;
}

/** Members of a set within its service's run of backends. */
export interface SetBounds {
  readonly first: number;
  readonly count: number;
}

export interface ServiceRow {
  readonly table: TableId.SERVICE;
  readonly bytes: Uint8Array;
  /** Both sets in one run, in the order Maglev takes them. */
  readonly backends: readonly RowKey[];
  readonly sets: Readonly<Record<SetName, SetBounds>>;
  /** Sets that are picked from by Maglev. */
  readonly maglev: readonly SetName[];
  /** RANGE_SIZE bytes each. */
  readonly ranges: Uint8Array;
}

export type Row = PlainRow | FrontendRow | ServiceRow;
export type Rows = ReadonlyMap<RowKey, Row>;

/** Large enough for every row. */
const IMAGE_MAX = 128;
const draft = new Uint8Array(IMAGE_MAX);
const draftView = new DataView(draft.buffer);

/**
 * The bytes of a row, all 0 but for what `write` puts there. Rows are many and small: a view of
 * each one's own would cost several times its bytes.
 */
export function rowImage(
  size: number,
  write: (view: DataView, bytes: Uint8Array) => void,
): Uint8Array {
  draft.fill(0);
  write(draftView, draft);
  return draft.slice(0, size);
}

export function rowKey(table: string, name: string): RowKey {
  return `${table} ${name}` as RowKey;
}

export function sameKeys(a: readonly RowKey[], b: readonly RowKey[]): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i]);
}

/** Whether two services keep the same backends, ranges and Maglev tables. */
export function sameRun(a: ServiceRow, b: ServiceRow): boolean {
  return (
    sameKeys(a.backends, b.backends) &&
    sameBytes(a.ranges, b.ranges) &&
    a.maglev.join() === b.maglev.join() &&
    a.maglev.every(
      (set) => a.sets[set].first === b.sets[set].first && a.sets[set].count === b.sets[set].count,
    )
  );
}

export function sameRow(a: Row | undefined, b: Row | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (!sameBytes(a.bytes, b.bytes)) return false;
  if (a.table !== b.table) return false;
  // The bounds of both sets are in the bytes.
  if ('backends' in a && 'backends' in b) return sameRun(a, b);
  if ('service' in a && 'service' in b) return a.service === b.service;
  return true;
}

/** Which kind of frontend has an address and port that several want. */
const FRONTEND_RANK: Readonly<Record<FrontendKind, number>> = {
  [FrontendKind.NONE]: 0,
  [FrontendKind.CLUSTER_IP]: 0,
  [FrontendKind.LOAD_BALANCER]: 1,
  [FrontendKind.EXTERNAL_IP]: 2,
  [FrontendKind.NODE_PORT]: 3,
};

/** Less is better: a ClusterIP before a node port; what is here before what others say they have. */
export function rank({ table, bytes }: Row): number {
  if (table === TableId.FRONTEND) {
    const kind: FrontendKind = bytes[FRONTEND_KIND_OFF] ?? FrontendKind.NONE;
    return FRONTEND_RANK[kind];
  }
  if (table !== TableId.ROUTE) return 0;
  const flags = bytes[ROUTE_FLAGS_OFF] ?? 0;
  if ((flags & ROUTE_F_OWN) !== 0) return 0;
  if (bytes[ROUTE_ACTION_OFF] === Action.POD) return 1;
  // What only the kernel's own routes say.
  const isKernels = bytes[ROUTE_ACTION_OFF] === Action.HOST || (flags & ROUTE_F_OUTSIDE) !== 0;
  return isKernels ? 3 : 2;
}

/**
 * A 32-bit identity of a name that every node computes alike: the first four bytes of its
 * SHA-256, little-endian. Two names share one with a chance of 2^-32.
 */
export function stableId(name: string): number {
  return new DataView(sha256(name).buffer).getUint32(0, true);
}
