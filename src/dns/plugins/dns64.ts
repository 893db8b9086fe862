/**
 * `dns64`: IPv6 addresses made from IPv4 ones, for clients behind a NAT64.
 *
 *     dns64 [PREFIX] {
 *         prefix PREFIX
 *         translate_all
 *         allow_ipv4
 *     }
 *
 * Spec  RFC 6147 5.1; RFC 6052 2.2 (how an address is embedded); CoreDNS, plugin/dns64
 */
import { canonicalCidr } from '../../addr.js';
import type { Cidr } from '../../addr.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import type { Setup } from '../chain/setup.js';
import { decodeMessage } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import type { DnsMessage } from '../message/message.js';
import type { Query, Reply } from '../plugin.js';
import { Rcode, RecordClass, RecordType } from '../wire/header.js';
import { changeQuery } from './reply.js';

const DEFAULT_PREFIX = '64:ff9b::/96';
/** RFC 6052 2.2. */
const PREFIX_LENGTHS: readonly number[] = [32, 40, 48, 56, 64, 96];
/** Bits 64 to 71 are 0 in all of them. */
const RESERVED_OCTET = 8;
const ADDR6_SIZE = 16;
/** When no SOA says how long there is no IPv6 address (RFC 6147 5.1.7). */
const UNKNOWN_TTL_SEC = 600;

function readPrefix(args: Arguments): Cidr {
  const expected = 'an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits';
  const cidr = canonicalCidr(args.need(expected));
  if (cidr?.family !== 6 || !PREFIX_LENGTHS.includes(cidr.prefixLen)) {
    return args.fail(`expected ${expected}`);
  }
  if (cidr.bytes[RESERVED_OCTET] !== 0) return args.fail('expected bits 64 to 71 to be 0');
  return cidr;
}

/** An IPv4 address behind a prefix, around the reserved octet. */
export function embed(prefix: Cidr, address: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ADDR6_SIZE);
  let at = prefix.prefixLen / 8;
  bytes.set(prefix.bytes.subarray(0, at));
  for (const octet of address) {
    if (at === RESERVED_OCTET) at++;
    bytes[at++] = octet;
  }
  return bytes;
}

function soaTtl({ authority }: DnsMessage): number {
  return authority.find(({ type }) => type === RecordType.SOA)?.ttl ?? UNKNOWN_TTL_SEC;
}

/** Whether the reply about IPv6 says that there is no address of that kind. */
function isLacking({ rcode, answer }: DnsMessage, isAllTranslated: boolean): boolean {
  if (rcode === Rcode.NXDOMAIN) return false;
  return isAllTranslated || !answer.some(({ type }) => type === RecordType.AAAA);
}

function synthesize(asked: DnsMessage, found: DnsMessage, prefix: Cidr): DnsMessage {
  const ttlMax = soaTtl(asked);
  const answer = found.answer.map((record) => {
    if (record.type !== RecordType.A) return record;
    const ttl = Math.min(record.ttl, ttlMax);
    return { ...record, type: RecordType.AAAA, ttl, rdata: embed(prefix, record.rdata) };
  });
  return { ...found, question: asked.question, answer };
}

export const setUpDns64: Setup = (directives, { metrics, server }) => {
  let prefix = canonicalCidr(DEFAULT_PREFIX);
  let isAllTranslated = false;
  let isIpv4Allowed = false;
  for (const directive of directives) {
    const args = argumentsOf(directive);
    if (args.left > 0) prefix = readPrefix(args);
    for (const line of args.lines()) {
      if (line.name === 'prefix') prefix = readPrefix(line);
      else if (line.name === 'translate_all') isAllTranslated = true;
      else if (line.name === 'allow_ipv4') isIpv4Allowed = true;
      else line.unknown();
      line.end();
    }
    args.end();
  }
  const isOurs = ({ type, class: queryClass, client }: Query): boolean =>
    type === RecordType.AAAA &&
    queryClass === RecordClass.IN &&
    (isIpv4Allowed || client.address.family === 6);

  return {
    name: 'dns64',
    claims: { kind: 'all' },
    handle: async (query, next) => {
      const reply = await next(query);
      const asked = isOurs(query) ? decodeMessage(reply.message) : undefined;
      if (asked === undefined || prefix === undefined || !isLacking(asked, isAllTranslated)) {
        return reply;
      }
      const second: Reply = await next(changeQuery(query, { type: RecordType.A }));
      const found = decodeMessage(second.message);
      if (found === undefined) return reply;
      metrics.count('coredns_dns64_requests_translated_total', { server });
      return { ...second, message: encodeMessage(synthesize(asked, found, prefix)) };
    },
  };
};
