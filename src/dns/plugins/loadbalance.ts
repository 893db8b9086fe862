/**
 * `loadbalance`: addresses and mail exchangers of a reply in another order each time.
 *
 *     loadbalance [round_robin] {
 *         prefer CIDR...
 *     }
 *
 * CNAMEs come first, then all other types as they were, then addresses of both families, then MX.
 * `prefer` puts the addresses of some prefixes in front of the others.
 *
 * Spec  CoreDNS 1.14.7, plugin/loadbalance; `weighted` is not here, nor `reload`, which is about its file
 */
import { CUT_F_SHUFFLE } from '../../../assembly/abi-dns.js';
import { canonicalCidr, contains, familyOf } from '../../addr.js';
import type { Address, Cidr } from '../../addr.js';
import type { Setup } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice, needEach } from '../corefile/values.js';
import { decodeMessage } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import { RECORD_SECTIONS } from '../message/message.js';
import type { ResourceRecord } from '../message/message.js';
import { Rcode, RecordType } from '../wire/header.js';

const POLICIES = ['round_robin'] as const;
const TRANSFERS: ReadonlySet<number> = new Set([RecordType.AXFR, RecordType.IXFR]);
const ADDR4_SIZE = 4;
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** A shuffled copy (Fisher and Yates). */
function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const copy = [...items];
  for (let left = copy.length; left > 1; left--) {
    const at = Math.floor(random() * left);
    const last = left - 1;
    [copy[last], copy[at]] = [copy[at] as Item, copy[last] as Item];
  }
  return copy;
}

const isAddress = ({ type }: ResourceRecord): boolean =>
  type === RecordType.A || type === RecordType.AAAA;

function addressOf({ rdata }: ResourceRecord): Address {
  const bytes = rdata.length === ADDR4_SIZE ? Uint8Array.of(...MAPPED_PREFIX, ...rdata) : rdata;
  return { family: familyOf(bytes), bytes };
}

/** A section in its new order; the records themselves are shared. */
export function balance(
  records: readonly ResourceRecord[],
  random: () => number,
  preferred: readonly Cidr[] = [],
): ResourceRecord[] {
  const cnames = records.filter(({ type }) => type === RecordType.CNAME);
  const exchangers = records.filter(({ type }) => type === RecordType.MX);
  const addresses = shuffled(records.filter(isAddress), random);
  const isPreferred = (record: ResourceRecord): boolean =>
    preferred.some((prefix) => contains(prefix, addressOf(record)));
  const moved = new Set([...cnames, ...exchangers, ...addresses]);
  return [
    ...cnames,
    ...records.filter((record) => !moved.has(record)),
    ...(preferred.length === 0
      ? addresses
      : [...addresses.filter(isPreferred), ...addresses.filter((each) => !isPreferred(each))]),
    ...shuffled(exchangers, random),
  ];
}

function balanceMessage(
  bytes: Uint8Array,
  random: () => number,
  preferred: readonly Cidr[],
): Uint8Array {
  const message = decodeMessage(bytes);
  if (message?.rcode !== Rcode.NOERROR) return bytes;
  const isSingle = RECORD_SECTIONS.every((section) => message[section].length < 2);
  if (isSingle) return bytes;
  return encodeMessage({
    ...message,
    answer: balance(message.answer, random, preferred),
    authority: balance(message.authority, random, preferred),
    additional: balance(message.additional, random, preferred),
  });
}

function needPrefix(args: Arguments): Cidr {
  const expected = 'a prefix such as 10.0.0.0/8';
  return canonicalCidr(args.need(expected)) ?? args.fail(`expected ${expected}`);
}

function readPreferred(directive: Directive): Cidr[] {
  const args = argumentsOf(directive);
  if (args.left > 0) needChoice(args, POLICIES);
  const preferred = args.lines().flatMap((line) => {
    if (line.name !== 'prefer') line.unknown();
    const prefixes = needEach(line, needPrefix);
    line.end();
    return prefixes;
  });
  args.end();
  return preferred;
}

export const setUpLoadbalance: Setup = (directives, { random }) => {
  const preferred = directives.flatMap(readPreferred);
  return {
    name: 'loadbalance',
    // The core shuffles; it does not know who is preferred.
    claims: preferred.length === 0 ? { kind: 'none' } : { kind: 'all' },
    core: { flags: CUT_F_SHUFFLE },
    handle: async (query, next) => {
      const reply = await next(query);
      if (TRANSFERS.has(query.type)) return reply;
      return { ...reply, message: balanceMessage(reply.message, random, preferred) };
    },
  };
};
