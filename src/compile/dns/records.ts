/**
 * The names of one Service: its own, those of its ports and of its endpoints.
 *
 * Spec  Kubernetes DNS-Based Service Discovery 1.1.0, section 2; where it leaves room, CoreDNS's
 *       `kubernetes` plugin: names of endpoints of Services with a ClusterIP, weights, `port.proto`
 */
import type { Address } from '../../addr.js';
import { RecordType } from '../../dns/wire/header.js';
import type { NamedPort, NamedService } from '../../model/named.js';
import type { NamedEndpoint } from './endpoints.js';
import type { Glue, NameRecord, RrSet } from './rrsets.js';
import { addressBytes, addressId, isLabel, isName, nameBelow, nameFromText } from './wire-names.js';
import { canonicalAddress } from '../../addr.js';

/** Where the names are to be. */
export interface NameScope {
  /** The zone's wire name. */
  readonly zone: Uint8Array;
  /** Seconds. */
  readonly ttl: number;
}

/** One (address, port) that a query finds. */
interface Candidate {
  /** Of the endpoint; empty: the Service itself. */
  readonly label: string;
  readonly address: Address;
  /** undefined: there is none, but the address counts. */
  readonly port: NamedPort | undefined;
}

const WEIGHTS = 100;
/** Octets of priority, weight and port. */
const SRV_TARGET_OFF = 6;

/** What all names of a Service end in. */
export function serviceSuffix(
  { name, namespace }: Pick<NamedService, 'name' | 'namespace'>,
  zone: Uint8Array,
): Uint8Array {
  return nameBelow(`${name}.${namespace}.svc`, zone);
}

/** Whether a Service and its namespace can be spelt in a query. */
export function hasNames({ name, namespace }: NamedService): boolean {
  return isLabel(name) && isLabel(namespace);
}

function addressType({ family }: Address): RecordType.A | RecordType.AAAA {
  return family === 4 ? RecordType.A : RecordType.AAAA;
}

/** A and AAAA records of addresses, each address once. */
export function addressSets(addresses: Iterable<Address>, ttl: number): RrSet[] {
  const records: Record<RecordType.A | RecordType.AAAA, Uint8Array[]> = {
    [RecordType.A]: [],
    [RecordType.AAAA]: [],
  };
  const seen = new Set<string>();
  for (const address of addresses) {
    const id = addressId(address);
    if (seen.has(id)) continue;
    seen.add(id);
    records[addressType(address)].push(addressBytes(address));
  }
  return ([RecordType.A, RecordType.AAAA] as const)
    .filter((type) => records[type].length > 0)
    .map((type) => ({ type, ttl, records: records[type], glue: [] }));
}

function srvRdata(weight: number, port: number, target: Uint8Array): Uint8Array {
  const rdata = new Uint8Array(SRV_TARGET_OFF + target.length);
  const view = new DataView(rdata.buffer);
  view.setUint16(2, weight);
  view.setUint16(4, port);
  rdata.set(target, SRV_TARGET_OFF);
  return rdata;
}

/** A target of SRV records: what has been said of it. */
interface Target {
  readonly name: Uint8Array;
  /** Place of its first record. */
  readonly record: number;
  readonly ports: Set<number>;
  readonly addresses: Map<string, Address>;
}

/**
 * SRV records: each (target, port) once, their glue each (target, address) once.
 *
 * The weights add up to 100 over all candidates, also those that say the same (CoreDNS backend.SRV).
 */
