/**
 * Which records a cluster has, straight from spec/dns.md section 1 (Kubernetes DNS-Based Service
 * Discovery 1.1.0, and CoreDNS where that leaves room). It shares no code with src/compile/dns: names
 * are text here, and what a name has is looked for when it is asked.
 */
import type { Cluster, Endpoint, Port, Service } from './cluster.js';

export interface ModelRecord {
  readonly type: 'A' | 'AAAA' | 'SRV' | 'PTR' | 'CNAME' | 'TXT';
  readonly ttl: number;
  readonly data: string;
  /** Addresses that go with an SRV record. */
  readonly glue?: readonly string[];
}

export interface Model {
  readonly cluster: Cluster;
  /** Apexes: names without their final dot, in lower case, as all names here. */
  readonly zones: readonly string[];
  /** Every name that exists and is not computed; those without records exist as well. */
  readonly names: ReadonlyMap<string, readonly ModelRecord[]>;
  /** Of `names`, those of Services of type ExternalName. */
  readonly externals: ReadonlySet<string>;
}

const VERSION_TTL = 28_800;
const NO_PORT = -1;

export const isIPv6 = (address: string): boolean => address.includes(':');

/** RFC 5952 text, by the URL parser of the platform. */
export function canonical(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address;
}

/** 1.1: dashed IP; what would end in a dash has a 0 behind. */
export function dashed(address: string): string {
  const text = canonical(address).replaceAll(/[.:]/g, '-');
  return text.endsWith('-') ? `${text}0` : text;
}

/** R4, R8: `in-addr.arpa` or 32 nibbles below `ip6.arpa`. */
export function reverseName(address: string): string {
  if (!isIPv6(address)) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const [head = '', tail = ''] = canonical(address).split('::');
  const groups = (text: string): string[] => text.split(':').filter((group) => group !== '');
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  const nibbles = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('');
  return `${Array.from(nibbles).reverse().join('.')}.ip6.arpa`;
}

/** One (address, port) that is found; `host` is empty for the Service itself. */
interface Entry {
  readonly host: string;
  readonly address: string;
  readonly port: Port | undefined;
}

const hostOf = ({ hostname }: Endpoint, address: string): string => hostname ?? dashed(address);

/** Ready is true or not told. */
function endpointEntries({ slices }: Service): Entry[] {
  return slices.flatMap(({ ports, endpoints }) =>
    endpoints
      .filter(({ ready }) => ready !== false)
      .flatMap((endpoint) =>
        endpoint.addresses.flatMap((address) =>
          (ports.length === 0 ? [undefined] : ports).map((port) => ({
            host: hostOf(endpoint, address),
            address,
            port,
          })),
        ),
      ),
  );
}

function serviceEntries({ addresses, ports }: Service): Entry[] {
  return addresses.flatMap((address) =>
    (ports.length === 0 ? [undefined] : ports).map((port) => ({ host: '', address, port })),
  );
}

/** 1.5: each answer once, and each address that goes with it once. */
function unique(list: readonly ModelRecord[]): ModelRecord[] {
  const found = new Map<string, ModelRecord>();
  for (const record of list) {
    const key = `${record.type} ${record.data}`;
    const glue = [...new Set([...(found.get(key)?.glue ?? []), ...(record.glue ?? [])])];
    found.set(key, { ...record, glue });
  }
  return [...found.values()];
}

/** 1.1 and 1.5: what a query that finds these entries is answered with, by type. */
function recordsOf(entries: readonly Entry[], suffix: string, ttl: number): ModelRecord[] {
  const weight = Math.max(1, Math.floor(100 / entries.length));
  return unique(
    entries.flatMap(({ host, address, port }): ModelRecord[] => {
      const target = host === '' ? suffix : `${host}.${suffix}`;
      const number = port?.port ?? NO_PORT;
      const type = isIPv6(address) ? 'AAAA' : 'A';
      const found: ModelRecord[] = [{ type, ttl, data: canonical(address) }];
      if (number !== NO_PORT) {
        const data = `0 ${weight} ${number} ${target}`;
        found.push({ type: 'SRV', ttl, data, glue: [canonical(address)] });
      }
      return found;
    }),
  );
}

type Put = (name: string, records: readonly ModelRecord[]) => void;

function putService(service: Service, { domain, ttl }: Cluster, put: Put): void {
  const suffix = `${service.name}.${service.namespace}.svc.${domain}`;
  const endpoints = endpointEntries(service);
  const own = service.kind === 'headless' ? endpoints : serviceEntries(service);
  // 1.4: a headless Service without a ready endpoint does not exist.
  if (own.length === 0) return;
  put(suffix, recordsOf(own, suffix, ttl));
  const named = own.filter(({ port }) => port !== undefined && port.name !== '');
  for (const { port } of named) {
    const proto = (port?.protocol ?? '').toLowerCase();
    const same = named.filter(
      (each) => each.port?.name === port?.name && each.port?.protocol === port?.protocol,
    );
    // 1.4: underscores are optional. RFC 8020: what is above a name exists.
    for (const [name, above] of [
      [`_${port?.name ?? ''}._${proto}`, `_${proto}`],
      [`${port?.name ?? ''}.${proto}`, proto],
    ] as const) {
      put(`${above}.${suffix}`, []);
      put(`${name}.${suffix}`, recordsOf(same, suffix, ttl));
    }
  }
  for (const host of new Set(endpoints.map((each) => each.host))) {
    const same = endpoints.filter((each) => each.host === host);
    put(`${host}.${suffix}`, recordsOf(same, suffix, ttl));
  }
}

/** R4 and R8. */
function putReverse({ services, domain, ttl }: Cluster, put: Put): void {
  for (const service of services) {
    const suffix = `${service.name}.${service.namespace}.svc.${domain}`;
    for (const address of service.addresses) {
      put(reverseName(address), [{ type: 'PTR', ttl, data: suffix }]);
    }
    for (const { host, address } of endpointEntries(service)) {
      put(reverseName(address), [{ type: 'PTR', ttl, data: `${host}.${suffix}` }]);
    }
  }
}

/** What a cluster's names are. */
export function modelOf(cluster: Cluster): Model {
  const { domain, ttl, pods, namespaces, services } = cluster;
  const names = new Map<string, ModelRecord[]>();
  const put: Put = (name, records) => {
    names.set(name, unique([...(names.get(name) ?? []), ...records]));
  };
  const zones = [domain, 'in-addr.arpa', 'ip6.arpa'];
  for (const name of [...zones, `svc.${domain}`, `pod.${domain}`]) put(name, []);
  put(`dns-version.${domain}`, [{ type: 'TXT', ttl: VERSION_TTL, data: '1.1.0' }]);
  for (const namespace of namespaces) {
    put(`${namespace}.svc.${domain}`, []);
    if (pods !== 'disabled') put(`${namespace}.pod.${domain}`, []);
  }
  const externals = new Set<string>();
  for (const service of services) {
    if (service.kind !== 'external') putService(service, cluster, put);
    else if (!/^[\d.]+$/.test(service.externalName)) {
      const name = `${service.name}.${service.namespace}.svc.${domain}`;
      externals.add(name);
      put(name, [{ type: 'CNAME', ttl, data: service.externalName }]);
    }
  }
  putReverse(cluster, put);
  return { cluster, zones, names, externals };
}
