/**
 * `acl`: who may ask what.
 *
 *     acl [ZONES...] {
 *         allow|block|filter|drop [type TYPE...|*] [net PREFIX...|*]
 *     }
 *
 * The first line that matches decides, through all the directives in file order whose zones the name
 * is in; if none does, the query is allowed. Blocked is REFUSED, filtered an empty answer, dropped
 * no reply at all.
 *
 * Spec  CoreDNS, plugin/acl; RFC 8914 4.16 and 4.18 (extended errors)
 */
import { canonicalCidr, contains, hostCidr, parseAddress } from '../../addr.js';
import type { Address, Cidr } from '../../addr.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import { failAt, shown } from '../corefile/complaint.js';
import type { Token } from '../corefile/corefile.js';
import type { Setup } from '../chain/setup.js';
import { parseType } from '../message/types.js';
import type { Query, Reply, WireName } from '../plugin.js';
import { Rcode } from '../wire/header.js';
import { ErrorCode, extendedError, writeOptions } from './edns-options.js';
import { replyWith } from './reply.js';
import { claimBelow, isInZones, readZones } from './zones.js';

const ACTIONS = ['allow', 'block', 'filter', 'drop'] as const;
type Action = (typeof ACTIONS)[number];

const COUNTERS: Readonly<Record<Action, string>> = {
  allow: 'coredns_acl_allowed_requests_total',
  block: 'coredns_acl_blocked_requests_total',
  filter: 'coredns_acl_filtered_requests_total',
  drop: 'coredns_acl_dropped_requests_total',
};

interface Policy {
  readonly action: Action;
  /** undefined: all. */
  readonly types: ReadonlySet<number> | undefined;
  readonly nets: readonly Cidr[] | undefined;
}

interface Clause {
  readonly zones: readonly WireName[];
  readonly policies: readonly Policy[];
}

function readType(token: Token): number {
  const type = parseType(token.text);
  return type ?? failAt(token, `acl: ${shown(token.text)}: expected a record type`);
}

function readNet(token: Token): Cidr {
  const { text } = token;
  if (!text.includes('/')) {
    try {
      return hostCidr(parseAddress(text));
    } catch {
      // Said below, with what else it could be.
    }
  }
  const what = 'expected an address or a prefix such as 10.0.0.0/8';
  return canonicalCidr(text) ?? failAt(token, `acl: ${shown(text)}: ${what}`);
}

/** What stands behind `type` and `net`, in either order. */
function readSections(line: Arguments): { type: Token[]; net: Token[] } {
  const sections = { type: [] as Token[], net: [] as Token[] };
  let section: Token[] | undefined;
  for (const token of line.rest()) {
    const word = token.text.toLowerCase();
    if (word === 'type' || word === 'net') {
      if (section?.length === 0) failAt(token, `acl: expected something before ${shown(word)}`);
      section = sections[word];
    } else if (section === undefined) {
      failAt(token, `acl: ${shown(token.text)}: expected type or net`);
    } else section.push(token);
  }
  if (section?.length === 0) line.fail('expected something behind it');
  return sections;
}

function readPolicy(line: Arguments): Policy {
  const action = ACTIONS.find((each) => each === line.name.toLowerCase()) ?? line.unknown();
  const { type, net } = readSections(line);
  line.end();
  const isAll = (tokens: readonly Token[]): boolean =>
    tokens.length === 0 || tokens.some(({ text }) => text === '*');
  return {
    action,
    types: isAll(type) ? undefined : new Set(type.map(readType)),
    nets: isAll(net) ? undefined : net.map(readNet),
  };
}

function matches({ types, nets }: Policy, type: number, address: Address): boolean {
  if (types !== undefined && !types.has(type)) return false;
  return nets?.some((net) => contains(net, address)) ?? true;
}

function decide(clauses: readonly Clause[], { name, type, client }: Query): Action {
  for (const { zones, policies } of clauses) {
    if (!isInZones(name, zones)) continue;
    const policy = policies.find((each) => matches(each, type, client.address));
    if (policy !== undefined) return policy.action;
  }
  return 'allow';
}

function refuse(query: Query, action: Exclude<Action, 'allow'>): Reply {
  if (action === 'drop') return { message: new Uint8Array(), plugin: 'acl' };
  const isBlocked = action === 'block';
  return replyWith('acl', query, {
    rcode: isBlocked ? Rcode.REFUSED : Rcode.NOERROR,
    options: writeOptions([extendedError(isBlocked ? ErrorCode.BLOCKED : ErrorCode.FILTERED)]),
  });
}

export const setUpAcl: Setup = (directives, { zones: blockZones, metrics, server }) => {
  const clauses = directives.map((directive): Clause => {
    const args = argumentsOf(directive);
    const zones = readZones(args, blockZones);
    const policies = args.lines().map(readPolicy);
    args.end();
    return { zones, policies };
  });
  return {
    name: 'acl',
    claims: claimBelow(clauses.flatMap(({ zones }) => zones)),
    handle: async (query, next) => {
      const action = decide(clauses, query);
      metrics.count(COUNTERS[action], { server });
      return action === 'allow' ? next(query) : refuse(query, action);
    },
  };
};
