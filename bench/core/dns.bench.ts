/**
 * Answering queries from a table of 5 000 services: the loop inside WebAssembly against the same in C,
 * and against what one would write with dns-packet: decode, a Map, encode.
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
import type { Core } from '../../src/core/instance.js';
import { createNamesWriter } from '../../src/core/names-writer.js';
import { comparePairs, comparison, measureBatch } from '../harness.js';
import type { Context, Result, Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { missingCompiler, startTwin } from '../twin.js';
import { digestWords } from './inputs.js';
import { createWorld, missingModule } from './world.js';

// bench/native/dns.c makes the same names and queries.
const NAMES = 5000;
const NAMESPACES = 50;
const STEP = 7919;
const TTL = 5;
const SOA = { serial: 1795384144, refresh: 7200, retry: 1800, expire: 86400, minimum: 5 };
const QUERIES = 4096;
const STRIDE = 128;
const TEMPLATES = SCRATCH_BASE;
const ROOM = SCRATCH_BASE + QUERIES * STRIDE;
const ROOM_LEN = 2048;
const TWIN_PASSES = 50;
const TYPE_A = 1;
const TYPE_SRV = 33;
const VALUE_HLEN = 4;

/** RFC 1035 3.1. */
function wire(name: string): Uint8Array {
  const labels = name.split('.').map((label) => [label.length, ...Buffer.from(label)]);
  return Uint8Array.of(...labels.flat(), 0);
}

const serviceName = (i: number): string => `svc${i}.ns${i % NAMESPACES}.svc.cluster.local`;
const addressOf = (i: number): Uint8Array => Uint8Array.of(10, 0, i >> 8, i & 255);

interface Case {
  readonly name: string;
  /** KIND of the C twin. */
  readonly kind: number;
  readonly type: 'A' | 'SRV';
  nameOf(service: number): string;
}

const CASES: readonly Case[] = [
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

function putNames(core: Core): void {
  const writer = createNamesWriter();
  for (const zone of ['cluster.local', 'in-addr.arpa']) writer.put(1, 0, wire(zone), cutValue());
  for (let i = 0; i < NAMES; i++) {
    const target = wire(serviceName(i));
    const srv = Uint8Array.of(0, 0, 0, 100, 0, 80, ...target);
    writer.put(SPACE_FIRST, 0, target, oneRecord(TYPE_A, addressOf(i)));
    const value = oneRecord(TYPE_SRV, srv, addressOf(i));
    writer.put(SPACE_FIRST, 0, wire(`_http._tcp.${serviceName(i)}`), value);
  }
  const applied = core.applyNames(writer.take());
  if (applied !== writer.count()) throw new Error(`${applied} of ${writer.count()} names applied`);
}

function queriesOf({ nameOf, type }: Case): Buffer[] {
  return Array.from({ length: QUERIES }, (_, i) =>
    packet.encode({
      type: 'query',
      id: i,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name: nameOf((i * STEP) % NAMES), type }],
    }),
  );
}

/** What a server made of dns-packet and a Map does with one message. */
function inJavaScript(): (message: Buffer) => Buffer {
  const records = new Map<string, { answers: packet.Answer[]; additionals: packet.Answer[] }>();
  for (let i = 0; i < NAMES; i++) {
    const [name, data] = [serviceName(i), addressOf(i).join('.')];
    const address: packet.Answer = { name, type: 'A', ttl: TTL, data };
    const owner = `_http._tcp.${name}`;
    const srv = { priority: 0, weight: 100, port: 80, target: name };
    records.set(`${name} A`, { answers: [address], additionals: [] });
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

async function run(context: Context, which: Case): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { core, exports } = createWorld({ names: 16_384, rrsetBytes: 4 << 20 });
  putNames(core);
  const messages = queriesOf(which);
  messages.forEach((message, i) => {
    core.words.setUint32(TEMPLATES + i * STRIDE, message.length, true);
    core.view.set(message, TEMPLATES + i * STRIDE + 4);
  });
  const answerAll = (): number =>
    exports.benchDns(TEMPLATES, QUERIES, STRIDE, ROOM, ROOM_LEN) >>> 0;
  const twin = await startTwin(context.scope, 'dns', [which.kind, QUERIES, TWIN_PASSES]);
  const digest = digestWords(core.view.slice(TEMPLATES, TEMPLATES + QUERIES * STRIDE));
  if (digest !== twin.digest) throw new Error('the C twin asks other questions');
  const [sum, { result }] = [answerAll(), await twin.sample()];
  if (sum !== result) throw new Error(`replies: WebAssembly got ${sum}, C ${result}`);

  const answer = inJavaScript();
  let _sink = 0;
  const timed = (batch: () => void) => () =>
    Promise.resolve({ ns: measureBatch(batch, QUERIES, context.quick) });
  const ours = timed(() => void answerAll());
  context.note('against dns-packet');
  const theirs = timed(() => {
    for (const message of messages) _sink ^= answer(message).length;
  });
  const js = await comparePairs({ ours, theirs }, context.samples);
  context.note('against C');
  const c = await comparePairs(
    { ours, theirs: async () => ({ ns: (await twin.sample()).ns }) },
    context.samples,
  );
  const label = {
    name: `core/dns/answer/${which.name}`,
    unit: 'ns/query',
    better: 'lower',
  } as const;
  return [
    comparison(label, js, 'ns', 'dns-packet: decode, Map, encode'),
    comparison({ ...label, name: `${label.name}/c` }, c, 'ns', 'the same in C, gcc -O3'),
  ];
}

async function missing(): Promise<string | undefined> {
  return missingModule() ?? (await missingCompiler());
}

export const suites: readonly Suite[] = CASES.map((which) => ({
  names: [`core/dns/answer/${which.name}`, `core/dns/answer/${which.name}/c`],
  missing,
  run: (context: Context) => run(context, which),
}));
