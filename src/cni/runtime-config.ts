/**
 * What a runtime passes for one attachment: `runtimeConfig`, by capability, and `args.cni`, its
 * predecessor.
 *
 * Spec  CNI CONVENTIONS.md; k8s.io/cri-api for the annotations
 */
import { parseAddress, parseCidr, parseMac, sameBytes } from '../addr.js';
import type { Address } from '../addr.js';
import type { AddressRange } from '../ipam/ipam.js';
import { poolComplaint } from '../pool-prefix.js';
import { CNI_CODE } from './errors.js';
import {
  elements,
  isAbsent,
  member,
  objectOf,
  parsedText,
  refuse,
  requiredText,
  someText,
  texts,
  wholeNumber,
} from './field.js';
import type { Field } from './field.js';
import { parseAddressWithLength } from './result.js';
import type { Dns } from './result.js';

export const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: Protocol;
  /** The only address of the host it counts for; undefined or unspecified: all. */
  readonly hostIP: Address | undefined;
}

/** Bits a second, and bits at once. A direction that is undefined has no limit. */
export interface Rate {
  readonly rate: number;
  readonly burst: number;
}

export interface Bandwidth {
  /** To the pod. */
  readonly ingress: Rate | undefined;
  /** From the pod. */
  readonly egress: Rate | undefined;
}

export interface RuntimeConfig {
  readonly portMappings: readonly PortMapping[];
  readonly bandwidth: Bandwidth;
  readonly ips: readonly Address[];
  readonly mac: Uint8Array | undefined;
  readonly ipRanges: readonly (readonly AddressRange[])[];
  /** What the pod's resolver asks; the runtime writes that file itself on Linux. */
  readonly dns: Dns | undefined;
  readonly podAnnotations: ReadonlyMap<string, string>;
}

/** What a plugin has to declare so that a runtime sends it all of the above. */
export const CAPABILITIES = [
  'portMappings',
  'bandwidth',
  'ipRanges',
  'ips',
  'mac',
  'dns',
  'io.kubernetes.cri.pod-annotations',
] as const;

const PORT_MAX = 65_535;
const LOCALHOST_IPV6 = parseAddress('::1');
/** A rate in bits may be a petabit; beyond 2^53 numbers are not whole any more. */
const RATE_MAX = Number.MAX_SAFE_INTEGER;
/** The kernel counts a burst in bytes, 32 bits (linux/pkt_sched.h). */
const BURST_MAX = (2 ** 32 - 1) * 8;

/** An address; a length behind it says nothing about who may have it. */
function parseWanted(text: string): Address {
  return text.includes('/') ? parseAddressWithLength(text).address : parseAddress(text);
}

export function readAddress(field: Field): Address {
  return parsedText(field, parseWanted, 'expected an IP address');
}

/** An interface's own address: of no group, and not zero. */
function parseOwnMac(text: string): Uint8Array {
  const mac = parseMac(text);
  if (((mac[0] ?? 0) & 1) !== 0 || mac.every((octet) => octet === 0)) {
    throw new RangeError('no unicast address');
  }
  return mac;
}

export function readMac(field: Field): Uint8Array | undefined {
  if (someText(field) === undefined) return undefined;
  return parsedText(field, parseOwnMac, 'expected a unicast MAC address, 02:53:00:00:00:01');
}

/** @returns undefined for all addresses of the host, when none is named */
function readHostIp(field: Field): Address | undefined {
  if (someText(field) === undefined) return undefined;
  const address = readAddress(field);
  // The kernel has no route_localnet for IPv6 (Documentation/networking/ip-sysctl.rst).
  if (sameBytes(address.bytes, LOCALHOST_IPV6.bytes)) {
    refuse(field, 'expected another address: the kernel leads nothing from ::1 to a pod');
  }
  return address;
}

