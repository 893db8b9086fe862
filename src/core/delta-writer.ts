/**
 * Row changes as the 128-byte records that `applyDelta` reads.
 *
 *   0     2       4       8       12       16                                128
 *   +-----+-------+-------+-------+--------+---------------------------------+
 *   | op  | table | idx   | count | result | payload                         |
 *   +-----+-------+-------+-------+--------+---------------------------------+
 *
 * Payload: of a keyed table the row from offset 4 on, of an indexed table the whole row, of SET
 * up to 28 backend indices, of MAGLEV the first set entry and their count, of NODE two addresses.
 * Integers are little-endian. Nobody else knows these offsets.
 */
import {
  DELTA_COUNT_OFF,
  DELTA_IDX_OFF,
  DELTA_OP_OFF,
  DELTA_PAYLOAD_OFF,
  DELTA_PAYLOAD_SIZE,
  DELTA_RESULT_OFF,
  DELTA_SIZE,
  DELTA_TABLE_OFF,
  DeltaError,
  Op,
  RANGE_SIZE,
  SET_ENTRY_SIZE,
  TableId,
} from '../../assembly/abi.js';

export type KeyedTable = TableId.LINK | TableId.FRONTEND | TableId.ROUTE;
export type IndexedTable = TableId.SERVICE | TableId.BACKEND;

/** A keyed row's `state` word is the core's. */
const KEYED_IMAGE_OFF = 4;
/** Backend indices one SET record takes. */
export const SET_BATCH_MAX = DELTA_PAYLOAD_SIZE / SET_ENTRY_SIZE;
const RANGE_BATCH_BYTES = Math.floor(DELTA_PAYLOAD_SIZE / RANGE_SIZE) * RANGE_SIZE;
const FIRST_RECORDS = 64;

/** A Maglev table to build over a range of SETS. */
export interface MaglevBuild {
  /** First of `size` slots. */
  readonly first: number;
  readonly size: number;
  readonly setFirst: number;
  readonly setCount: number;
}

export interface DeltaWriter {
  /** @param row  image of the whole row; its key counts for DELETE */
  keyed(op: Op.PUT | Op.DELETE, table: KeyedTable, row: Uint8Array): void;
  putIndexed(table: IndexedTable, idx: number, row: Uint8Array): void;
  deleteIndexed(table: IndexedTable, idx: number): void;
  /** As many records as it takes. */
  putSet(first: number, backends: readonly number[]): void;
  /** @param ranges  RANGE_SIZE bytes each; as many records as it takes */
  putRanges(first: number, ranges: Uint8Array): void;
  buildMaglev(build: MaglevBuild): void;
  /** @param policy  the payload of a POLICY record */
  putPolicy(policy: Uint8Array): void;
  /** Forget the flows that a service has with a backend. @param proto  IPPROTO_* */
  purge(service: number, backend: number, proto: number): void;
  /** Forget the flows of links that are not there: when all that are have been put. */
  purgeStrays(): void;
  /** @param addresses  32 bytes: IPv4 in mapped form, IPv6 */
  putNode(addresses: Uint8Array): void;
  /** @param list  RANGE_SIZE bytes an entry; all of the list */
  putExempt(list: Uint8Array): void;
  /** @param bits  TAKEN_PORTS_BYTES */
  putTakenPorts(bits: Uint8Array): void;
  /** Records written so far. */
  count(): number;
  /** The records; the writer is spent. */
  take(): Uint8Array;
}

