/**
 * Results: what an ADD made. Inside they have the shape of CNI 1.1.0 whatever version was spoken;
 * decode-result.ts brings them there, `convertTo` takes them away again.
 *
 *   0.1, 0.2       { ip4: { ip, gateway, routes }, ip6, dns }: one address a family, no interfaces
 *   0.3.x, 0.4.0   { interfaces, ips: [{ version: "4", ... }], routes, dns }
 *   1.0.0          no `version` beside an address
 *   1.1.0          mtu, socketPath and pciID of interfaces; mtu, advmss, priority, table, scope of routes
 *
 * Spec  CNI 1.1.0, ADD Success; the rules of conversion are libcni's
 */
import { parseAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { CNI_CODE, CniError } from './errors.js';
import type { JsonObject } from './field.js';
import { isAtLeast } from './version.js';
import type { CniVersion } from './version-list.js';

export interface ResultInterface {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  /** Path of the network namespace; absent for an interface of the host. */
  readonly sandbox?: string;
  readonly socketPath?: string;
  readonly pciID?: string;
}

export interface ResultIp {
  /** `address/length`. */
  readonly address: string;
  readonly gateway?: string;
  /** Place in `interfaces`. */
  readonly interface?: number;
}

export interface ResultRoute {
  readonly dst: string;
  readonly gw?: string;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
}

export interface Dns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

export interface CniResult {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

export interface AddressWithLength {
  readonly address: Address;
  readonly prefixLen: number;
}

/** Read `10.1.2.3/24`; bits behind the length are the address's. @throws DataplaneError, RangeError */
export function parseAddressWithLength(text: string): AddressWithLength {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = parseAddress(match?.[1] ?? text);
  const prefixLen = match ? Number(match[2]) : NaN;
  if (prefixLen <= (address.family === 4 ? 32 : 128)) return { address, prefixLen };
  throw new RangeError(`${text}: expected an address and a length`);
}

/** The address of an entry, without its length. */
export function bareAddress({ address }: ResultIp): Address {
  return parseAddressWithLength(address).address;
}

/** Of an address or a network in text. */
export function familyOf(prefix: string): 4 | 6 {
  return prefix.includes(':') ? 6 : 4;
}

/** A list that is left out when nothing is in it, as Go does. */
function listed(name: string, list: readonly unknown[]): JsonObject {
  return list.length > 0 ? { [name]: list } : {};
}

function toFamilyConfig(family: 4 | 6, result: CniResult): JsonObject {
  const ip = result.ips.find(({ address }) => familyOf(address) === family);
  if (ip === undefined) return {};
  const routes = result.routes
    .filter(({ dst }) => familyOf(dst) === family)
    .map(({ dst, gw }) => ({ dst, ...(gw === undefined ? {} : { gw }) }));
  const gateway = ip.gateway === undefined ? {} : { gateway: ip.gateway };
  return { [`ip${family}`]: { ip: ip.address, ...gateway, ...listed('routes', routes) } };
}

function toFamilies(result: CniResult, cniVersion: CniVersion): JsonObject {
  const families = { ...toFamilyConfig(4, result), ...toFamilyConfig(6, result) };
  if (Object.keys(families).length > 0) return { cniVersion, ...families, dns: result.dns };
  const message = `a result without addresses cannot be written in version ${cniVersion}`;
  throw new CniError(CNI_CODE.INCOMPATIBLE_VERSION, message);
}

function withoutNews({ name, mac, sandbox }: ResultInterface): ResultInterface {
  return {
    name,
    ...(mac === undefined ? {} : { mac }),
    ...(sandbox === undefined ? {} : { sandbox }),
  };
}

/**
 * The result as a version has it. Fields of 1.1.0 stay at 1.0.0, and routes keep theirs from 0.3.0
 * on; dns is always there.
 *
 * @throws CniError 1  no address, and a version that cannot be without
 */
export function convertTo(result: CniResult, cniVersion: CniVersion): JsonObject {
  if (!isAtLeast(cniVersion, '0.3.0')) return toFamilies(result, cniVersion);
  const isOld = !isAtLeast(cniVersion, '1.0.0');
  const interfaces = isOld ? result.interfaces.map(withoutNews) : result.interfaces;
  const ips = isOld
    ? result.ips.map((ip) => ({ version: String(familyOf(ip.address)), ...ip }))
    : result.ips;
  return {
    cniVersion,
    ...listed('interfaces', interfaces),
    ...listed('ips', ips),
    ...listed('routes', result.routes),
    dns: result.dns,
  };
}

/** What the plugin's own configuration says about DNS wins over its IPAM's, even empty lists. */
export function chooseDns(configured: Dns | undefined, ipam: Dns): Dns {
  return configured ?? ipam;
}

/**
 * A result with what plugins before have made behind it. What is first counts: versions before 0.3.0
 * have one address a family.
 */
export function behind(own: CniResult, prev: CniResult): CniResult {
  const moved = prev.ips.map((ip) =>
    ip.interface === undefined ? ip : { ...ip, interface: ip.interface + own.interfaces.length },
  );
  return {
    interfaces: [...own.interfaces, ...prev.interfaces],
    ips: [...own.ips, ...moved],
    routes: [...own.routes, ...prev.routes],
    dns: Object.keys(own.dns).length > 0 ? own.dns : prev.dns,
  };
}

/**
 * The interface an address is on; undefined when the result names no interfaces at all.
 *
 * @throws CniError 6  the index is missing or leads nowhere
 */
export function interfaceOf(result: CniResult, ip: ResultIp): ResultInterface | undefined {
  if (result.interfaces.length === 0 && ip.interface === undefined) return undefined;
  const found = ip.interface === undefined ? undefined : result.interfaces[ip.interface];
  if (found !== undefined) return found;
  const index = ip.interface === undefined ? '(missing)' : String(ip.interface);
  const range = `expected an index into ${result.interfaces.length} interfaces`;
  throw new CniError(CNI_CODE.DECODE, `ips: ${ip.address}: interface: ${index}: ${range}`);
}

/**
 * Addresses of an interface in a sandbox. Where the result names no interfaces (before 0.3.0) they
 * are all its.
 *
 * @throws CniError 6  an address with an index that is missing or leads nowhere
 */
export function addressesOf(result: CniResult, ifname: string): ResultIp[] {
  return result.ips.filter((ip) => {
    const found = interfaceOf(result, ip);
    return found === undefined || (found.name === ifname && found.sandbox !== undefined);
  });
}
