/**
 * A plugin set up from Corefile text, queries as dns-packet makes them, replies as it reads them.
 */
import dnsPacket from 'dns-packet';
import { parseAddress } from '../../../src/addr.js';
import type { Setup, SetupContext } from '../../../src/dns/chain/setup.js';
import { parseCorefile } from '../../../src/dns/corefile/load.js';
import { PLUGIN_ORDER } from '../../../src/dns/corefile/plugin-order.js';
import { queryOf } from '../../../src/dns/message/decode.js';
import type { Plugin, Query, Reply } from '../../../src/dns/plugin.js';
import { formatName, parseName } from '../../../src/dns/wire/name.js';
import { createLog } from '../../../src/log.js';

export interface Counted {
  readonly counts: Map<string, number>;
}

export const unexpected = (): Promise<Reply> => Promise.reject(new Error('nobody was to be asked'));

/** What a plugin is given; `over` replaces parts of it. */
export function contextOf(over: Partial<SetupContext> = {}): SetupContext & Counted {
  const counts = new Map<string, number>();
  const no = (): never => {
    throw new Error('not for this plugin');
  };
  return {
    log: createLog('fatal'),
    metrics: {
      count: (name) => void counts.set(name, (counts.get(name) ?? 0) + 1),
      set: (name, value) => void counts.set(name, value),
      observe: () => undefined,
    },
    folder: '/',
    random: () => 0,
    nowMs: () => performance.now(),
    zoneCore: { answer: no },
    wireCache: { open: no, close: no, get: no, put: no },
    fail: no,
    claimsChanged: () => undefined,
    replied: () => undefined,
    resolvConf: '/etc/resolv.conf',
    block: [],
    ownAddresses: [],
    zones: [parseName('.')],
    server: 'dns://.:53',
    ask: unexpected,
    openZones: no,
    ...over,
    counts,
  };
}

/** @param text  lines of a server block */
export function setUp(setup: Setup, text: string, context: SetupContext = contextOf()): Plugin {
  const corefile = parseCorefile(`. {\n${text}\n}\n`, {
    file: 'Corefile',
    directives: new Set<string>(PLUGIN_ORDER),
    onceOnly: new Set<string>(),
    env: {},
  });
  const plugin = setup(corefile.blocks[0]?.directives ?? [], context);
  if (plugin === undefined) throw new Error('no plugin');
  return plugin;
}

export interface Asked {
  readonly name: string;
  readonly type?: dnsPacket.RecordType;
  readonly class?: dnsPacket.RecordClass;
  readonly client?: string;
  readonly transport?: 'udp' | 'tcp' | 'tls';
  readonly edns?: { code: number; data: Buffer }[];
  readonly pod?: { namespace: string; name: string };
}

export function ask(asked: Asked | string): Query {
  const {
    name,
    type = 'A',
    client = '10.0.0.9',
    transport = 'udp',
    ...rest
  } = typeof asked === 'string' ? { name: asked } : asked;
  const { class: queryClass = 'IN', edns, pod } = rest;
  const message = dnsPacket.encode({
    id: 4711,
    type: 'query',
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type, class: queryClass }],
    additionals:
      edns === undefined
        ? []
        : [{ name: '.', type: 'OPT', udpPayloadSize: 1232, flags: 0, options: edns } as never],
  });
  const query = queryOf(Uint8Array.from(message), {
    address: parseAddress(client),
    port: 53_000,
    transport,
    server: { address: parseAddress('10.96.0.10'), port: 53 },
    ...(pod && { pod }),
  });
  if (query === undefined) throw new Error('no query');
  return query;
}

export interface Told {
  readonly rcode: string;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  readonly question: string;
  readonly answer: string[];
  readonly authority: string[];
  readonly additional: string[];
  readonly options: { code: number; data: Buffer }[];
  readonly plugin: string;
  readonly problem: string | undefined;
}

/** `example.org 60 A 192.0.2.1` */
function shown(record: dnsPacket.Answer): string {
  const {
    name,
    type,
    ttl = 0,
    data,
  } = record as dnsPacket.StringAnswer & {
    data: string | object;
  };
  const parts = typeof data === 'object' ? Object.values(data).join(' ') : data;
  return `${name === '' ? '.' : name} ${ttl} ${type} ${parts}`;
}

/** A reply as dns-packet understands it. */
export function told(reply: Reply): Told {
  const packet = dnsPacket.decode(Buffer.from(reply.message)) as dnsPacket.DecodedPacket & {
    rcode: string;
  };
  const records = (list: dnsPacket.Answer[] | undefined): dnsPacket.Answer[] =>
    (list ?? []).filter(({ type }) => type !== 'OPT');
  const opt = packet.additionals?.find(({ type }) => type === 'OPT') as
    { options: { code: number; data: Buffer }[] } | undefined;
  const [question] = packet.questions ?? [];
  return {
    rcode: packet.rcode,
    isAuthoritative: packet.flag_aa,
    isTruncated: packet.flag_tc,
    question: `${question?.name ?? ''} ${question?.class ?? ''} ${question?.type ?? ''}`,
    answer: records(packet.answers).map(shown),
    authority: records(packet.authorities).map(shown),
    additional: records(packet.additionals).map(shown),
    options: opt?.options ?? [],
    plugin: reply.plugin,
    problem: reply.problem,
  };
}

/** The rest of a chain that answers as told, and remembers what it was asked. */
export function upstream(
  answers: (question: { name: string; type: string; class: string }) => Partial<dnsPacket.Packet>,
): { next: (query: Query) => Promise<Reply>; asked: string[]; packets: dnsPacket.DecodedPacket[] } {
  const asked: string[] = [];
  const packets: dnsPacket.DecodedPacket[] = [];
  return {
    asked,
    packets,
    next: (query) => {
      const packet = dnsPacket.decode(Buffer.from(query.message));
      packets.push(packet);
      const question = packet.questions?.[0] ?? { name: '', type: 'A' as const };
      const { name, type, class: queryClass = 'IN' } = question;
      asked.push(`${name} ${queryClass} ${type}`);
      if (formatName(query.name) !== (name === '.' ? '.' : `${name}.`)) {
        throw new Error('the query says two names');
      }
      const message = dnsPacket.encode({
        id: packet.id ?? 0,
        type: 'response',
        questions: packet.questions ?? [],
        ...answers({ name, type, class: queryClass }),
      });
      return Promise.resolve({ message: Uint8Array.from(message), plugin: 'upstream' });
    },
  };
}

export function claimed(plugin: Plugin): string[] | string {
  const { claims } = plugin;
  return claims.kind === 'below' ? claims.names.map(formatName).sort() : claims.kind;
}
