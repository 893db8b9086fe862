/**
 * What is inside RDATA, as far as names and fixed lengths go.
 *
 * Only the types of RFC 1035 may compress the names in their data (RFC 3597 4). SRV may not
 * (RFC 2782) but old servers do it, so it is read. Other types are octets.
 */
import { RecordClass, RecordType, readU16 } from './header.js';
import { checkName } from './read-name.js';

/** A number of octets, a name, a name that may not be compressed, or a string with its length. */
export type Field = number | 'name' | 'plain-name' | 'string';

export interface RdataLayout {
  readonly fields: readonly Field[];
  /** Whether more octets may follow the fields. */
  readonly hasRest: boolean;
}

const exact = (...fields: Field[]): RdataLayout => ({ fields, hasRest: false });
const open = (...fields: Field[]): RdataLayout => ({ fields, hasRest: true });

const ADDR4_SIZE = 4;
const ADDR6_SIZE = 16;
/** serial, refresh, retry, expire, minimum: RFC 1035 3.3.13. */
const SOA_NUMBERS_SIZE = 20;
/** priority, weight, port: RFC 2782. */
const SRV_NUMBERS_SIZE = 6;
/** Before the signer's name: RFC 4034 3.1. */
const RRSIG_NUMBERS_SIZE = 18;

const LAYOUTS: ReadonlyMap<number, RdataLayout> = new Map([
  [RecordType.NS, exact('name')],
  [RecordType.MD, exact('name')],
  [RecordType.MF, exact('name')],
  [RecordType.CNAME, exact('name')],
  [RecordType.SOA, exact('name', 'name', SOA_NUMBERS_SIZE)],
  [RecordType.MB, exact('name')],
  [RecordType.MG, exact('name')],
  [RecordType.MR, exact('name')],
  [RecordType.PTR, exact('name')],
  [RecordType.MINFO, exact('name', 'name')],
  [RecordType.MX, exact(2, 'name')],
  [RecordType.RP, exact('plain-name', 'plain-name')],
  [RecordType.AFSDB, exact(2, 'plain-name')],
  [RecordType.RT, exact(2, 'plain-name')],
  [RecordType.PX, exact(2, 'plain-name', 'plain-name')],
  [RecordType.SRV, exact(SRV_NUMBERS_SIZE, 'name')],
  [RecordType.NAPTR, exact(4, 'string', 'string', 'string', 'plain-name')],
  [RecordType.KX, exact(2, 'plain-name')],
  [RecordType.DNAME, exact('plain-name')],
  [RecordType.RRSIG, open(RRSIG_NUMBERS_SIZE, 'plain-name')],
  [RecordType.NSEC, open('plain-name')],
  [RecordType.SVCB, open(2, 'plain-name')],
  [RecordType.HTTPS, open(2, 'plain-name')],
]);

/** Addresses have their form in class IN only (RFC 1035 3.4.1). */
const INTERNET_LAYOUTS: ReadonlyMap<number, RdataLayout> = new Map([
  [RecordType.A, exact(ADDR4_SIZE)],
  [RecordType.AAAA, exact(ADDR6_SIZE)],
]);

const OPAQUE = open();

export function layoutOf(type: number, recordClass: number): RdataLayout {
  const internet = recordClass === RecordClass.IN ? INTERNET_LAYOUTS.get(type) : undefined;
  return LAYOUTS.get(type) ?? internet ?? OPAQUE;
}

/**
 * Octet behind a field that starts at `at`.
 *
 * @returns undefined when the field leaves `limit` or its name breaks a rule
 */
export function fieldEnd(
  bytes: Uint8Array,
  at: number,
  limit: number,
  field: Field,
): number | undefined {
  if (field === 'name' || field === 'plain-name') {
    const name = checkName(bytes, at, limit);
    return field === 'plain-name' && name?.isCompressed === true ? undefined : name?.end;
  }
  if (field === 'string' && at >= limit) return undefined;
  const end = at + (field === 'string' ? (bytes[at] ?? 0) + 1 : field);
  return end <= limit ? end : undefined;
}

/** Whether RDATA from `start` to `end` is what its type says. */
export function checkRdata(
  bytes: Uint8Array,
  start: number,
  end: number,
  layout: RdataLayout,
): boolean {
  let at = start;
  for (const field of layout.fields) {
    const next = fieldEnd(bytes, at, end, field);
    if (next === undefined) return false;
    at = next;
  }
  return layout.hasRest || at === end;
}

/** Whether the options of an OPT record fill its data exactly (RFC 6891 6.1.2). */
export function checkOptions(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at + 4 <= end) at += 4 + readU16(bytes, at + 2);
  return at === end;
}
