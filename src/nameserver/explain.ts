/**
 * `sluice dns query`: what this server would answer, who of it answers, and which object of the cluster
 * the name comes from.
 */
import { DnsWhy } from '../../assembly/abi-dns.js';
import { formatAddress, parseAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { decodeMessage } from '../dns/message/decode.js';
import { encodeMessage } from '../dns/message/encode.js';
import type { DnsMessage, ResourceRecord } from '../dns/message/message.js';
import { formatRdata } from '../dns/message/rdata.js';
import { formatClass, formatRcode, formatType, parseType } from '../dns/message/types.js';
import type { Client } from '../dns/plugin.js';
import type { Explained } from '../dns/server/explain.js';
import { FLAG_AA, FLAG_RA, FLAG_RD, FLAG_TC } from '../dns/wire/header.js';
import { formatName, parseName } from '../dns/wire/name.js';
import { DataplaneError } from '../errors.js';
import type { Nameserver } from './nameserver.js';
import { originOf } from './origin.js';

export interface ExplainedReply {
  readonly rcode: string;
  /** Of AA, TC, RD, RA those that are set. */
  readonly flags: readonly string[];
  /** Records in presentation form (RFC 1035 5.1). */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
}

export interface QueryReport {
  /** `web.default.svc.cluster.local. A` */
  readonly question: string;
  readonly client: string;
  /** Of the server's zones the one the name belongs to. */
  readonly zone?: string;
  /** A part of the core, `plugin NAME`, or `no plugin`. */
  readonly answeredBy: string;
  /** Why not somebody in front. */
  readonly why: string;
  /** What went wrong. */
  readonly problem?: string;
  /** Undefined: the query is not answered at all. */
  readonly reply?: ExplainedReply;
  /** `Service default/web` */
  readonly objects: readonly string[];
  /** Where the name comes from, or why there is none; undefined: it is none of the cluster's. */
  readonly origin?: string;
}

const IN = 1;
const EDNS_SIZE = 1232;
const DNS_PORT = 53;
const LOOPBACK = '127.0.0.1';
const HEADER_FLAGS = [
  ['AA', FLAG_AA],
  ['TC', FLAG_TC],
  ['RD', FLAG_RD],
  ['RA', FLAG_RA],
] as const;

/** Who answers, and why it is he. */
export const WHY_WORDS: Readonly<Record<DnsWhy, readonly [by: string, why: string]>> = {
  [DnsWhy.NONE]: ['nobody', 'no query'],
  [DnsWhy.NOT_A_QUERY]: ['nobody', 'it is no query'],
  [DnsWhy.MALFORMED]: ['the parser', 'the message is malformed'],
  [DnsWhy.REFUSED]: [
    'the parser',
    'no zone of this server has the name, or a transfer is asked for',
  ],
  [DnsWhy.ZONE]: ['names', 'the zone is one of the cluster'],
  [DnsWhy.POD]: ['names, computed', 'the name spells the address of a pod'],
  [DnsWhy.CACHE]: ['wire cache', 'an upstream has answered this before'],
  [DnsWhy.ANY]: ['any', 'ANY is answered by one HINFO record (RFC 8482)'],
  [DnsWhy.HOST_FIRST]: ['chain', 'a plugin in front of the names may act on it'],
  [DnsWhy.NO_NAMES]: ['chain', 'the zone has no names of the cluster'],
  [DnsWhy.FALLTHROUGH]: ['chain', 'the cluster has no such name, and the zone falls through'],
  [DnsWhy.CNAME_OUTSIDE]: ['chain', 'an alias leads out of the cluster'],
  [DnsWhy.CACHE_MISS]: ['chain', 'the wire cache has no such reply'],
};

function shownRecord({ owner, ttl, class: recordClass, type, rdata }: ResourceRecord): string {
  const head = `${formatName(owner)} ${ttl} ${formatClass(recordClass)} ${formatType(type)}`;
  return `${head} ${formatRdata(type, rdata)}`;
}

function shownReply(message: DnsMessage): ExplainedReply {
  return {
    rcode: formatRcode(message.rcode),
    flags: HEADER_FLAGS.flatMap(([name, bit]) => ((message.flags & bit) === 0 ? [] : [name])),
    answer: message.answer.map(shownRecord),
    authority: message.authority.map(shownRecord),
    additional: message.additional.map(shownRecord),
  };
}

function usage(message: string): never {
  throw new DataplaneError('ERR_USAGE', message);
}

function readClient(text: string): Address {
  try {
    return parseAddress(text);
  } catch {
    return usage(`--from: ${JSON.stringify(text)}: expected an IP address`);
  }
}

function readName(text: string): Uint8Array {
  try {
    return parseName(text);
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

/** Who has answered, in words. */
function answeredBy({ why, isHosts, plugin }: Explained): string {
  if (!isHosts) return WHY_WORDS[why][0];
  return plugin === '' ? 'no plugin' : `plugin ${plugin}`;
}

/** The origin in a sentence, with what the reply adds to it. */
function sayOrigin(reason: string, reply: DnsMessage | undefined, isSynced: boolean, type: string) {
  if (!isSynced) return `${reason}; the cluster is not known completely yet`;
  const isNodata = reply?.rcode === 0 && reply.answer.length === 0;
  return isNodata ? `${reason}; the name is there, and has no ${type} records` : reason;
}

/** What is asked, as texts. */
export interface Asked {
  readonly name: string;
  /** Default A. */
  readonly type?: string | undefined;
  /** Default 127.0.0.1. */
  readonly from?: string | undefined;
}

/** @throws DataplaneError ERR_USAGE for what is no name, type or address; ERR_STATE while ending */
export async function explainQuery(server: Nameserver, asked: Asked): Promise<QueryReport> {
  const name = readName(asked.name);
  const typeText = (asked.type ?? 'A').toUpperCase();
  const type = parseType(typeText) ?? usage(`${JSON.stringify(typeText)} is no type of records`);
  const address = readClient(asked.from ?? LOOPBACK);
  const client: Client = {
    ...{ address, port: 0 },
    transport: 'tcp',
    server: { address, port: DNS_PORT },
  };
  const message = encodeMessage({
    ...{ id: 0, flags: FLAG_RD, rcode: 0 },
    question: { name, type, class: IN },
    ...{ answer: [], authority: [], additional: [] },
    edns: { udpSize: EDNS_SIZE, version: 0, isDnssecOk: false, options: new Uint8Array() },
  });
  const explained = await server.explain(message, client);
  if (explained === undefined) throw new DataplaneError('ERR_STATE', 'the DNS server is ending');
  const reply = decodeMessage(explained.message);
  const zones = server.zones();
  const own = zones.filter(({ space }) => space === explained.space);
  const from = originOf(name, own.length > 0 ? own : zones);
  const pod = server.podAt(address);
  return {
    question: `${formatName(name)} ${formatType(type)}`,
    client: pod === undefined ? formatAddress(address) : `${formatAddress(address)} (Pod ${pod})`,
    ...(explained.zone === undefined ? {} : { zone: explained.zone }),
    answeredBy: answeredBy(explained),
    why: WHY_WORDS[explained.why][1],
    ...(explained.problem === undefined ? {} : { problem: explained.problem }),
    ...(reply === undefined ? {} : { reply: shownReply(reply) }),
    objects: from?.objects ?? [],
    ...(from === undefined
      ? {}
      : { origin: sayOrigin(from.reason, reply, server.isSynced(), formatType(type)) }),
  };
}

/** One thing a line. */
export function formatQuery(report: QueryReport): string {
  const { reply } = report;
  const lines: [string, string][] = [
    ['query', report.question],
    ['client', report.client],
    ['zone', report.zone ?? '-'],
    ['answered by', report.answeredBy],
    ['because', report.why],
    ...(report.problem === undefined ? [] : [['problem', report.problem] as [string, string]]),
    ...report.objects.map((object): [string, string] => ['object', object]),
    ...(report.origin === undefined ? [] : [['origin', report.origin] as [string, string]]),
    ['reply', reply === undefined ? 'none' : [reply.rcode, ...reply.flags].join(' ')],
    ...(reply?.answer ?? []).map((text): [string, string] => ['answer', text]),
    ...(reply?.authority ?? []).map((text): [string, string] => ['authority', text]),
    ...(reply?.additional ?? []).map((text): [string, string] => ['additional', text]),
  ];
  const width = Math.max(...lines.map(([head]) => head.length));
  return lines.map(([head, text]) => `${head.padEnd(width)}  ${text}`).join('\n');
}
