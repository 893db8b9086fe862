/**
 * `kubernetes` in the chain: names of the cluster for queries that the core has left to the host.
 *
 * The core answers; here is what it cannot do alone: a CNAME that leads out of the cluster is followed
 * through the whole server, and what does not exist may be for the next plugin.
 *
 * Spec  Kubernetes DNS 1.1.0, 2.6 (ExternalName); CoreDNS, plugin/kubernetes, plugin/pkg/upstream
 */
import { DnsWhy } from '../../../assembly/abi-dns.js';
import { failure } from '../chain/chain.js';
import type { Setup, SetupContext, ZoneInstance } from '../chain/setup.js';
import { failAt } from '../corefile/complaint.js';
import { decodeMessage } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import type { DnsMessage } from '../message/message.js';
import { askInstead } from '../message/requery.js';
import type { Next, Query, Reply } from '../plugin.js';
import { FLAGS_OFF, FLAG_TC, RCODE_MASK, Rcode, RecordType, readU16 } from '../wire/header.js';
import { readKubernetes } from './kubernetes-options.js';
import { isInZones } from './zones.js';

const NAME = 'kubernetes';
/** Links of a chain of CNAMEs in the cluster (assembly/abi-dns.ts, DNS_CHAIN_MAX). */
const CHAIN_MAX = 10;
const SOA = RecordType.SOA;

const made = (message: Uint8Array): Reply => ({ message, plugin: NAME });

type Ask = (query: Query) => DnsMessage | undefined;

/** The reply of the core with records, when it has one. */
function createAsk({ zoneCore }: SetupContext, { listener }: ZoneInstance): Ask {
  return (query) => {
    const answer = zoneCore.answer(listener, query.message);
    return answer.kind === 'reply' ? decodeMessage(answer.message) : undefined;
  };
}

/** The reply of a name that has no such records: the zone's SOA record is got by asking for it. */
function noData(query: Query, ask: Ask, zone: Uint8Array): Uint8Array | undefined {
  const apex = ask(askInstead(query, zone, SOA));
  if (apex === undefined) return undefined;
  const { name, type, class: questionClass } = query;
  const question = { name, type, class: questionClass };
  const soa = apex.answer.filter((record) => record.type === SOA);
  return encodeMessage({ ...apex, question, answer: [], authority: soa, additional: [] });
}

/** CNAMEs of the cluster from a name on, and the first target outside. */
function followInside(query: Query, ask: Ask, zones: readonly Uint8Array[]) {
  let link = ask(askInstead(query, query.name, RecordType.CNAME));
  const head = link;
  const cnames = [];
  while (link !== undefined && cnames.length < CHAIN_MAX) {
    const cname = link.answer.find(({ type }) => type === RecordType.CNAME);
    if (cname === undefined) return undefined;
    cnames.push(cname);
    if (!isInZones(cname.rdata, zones)) return head && { head, cnames, target: cname.rdata };
    link = ask(askInstead(query, cname.rdata, RecordType.CNAME));
  }
  return undefined;
}

/** CNAMEs and what they lead to; the zone's NODATA when the target cannot be had. */
async function chase(
  query: Query,
  ask: Ask,
  instance: ZoneInstance,
  outside: Next,
): Promise<Reply | undefined> {
  const { zones } = instance.options;
  const inside = followInside(query, ask, zones);
  const zone = zones.find((each) => isInZones(query.name, [each]));
  const reply = inside && decodeMessage((await outside(askInstead(query, inside.target))).message);
  if (inside === undefined || reply?.rcode !== Rcode.NOERROR) {
    const empty = zone && noData(query, ask, zone);
    return empty && made(empty);
  }
  const { name, type, class: questionClass } = query;
  return made(
    encodeMessage({
      ...inside.head,
      flags: inside.head.flags | (reply.flags & FLAG_TC),
      question: { name, type, class: questionClass },
      answer: [...inside.cnames, ...reply.answer],
      authority: [],
      additional: [],
    }),
  );
}

function isNameError(message: Uint8Array): boolean {
  return (readU16(message, FLAGS_OFF) & RCODE_MASK) === Rcode.NXDOMAIN;
}

export const setUpKubernetes: Setup = (directives, context) => {
  const [directive, second] = directives;
  if (directive === undefined) return undefined;
  if (second !== undefined) failAt(second.name, 'kubernetes: expected once in a server block');
  const instance = context.openZones(readKubernetes(directive, context.zones));
  const { zones, fallthrough } = instance.options;
  const ask = createAsk(context, instance);
  return {
    name: NAME,
    claims: { kind: 'none' },
    core: { zones: instance },
    handle: async (query, next) => {
      if (!isInZones(query.name, zones)) return next(query);
      const answer = context.zoneCore.answer(instance.listener, query.message);
      if (answer.kind === 'drop') return made(new Uint8Array());
      if (answer.kind === 'reply') {
        const isPassedOn = isNameError(answer.message) && isInZones(query.name, fallthrough);
        return isPassedOn ? next(query) : made(answer.message);
      }
      const isCname = answer.why === DnsWhy.CNAME_OUTSIDE;
      const chased = isCname ? await chase(query, ask, instance, context.ask) : undefined;
      // A name of the cluster is nobody else's: it does not leak out.
      return chased ?? failure(query, NAME, `the core does not answer (${answer.why})`);
    },
  };
};