/** @returns undefined for an entry without a host port: runtimes send them, they ask for nothing */
function readPortMapping(field: Field): PortMapping | undefined {
  const hostPort = wholeNumber(member(field, 'hostPort'), -PORT_MAX, PORT_MAX) ?? 0;
  if (hostPort <= 0) return undefined;
  const containerPort = member(field, 'containerPort');
  const protocol = member(field, 'protocol');
  const name = (someText(protocol) ?? 'tcp').toLowerCase();
  return {
    hostPort,
    containerPort:
      wholeNumber(containerPort, 1, PORT_MAX) ??
      refuse(containerPort, `expected a whole number from 1 to ${PORT_MAX}`),
    protocol:
      PROTOCOLS.find((known) => known === name) ??
      refuse(protocol, `expected one of ${PROTOCOLS.join(', ')}`, CNI_CODE.UNSUPPORTED_FIELD),
    hostIP: readHostIp(member(field, 'hostIP')),
  };
}

function readRate(field: Field, direction: 'ingress' | 'egress'): Rate | undefined {
  const rateField = member(field, `${direction}Rate`);
  const burstField = member(field, `${direction}Burst`);
  const rate = wholeNumber(rateField, 0, RATE_MAX) ?? 0;
  const burst = wholeNumber(burstField, 0, BURST_MAX) ?? 0;
  if (rate === 0 && burst === 0) return undefined;
  if (rate === 0) return refuse(rateField, `expected a rate with ${direction}Burst`);
  if (burst === 0) return refuse(burstField, `expected a burst with ${direction}Rate`);
  return { rate, burst };
}

/** Limits in both directions. @throws CniError 7 */
export function readBandwidth(field: Field): Bandwidth {
  return { ingress: readRate(field, 'ingress'), egress: readRate(field, 'egress') };
}

function readRange(field: Field): AddressRange {
  const subnet = requiredText(member(field, 'subnet'));
  const cidr = parsedText(
    member(field, 'subnet'),
    parseCidr,
    'expected a prefix without host bits',
  );
  const complaint = poolComplaint(cidr);
  if (complaint !== undefined) refuse(member(field, 'subnet'), complaint);
  const range: { subnet: string; rangeStart?: string; rangeEnd?: string; gateway?: string } = {
    subnet,
  };
  for (const name of ['rangeStart', 'rangeEnd', 'gateway'] as const) {
    const found = member(field, name);
    const text = someText(found);
    if (text === undefined) continue;
    parsedText(found, parseAddress, 'expected an IP address');
    range[name] = text;
  }
  return range;
}

function readPodDns(field: Field): Dns | undefined {
  if (isAbsent(field)) return undefined;
  return {
    nameservers: texts(member(field, 'servers')),
    search: texts(member(field, 'searches')),
    options: texts(member(field, 'options')),
  };
}

function readAnnotations(field: Field): ReadonlyMap<string, string> {
  const entries = Object.entries(objectOf(field)).map(([name, value]): [string, string] =>
    typeof value === 'string'
      ? [name, value]
      : refuse({ key: `${field.key}.${name}`, value }, 'expected a string'),
  );
  return new Map(entries);
}

/** @throws CniError 2 a protocol that is not spoken; 7 */
export function readRuntimeConfig(field: Field): RuntimeConfig {
  return {
    portMappings: elements(member(field, 'portMappings')).flatMap(
      (mapping) => readPortMapping(mapping) ?? [],
    ),
    bandwidth: readBandwidth(member(field, 'bandwidth')),
    ips: elements(member(field, 'ips')).map(readAddress),
    mac: readMac(member(field, 'mac')),
    ipRanges: elements(member(field, 'ipRanges')).map((set) => elements(set).map(readRange)),
    dns: readPodDns(member(field, 'dns')),
    podAnnotations: readAnnotations(member(field, 'io.kubernetes.cri.pod-annotations')),
  };
}

export interface ArgsCni {
  readonly ips: readonly Address[];
  readonly mac: Uint8Array | undefined;
}

/** @throws CniError 7 */
export function readArgsCni(field: Field): ArgsCni {
  return {
    ips: elements(member(field, 'ips')).map(readAddress),
    mac: readMac(member(field, 'mac')),
  };
}
