/**
 * A core that knows the names of many services, queries for them, and what a server made of
 * dns-packet and a Map would answer. bench/native/dns.c makes the same names and queries.
 */
import packet from 'dns-packet';
import { SCRATCH_BASE } from '../../assembly/abi.js';
import {
  CUT_LABELS_OFF,
  CUT_MNAME_LEN_OFF,
  CUT_RNAME_LEN_OFF,
  CUT_SOA_OFF,
  CUT_SOA_TTL_BE_OFF,
  CUT_SPACE_OFF,
  GLUE_HLEN,
  GLUE_NAME_OFF,
  GLUE_RDLENGTH_BE_OFF,
  GLUE_TYPE_OFF,
  RRSET_BYTES_OFF,
  RRSET_COUNT_OFF,
  RRSET_GLUE_OFF,
  RRSET_HLEN,
  RRSET_TTL_BE_OFF,
  RRSET_TYPE_OFF,
  SPACE_FIRST,
} from '../../assembly/abi-dns.js';
import type { Core } from '../../src/core/core.js';
import { createNamesWriter } from '../../src/core/names-writer.js';

const NAMESPACES = 50;
const STEP = 7919;
const TTL = 5;
const SOA = { serial: 1795384144, refresh: 7200, retry: 1800, expire: 86400, minimum: 5 };
export const STRIDE = 128;
/** Where a message is answered: behind the templates of 4096 queries in SCRATCH. */
export const ROOM = SCRATCH_BASE + 4096 * STRIDE;
export const ROOM_LEN = 2048;
const TYPE_A = 1;
const TYPE_SRV = 33;
const VALUE_HLEN = 4;

/** RFC 1035 3.1. */
function wire(name: string): Uint8Array {
  const labels = name.split('.').map((label) => [label.length, ...Buffer.from(label)]);
  return Uint8Array.of(...labels.flat(), 0);
}

const serviceName = (i: number): string => `svc${i}.ns${i % NAMESPACES}.svc.cluster.local`;
const addressOf = (i: number): Uint8Array => Uint8Array.of(10, i >> 16, (i >> 8) & 255, i & 255);

/** One kind of question. */
export interface Case {
  readonly name: string;
  /** KIND of the C twin. */
  readonly kind: number;
  readonly type: 'A' | 'SRV';
  nameOf(service: number): string;
}

export const CASES: readonly [Case, ...Case[]] = [
  { name: 'a', kind: 0, type: 'A', nameOf: serviceName },
  {
    name: 'nxdomain',
    kind: 1,
    type: 'A',
    nameOf: (i) => `svc${i}.ns${i % NAMESPACES}.svc.ns1.svc.cluster.local`,
  },
  { name: 'srv', kind: 2, type: 'SRV', nameOf: (i) => `_http._tcp.${serviceName(i)}` },
];

/** The value of a name with one record, and the address that goes with its target. */
function oneRecord(type: number, rdata: Uint8Array, glue?: Uint8Array): Uint8Array {
  const glueBytes = glue ? GLUE_HLEN + glue.length : 0;
  const set = VALUE_HLEN;
  const bytes = new Uint8Array(set + RRSET_HLEN + 2 + rdata.length + glueBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 1, true);
  view.setUint16(set + RRSET_TYPE_OFF, type, true);
  view.setUint16(set + RRSET_COUNT_OFF, 1, true);
  view.setUint32(set + RRSET_TTL_BE_OFF, TTL);
  view.setUint32(set + RRSET_BYTES_OFF, 2 + rdata.length, true);
  view.setUint32(set + RRSET_GLUE_OFF, glueBytes, true);
  view.setUint16(set + RRSET_HLEN, rdata.length);
  bytes.set(rdata, set + RRSET_HLEN + 2);
  if (!glue) return bytes;
  const at = set + RRSET_HLEN + 2 + rdata.length;
  view.setUint16(at + GLUE_NAME_OFF, 6, true);
  view.setUint16(at + GLUE_TYPE_OFF, TYPE_A, true);
  view.setUint16(at + GLUE_RDLENGTH_BE_OFF, glue.length);
  bytes.set(glue, at + GLUE_HLEN);
  return bytes;
}

