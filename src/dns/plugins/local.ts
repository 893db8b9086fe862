/**
 * `local`: names that mean this host, answered without asking anybody.
 *
 * `localhost` and all below it have the loopback addresses, as has a name whose first label is
 * `localhost`: a search list puts domains behind it. The reverse zones of the networks 0, 127 and
 * 255 are empty but for 127.0.0.1. Within the zones of a `kubernetes` plugin the zones decide.
 *
 * Spec  RFC 6761 6.3; RFC 6303 4.2; CoreDNS, plugin/local
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Setup, SetupContext } from '../chain/setup.js';
import { parseRdata } from '../message/rdata.js';
import type { Query, WireName } from '../plugin.js';
import { RecordClass, RecordType } from '../wire/header.js';
import { parseName, sameName } from '../wire/name.js';
import { internetRecord, replyWith } from './reply.js';
import { claimBelow, ROOT, zoneOf } from './zones.js';

const TTL_SEC = 86_400;
const LOCALHOST = parseName('localhost');
const LOOPBACK_PTR = parseName('1.0.0.127.in-addr.arpa');
const ZONES = [
  LOCALHOST,
  ...['0', '127', '255'].map((octet) => parseName(`${octet}.in-addr.arpa`)),
];
const LOOPBACK4 = Uint8Array.of(127, 0, 0, 1);
const LOOPBACK6 = Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? 1 : 0));
const SOA = parseRdata(
  RecordType.SOA,
  ['localhost.', 'root.localhost.', '1', '0', '0', '0', String(TTL_SEC)].map((text) => ({
    text,
    isQuoted: false,
  })),
  ROOT,
);

/** RDATA for a name in one of the zones. */
function rdataOf(name: WireName, type: number, zone: WireName): Uint8Array | undefined {
  const isLocalhost = zone === LOCALHOST;
  if (isLocalhost && type === RecordType.A) return LOOPBACK4;
  if (isLocalhost && type === RecordType.AAAA) return LOOPBACK6;
  if (type === RecordType.PTR && sameName(name, LOOPBACK_PTR)) return LOCALHOST;
  if (!sameName(name, zone)) return undefined;
  if (type === RecordType.SOA) return SOA;
  return type === RecordType.NS ? LOCALHOST : undefined;
}

function startsWithLocalhost(name: WireName): boolean {
  const label = LOCALHOST.subarray(0, -1);
  return name.length > LOCALHOST.length && sameName(name.subarray(0, label.length), label);
}

function answer(query: Query, context: SetupContext): ReturnType<typeof replyWith> | undefined {
  const { name, type } = query;
  const found = zoneOf(name, ZONES);
  const isSearched = found === undefined && startsWithLocalhost(name);
  const zone = isSearched ? LOCALHOST : found;
  if (zone === undefined) return undefined;
  if (isSearched) {
    context.metrics.count('coredns_local_localhost_requests_total', { server: context.server });
  }
  const rdata = rdataOf(name, type, zone);
  const isAuthoritative = true;
  if (rdata === undefined) {
    // The SOA owns the name itself, so that any resolver takes it for the zone's.
    const owner = isSearched ? name : name.subarray(name.length - zone.length);
    const authority = [internetRecord(owner, RecordType.SOA, TTL_SEC, SOA)];
    return replyWith('local', query, { isAuthoritative, authority });
  }
  return replyWith('local', query, {
    isAuthoritative,
    answer: [internetRecord(name, type, TTL_SEC, rdata)],
  });
}

export const setUpLocal: Setup = (directives, context) => {
  for (const directive of directives) argumentsOf(directive).end();
  return {
    name: 'local',
    claims: claimBelow(ZONES),
    handle: async (query, next) => {
      const own = query.class === RecordClass.IN ? answer(query, context) : undefined;
      return own ?? (await next(query));
    },
  };
};
