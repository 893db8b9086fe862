/**
 * A zone: its records by name, and what it says to a question.
 *
 * Spec  RFC 1034 4.3.2 (the algorithm); RFC 4592 (wildcards); RFC 2308 3 (TTL of denials); RFC 6672
 *       (DNAME); RFC 8020 (what is above a name exists)
 */
import { DataplaneError } from '../../../errors.js';
import type { ResourceRecord } from '../../message/message.js';
import type { WireName } from '../../plugin.js';
import { RecordClass, RecordType, Rcode, readU32 } from '../../wire/header.js';
import { formatName, isWithin, labelOffsets, NAME_MAX, nameKey } from '../../wire/name.js';
import { fieldEnd, layoutOf } from '../../wire/rdata.js';

export interface ZoneAnswer {
  readonly rcode: number;
  /** false: a delegation. */
  readonly isAuthoritative: boolean;
  readonly answer: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  readonly additional: readonly ResourceRecord[];
  /** The target of the last CNAME, when it is not in the zone. */
  readonly outside: WireName | undefined;
}

export interface Zone {
  readonly origin: WireName;
  readonly serial: number;
  readonly recordCount: number;
  lookUp(name: WireName, type: number): ZoneAnswer;
}

/** RRsets by type; none: only names below it have records. */
type Node = Map<number, ResourceRecord[]>;

/** CNAMEs followed within the zone; in a circle, none is followed twice. */
const CHAIN_MAX = 10;
/** RFC 6672 2.2: the name that a DNAME leads to is too long. */
const YXDOMAIN = 6;
/** Types whose reply has the addresses of what they lead to (RFC 1035 3.3, RFC 2782). */
const WITH_ADDRESSES: ReadonlySet<number> = new Set([RecordType.NS, RecordType.MX, RecordType.SRV]);
const STAR = Uint8Array.of(1, 0x2a);
const NOTHING: ZoneAnswer = {
  rcode: Rcode.NOERROR,
  isAuthoritative: true,
  answer: [],
  authority: [],
  additional: [],
  outside: undefined,
};

/** A name and those above it, up to the zone's, the longest last. */
function pathTo(name: WireName, origin: WireName): WireName[] {
  return labelOffsets(name)
    .filter((at) => name.length - at >= origin.length)
    .map((at) => name.subarray(at))
    .reverse();
}

function fail(origin: WireName, what: string): never {
  throw new DataplaneError('ERR_CONFIG', `zone ${formatName(origin)}: ${what}`);
}

/** The first name in the data of a record. */
function nameIn({ type, class: recordClass, rdata }: ResourceRecord): WireName | undefined {
  let at = 0;
  for (const field of layoutOf(type, recordClass).fields) {
    const end = fieldEnd(rdata, at, rdata.length, field);
    if (end === undefined) return undefined;
    if (field === 'name' || field === 'plain-name') return rdata.subarray(at, end);
    at = end;
  }
  return undefined;
}

function buildNodes(records: readonly ResourceRecord[], origin: WireName): Map<string, Node> {
  const nodes = new Map<string, Node>();
  for (const record of records) {
    if (record.class !== RecordClass.IN || !isWithin(record.owner, origin)) {
      fail(origin, `${formatName(record.owner)} is not in it`);
    }
    for (const name of pathTo(record.owner, origin)) {
      const key = nameKey(name);
      if (!nodes.has(key)) nodes.set(key, new Map());
    }
    const node = nodes.get(nameKey(record.owner));
    const rrset = node?.get(record.type) ?? [];
    // Records of a set are different ones (RFC 2181 5).
    if (rrset.some(({ rdata }) => Buffer.compare(rdata, record.rdata) === 0)) continue;
    node?.set(record.type, [...rrset, record]);
  }
  return nodes;
}

function checkNodes(nodes: ReadonlyMap<string, Node>, origin: WireName): void {
  for (const node of nodes.values()) {
    const cnames = node.get(RecordType.CNAME);
    if (cnames?.[0] === undefined) continue;
    const owner = formatName(cnames[0].owner);
    if (cnames.length > 1) fail(origin, `${owner} has two CNAMEs`);
    const others = [...node.keys()].filter(
      (type) => ![RecordType.CNAME, RecordType.RRSIG, RecordType.NSEC].includes(type),
    );
    if (others.length > 0) fail(origin, `${owner} has a CNAME and other records`);
  }
}

/**
 * Make a zone of its records.
 *
 * @throws DataplaneError ERR_CONFIG  not exactly one SOA, names outside, a CNAME with other records
 */
