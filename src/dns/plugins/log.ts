/**
 * `log`: a line for each query, in the Common Log Format or another.
 *
 * A query that the core answers has no line, so the names that are logged are the host's. `{/LABEL}` in
 * a format is metadata (metadata.ts), `-` where there is none.
 *
 * Spec  CoreDNS, plugin/log, plugin/pkg/replacer
 */
import { formatAddress } from '../../addr.js';
import type { Setup } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import { shown } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice, needEach, needName } from '../corefile/values.js';
import { formatClass, formatRcode, formatType } from '../message/types.js';
import type { Client, Query, Reply, WireName } from '../plugin.js';
import * as header from '../wire/header.js';
import { rcodeOf, walkMessage } from '../wire/message.js';
import { formatName } from '../wire/name.js';
import { createMetadata, isLabel } from './metadata.js';
import type { Metadata } from './metadata.js';
import { isInZones } from './zones.js';

const CLASSES = ['success', 'denial', 'error', 'all'] as const;
type LogClass = (typeof CLASSES)[number];

const COMMON =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}';
const COMBINED = `${COMMON} {>opcode}`;
const FLAG_NAMES: readonly (readonly [string, number])[] = [
  ['qr', header.FLAG_QR],
  ['aa', header.FLAG_AA],
  ['tc', header.FLAG_TC],
  ['rd', header.FLAG_RD],
  ['ra', header.FLAG_RA],
  ['ad', header.FLAG_AD],
  ['cd', header.FLAG_CD],
];
const DEFAULT_UDP_SIZE = 512;
const MS_PER_SEC = 1000;
const PLACEHOLDER = /\{[^{}]+\}/g;

interface Rule {
  readonly names: readonly WireName[];
  readonly format: string;
  readonly classes: ReadonlySet<LogClass>;
}

/** A query, its reply, and how long it took. */
interface Event {
  readonly query: Query;
  readonly reply: Reply;
  readonly ms: number;
  readonly metadata: Metadata;
}

const host = (address: Client['address']): string =>
  address.family === 6 ? `[${formatAddress(address)}]` : formatAddress(address);

const askedFlags = ({ query }: Event): number => header.readU16(query.message, header.FLAGS_OFF);

function replyFlags({ reply }: Event): string {
  if (reply.message.length < header.HEADER_SIZE) return '-';
  const flags = header.readU16(reply.message, header.FLAGS_OFF);
  return FLAG_NAMES.filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name)
    .join(',');
}

function rcodeText({ reply }: Event): string {
  const walked = walkMessage(reply.message);
  return 'malformed' in walked ? '-' : formatRcode(rcodeOf(walked));
}

const FIELDS: Readonly<Record<string, (event: Event) => string | number>> = {
  '{remote}': ({ query }) => host(query.client.address),
  '{port}': ({ query }) => query.client.port,
  '{local}': ({ query }) => host(query.client.server.address),
  '{proto}': ({ query }) => (query.client.transport === 'udp' ? 'udp' : 'tcp'),
  '{type}': ({ query }) => formatType(query.type),
  '{class}': ({ query }) => formatClass(query.class),
  '{name}': ({ query }) => formatName(query.name),
  '{size}': ({ query }) => query.message.length,
  '{>id}': ({ query }) => header.readU16(query.message, header.ID_OFF),
  '{>opcode}': (event) => header.opcodeOf(askedFlags(event)),
  '{>do}': ({ query }) => String(query.edns?.isDnssecOk === true),
  '{>bufsize}': ({ query }) => query.edns?.udpSize ?? DEFAULT_UDP_SIZE,
  '{rcode}': rcodeText,
  '{rsize}': ({ reply }) => reply.message.length,
  '{>rflags}': replyFlags,
  '{duration}': ({ ms }) => `${(ms / MS_PER_SEC).toFixed(9)}s`,
  '{common}': (event) => fill(COMMON, event),
  '{combined}': (event) => fill(COMBINED, event),
};

/** The label of `{/LABEL}`. */
function labelOf(field: string): string | undefined {
  const label = field.slice(2, -1);
  return field.startsWith('{/') && isLabel(label) ? label : undefined;
}

/** The format with its placeholders filled in; what is none stays. */
function fill(format: string, event: Event): string {
  return format.replace(PLACEHOLDER, (field) => {
    const label = labelOf(field);
    if (label !== undefined) return event.metadata(label, event.query) || '-';
    return Object.hasOwn(FIELDS, field) ? String(FIELDS[field]?.(event)) : field;
  });
}

function classOf(event: Event): LogClass {
  const walked = walkMessage(event.reply.message);
  if ('malformed' in walked) return 'error';
  const rcode = rcodeOf(walked);
  if (rcode === header.Rcode.NXDOMAIN) return 'denial';
  if (rcode !== header.Rcode.NOERROR) return 'error';
  return walked.records.some(({ section }) => section === 'answer') ? 'success' : 'denial';
}

function readRule(directive: Directive, zones: readonly WireName[]): Rule {
  const args = argumentsOf(directive);
  const hasFormat = directive.args.at(-1)?.text.includes('{') === true;
  const names: WireName[] = [];
  while (args.left > Number(hasFormat)) names.push(needName(args));
  const format = args.next() ?? COMMON;
  const unknown = format
    .match(PLACEHOLDER)
    ?.find((field) => labelOf(field) === undefined && !Object.hasOwn(FIELDS, field));
  if (unknown !== undefined) args.fail(`unknown placeholder ${shown(unknown)}`);
  const classes = new Set<LogClass>();
  for (const line of args.lines()) {
    if (line.name !== 'class') line.unknown();
    for (const each of needEach(line, () => needChoice(line, CLASSES))) classes.add(each);
  }
  return {
    names: names.length === 0 ? zones : names,
    format,
    classes: classes.size === 0 ? new Set(['all']) : classes,
  };
}

export const setUpLog: Setup = (directives, context) => {
  const { zones, log, nowMs } = context;
  const metadata = createMetadata(context);
  const rules = directives.map((directive) => readRule(directive, zones));
  const lines = log.child({ component: 'dns.log' });
  return {
    name: 'log',
    claims: { kind: 'below', names: rules.flatMap(({ names }) => names) },
    handle: async (query, next) => {
      const rule = rules.find(({ names }) => isInZones(query.name, names));
      if (rule === undefined) return next(query);
      const startMs = nowMs();
      const reply = await next(query);
      const event = { query, reply, ms: nowMs() - startMs, metadata };
      const { classes, format } = rule;
      if (classes.has('all') || classes.has(classOf(event))) lines.info(fill(format, event));
      return reply;
    },
  };
};
