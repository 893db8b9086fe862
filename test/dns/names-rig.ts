/**
 * Names of a cluster in a real core: manifests or events in, replies out, decoded by dns-packet.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import packet from 'dns-packet';
import { DNS_HLEN, SPACE_FIRST } from '../../assembly/abi-dns.js';
import { cutValue } from '../../src/compile/dns/cuts.js';
import { ZONE_DEFAULTS } from '../../src/compile/dns/options.js';
import type { ZoneOptions } from '../../src/compile/dns/options.js';
import { nameFromText } from '../../src/compile/dns/wire-names.js';
import { createZone } from '../../src/compile/dns/zone.js';
import { createCluster } from '../../src/model/cluster.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import type { Core } from '../../src/core/core.js';
import type { Capacities } from '../../src/core/regions.js';
import { readManifests } from '../../src/sources/manifests.js';
import { openDnsCore, query } from './core/zone.js';
import type { Ask } from './core/zone.js';
import { HERE } from '../model/objects.js';

const FIXTURES = join(import.meta.dirname, 'fixtures');

export const ZONES = ['cluster.local', 'in-addr.arpa', 'ip6.arpa'];
/** What the oracle's serial is. */
export const NOW_SEC = 1_795_384_144;
const UDP_MAX = 4096;

/** The cluster that the oracle was asked about. */
export function oracleEvents(): readonly PutEvent[] {
  const file = join(FIXTURES, 'cluster.yaml');
  const { events, bad } = readManifests(readFileSync(file, 'utf8'), file);
  if (bad.length > 0) throw new Error(bad.map(({ name }) => name).join());
  return events;
}

/** A query as the oracle was asked, and its reply. */
export interface OracleLine {
  readonly q: string;
  readonly type: string;
  readonly note: string;
  /** Hex. */
  readonly query: string;
  readonly reply: string;
}

export function oracleLines(): OracleLine[] {
  const text = readFileSync(join(FIXTURES, 'oracle.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OracleLine);
}

/** What dns-packet decodes besides what its types say. */
export type Decoded = packet.DecodedPacket & { readonly rcode: string; readonly opcode: string };

export function decode(message: Uint8Array): Decoded {
  return packet.decode(Buffer.from(message)) as Decoded;
}

/** A record in a line: TTL, type, and what it says, names in lower case. */
export function shownRecord(answer: packet.Answer): string {
  if (answer.type === 'OPT') return `OPT rcode=${answer.extendedRcode} do=${answer.flag_do}`;
  const { data } = answer as { data: unknown };
  const ttl = 'ttl' in answer ? answer.ttl : undefined;
  const texts = Array.isArray(data) ? data.map(String) : data;
  const { serial: _, ...said } = Object(texts) as Record<string, unknown>;
  const shown =
    typeof texts === 'string' ? texts : JSON.stringify(answer.type === 'SOA' ? said : texts);
  return `${answer.name} ${ttl} ${answer.type} ${shown.toLowerCase()}`;
}

/** What a reply means: everything but order, compression, serials, and our own size of UDP. */
export function meaning(reply: Decoded): Readonly<Record<string, unknown>> {
  const { rcode, opcode, flag_aa, flag_tc, flag_rd, flag_ra, flag_ad, flag_cd, flag_qr } = reply;
  const section = (answers: Decoded['answers']) => (answers ?? []).map(shownRecord).sort();
  return {
    ...{ rcode, opcode, flag_qr, flag_aa, flag_tc, flag_rd, flag_ra, flag_ad, flag_cd },
    questions: reply.questions,
    answers: section(reply.answers),
    authorities: section(reply.authorities),
    additionals: section(reply.additionals),
  };
}

/** RCODE and what the records of the answer say, in order: for one name and type. */
export function gist(reply: Decoded): string[] {
  const records = (reply.answers ?? []).map((answer) =>
    shownRecord(answer).split(' ').slice(2).join(' '),
  );
  return [reply.rcode, ...records.sort()];
}

export interface NamesRig {
  readonly zone: ReturnType<typeof createZone>;
  readonly core: ReturnType<typeof openDnsCore>;
  readonly cluster: ReturnType<typeof createCluster>;
  /** Events in, and everything that follows from them into the core. @returns records written */
  apply(...events: readonly (PutEvent | DeleteEvent)[]): number;
  flush(nowSec?: number): number;
  ask(message: Uint8Array): { readonly result: number; readonly reply: Uint8Array };
  /** RCODE and records in words. */
  says(name: string, type?: number): string[];
  reply(name: string, ask?: Ask): Decoded;
}

export interface RigOptions {
  readonly options?: Partial<ZoneOptions>;
  readonly zones?: readonly string[];
  readonly cutFlags?: number;
  readonly capacities?: Partial<Capacities>;
  /** Default: one of its own. */
  readonly core?: Core;
}

export function namesRig(setup: RigOptions = {}): NamesRig {
  const { options = {}, zones = ZONES, cutFlags = 0, capacities } = setup;
  const core = openDnsCore({ names: 4096, rrsetBytes: 1 << 20, ...capacities }, setup.core);
  const cluster = createCluster(HERE);
  const all = { ...ZONE_DEFAULTS, ...options };
  const zone = createZone({ space: SPACE_FIRST, zones, options: all, named: cluster.named });
  const cut = cutValue({
    space: SPACE_FIRST,
    flags: cutFlags,
    serial: NOW_SEC,
    ttl: all.ttl,
    zone: 1,
    udpMax: UDP_MAX,
  });
  const refused = core.apply((writer) => {
    for (const text of zones) writer.put(1, 0, nameFromText(text) ?? new Uint8Array(), cut);
  });
  if (refused.length > 0) throw new Error(`cuts were refused: ${refused.join()}`);

  const flush = (nowSec = NOW_SEC): number => {
    let bytes = 0;
    for (let i = 0; i < 10_000; i++) {
      const records = zone.flush(nowSec);
      if (records.length === 0) break;
      core.core.applyNames(records);
      zone.acknowledge(records);
      bytes += records.length;
    }
    return bytes;
  };
  const ask = (message: Uint8Array) => core.ask(message);
  const reply = (name: string, how: Ask = {}): Decoded => {
    const message = query(name, how);
    const { result, reply: bytes } = ask(message);
    if (result <= DNS_HLEN) throw new Error(`${name}: the core said ${result}`);
    return decode(bytes);
  };
  flush();
  return {
    zone,
    core,
    cluster,
    flush,
    ask,
    reply,
    says: (name, type) => gist(reply(name, type === undefined ? {} : { type })),
    apply: (...events) => {
      for (const event of events) zone.apply(cluster.apply(event).names);
      return flush();
    },
  };
}
