/** The names of a zone that are no Service's: its apex, its server, its version, namespaces, pods. */
import { NAME_F_PODS } from '../../../assembly/abi-dns.js';
import type { Address } from '../../addr.js';
import { RecordType } from '../../dns/wire/header.js';
import type { NamedService } from '../../model/named.js';
import { shownTtl } from './options.js';
import type { ZoneOptions } from './options.js';
import { addressSets, serviceSuffix } from './records.js';
import type { Glue, NameRecord, RrSet } from './rrsets.js';
import { addressBytes, isLabel, isName, nameBelow } from './wire-names.js';

/** Kubernetes DNS-Based Service Discovery, section 2.2; its TTL is the specification's example. */
const VERSION = '1.1.0';
const VERSION_TTL_SEC = 28_800;
const SERVER_NAME = 'ns.dns';

/** Who answers for a zone: the Services that lead to this server, or the server by itself. */
export interface ZoneServers {
  readonly services: readonly NamedService[];
  readonly addresses: readonly Address[];
}

function record(key: string, zone: Uint8Array, sets: readonly RrSet[], flags = 0): NameRecord[] {
  const name = nameBelow(key, zone);
  return isName(name) ? [{ key, name, flags, sets }] : [];
}

/** @param home  the zone that the servers have their names in */
function nsSets({ services, addresses }: ZoneServers, home: Uint8Array, ttl: number): RrSet[] {
  const own = { name: nameBelow(SERVER_NAME, home), addresses };
  const named =
    services.length === 0
      ? [own]
      : services.map((service) => ({
          name: serviceSuffix(service, home),
          addresses: service.clusterIPs,
        }));
  const servers = named.filter((server) => server.addresses.length > 0 && isName(server.name));
  const glue = servers.flatMap((server, record) =>
    server.addresses.map((address): Glue => {
      const type = address.family === 4 ? RecordType.A : RecordType.AAAA;
      return { record, nameOff: 0, type, rdata: addressBytes(address) };
    }),
  );
  const records = servers.map(({ name }) => name);
  return records.length === 0 ? [] : [{ type: RecordType.NS, ttl, records, glue }];
}

/** What `ns.dns` is, the name in the SOA record. */
function serverAddresses({ services, addresses }: ZoneServers): readonly Address[] {
  return services.length === 0 ? addresses : services.flatMap(({ clusterIPs }) => clusterIPs);
}

/** Of a zone of addresses: only its apex. @param home  the zone that its servers are in */
export function reverseApex(
  zone: Uint8Array,
  home: Uint8Array,
  servers: ZoneServers,
  options: ZoneOptions,
): NameRecord[] {
  return record('', zone, nsSets(servers, home, shownTtl(options.ttl, options)));
}

/** What every zone of Services has. */
export function fixedRecords(
  zone: Uint8Array,
  servers: ZoneServers,
  options: ZoneOptions,
): NameRecord[] {
  const ttl = shownTtl(options.ttl, options);
  const text = Uint8Array.from([VERSION.length, ...Array.from(VERSION, (c) => c.charCodeAt(0))]);
  const version = {
    type: RecordType.TXT,
    ttl: shownTtl(VERSION_TTL_SEC, options),
    records: [text],
    glue: [],
  };
  return [
    ...record('', zone, nsSets(servers, zone, ttl)),
    ...record('svc', zone, []),
    ...record('pod', zone, []),
    ...record('dns-version', zone, [version]),
    ...record(SERVER_NAME, zone, addressSets(serverAddresses(servers), ttl)),
  ];
}

/** A namespace that exists and is exposed. */
export function namespaceRecords(
  namespace: string,
  zone: Uint8Array,
  { pods }: ZoneOptions,
): NameRecord[] {
  if (!isLabel(namespace)) return [];
  const flags = pods === 'insecure' ? NAME_F_PODS : 0;
  return [
    ...record(`${namespace}.svc`, zone, []),
    ...(pods === 'disabled' ? [] : record(`${namespace}.pod`, zone, [], flags)),
  ];
}

/** The name of a pod's address. @param key  `10-1-2-3.default.pod` */
export function podRecord(
  key: string,
  address: Address,
  zone: Uint8Array,
  options: ZoneOptions,
): NameRecord[] {
  return record(key, zone, addressSets([address], shownTtl(options.ttl, options)));
}
