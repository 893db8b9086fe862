/**
 * flannel's network as it lies in etcd: its configuration, the nodes' leases, and which subnet a
 * node that has none may take.
 *
 *   <prefix>/config                                 {"Network":"10.5.0.0/16", ...}
 *   <prefix>/subnets/10.5.34.0-24                   {"PublicIP":"192.0.2.7", "BackendType":"vxlan", ...}
 *   <prefix>/subnets/10.5.34.0-24&fd00:5:22::-64
 *
 * Spec: flannel-io/flannel, pkg/subnet/config.go, pkg/subnet/etcd, pkg/lease
 */
import { z } from 'zod';
import {
  canonicalAddress,
  canonicalCidr,
  contains,
  familyOf,
  formatAddress,
  formatCidr,
  parseCidr,
} from '../addr.js';
import type { Address, Cidr, Family } from '../addr.js';
import { DataplaneError } from '../errors.js';
import { FLANNEL, backendData } from '../model/vtep.js';

const SUBNET_LEN: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };
/** Free subnets that one is drawn from, so that nodes that start together seldom meet. */
const CANDIDATES = 100;

const netConfSchema = z.object({
  EnableIPv4: z.boolean().optional(),
  EnableIPv6: z.boolean().optional(),
  Network: z.string().optional(),
  SubnetLen: z.number().int().optional(),
  SubnetMin: z.string().optional(),
  SubnetMax: z.string().optional(),
  IPv6Network: z.string().optional(),
  IPv6SubnetLen: z.number().int().optional(),
  IPv6SubnetMin: z.string().optional(),
  IPv6SubnetMax: z.string().optional(),
});

/** The subnets of a family that nodes may have. */
export interface SubnetRange {
  readonly network: Cidr;
  readonly subnetLen: number;
  /** First and last subnet, as numbers of their addresses. */
  readonly min: bigint;
  readonly max: bigint;
}

function numberOf({ bytes, family }: Address): bigint {
  const hex = Buffer.from(family === 4 ? bytes.subarray(12) : bytes).toString('hex');
  return BigInt(`0x${hex}`);
}

function addressOf(family: Family, value: bigint): Address {
  const width = family === 4 ? 4 : 16;
  const raw = Buffer.from(value.toString(16).padStart(2 * width, '0'), 'hex');
  const bytes = new Uint8Array(16);
  if (family === 4) bytes.set([0xff, 0xff], 10);
  bytes.set(raw, 16 - width);
  return { family: familyOf(bytes), bytes };
}

function cidrOf(family: Family, value: bigint, length: number): Cidr {
  return parseCidr(`${formatAddress(addressOf(family, value))}/${length}`);
}

function rangeOf(
  family: Family,
  text: string,
  subnetLen: number,
  [minText, maxText]: readonly [string | undefined, string | undefined],
): SubnetRange | undefined {
  const network = canonicalCidr(text);
  const bits = family === 4 ? 32 : 128;
  if (network?.family !== family || subnetLen <= network.prefixLen || subnetLen > bits - 2) {
    return undefined;
  }
  const step = 1n << BigInt(bits - subnetLen);
  const base = numberOf(network);
  const given = (limit: string | undefined): bigint | undefined => {
    const address = limit === undefined ? undefined : canonicalAddress(limit);
    return address && numberOf(address);
  };
  // As flannel: the first subnet is left alone unless it is asked for.
  const last = base + (1n << BigInt(bits - network.prefixLen)) - step;
  return { network, subnetLen, min: given(minText) ?? base + step, max: given(maxText) ?? last };
}

/** @throws DataplaneError ERR_SOURCE  when the text is no configuration of flannel's */
export function parseNetConf(text: string): readonly SubnetRange[] {
  const bad = (why: string): never => {
    throw new DataplaneError('ERR_SOURCE', `flannel's configuration in etcd: ${why}: ${text}`);
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return bad('no JSON');
  }
  const read = netConfSchema.safeParse(json);
  if (!read.success) return bad('unexpected types');
  const conf = read.data;
  const ranges: SubnetRange[] = [];
  const add = (range: SubnetRange | undefined, key: string): void => {
    if (range === undefined) bad(`${key} is no network with room for its subnets`);
    else ranges.push(range);
  };
  if (conf.EnableIPv4 !== false && conf.Network !== undefined) {
    const limits = [conf.SubnetMin, conf.SubnetMax] as const;
    add(rangeOf(4, conf.Network, conf.SubnetLen ?? SUBNET_LEN[4], limits), 'Network');
  }
  if (conf.EnableIPv6 === true && conf.IPv6Network !== undefined) {
    const limits = [conf.IPv6SubnetMin, conf.IPv6SubnetMax] as const;
    add(rangeOf(6, conf.IPv6Network, conf.IPv6SubnetLen ?? SUBNET_LEN[6], limits), 'IPv6Network');
  }
  return ranges.length > 0 ? ranges : bad('no network');
}

