/**
 * Results of one version as another (pkg/types/{020,040,100} of libcni). Written apart from the
 * plugin's own conversion, which it judges.
 */
import type { Json } from './config.js';
import { compareVersions } from './config.js';

const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

const isOld = (version: string): boolean => compareVersions(version, '0.3.0') < 0;

function familyOf(address: string): '4' | '6' {
  return address.includes(':') ? '6' : '4';
}

function drop(object: Json, ...keys: string[]): Json {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

/** 0.1.0 and 0.2.0: an address a family, and routes under it. */
function upFromOld(result: Json): Json {
  const parts = (['ip4', 'ip6'] as const).flatMap((key) => {
    const part = result[key] as Json | undefined;
    return part === undefined ? [] : [part];
  });
  return {
    ips: parts.map(({ ip, gateway }) => ({
      address: ip,
      ...(gateway === undefined ? {} : { gateway }),
    })),
    routes: parts.flatMap(({ routes }) => (routes ?? []) as Json[]),
    dns: result['dns'],
  };
}

function downToOld(result: Json): Json {
  const ips = (result['ips'] ?? []) as Json[];
  const routes = (result['routes'] ?? []) as Json[];
  const part = (family: '4' | '6'): Json | undefined => {
    const first = ips.find(({ address }) => familyOf(String(address)) === family);
    if (first === undefined) return undefined;
    const own = routes.filter(({ dst }) => familyOf(String(dst)) === family);
    return { ip: first['address'], gateway: first['gateway'], routes: own };
  };
  const [ip4, ip6] = [part('4'), part('6')];
  if (ip4 === undefined && ip6 === undefined)
    throw new Error('cannot convert: no valid IP addresses');
  return { ...(ip4 && { ip4 }), ...(ip6 && { ip6 }), dns: result['dns'] };
}

function downToMiddle(result: Json): Json {
  const ips = (result['ips'] ?? []) as Json[];
  const interfaces = result['interfaces'] as Json[] | undefined;
  return {
    ...result,
    ...(interfaces && {
      interfaces: interfaces.map((one) => drop(one, 'mtu', 'socketPath', 'pciID')),
    }),
    ips: ips.map((ip) => ({ version: familyOf(String(ip['address'])), ...ip })),
  };
}

/** @throws Error when there is no such conversion */
export function convertResult(result: Json, version: string): Json {
  const from = (result['cniVersion'] ?? '0.1.0') as string;
  for (const one of [from, version]) {
    if (!VERSIONS.includes(one)) throw new Error(`unsupported CNI result version "${one}"`);
  }
  if (from === version) return result;
  const full = isOld(from) ? upFromOld(result) : result;
  const cniVersion = { cniVersion: version };
  if (isOld(version)) return { ...downToOld(full), ...cniVersion };
  const ips = ((full['ips'] ?? []) as Json[]).map((ip) => drop(ip, 'version'));
  const newest = { ...full, ips };
  const isMiddle = compareVersions(version, '1.0.0') < 0;
  return { ...(isMiddle ? downToMiddle(newest) : newest), ...cniVersion };
}
