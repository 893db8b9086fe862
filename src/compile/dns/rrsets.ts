/**
 * RRsets and the value of a name, as `assembly/abi-dns.ts` lays them out.
 */
import {
  DNS_HLEN,
  GLUE_HLEN,
  GLUE_NAME_OFF,
  GLUE_RDLENGTH_BE_OFF,
  GLUE_RECORD_OFF,
  GLUE_TYPE_OFF,
  RRSET_BYTES_OFF,
  RRSET_COUNT_OFF,
  RRSET_GLUE_OFF,
  RRSET_HLEN,
  RRSET_TTL_BE_OFF,
  RRSET_TYPE_OFF,
} from '../../../assembly/abi-dns.js';
import type { RecordType } from '../../dns/wire/header.js';

/** An address record that goes with another record. */
export interface Glue {
  /** Place of that record in its set: in the order of the places. */
  readonly record: number;
  /** Octets from that record's RDATA to the name that owns the address. */
  readonly nameOff: number;
  readonly type: RecordType.A | RecordType.AAAA;
  readonly rdata: Uint8Array;
}

/** The records of a name and type; at least one. */
export interface RrSet {
  readonly type: RecordType;
  /** Seconds. */
  readonly ttl: number;
  /** RDATA of each, names in it whole. */
  readonly records: readonly Uint8Array[];
  readonly glue: readonly Glue[];
}

/** Names of one object with what belongs to them. */
export interface NameRecord {
  /** The labels in front of what all names of the object end in; what tells them apart. */
  readonly key: string;
  /** Wire name. */
  readonly name: Uint8Array;
  /** NAME_F_* */
  readonly flags: number;
  /** None: the name is there all the same (RFC 8020). */
  readonly sets: readonly RrSet[];
}

/** No message is longer (RFC 1035 4.2.2). */
const MESSAGE_MAX = 65_535;
/** QTYPE and QCLASS, and an OPT record without options (RFC 6891 6.1.2). */
const QUESTION_FIXED = 4;
const OPT_LEN = 11;
/** A record but its RDATA, its owner a pointer. */
const RECORD_FIXED = 12;
/** The same of glue, but its owner: a pointer, or where none reaches the whole name (RFC 1035 4.1.4). */
const GLUE_FIXED = 10;
const POINTER_SIZE = 2;
const POINTER_MAX = 0x3fff;
const VALUE_HLEN = 4;
const ALIGNMENT = 4;

const aligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

/**
 * What of a set goes into one message: the first records, and glue of theirs.
 *
 * @param first  offset of the first record in the reply to a question for the set
 */
function cutSet(set: RrSet, first: number): RrSet {
  const room = MESSAGE_MAX - OPT_LEN - first;
  let left = room;
  const fits = (cost: number): boolean => {
    left -= cost;
    return left >= 0;
  };
  const wholeCost = set.records.reduce((sum, { length }) => sum + RECORD_FIXED + length, 0);
  let at = first;
  const rdataOffs = set.records.map(({ length }) => (at += RECORD_FIXED + length) - length);
  const owner = ({ record, nameOff }: Glue): number =>
    (rdataOffs[record] ?? 0) + nameOff <= POINTER_MAX
      ? POINTER_SIZE
      : (set.records[record]?.length ?? 0) - nameOff;
  const glueCost = set.glue.reduce((sum, g) => sum + GLUE_FIXED + owner(g) + g.rdata.length, 0);
  if (wholeCost + glueCost <= room) return set;
  const end = set.records.findIndex(({ length }) => !fits(RECORD_FIXED + length));
  if (end >= 0) return { ...set, records: set.records.slice(0, end), glue: [] };
  const glueEnd = set.glue.findIndex((g) => !fits(GLUE_FIXED + owner(g) + g.rdata.length));
  return { ...set, glue: set.glue.slice(0, glueEnd) };
}

const sum = (parts: readonly Uint8Array[], each: number): number =>
  parts.reduce((bytes, { length }) => bytes + each + length, 0);

function sizesOf({ records, glue }: RrSet): { records: number; glue: number } {
  return {
    records: sum(records, 2),
    glue: glue.reduce((bytes, { rdata }) => bytes + GLUE_HLEN + rdata.length, 0),
  };
}

function putSet(bytes: Uint8Array, view: DataView, at: number, set: RrSet): number {
  const sizes = sizesOf(set);
  view.setUint16(at + RRSET_TYPE_OFF, set.type, true);
  view.setUint16(at + RRSET_COUNT_OFF, set.records.length, true);
  view.setUint32(at + RRSET_TTL_BE_OFF, set.ttl);
  view.setUint32(at + RRSET_BYTES_OFF, sizes.records, true);
  view.setUint32(at + RRSET_GLUE_OFF, sizes.glue, true);
  let end = at + RRSET_HLEN;
  for (const rdata of set.records) {
    view.setUint16(end, rdata.length);
    bytes.set(rdata, end + 2);
    end += 2 + rdata.length;
  }
  for (const { record, nameOff, type, rdata } of set.glue) {
    view.setUint16(end + GLUE_RECORD_OFF, record, true);
    view.setUint16(end + GLUE_NAME_OFF, nameOff, true);
    view.setUint16(end + GLUE_TYPE_OFF, type, true);
    view.setUint16(end + GLUE_RDLENGTH_BE_OFF, rdata.length);
    bytes.set(rdata, end + GLUE_HLEN);
    end += GLUE_HLEN + rdata.length;
  }
  return end;
}

/**
 * The value of a name. What no message could hold is left out: the last records, and their glue first.
 *
 * @returns as little-endian as the rest of the contract, records as in a packet
 */
export function encodeValue(name: Uint8Array, sets: readonly RrSet[]): Uint8Array {
  const first = DNS_HLEN + name.length + QUESTION_FIXED;
  const cut = sets.map((set) => cutSet(set, first));
  const size = cut.reduce((bytes, set) => {
    const { records, glue } = sizesOf(set);
    return aligned(bytes + RRSET_HLEN + records + glue);
  }, VALUE_HLEN);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, cut.length, true);
  let at = VALUE_HLEN;
  for (const set of cut) at = aligned(putSet(bytes, view, at, set));
  return bytes;
}
