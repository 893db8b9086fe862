/**
 * Which addresses of this node serve node ports.
 *
 * Spec  kube-proxy, pkg/proxy/util/nodeport_addresses.go, in its nftables reading; KEP-6032
 */
import { contains, formatAddress, parseAddress, parseCidr } from '../addr.js';
import type { Address, Cidr, Family } from '../addr.js';
import { byText } from '../model/keys.js';

/** One entry of `nodePortAddresses`: a prefix, or a keyword. */
export const NODE_PORT_KEYWORDS = ['primary', 'localhost', 'all'] as const;
export type NodePortKeyword = (typeof NODE_PORT_KEYWORDS)[number];
export type NodePortEntry = NodePortKeyword | Cidr;

const LOCALHOST = parseAddress('127.0.0.1');
/** What host processes reach by `localhost`; of IPv6 there is no such thing (::1 is not routed). */
export const LOOPBACK = parseCidr('127.0.0.0/8');
const LOOPBACK_OR_LINK_LOCAL = [LOOPBACK, parseCidr('::1/128'), parseCidr('fe80::/10')];

/** Addresses that mean the same wherever they are used: neither loopback nor an IPv6 link's own. */
export function isGlobal(address: Address): boolean {
  return !LOOPBACK_OR_LINK_LOCAL.some((cidr) => contains(cidr, address));
}

function concerns(entry: NodePortEntry, family: Family): boolean {
  if (entry === 'localhost') return family === 4;
  return typeof entry === 'string' || entry.family === family;
}

/** Addresses of the node: its own by name, and all that its interfaces have. */
export interface NodeAddresses {
  /** The preferred one of each family first. */
  readonly own: readonly Address[];
  readonly local: readonly Address[];
}

function selected(
  entry: NodePortEntry,
  family: Family,
  { own, local }: NodeAddresses,
): readonly Address[] {
  const primary = own.find((address) => address.family === family);
  if (entry === 'localhost') return [LOCALHOST];
  if (entry === 'primary') return primary ? [primary] : [];
  const all = [...own, ...local].filter((a) => a.family === family && isGlobal(a));
  return entry === 'all' ? all : all.filter((address) => contains(entry, address));
}

/**
 * A family that no entry concerns has its primary address only. Loopback is there by `localhost`
 * only, whatever the prefixes say.
 *
 * @returns each address once, in the order of their texts
 */
export function selectNodePorts(
  entries: readonly NodePortEntry[],
  addresses: NodeAddresses,
): Address[] {
  const found = new Map<string, Address>();
  for (const family of [4, 6] as const) {
    const own = entries.filter((entry) => concerns(entry, family));
    for (const entry of own.length > 0 ? own : (['primary'] as const)) {
      for (const a of selected(entry, family, addresses)) found.set(formatAddress(a), a);
    }
  }
  return [...found].sort(([a], [b]) => byText(a, b)).map(([, address]) => address);
}
