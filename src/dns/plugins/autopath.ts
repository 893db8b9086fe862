/**
 * `autopath`: the search list is walked here, so that a pod asks once for what it would have asked for
 * one name after the other.
 *
 * Which pod asks is known by the port its packets come from, not by an address that may be another
 * pod's by now.
 *
 * Spec  CoreDNS, plugin/autopath, plugin/kubernetes/autopath.go
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../../errors.js';
import type { Setup, SetupContext } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import { decodeMessage } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import type { DnsMessage } from '../message/message.js';
import { askInstead } from '../message/requery.js';
import type { Next, Query, Reply, WireName } from '../plugin.js';
import { NAME_MAX, foldName, isWithin, parseName, sameName } from '../wire/name.js';
import { Rcode, RecordClass, RecordType } from '../wire/header.js';
import { readKubernetes } from './kubernetes-options.js';
import { isInZones, readZones, ROOT } from './zones.js';

const NAME = 'autopath';
const KUBERNETES = '@kubernetes';
const TYPES: ReadonlySet<number> = new Set([RecordType.A, RecordType.AAAA, RecordType.HTTPS]);
const REVERSE = ['in-addr.arpa', 'ip6.arpa'].map(parseName);

/** Whether an `autopath` walks the search list of who asks. */
export function isOfPods({ args }: Pick<Directive, 'args'>): boolean {
  return args.at(-1)?.text === KUBERNETES;
}

/** Names of a search list that are no names are left out, as resolvers do. */
function searchOf(path: string, folder: string): WireName[] {
  const text = readFileSync(resolve(folder, path), 'utf8');
  // The last line counts: resolv.conf(5).
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/));
  const words = lines.findLast(([keyword]) => keyword === 'search')?.slice(1) ?? [];
  return words.flatMap((word) => {
    try {
      return [parseName(word.toLowerCase())];
    } catch {
      return [];
    }
  });
}

/** The name below a zone. @returns undefined when it is too long */
function below(labels: Uint8Array, zone: WireName): WireName | undefined {
  const name = Uint8Array.of(...labels, ...zone);
  return name.length > NAME_MAX ? undefined : name;
}

/** Search list of a pod: its namespace, services, the cluster, the node's own. */
function podSearch(query: Query, zone: WireName, ofNode: readonly WireName[]): WireName[] {
  const { pod } = query.client;
  if (pod === undefined) return [];
  const services = Uint8Array.of(3, ...Buffer.from('svc'), ...zone);
  const namespace = Buffer.from(pod.namespace, 'latin1');
  return [Uint8Array.of(namespace.length, ...namespace, ...services), services, zone, ...ofNode];
}

/** The cluster's zone: the first of the block's `kubernetes` that is no reverse zone. */
function clusterZone(directive: Directive, { block, zones }: SetupContext): WireName {
  const kubernetes = block.find(({ name }) => name.text === 'kubernetes');
  const own = kubernetes === undefined ? [] : readKubernetes(kubernetes, zones).zones;
  const zone = own.find((each) => !isInZones(each, REVERSE));
  return zone ?? failAt(directive.name, 'autopath: @kubernetes: no kubernetes in the server block');
}

/** The reply to another name as one to the client's, with a CNAME that says so. */
function asAsked(query: Query, message: DnsMessage): Uint8Array {
  const { name, type, class: questionClass } = query;
  const [first] = message.answer;
  const link =
    first === undefined || sameName(first.owner, name)
      ? []
      : [
          {
            owner: name,
            type: RecordType.CNAME,
            class: RecordClass.IN,
            ttl: first.ttl,
            rdata: first.owner,
          },
        ];
  const question = { name, type, class: questionClass };
  return encodeMessage({ ...message, question, answer: [...link, ...message.answer] });
}

/**
 * The reply to the first name of the search list that exists, else that to the first name.
 *
 * @param found  called when one exists
 */
async function walk(
  query: Query,
  search: readonly WireName[],
  next: Next,
  found: () => void,
): Promise<Reply> {
  const [first = ROOT] = search;
  const labels = query.name.subarray(0, query.name.length - first.length);
  let firstReply: Reply | undefined;
  for (const zone of [...search, ROOT]) {
    const name = below(labels, zone);
    if (name === undefined) continue;
    const reply = await next(sameName(name, query.name) ? query : askInstead(query, name));
    firstReply ??= reply;
    const message = decodeMessage(reply.message);
    if (message === undefined || message.rcode === Rcode.NXDOMAIN) continue;
    found();
    return { ...reply, message: asAsked(query, message) };
  }
  return firstReply ?? next(query);
}

export const setUpAutopath: Setup = (directives, context) => {
  const [directive, second] = directives;
  if (directive === undefined) return undefined;
  if (second !== undefined) failAt(second.name, 'autopath: expected once in a server block');
  const args = argumentsOf(directive);
  const zones = readZones(args, context.zones, 1);
  const expected = `${KUBERNETES} or the path of a resolv.conf file`;
  const source = args.need(expected);
  const isPods = source === KUBERNETES;
  if (!isPods && source.startsWith('@')) args.fail(`expected ${expected}`);
  args.end();
  let listed: WireName[];
  try {
    listed = searchOf(isPods ? context.resolvConf : source, context.folder);
  } catch (error) {
    return args.fail(`cannot be read: ${messageOf(error)}`);
  }
  const cluster = isPods ? clusterZone(directive, context) : undefined;
  const searchFor = (query: Query): readonly WireName[] =>
    cluster === undefined ? listed : podSearch(query, cluster, listed);
  const { metrics, server } = context;
  return {
    name: NAME,
    claims: { kind: 'none' },
    // What exists in the cluster is the first name of the list, or is not searched for.
    core: { searches: zones },
    handle: async (query, next) => {
      if (!TYPES.has(query.type) || !isInZones(query.name, zones)) return next(query);
      const search = searchFor(query);
      const [first] = search;
      // The search domain itself has no name in front to look for elsewhere.
      const isBelow = first !== undefined && isWithin(query.name, first);
      if (!isBelow || sameName(query.name, foldName(first))) return next(query);
      return walk(query, search, next, () => {
        metrics.count('coredns_autopath_success_total', { server });
      });
    },
  };
};
