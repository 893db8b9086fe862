/**
 * Zones made by hand for the core: entries written byte by byte from abi-dns.ts, names by a function of
 * our own that has nothing to do with the compiler of Kubernetes objects.
 */
import * as abi from '../../../assembly/abi-dns.js';
import { DeltaError, SCRATCH_BASE } from '../../../assembly/abi.js';
import { createCore } from '../../../src/core/instance.js';
import type { Core } from '../../../src/core/core.js';
import { createNamesWriter, refusedNames } from '../../../src/core/names-writer.js';
import type { NamesWriter } from '../../../src/core/names-writer.js';
import { SMALL_CAPACITIES } from '../../../src/core/regions.js';
import type { Capacities } from '../../../src/core/regions.js';

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** Octets of a name's labels, ASCII, without the root. */
export function labels(name: string): Uint8Array {
  const bytes: number[] = [];
  for (const label of name.split('.').filter((part) => part !== '')) {
    bytes.push(label.length, ...Buffer.from(label, 'latin1'));
  }
  return Uint8Array.from(bytes);
}

export const wire = (name: string): Uint8Array => Uint8Array.of(...labels(name), 0);

const u16 = (n: number): number[] => [n >> 8, n & 0xff];

/** RDATA of an A record. */
export const a = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));

/** RDATA of an AAAA record of eight groups, none left out. */
export const aaaa = (text: string): Uint8Array =>
  Uint8Array.from(text.split(':').flatMap((group) => u16(parseInt(group, 16))));

export const srv = (weight: number, port: number, target: string): Uint8Array =>
  Uint8Array.of(0, 0, ...u16(weight), ...u16(port), ...wire(target));

export const txt = (text: string): Uint8Array => Uint8Array.of(text.length, ...Buffer.from(text));

export interface Glue {
  readonly record: number;
  /** Of the name from the record's RDATA. */
  readonly name: number;
  readonly type: number;
  readonly rdata: Uint8Array;
}

export interface Set {
  readonly type: number;
  readonly ttl?: number;
  readonly records: readonly Uint8Array[];
  readonly glue?: readonly Glue[];
}

/** The value of a name. */
export function value(...sets: Set[]): Uint8Array {
  const parts: number[] = [sets.length & 0xff, sets.length >> 8, 0, 0];
  for (const { type, ttl = 5, records, glue = [] } of sets) {
    const head = new Uint8Array(abi.RRSET_HLEN);
    const view = new DataView(head.buffer);
    const body = records.flatMap((rdata) => [...u16(rdata.length), ...rdata]);
    const extra = glue.flatMap(({ record, name, type: glueType, rdata }) => [
      record & 0xff,
      record >> 8,
      name & 0xff,
      name >> 8,
      glueType & 0xff,
      glueType >> 8,
      ...u16(rdata.length),
      ...rdata,
    ]);
    view.setUint16(abi.RRSET_TYPE_OFF, type, true);
    view.setUint16(abi.RRSET_COUNT_OFF, records.length, true);
    view.setUint32(abi.RRSET_TTL_BE_OFF, ttl, false);
    view.setUint32(abi.RRSET_BYTES_OFF, body.length, true);
    view.setUint32(abi.RRSET_GLUE_OFF, extra.length, true);
    parts.push(...head, ...body, ...extra);
    while (parts.length % 4 !== 0) parts.push(0);
  }
  return Uint8Array.from(parts);
}

export interface Cut {
  readonly space?: number;
  readonly flags?: number;
  readonly udpMax?: number;
  readonly zone?: number;
  readonly cache?: number;
  readonly soaTtl?: number;
  /** Labels in front of the zone's name. */
  readonly mname?: string;
  readonly rname?: string;
}

/** SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM. */
export const SOA = [1795384144, 7200, 1800, 86400, 5] as const;

