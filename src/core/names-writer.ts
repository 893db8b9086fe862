/**
 * Writing name records: entries of names and of cuts (`assembly/abi-dns.ts`), one behind the other as
 * the core reads them out of its mailbox.
 */
import { DELTA_BYTES, DeltaError, Op } from '../../assembly/abi.js';
import {
  DNS_NAME_MAX,
  ENTRY_FLAGS_OFF,
  ENTRY_NAME_LEN_OFF,
  ENTRY_NAME_OFF,
  NAMES_ENTRY_OFF,
  NAMES_OP_OFF,
  NAMES_RESULT_OFF,
  NAMES_SIZE_OFF,
  NAMES_SPACE_OFF,
} from '../../assembly/abi-dns.js';
import { DataplaneError } from '../errors.js';

/** Collects records; `take` once, when all are written. */
export interface NamesWriter {
  /**
   * Insert or overwrite an entry.
   *
   * @param space  a listener, or the space of a zone plugin
   * @param flags  NAME_F_*
   * @param name   a wire name in lower case, its root included
   * @param value  RRsets, or of a listener's space a cut
   */
  put(space: number, flags: number, name: Uint8Array, value: Uint8Array): void;
  /** Remove an entry. */
  remove(space: number, name: Uint8Array): void;
  /** Records written so far. */
  count(): number;
  /** The records; the writer is spent. */
  take(): Uint8Array;
}

const FIRST_BYTES = 4096;
const ALIGNMENT = 8;

const aligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

export function createNamesWriter(): NamesWriter {
  let bytes = new Uint8Array(FIRST_BYTES);
  let view = new DataView(bytes.buffer);
  let used = 0;
  let records = 0;

  /** Begin a record of `size` bytes. @returns offset of its entry */
  const begin = (op: Op, space: number, size: number): number => {
    if (size > DELTA_BYTES) {
      const message = `a name record of ${size} bytes does not fit the mailbox of ${DELTA_BYTES}`;
      throw new DataplaneError('ERR_TABLE_FULL', message);
    }
    if (used + size > bytes.length) {
      const grown = new Uint8Array(Math.max(bytes.length * 2, used + size));
      grown.set(bytes);
      bytes = grown;
      view = new DataView(bytes.buffer);
    }
    const at = used;
    used += size;
    records++;
    view.setUint32(at + NAMES_SIZE_OFF, size, true);
    view.setUint16(at + NAMES_OP_OFF, op, true);
    view.setUint16(at + NAMES_SPACE_OFF, space, true);
    return at + NAMES_ENTRY_OFF;
  };

  const putName = (entry: number, flags: number, name: Uint8Array): void => {
    view.setUint16(entry + ENTRY_FLAGS_OFF, flags, true);
    view.setUint8(entry + ENTRY_NAME_LEN_OFF, name.length);
    bytes.set(name, entry + ENTRY_NAME_OFF);
  };

  const checkName = (name: Uint8Array): void => {
    if (name.length > 0 && name.length <= DNS_NAME_MAX) return;
    const message = `a name has 1 to ${DNS_NAME_MAX} octets, not ${name.length}`;
    throw new DataplaneError('ERR_CONFIG', message);
  };

  return {
    put: (space, flags, name, value) => {
      checkName(name);
      const head = aligned(ENTRY_NAME_OFF + name.length);
      const entry = begin(Op.PUT, space, aligned(NAMES_ENTRY_OFF + head + value.length));
      putName(entry, flags, name);
      bytes.set(value, entry + head);
    },
    remove: (space, name) => {
      checkName(name);
      const size = aligned(NAMES_ENTRY_OFF + ENTRY_NAME_OFF + name.length);
      putName(begin(Op.DELETE, space, size), 0, name);
    },
    count: () => records,
    take: () => bytes.subarray(0, used),
  };
}

/** Parts of at most `most` bytes, each of whole records. */
export function* nameLoads(records: Uint8Array, most: number): Generator<Uint8Array> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let begin = 0;
  let end = 0;
  while (end < records.length) {
    const size = view.getUint32(end + NAMES_SIZE_OFF, true);
    if (end + size - begin > most) {
      yield records.subarray(begin, end);
      begin = end;
    }
    end += size;
  }
  if (end > begin) yield records.subarray(begin, end);
}

/** Which name a record is about. */
export interface NameRecordHead {
  readonly space: number;
  /** Wire name, within the records. */
  readonly name: Uint8Array;
  readonly isRemoval: boolean;
}

/** The names of records, in order. */
export function* recordsOf(records: Uint8Array): Generator<NameRecordHead> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at < records.length; at += view.getUint32(at + NAMES_SIZE_OFF, true)) {
    const entry = at + NAMES_ENTRY_OFF;
    const begin = entry + ENTRY_NAME_OFF;
    yield {
      space: view.getUint16(at + NAMES_SPACE_OFF, true),
      name: records.subarray(begin, begin + view.getUint8(entry + ENTRY_NAME_LEN_OFF)),
      isRemoval: view.getUint16(at + NAMES_OP_OFF, true) === Op.DELETE,
    };
  }
}

/** The records of some spaces, in order. */
export function recordsIn(records: Uint8Array, spaces: ReadonlySet<number>): Uint8Array {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const wanted: Uint8Array[] = [];
  for (let at = 0; at < records.length;) {
    const size = view.getUint32(at + NAMES_SIZE_OFF, true);
    const isWanted = spaces.has(view.getUint16(at + NAMES_SPACE_OFF, true));
    if (isWanted) wanted.push(records.subarray(at, at + size));
    at += size;
  }
  const all = new Uint8Array(wanted.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const record of wanted) {
    all.set(record, end);
    end += record.length;
  }
  return all;
}

/** One record the core would not apply. */
export interface RefusedName {
  /** Place of the record in its batch. */
  readonly record: number;
  readonly space: number;
  /** Wire name. */
  readonly name: Uint8Array;
  readonly error: DeltaError;
}

/** What the core wrote into the result words of records it has been through. */
export function refusedNames(records: Uint8Array): RefusedName[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const refused: RefusedName[] = [];
  for (let at = 0, record = 0; at < records.length; record++) {
    const error: DeltaError = view.getUint32(at + NAMES_RESULT_OFF, true);
    const entry = at + NAMES_ENTRY_OFF;
    const nameLength = view.getUint8(entry + ENTRY_NAME_LEN_OFF);
    const name = records.subarray(entry + ENTRY_NAME_OFF, entry + ENTRY_NAME_OFF + nameLength);
    const space = view.getUint16(at + NAMES_SPACE_OFF, true);
    if (error !== DeltaError.NONE) refused.push({ record, space, name, error });
    at += view.getUint32(at + NAMES_SIZE_OFF, true);
  }
  return refused;
}
