/**
 * Desired rows: what the tables should hold, without the indices that only programming knows.
 *
 * A row is the image of `assembly/abi.ts` with its index fields 0, and beside it the keys of the
 * rows it points at. So two compiles of the same cluster are equal byte for byte, whatever
 * indices are in use.
 */
import { hash } from 'node:crypto';
import type { TableId } from '../../assembly/abi.js';
import { sameBytes } from '../addr.js';

/** Names one row: `frontend 10.96.0.10:53/UDP`, `route 10.244.2.0/24`. */
export type RowKey = string & { readonly brand: 'RowKey' };

/** A row that points at no other. */
export interface PlainRow {
  readonly table: TableId.LINK | TableId.ROUTE | TableId.BACKEND | TableId.NODE;
  readonly bytes: Uint8Array;
}

export interface FrontendRow {
  readonly table: TableId.FRONTEND;
  readonly bytes: Uint8Array;
  /** Undefined for the row that says "a service address, whatever the port". */
  readonly service: RowKey | undefined;
}

export interface ServiceRow {
  readonly table: TableId.SERVICE;
  readonly bytes: Uint8Array;
  /** The set, in the order Maglev takes them. */
  readonly backends: readonly RowKey[];
}

export type Row = PlainRow | FrontendRow | ServiceRow;
export type Rows = ReadonlyMap<RowKey, Row>;

export function rowKey(table: string, name: string): RowKey {
  return `${table} ${name}` as RowKey;
}

export function sameKeys(a: readonly RowKey[], b: readonly RowKey[]): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i]);
}

export function sameRow(a: Row | undefined, b: Row | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (!sameBytes(a.bytes, b.bytes)) return false;
  if (a.table !== b.table) return false;
  if ('backends' in a && 'backends' in b) return sameKeys(a.backends, b.backends);
  if ('service' in a && 'service' in b) return a.service === b.service;
  return true;
}

/**
 * A 32-bit identity of a name that every node computes alike: the first four bytes of its
 * SHA-256, little-endian. Two names share one with a chance of 2^-32.
 */
export function stableId(name: string): number {
  return hash('sha256', name, 'buffer').readUInt32LE(0);
}