/** The value of a cut. */
export function cut(options: Cut = {}): Uint8Array {
  const mname = labels(options.mname ?? 'ns.dns');
  const rname = labels(options.rname ?? 'hostmaster');
  const bytes = new Uint8Array(abi.CUT_LABELS_OFF + mname.length + rname.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(abi.CUT_SPACE_OFF, options.space ?? 0, true);
  view.setUint16(abi.CUT_FLAGS_OFF, options.flags ?? 0, true);
  view.setUint32(abi.CUT_SOA_TTL_BE_OFF, options.soaTtl ?? 5, false);
  view.setUint16(abi.CUT_UDP_MAX_OFF, options.udpMax ?? 1232, true);
  view.setUint8(abi.CUT_ZONE_OFF, options.zone ?? 1);
  view.setUint8(abi.CUT_MNAME_LEN_OFF, mname.length);
  view.setUint8(abi.CUT_RNAME_LEN_OFF, rname.length);
  view.setUint16(abi.CUT_CACHE_OFF, options.cache ?? 0, true);
  SOA.forEach((number, i) => view.setUint32(abi.CUT_SOA_OFF + 4 * i, number, false));
  bytes.set(mname, abi.CUT_LABELS_OFF);
  bytes.set(rname, abi.CUT_LABELS_OFF + mname.length);
  return bytes;
}

/** What a query asks for besides its name. */
export interface Ask {
  readonly type?: number;
  readonly class?: number;
  readonly id?: number;
  /** Both bytes of the flags. */
  readonly flags?: number;
  /** Payload size of an OPT record, which is there if this is. */
  readonly edns?: number;
  readonly do?: boolean;
}

/** A query message. */
export function query(name: string | Uint8Array, ask: Ask = {}): Uint8Array {
  const qname = typeof name === 'string' ? wire(name) : name;
  const opt =
    ask.edns === undefined ? [] : [0, 0, 41, ...u16(ask.edns), 0, 0, ask.do ? 0x80 : 0, 0, 0, 0];
  return Uint8Array.of(
    ...u16(ask.id ?? 0x1234),
    ...u16(ask.flags ?? 0x0100),
    ...[0, 1, 0, 0, 0, 0, 0, opt.length > 0 ? 1 : 0],
    ...qname,
    ...u16(ask.type ?? TYPE.A),
    ...u16(ask.class ?? 1),
    ...opt,
  );
}

/** Flags of `dnsAnswer`, and where the message lies. */
export interface Way {
  readonly listener?: number;
  readonly room?: number;
  readonly flags?: number;
}

export interface DnsCore {
  readonly core: Core;
  /** Apply updates; refusals come back by name. */
  apply(write: (writer: NamesWriter) => void): string[];
  /** Result of the core, and the message as it is then. */
  ask(message: Uint8Array, way?: Way): { readonly result: number; readonly reply: Uint8Array };
  /** A u16 or u32 of the record of the last query. */
  record16(offset: number): number;
  record32(offset: number): number;
}

/** Where messages lie in these tests. */
export const MESSAGE = SCRATCH_BASE;
const ROOM = 65535;

/** @param core  default: one of its own */
export function openDnsCore(
  capacities: Partial<Capacities> = {},
  core = createCore({ ...SMALL_CAPACITIES, ...capacities }),
): DnsCore {
  core.start({ offload: false, nowMs: 1 });
  return {
    core,
    apply: (write) => {
      const writer = createNamesWriter();
      write(writer);
      const records = writer.take();
      const applied = core.applyNames(records);
      const refused = refusedNames(records);
      if (applied + refused.length !== writer.count()) throw new Error('a record has no result');
      return refused.map(({ error }) => DeltaError[error]);
    },
    ask: (message, { listener = 1, room = ROOM, flags = 0 } = {}) => {
      core.view.fill(0xee, MESSAGE, MESSAGE + ROOM);
      core.view.set(message, MESSAGE);
      const result = core.exports.dnsAnswer(listener, MESSAGE, message.length, room, flags, 1);
      const length = result > 0 ? result : message.length;
      return { result, reply: core.view.slice(MESSAGE, MESSAGE + length) };
    },
    record16: (offset) => core.words.getUint16(abi.DNS_BASE + offset, true),
    record32: (offset) => core.words.getUint32(abi.DNS_BASE + offset, true),
  };
}

export const SPACE = abi.SPACE_FIRST;

/** Part of the oracle's cluster: what `dnsAnswer` meets there, written by hand. */
export function putCluster(writer: NamesWriter, cutOptions: Cut = {}): void {
  writer.put(1, 0, wire('cluster.local'), cut({ space: SPACE, ...cutOptions }));
  writer.put(1, 0, wire('10.in-addr.arpa'), cut({ space: SPACE, ...cutOptions }));
  const put = (name: string, ...sets: Set[]): void => {
    writer.put(SPACE, 0, wire(`${name}cluster.local`), value(...sets));
  };
  const at = (name: string, ...sets: Set[]): void => {
    put(`${name}.testns.svc.`, ...sets);
  };
  const svc1 = 'svc1.testns.svc.cluster.local';
  const web: Set = {
    type: TYPE.SRV,
    records: [srv(100, 80, svc1)],
    glue: [{ record: 0, name: 6, type: TYPE.A, rdata: a('10.0.0.1') }],
  };
  for (const name of ['', 'svc.', 'pod.', 'testns.svc.', 'podns.svc.']) put(name);
  put('dns-version.', { type: TYPE.TXT, ttl: 28800, records: [txt('1.1.0')] });
  writer.put(SPACE, abi.NAME_F_PODS, wire('podns.pod.cluster.local'), value());
  at('svc1', { type: TYPE.A, records: [a('10.0.0.1')] }, web);
  at('_http._tcp.svc1', { type: TYPE.A, records: [a('10.0.0.1')] }, web);
  at('svc6', { type: TYPE.AAAA, records: [aaaa('1234:abcd:0:0:0:0:0:1')] });
  at('external', { type: TYPE.CNAME, records: [wire('ext.interwebs.test')] });
  at('external-to-service', { type: TYPE.CNAME, records: [wire(svc1)] });
  at('external-loop', {
    type: TYPE.CNAME,
    records: [wire('external-loop.testns.svc.cluster.local')],
  });
  at('external-nx', { type: TYPE.CNAME, records: [wire('nosuch.testns.svc.cluster.local')] });
  at('external-pod', { type: TYPE.CNAME, records: [wire('10-1-2-3.podns.pod.cluster.local')] });
  at('hdls1', {
    type: TYPE.A,
    records: ['172.0.0.2', '172.0.0.3', '172.0.0.4', '172.0.0.5'].map(a),
  });
  at('hdlsbig', {
    type: TYPE.A,
    records: Array.from({ length: 100 }, (_, i) => a(`172.1.0.${i + 1}`)),
  });
  writer.put(SPACE, 0, wire('10.in-addr.arpa'), value());
  const ptr: Set = { type: TYPE.PTR, records: [wire(svc1)] };
  writer.put(SPACE, 0, wire('1.0.0.10.in-addr.arpa'), value(ptr));
}