function srvSets(candidates: readonly Candidate[], suffix: Uint8Array, ttl: number): RrSet[] {
  const weight = Math.max(1, Math.floor(WEIGHTS / candidates.length));
  const records: Uint8Array[] = [];
  const targets = new Map<string, Target>();
  for (const { label, address, port } of candidates) {
    if (port === undefined) continue;
    let target = targets.get(label);
    if (target === undefined) {
      const name = nameBelow(label, suffix);
      if (!isName(name)) continue;
      target = { name, record: records.length, ports: new Set(), addresses: new Map() };
      targets.set(label, target);
    }
    target.addresses.set(addressId(address), address);
    if (target.ports.has(port.port)) continue;
    target.ports.add(port.port);
    records.push(srvRdata(weight, port.port, target.name));
  }
  const glue = [...targets.values()].flatMap(({ record, addresses }) =>
    Array.from(addresses.values(), (address): Glue => {
      const rdata = addressBytes(address);
      return { record, nameOff: SRV_TARGET_OFF, type: addressType(address), rdata };
    }),
  );
  return records.length === 0 ? [] : [{ type: RecordType.SRV, ttl, records, glue }];
}

/** A port is asked for as `_http._tcp`, and without its underscores. */
function portKeys({ portName, protocol }: NamedPort): [name: string, parent: string][] {
  const proto = protocol.toLowerCase();
  const name = portName.toLowerCase();
  return [
    [`_${name}._${proto}`, `_${proto}`],
    [`${name}.${proto}`, proto],
  ];
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Every address with every port, or once if there is none. */
function candidatesOf(label: string, address: Address, ports: readonly NamedPort[]): Candidate[] {
  if (ports.length === 0) return [{ label, address, port: undefined }];
  return ports.map((port) => ({ label, address, port }));
}

function createNames(service: NamedService, { zone, ttl }: NameScope) {
  const suffix = serviceSuffix(service, zone);
  const records = new Map<string, NameRecord>();
  const add = (key: string, sets: readonly RrSet[]): void => {
    const name = nameBelow(key, suffix);
    if (isName(name)) records.set(key, { key, name, flags: 0, sets });
  };
  const setsOf = (candidates: readonly Candidate[]): RrSet[] => [
    ...addressSets(
      candidates.map(({ address }) => address),
      ttl,
    ),
    ...srvSets(candidates, suffix, ttl),
  ];
  return {
    records,
    add,
    addAll: (candidates: readonly Candidate[]): void => {
      const all = setsOf(candidates);
      add('', all);
      const ofPort = ({ port }: Candidate): string | undefined =>
        port === undefined || !isLabel(`_${port.portName}`) || port.portName === ''
          ? undefined
          : `${port.portName}/${port.protocol}`;
      for (const group of groupBy(candidates, ofPort).values()) {
        // Mostly there is one port.
        const sets = group.length === candidates.length ? all : setsOf(group);
        const port = group[0]?.port;
        for (const [name, parent] of port ? portKeys(port) : []) {
          add(name, sets);
          if (!records.has(parent)) add(parent, []);
        }
      }
    },
    addEndpoints: (candidates: readonly Candidate[]): void => {
      for (const [label, group] of groupBy(candidates, (each) => each.label)) {
        add(label, setsOf(group));
      }
    },
  };
}

/** The target of an ExternalName Service. @returns undefined when it is an address, or no name */
function externalTarget(externalName: string): Uint8Array | undefined {
  return canonicalAddress(externalName) ? undefined : nameFromText(externalName);
}

/**
 * All names of a Service below a zone.
 *
 * @param endpoints  ready ones
 * @returns          none when the Service does not exist for a resolver
 */
export function serviceRecords(
  service: NamedService,
  endpoints: readonly NamedEndpoint[],
  scope: NameScope,
): NameRecord[] {
  const names = createNames(service, scope);
  if (!hasNames(service)) return [];
  if (service.externalName !== undefined) {
    const target = externalTarget(service.externalName);
    if (target === undefined) return [];
    names.add('', [{ type: RecordType.CNAME, ttl: scope.ttl, records: [target], glue: [] }]);
    return [...names.records.values()];
  }
  const isHidden = service.isHeadless ? endpoints.length === 0 : service.clusterIPs.length === 0;
  if (isHidden) return [];
  const own = endpoints.flatMap(({ label, address, ports }) => candidatesOf(label, address, ports));
  names.addEndpoints(own);
  names.addAll(
    service.isHeadless
      ? own
      : service.clusterIPs.flatMap((address) => candidatesOf('', address, service.ports)),
  );
  return [...names.records.values()];
}
