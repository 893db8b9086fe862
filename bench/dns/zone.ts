/**
 * One cluster's names in every form that a server or a client wants: 5 000 Services with an address
 * each, as Kubernetes objects, as a zone file, and as files of queries.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';

export const ZONE = 'cluster.local';
const SERVICES = 5_000;
const NAMESPACES = 50;
const TTL = 5;

export interface NamedService {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
}

export const NAMED_SERVICES: readonly NamedService[] = Array.from(
  { length: SERVICES },
  (_, i): NamedService => ({
    name: `svc${i}`,
    namespace: `ns${i % NAMESPACES}`,
    address: `10.${96 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`,
  }),
);

export function nameOf({ name, namespace }: NamedService): string {
  return `${name}.${namespace}.svc.${ZONE}`;
}

/** Files of queries as dnsperf and kxdpgun read them, one "NAME TYPE" a line. */
export interface QueryFiles {
  /** One name. */
  readonly one: string;
  /** An address for each of the services. */
  readonly all: string;
  /** As many of each: addresses; IPv6 addresses that are not there; names that are not there. */
  readonly mix: string;
}

export function writeQueries(dir: string, services = NAMED_SERVICES): QueryFiles {
  const write = (file: string, lines: readonly string[]): string => {
    const full = path.join(dir, file);
    writeFileSync(full, `${lines.join('\n')}\n`);
    return full;
  };
  const names = services.map(nameOf);
  return {
    one: write('one', [`${names[0] ?? ''} A`]),
    all: write(
      'all',
      names.map((name) => `${name} A`),
    ),
    // What a resolver's search list makes of a name that is complete already.
    mix: write(
      'mix',
      services.flatMap((service, i) => [
        `${nameOf(service)} A`,
        `${nameOf(service)} AAAA`,
        `${service.name}.${service.namespace}.ns${(i + 1) % NAMESPACES}.svc.${ZONE} A`,
      ]),
    ),
  };
}

/** @returns the file */
export function writeZone(dir: string, services = NAMED_SERVICES): string {
  const file = path.join(dir, 'zone');
  const lines = [
    `$ORIGIN ${ZONE}.`,
    `$TTL ${TTL}`,
    `@ SOA ns.dns hostmaster 1 7200 1800 86400 ${TTL}`,
    '@ NS ns.dns',
    'ns.dns A 10.96.255.10',
    ...services.map((service) => `${nameOf(service)}. A ${service.address}`),
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** Service objects of the API, as a folder of manifests has them. */
export function writeManifests(dir: string): void {
  const metadata = (name: string): object => ({ metadata: { name } });
  const namespaces = Array.from({ length: NAMESPACES }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    ...metadata(`ns${i}`),
  }));
  const services = NAMED_SERVICES.map(({ name, namespace, address }) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      clusterIP: address,
      clusterIPs: [address],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    },
  }));
  const list = { apiVersion: 'v1', kind: 'List', items: [...namespaces, ...services] };
  writeFileSync(path.join(dir, 'cluster.json'), JSON.stringify(list));
}