/** The part of a key behind `subnets/`. */
export function leaseName(subnets: readonly Cidr[]): string {
  return subnets.map((cidr) => formatCidr(cidr).replace('/', '-')).join('&');
}

/** @returns undefined when it is no lease's */
export function parseLeaseName(name: string): readonly Cidr[] | undefined {
  const subnets = name.split('&').map((part) => canonicalCidr(part.replace(/-(\d+)$/, '/$1')));
  return subnets.every((cidr) => cidr !== undefined) ? subnets : undefined;
}

const backendSchema = z.object({ VNI: z.number(), VtepMAC: z.string() }).nullish();
const attrsSchema = z.object({
  PublicIP: z.string().nullish(),
  PublicIPv6: z.string().nullish(),
  BackendType: z.string().nullish(),
  BackendData: backendSchema.catch(undefined),
  BackendV6Data: backendSchema.catch(undefined),
});

/** What a node has put into its lease. */
export type LeaseAttrs = z.output<typeof attrsSchema>;

/** @returns undefined when the text says nothing that could be used */
export function parseLease(text: string): LeaseAttrs | undefined {
  try {
    const read = attrsSchema.safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    // No JSON: somebody else's.
    return undefined;
  }
}

/** A node's lease as flannel writes it. */
export function leaseText(addresses: readonly Address[], vni: number, mac: Uint8Array): string {
  const textOf = (family: Family): string | null => {
    const found = addresses.find((address) => address.family === family);
    return found ? formatAddress(found) : null;
  };
  const data = JSON.parse(backendData(vni, mac)) as object;
  const [ipv4, ipv6] = [textOf(4), textOf(6)];
  return JSON.stringify({
    PublicIP: ipv4 ?? '0.0.0.0',
    PublicIPv6: ipv6,
    BackendType: 'vxlan',
    BackendData: ipv4 === null ? null : data,
    BackendV6Data: ipv6 === null ? null : data,
  });
}

/** A lease as the Node object that a cluster would have. */
export function nodeOf(name: string, subnets: readonly Cidr[], attrs: LeaseAttrs) {
  const addresses = [attrs.PublicIP, attrs.PublicIPv6].filter(
    (text): text is string => text != null && text !== '' && text !== '0.0.0.0',
  );
  const put = (key: string, value: object | string | null | undefined): Record<string, string> =>
    value == null ? {} : { [key]: typeof value === 'string' ? value : JSON.stringify(value) };
  return {
    metadata: {
      name,
      annotations: {
        ...put(FLANNEL.BACKEND_TYPE, attrs.BackendType),
        ...put(FLANNEL.BACKEND_DATA, attrs.BackendData),
        ...put(FLANNEL.BACKEND_V6_DATA, attrs.BackendV6Data),
      },
    },
    spec: { podCIDRs: subnets.map(formatCidr) },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

/**
 * A free subnet, one of the first hundred.
 *
 * @param random  uniform in 0 to 1
 * @returns       undefined when there is none
 */
export function pickSubnet(
  { network, subnetLen, min, max }: SubnetRange,
  taken: readonly Cidr[],
  random: () => number,
): Cidr | undefined {
  const { family } = network;
  const step = 1n << BigInt((family === 4 ? 32 : 128) - subnetLen);
  const used = new Set(taken.filter((cidr) => cidr.family === family).map(numberOf));
  const free: bigint[] = [];
  for (let at = min; at <= max && free.length < CANDIDATES; at += step) {
    if (!used.has(at)) free.push(at);
  }
  const drawn = free[Math.floor(random() * free.length)];
  return drawn === undefined ? undefined : cidrOf(family, drawn, subnetLen);
}

/** Whether a subnet that was had before may be had again. */
export function mayKeep({ network, subnetLen, min, max }: SubnetRange, subnet: Cidr): boolean {
  const at = numberOf(subnet);
  return (
    subnet.family === network.family &&
    subnet.prefixLen === subnetLen &&
    contains(network, subnet) &&
    at >= min &&
    at <= max
  );
}
