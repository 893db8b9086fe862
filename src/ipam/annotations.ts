/**
 * What a pod's annotations say about its addresses. Those of Calico count, and so do twins of our
 * own name, which win on the same object:
 *
 *   cni.projectcalico.org/ipv4pools   '["pool-a", "10.1.0.0/16"]'   pod, else namespace
 *   cni.projectcalico.org/ipv6pools   the same
 *   cni.projectcalico.org/ipAddrs     '["10.1.2.3", "fd00::3"]'     pod; one a family
 *   cni.projectcalico.org/hwAddr      '02:53:00:00:00:01'           pod
 *
 * An address or a MAC can serve one pod only, so a namespace's are not looked at, as in Calico.
 */
import { formatAddress, formatCidr, parseAddress, parseCidr, parseMac } from '../addr.js';
import type { Address, Family } from '../addr.js';
import { messageOf } from '../errors.js';

export type Annotations = Readonly<Record<string, string>>;

export interface AddressWishes {
  /** Names or CIDRs of pools, as an address request takes them. */
  readonly pools: readonly string[];
  readonly requested: readonly Address[];
  /** undefined: any. */
  readonly mac: Uint8Array | undefined;
}

/** In the order they win. */
const PREFIXES = ['sluice.dev', 'cni.projectcalico.org'] as const;
/** The bit of a MAC's first octet that says it is a group's. */
const MAC_GROUP = 0x01;

interface Found {
  readonly key: string;
  readonly text: string;
}

function find(annotations: Annotations, name: string): Found | undefined {
  for (const prefix of PREFIXES) {
    const key = `${prefix}/${name}`;
    const text = annotations[key];
    if (text !== undefined) return { key, text };
  }
  return undefined;
}

function readList({ key, text }: Found): string[] {
  const expected = `${key}: ${JSON.stringify(text)}: expected a JSON list of texts such as ["10.1.0.0/16"]`;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new Error(expected, { cause });
  }
  if (Array.isArray(list) && list.every((item): item is string => typeof item === 'string')) {
    return list;
  }
  throw new Error(expected);
}

/** A pool by name, or by a prefix of the right family. */
function readPool(text: string, family: Family, key: string): string {
  if (!text.includes('/')) return text;
  const cidr = parseCidr(text);
  if (cidr.family === family) return formatCidr(cidr);
  throw new Error(`${key}: ${text} is not of IPv${family}`);
}

function readPools(pod: Annotations, namespace: Annotations, family: Family): string[] {
  const name = `ipv${family}pools`;
  const found = find(pod, name) ?? find(namespace, name);
  return found ? readList(found).map((text) => readPool(text, family, found.key)) : [];
}

function readAddresses(pod: Annotations): Address[] {
  const found = find(pod, 'ipAddrs');
  if (found === undefined) return [];
  const addresses = readList(found).map(parseAddress);
  for (const family of [4, 6]) {
    const same = addresses.filter((address) => address.family === family).map(formatAddress);
    if (same.length < 2) continue;
    throw new Error(`${found.key}: ${same.join(', ')}: expected one IPv${family} address at most`);
  }
  return addresses;
}

function readMac(pod: Annotations): Uint8Array | undefined {
  const found = find(pod, 'hwAddr');
  if (found === undefined) return undefined;
  const mac = parseMac(found.text);
  const [first = 0] = mac;
  if ((first & MAC_GROUP) === 0 && mac.some((octet) => octet !== 0)) return mac;
  throw new Error(`${found.key}: ${found.text}: expected the MAC address of one interface`);
}

/** @returns what a pod wants, or what is wrong with how it says so */
export function readAnnotations(pod: Annotations, namespace: Annotations): AddressWishes | string {
  try {
    const pools = [...readPools(pod, namespace, 4), ...readPools(pod, namespace, 6)];
    return { pools, requested: readAddresses(pod), mac: readMac(pod) };
  } catch (cause) {
    return messageOf(cause);
  }
}