export function createZone(records: readonly ResourceRecord[], origin: WireName): Zone {
  const nodes = buildNodes(records, origin);
  checkNodes(nodes, origin);
  const soas = nodes.get(nameKey(origin))?.get(RecordType.SOA) ?? [];
  const [soa] = soas;
  if (soa === undefined || soas.length > 1) {
    return fail(origin, `expected one SOA record, got ${soas.length}`);
  }
  const minimum = readU32(soa.rdata, soa.rdata.length - 4);
  const denial = { ...soa, ttl: Math.min(soa.ttl, minimum) };
  const numbersOff = soa.rdata.length - 20;

  const nodeAt = (name: WireName): Node | undefined => nodes.get(nameKey(name));
  const denied = (rcode: number): ZoneAnswer => ({ ...NOTHING, rcode, authority: [denial] });

  const addressesOf = (records: readonly ResourceRecord[]): ResourceRecord[] =>
    records.flatMap((record) => {
      const target = nameIn(record);
      const node = target === undefined ? undefined : nodeAt(target);
      return [...(node?.get(RecordType.A) ?? []), ...(node?.get(RecordType.AAAA) ?? [])];
    });

  const follow = (cname: ResourceRecord, type: number, seen: readonly string[]): ZoneAnswer => {
    const target = cname.rdata;
    const isOutside = !isWithin(target, origin);
    const names = [...seen, nameKey(cname.owner)];
    if (names.includes(nameKey(target)))
      return { ...NOTHING, rcode: Rcode.SERVFAIL, answer: [cname] };
    const isEnd = isOutside || names.length > CHAIN_MAX;
    const found = isEnd ? NOTHING : find(target, type, names);
    const outside = isOutside ? target : found.outside;
    return { ...found, isAuthoritative: true, answer: [cname, ...found.answer], outside };
  };

  /** What a name's records say; `owner` is the name asked for, also if it is a `*` that has them. */
  const fromNode = (
    node: Node,
    owner: WireName,
    type: number,
    seen: readonly string[],
  ): ZoneAnswer => {
    const own = (rrset: readonly ResourceRecord[]): ResourceRecord[] =>
      rrset.map((record) => ({ ...record, owner }));
    if (type === RecordType.ANY && node.size > 0) {
      return { ...NOTHING, answer: own([...node.values()].flat()) };
    }
    const rrset = node.get(type);
    if (rrset !== undefined) {
      const additional = WITH_ADDRESSES.has(type) ? addressesOf(rrset) : [];
      return { ...NOTHING, answer: own(rrset), additional };
    }
    const [cname] = own(node.get(RecordType.CNAME) ?? []);
    return cname === undefined ? denied(Rcode.NOERROR) : follow(cname, type, seen);
  };

  const delegate = (rrset: readonly ResourceRecord[]): ZoneAnswer => ({
    ...NOTHING,
    isAuthoritative: false,
    authority: rrset,
    additional: addressesOf(rrset),
  });

  /** A DNAME above the name: the CNAME it stands for comes behind it (RFC 6672 3.1). */
  const redirect = (
    dname: ResourceRecord,
    name: WireName,
    type: number,
    seen: readonly string[],
  ): ZoneAnswer => {
    const above = name.subarray(0, name.length - dname.owner.length);
    const rdata = Uint8Array.of(...above, ...dname.rdata);
    if (rdata.length > NAME_MAX) return { ...NOTHING, rcode: YXDOMAIN, answer: [dname] };
    const cname = { ...dname, owner: name, type: RecordType.CNAME, rdata };
    const found = follow(cname, type, seen);
    // It may be met again on the way.
    return { ...found, answer: [dname, ...found.answer.filter((record) => record !== dname)] };
  };

  /** @param seen  keys of the names that have led here */
  const find = (name: WireName, type: number, seen: readonly string[]): ZoneAnswer => {
    let encloser = origin;
    for (const ancestor of pathTo(name, origin)) {
      const node = nodeAt(ancestor);
      if (node === undefined) break;
      encloser = ancestor;
      const isName = ancestor.length === name.length;
      const ns = ancestor.length === origin.length ? undefined : node.get(RecordType.NS);
      // The parent has the DS of a delegation (RFC 4035 3.1.4.1).
      if (ns !== undefined && !(isName && type === RecordType.DS)) return delegate(ns);
      const [dname] = isName ? [] : (node.get(RecordType.DNAME) ?? []);
      if (dname !== undefined) return redirect(dname, name, type, seen);
    }
    const isFound = encloser.length === name.length;
    const node = isFound ? nodeAt(name) : nodeAt(Uint8Array.of(...STAR, ...encloser));
    return node === undefined ? denied(Rcode.NXDOMAIN) : fromNode(node, name, type, seen);
  };

  return {
    origin,
    serial: readU32(soa.rdata, numbersOff),
    recordCount: records.length,
    lookUp: (name, type) => find(name, type, []),
  };
}
