/** Prefixes that pods can have addresses of: what means a link, this host or a group is none. */
import { contains, formatCidr, parseAddress, parseCidr } from './addr.js';
import type { Cidr } from './addr.js';
import { DataplaneError } from './errors.js';

/** `::ffff:0:0/96`, which is no prefix of IPv6 anywhere else. */
const MAPPED: Cidr = { ...parseAddress('0.0.0.0'), family: 6, prefixLen: 96 };

/** RFC 6890, and RFC 1112 for 240.0.0.0/4. The link-local ones have the gateways of pods. */
const SPECIAL: readonly (readonly [Cidr, string])[] = [
  [parseCidr('0.0.0.0/8'), '"this network"'],
  [parseCidr('127.0.0.0/8'), 'loopback'],
  [parseCidr('169.254.0.0/16'), 'link-local'],
  [parseCidr('224.0.0.0/4'), 'multicast'],
  [parseCidr('240.0.0.0/4'), 'reserved'],
  [parseCidr('::1/128'), 'loopback'],
  [MAPPED, 'IPv4-mapped'],
  [parseCidr('fe80::/10'), 'link-local'],
  [parseCidr('ff00::/8'), 'multicast'],
];

const overlaps = (a: Cidr, b: Cidr): boolean => contains(a, b) || contains(b, a);

/** Why pods cannot have addresses of a prefix; undefined when they can. */
export function poolComplaint(cidr: Cidr): string | undefined {
  const found = SPECIAL.find(([special]) => overlaps(special, cidr));
  if (found === undefined) return undefined;
  const [special, what] = found;
  return `expected addresses for pods; those of ${formatCidr(special)} are ${what}`;
}

/** @throws DataplaneError ERR_ADDRESS  no prefix, or none for pods */
export function parsePoolCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  const complaint = poolComplaint(cidr);
  if (complaint === undefined) return cidr;
  throw new DataplaneError('ERR_ADDRESS', `${JSON.stringify(text)} cannot be used: ${complaint}`);
}