export function createDeltaWriter(): DeltaWriter {
  let bytes = new Uint8Array(FIRST_RECORDS * DELTA_SIZE);
  let view = new DataView(bytes.buffer);
  let used = 0;

  /** Begin a record. @returns offset of its payload */
  const begin = (op: Op, table: TableId, idx: number, count: number): number => {
    if (used + DELTA_SIZE > bytes.length) {
      const grown = new Uint8Array(bytes.length * 2);
      grown.set(bytes);
      bytes = grown;
      view = new DataView(bytes.buffer);
    }
    const at = used;
    used += DELTA_SIZE;
    view.setUint16(at + DELTA_OP_OFF, op, true);
    view.setUint16(at + DELTA_TABLE_OFF, table, true);
    view.setUint32(at + DELTA_IDX_OFF, idx, true);
    view.setUint32(at + DELTA_COUNT_OFF, count, true);
    return at + DELTA_PAYLOAD_OFF;
  };

  return {
    keyed: (op, table, row) => {
      const payload = begin(op, table, 0, 0);
      bytes.set(row.subarray(KEYED_IMAGE_OFF), payload);
    },
    putIndexed: (table, idx, row) => {
      const payload = begin(Op.PUT, table, idx, 0);
      bytes.set(row, payload);
    },
    deleteIndexed: (table, idx) => {
      begin(Op.DELETE, table, idx, 0);
    },
    putSet: (first, backends) => {
      for (let done = 0; done < backends.length; done += SET_BATCH_MAX) {
        const part = backends.slice(done, done + SET_BATCH_MAX);
        const payload = begin(Op.PUT, TableId.SET, first + done, part.length);
        part.forEach((backend, i) => view.setUint32(payload + i * SET_ENTRY_SIZE, backend, true));
      }
    },
    buildMaglev: ({ first, size, setFirst, setCount }) => {
      const payload = begin(Op.PUT, TableId.MAGLEV, first, size);
      view.setUint32(payload, setFirst, true);
      view.setUint32(payload + SET_ENTRY_SIZE, setCount, true);
    },
    putRanges: (first, ranges) => {
      for (let done = 0; done < ranges.length; done += RANGE_BATCH_BYTES) {
        const part = ranges.subarray(done, done + RANGE_BATCH_BYTES);
        const idx = first + done / RANGE_SIZE;
        bytes.set(part, begin(Op.PUT, TableId.RANGE, idx, part.length / RANGE_SIZE));
      }
    },
    putPolicy: (policy) => {
      bytes.set(policy, begin(Op.PUT, TableId.POLICY, 0, 0));
    },
    purge: (service, backend, proto) => {
      const payload = begin(Op.PUT, TableId.PURGE, 0, 0);
      view.setUint32(payload, service, true);
      view.setUint32(payload + 4, backend, true);
      view.setUint8(payload + 8, proto);
    },
    purgeStrays: () => {
      begin(Op.PUT, TableId.STRAYS, 0, 0);
    },
    putNode: (addresses) => {
      const payload = begin(Op.PUT, TableId.NODE, 0, 0);
      bytes.set(addresses, payload);
    },
    putExempt: (list) => {
      // One record at least: an empty list is a list.
      for (let done = 0; done === 0 || done < list.length; done += RANGE_BATCH_BYTES) {
        const part = list.subarray(done, done + RANGE_BATCH_BYTES);
        const idx = done / RANGE_SIZE;
        bytes.set(part, begin(Op.PUT, TableId.EXEMPT, idx, part.length / RANGE_SIZE));
      }
    },
    putTakenPorts: (bits) => {
      for (let done = 0; done < bits.length; done += DELTA_PAYLOAD_SIZE) {
        const part = bits.subarray(done, done + DELTA_PAYLOAD_SIZE);
        bytes.set(part, begin(Op.PUT, TableId.TAKEN_PORTS, done, part.length));
      }
    },
    count: () => used / DELTA_SIZE,
    take: () => bytes.slice(0, used),
  };
}

/** One record the core would not apply. */
export interface RefusedDelta {
  /** Place of the record in its batch. */
  readonly record: number;
  readonly error: DeltaError;
}

/** What the core wrote into the result words of a batch it has been through. */
export function refusedDeltas(batch: Uint8Array): RefusedDelta[] {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const refused: RefusedDelta[] = [];
  for (let record = 0; (record + 1) * DELTA_SIZE <= batch.length; record++) {
    const error: DeltaError = view.getUint32(record * DELTA_SIZE + DELTA_RESULT_OFF, true);
    if (error !== DeltaError.NONE) refused.push({ record, error });
  }
  return refused;
}