function cutValue(): Uint8Array {
  const [mname, rname] = [wire('ns.dns').subarray(0, -1), wire('hostmaster').subarray(0, -1)];
  const bytes = new Uint8Array(CUT_LABELS_OFF + mname.length + rname.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(CUT_SPACE_OFF, SPACE_FIRST, true);
  view.setUint32(CUT_SOA_TTL_BE_OFF, TTL);
  view.setUint8(CUT_MNAME_LEN_OFF, mname.length);
  view.setUint8(CUT_RNAME_LEN_OFF, rname.length);
  Object.values(SOA).forEach((number, i) => view.setUint32(CUT_SOA_OFF + 4 * i, number));
  bytes.set(mname, CUT_LABELS_OFF);
  bytes.set(rname, CUT_LABELS_OFF + mname.length);
  return bytes;
}

/** Names of one load of the mailbox writer: what a writer holds is bounded. */
const NAMES_PER_LOAD = 16_384;

/** Tell a core of services 0 .. count-1. @param hasSrv each has an SRV record, too */
export function putNames(core: Core, count: number, hasSrv: boolean): void {
  for (let from = 0; from === 0 || from < count; from += NAMES_PER_LOAD) {
    const writer = createNamesWriter();
    if (from === 0) {
      for (const zone of ['cluster.local', 'in-addr.arpa']) {
        writer.put(1, 0, wire(zone), cutValue());
      }
    }
    for (let i = from; i < Math.min(from + NAMES_PER_LOAD, count); i++) {
      const target = wire(serviceName(i));
      writer.put(SPACE_FIRST, 0, target, oneRecord(TYPE_A, addressOf(i)));
      if (!hasSrv) continue;
      const srv = Uint8Array.of(0, 0, 0, 100, 0, 80, ...target);
      const value = oneRecord(TYPE_SRV, srv, addressOf(i));
      writer.put(SPACE_FIRST, 0, wire(`_http._tcp.${serviceName(i)}`), value);
    }
    const applied = core.applyNames(writer.take());
    const wanted = writer.count();
    if (applied !== wanted) throw new Error(`${applied} of ${wanted} names applied`);
  }
}

/** @param names  how many services there are */
export function queriesOf({ nameOf, type }: Case, names: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) =>
    packet.encode({
      type: 'query',
      id: i & 0xffff,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name: nameOf((i * STEP) % names), type }],
    }),
  );
}

/** Put templates for `benchDns` in memory: u32 length, then the message. */
export function writeTemplates({ words, view }: Core, at: number, messages: Buffer[]): void {
  messages.forEach((message, i) => {
    words.setUint32(at + i * STRIDE, message.length, true);
    view.set(message, at + i * STRIDE + 4);
  });
}

/** What a server made of dns-packet and a Map does with one message. */
export function answerInJavaScript(names: number, hasSrv: boolean): (message: Buffer) => Buffer {
  const records = new Map<string, { answers: packet.Answer[]; additionals: packet.Answer[] }>();
  for (let i = 0; i < names; i++) {
    const [name, data] = [serviceName(i), addressOf(i).join('.')];
    const address: packet.Answer = { name, type: 'A', ttl: TTL, data };
    records.set(`${name} A`, { answers: [address], additionals: [] });
    if (!hasSrv) continue;
    const owner = `_http._tcp.${name}`;
    const srv = { priority: 0, weight: 100, port: 80, target: name };
    records.set(`${owner} SRV`, {
      answers: [{ name: owner, type: 'SRV', ttl: TTL, data: srv }],
      additionals: [address],
    });
  }
  const soa: packet.Answer = {
    name: 'cluster.local',
    type: 'SOA',
    ttl: TTL,
    data: { mname: 'ns.dns.cluster.local', rname: 'hostmaster.cluster.local', ...SOA },
  };
  return (message) => {
    const { id, questions = [] } = packet.decode(message);
    const [question] = questions;
    const found = question && records.get(`${question.name.toLowerCase()} ${question.type}`);
    return packet.encode({
      type: 'response',
      id: id ?? 0,
      flags: packet.AUTHORITATIVE_ANSWER | packet.RECURSION_DESIRED | (found ? 0 : 3),
      questions,
      ...(found ?? { authorities: [soa] }),
    });
  };
}
