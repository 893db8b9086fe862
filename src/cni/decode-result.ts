/**
 * Results of any version, ours or another plugin's, in the shape of 1.1.0. See result.ts.
 */
import { parseAddress } from '../addr.js';
import { CNI_CODE, CniError } from './errors.js';
import {
  elements,
  isAbsent,
  member,
  objectOf,
  optionalText,
  parsedText,
  refuse,
  requiredText,
  someText,
  texts,
  wholeNumber,
} from './field.js';
import type { Field } from './field.js';
import { parseAddressWithLength } from './result.js';
import type { CniResult, Dns, ResultInterface, ResultIp, ResultRoute } from './result.js';
import { isAtLeast, readVersion } from './version.js';
import type { CniVersion } from './version-list.js';

const U32_MAX = 2 ** 32 - 1;
const MTU_MAX = 65_536;
/** Scopes of linux/rtnetlink.h are one byte. */
const SCOPE_MAX = 255;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Members that say something; an optional one that does not is left out. */
export function present<T extends object>(members: {
  [K in keyof T]: T[K] | undefined;
}): Partial<T> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}

/** A number of which zero is the same as none. */
function someNumber(field: Field, max: number): number | undefined {
  const number = wholeNumber(field, 0, max);
  return number === 0 ? undefined : number;
}

function prefixText(field: Field): string {
  parsedText(field, parseAddressWithLength, 'expected an address with a length, 10.1.2.3/24');
  return requiredText(field);
}

function gatewayText(field: Field): string | undefined {
  if (someText(field) === undefined) return undefined;
  parsedText(field, parseAddress, 'expected an address');
  return requiredText(field);
}

function readInterface(field: Field): ResultInterface {
  return {
    name: optionalText(member(field, 'name')) ?? '',
    ...present<Omit<ResultInterface, 'name'>>({
      mac: someText(member(field, 'mac')),
      mtu: someNumber(member(field, 'mtu'), MTU_MAX),
      sandbox: someText(member(field, 'sandbox')),
      socketPath: someText(member(field, 'socketPath')),
      pciID: someText(member(field, 'pciID')),
    }),
  };
}

function readIp(field: Field): ResultIp {
  return {
    address: prefixText(member(field, 'address')),
    ...present<Omit<ResultIp, 'address'>>({
      gateway: gatewayText(member(field, 'gateway')),
      // Out of range is for whoever follows it: a result is handed on with what it says.
      interface: wholeNumber(member(field, 'interface'), -1, U32_MAX),
    }),
  };
}

function readRoute(field: Field): ResultRoute {
  return {
    dst: prefixText(member(field, 'dst')),
    ...present<Omit<ResultRoute, 'dst'>>({
      gw: gatewayText(member(field, 'gw')),
      mtu: someNumber(member(field, 'mtu'), MTU_MAX),
      advmss: someNumber(member(field, 'advmss'), MTU_MAX),
      priority: someNumber(member(field, 'priority'), U32_MAX),
      table: wholeNumber(member(field, 'table'), 0, U32_MAX),
      scope: wholeNumber(member(field, 'scope'), 0, SCOPE_MAX),
    }),
  };
}

/** Lists that are there stay there, empty or not. */
export function readDns(field: Field): Dns {
  const list = (name: string): string[] | undefined => {
    const found = member(field, name);
    return isAbsent(found) ? undefined : texts(found);
  };
  return present<Dns>({
    nameservers: list('nameservers'),
    domain: someText(member(field, 'domain')),
    search: list('search'),
    options: list('options'),
  });
}

/** Version 0.1.0 and 0.2.0: one address a family, its routes beside it. */
function readFamilies(field: Field): Omit<CniResult, 'dns' | 'interfaces'> {
  const ips: ResultIp[] = [];
  const routes: ResultRoute[] = [];
  for (const name of ['ip4', 'ip6']) {
    const family = member(field, name);
    if (isAbsent(family)) continue;
    const ip: Mutable<ResultIp> = { address: prefixText(member(family, 'ip')) };
    const gateway = gatewayText(member(family, 'gateway'));
    if (gateway !== undefined) ip.gateway = gateway;
    ips.push(ip);
    routes.push(...elements(member(family, 'routes')).map(readRoute));
  }
  return { ips, routes };
}

/**
 * Bring a result into the shape of 1.1.0.
 *
 * @param field     the result as JSON
 * @param fallback  version of a result that does not say its own: the configuration's
 * @throws CniError 1 a version that is not spoken; 6, 7 no such result
 */
export function convertFrom(field: Field, fallback: CniVersion): CniResult {
  const said = member(field, 'cniVersion');
  const version = someText(said) === undefined ? fallback : readVersion(said.value, said.key);
  const dns = readDns(member(field, 'dns'));
  if (!isAtLeast(version, '0.3.0')) return { interfaces: [], ...readFamilies(field), dns };
  return {
    interfaces: elements(member(field, 'interfaces')).map(readInterface),
    ips: elements(member(field, 'ips')).map(readIp),
    routes: elements(member(field, 'routes')).map(readRoute),
    dns,
  };
}

/** The JSON of a plugin's standard output. @throws CniError 6 */
export function decodeOutput(type: string, text: string): Field {
  try {
    const field = { key: `result of ${type}`, value: JSON.parse(text) as unknown };
    objectOf(field);
    return field;
  } catch (cause) {
    const shown = JSON.stringify(text.slice(0, 80));
    const message = `${type}: ${shown}: expected a result as JSON`;
    throw new CniError(CNI_CODE.DECODE, message, '', { cause });
  }
}

/**
 * What an address plugin gave: addresses without interfaces, at least one.
 *
 * @throws CniError 1, 6, 7
 */
export function convertFromIpam(field: Field, fallback: CniVersion): CniResult {
  const { ips, routes, dns } = convertFrom(field, fallback);
  if (ips.length === 0) return refuse(field, 'expected at least one address', CNI_CODE.DECODE);
  const bare = ips.map(({ address, gateway }) =>
    gateway === undefined ? { address } : { address, gateway },
  );
  return { interfaces: [], ips: bare, routes, dns };
}
