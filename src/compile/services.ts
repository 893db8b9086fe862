/**
 * One Service to rows: frontends, service rows, backends; each address family by itself.
 */
import {
  SERVICE_AFFINITY_SEC_OFF,
  SERVICE_CLUSTER_COUNT_OFF,
  SERVICE_CLUSTER_FIRST_OFF,
  SERVICE_FLAGS_OFF,
  SERVICE_F_EXTERNAL_LOCAL,
  SERVICE_F_HAS_ANY,
  SERVICE_F_INTERNAL_LOCAL,
  SERVICE_F_ROUND_ROBIN,
  SERVICE_F_SELF_IN_RANGE,
  SERVICE_ID_OFF,
  SERVICE_LISTENER_OFF,
  SERVICE_LOCAL_COUNT_OFF,
  SERVICE_SIZE,
  TableId,
} from '../../assembly/abi.js';
import type { Address, Family } from '../addr.js';
import type { Algorithm } from '../model/exposure.js';
import { selectEndpoints } from '../model/select.js';
import type { Place, Selection } from '../model/select.js';
import type { ServicePortRecord, ServiceRecord } from '../model/services.js';
import type { ObjectKey } from '../model/keys.js';
import { mergeEndpoints, readyHere } from '../model/slices.js';
import type { Endpoint, SliceRecord } from '../model/slices.js';
import { backendKey, backendRow } from './backends.js';
import { presenceOf } from './departures.js';
import type { Presence } from './departures.js';
import { anyPortKey, anyPortRow, frontendKey, frontendRow, frontendsOf } from './frontends.js';
import type { FrontendScope } from './frontends.js';
import { SET_MEMBERS_MAX } from './maglev.js';
import { compileRanges } from './ranges.js';
import { rank, rowKey, stableId } from './rows.js';
import type { Row, RowKey, Rows, ServiceRow } from './rows.js';

/** What a Service's rows depend on besides the Service and its slices. */
export interface ServiceScope extends FrontendScope {
  readonly place: Place;
  /** This node's own, the preferred one of each family first. */
  readonly nodeAddresses: readonly Address[];
  /** Those and all others that its interfaces have and that mean it from elsewhere, too. */
  readonly globalAddresses: readonly Address[];
  /** Of Services that do not name one. */
  readonly algorithm: Algorithm;
  /** TCP flows of endpoints that are gone are of interest, too. */
  readonly resetsTcp: boolean;
  /** The cluster's DNS, where this node is it. */
  readonly dns: DnsHere | undefined;
}

/** The Service of the cluster's DNS, answered by this node instead of its endpoints. */
export interface DnsHere {
  readonly service: ObjectKey;
  /** Whose names answer in the frame (LISTENER_MAX of assembly/abi-dns.ts). */
  readonly listener: number;
  /** Where the host's server takes what they do not answer. */
  readonly addresses: readonly Address[];
  readonly port: number;
}

/** Port of the Service that is DNS, whatever its name (IANA service names, domain). */
const DNS_PORT = 53;

function isDns({ service, port }: PortSource, { dns }: ServiceScope): boolean {
  return dns?.service === service.key && port.port === DNS_PORT && port.protocol !== 'SCTP';
}

/** The host's server as the only endpoint there is. */
function dnsEndpoints(family: Family, { addresses, port }: DnsHere): Endpoint[] {
  return addresses
    .filter((address) => address.family === family)
    .map((address) => readyHere(address, port));
}

function endpointsOf(source: PortSource, scope: ServiceScope): Endpoint[] {
  const { port, family, slices } = source;
  if (scope.dns && isDns(source, scope)) return dnsEndpoints(family, scope.dns);
  return mergeEndpoints(slices, port, family, scope.place.nodeName);
}

export function serviceKey(port: ServicePortRecord, family: Family): RowKey {
  return rowKey('service', `${port.key} IPv${family}`);
}

/** The identity flows are accounted by; both families of a port share it. */
export function serviceId(port: ServicePortRecord): number {
  return stableId(port.key);
}

/**
 * Both sets in one run: what only the Local set has, what both have, what only the Cluster set has.
 *
 * @param selection  each set in the order of its keys
 */
export function runOf({ cluster, local }: Pick<Selection, 'cluster' | 'local'>): {
  readonly run: readonly Endpoint[];
  readonly sets: ServiceRow['sets'];
} {
  const inCluster = new Set(cluster.map(({ key }) => key));
  const inLocal = new Set(local.map(({ key }) => key));
  const localOnly = local.filter(({ key }) => !inCluster.has(key));
  const both = cluster.filter(({ key }) => inLocal.has(key));
  const clusterOnly = cluster.filter(({ key }) => !inLocal.has(key));
  const sets = {
    local: { first: 0, count: local.length },
    cluster: { first: localOnly.length, count: cluster.length },
  };
  return { run: [...localOnly, ...both, ...clusterOnly], sets };
}

/** Which sets the traffic policies of a Service ask for. */
export function usedSets(service: ServiceRecord): Readonly<Record<'cluster' | 'local', boolean>> {
  return {
    cluster: !service.internalLocal || service.isExternal,
    local: service.internalLocal || service.externalLocal,
  };
}

/** What one port of a Service comes to in one address family. */
export interface CompiledPort {
  /** All endpoints in slices, usable or not. */
  readonly endpoints: readonly Endpoint[];
  /** As it is programmed: a set that no policy asks for is empty. */
  readonly selection: Selection;
  /** The run of backends, local ones first. */
  readonly run: readonly Endpoint[];
  readonly row: ServiceRow;
}

function select(service: ServiceRecord, endpoints: readonly Endpoint[], place: Place): Selection {
  const selected = selectEndpoints(endpoints, place);
  const used = usedSets(service);
  return {
    ...selected,
    cluster: used.cluster ? selected.cluster.slice(0, SET_MEMBERS_MAX) : [],
    local: used.local ? selected.local.slice(0, SET_MEMBERS_MAX) : [],
  };
}

/** One port of a Service in one address family, to be compiled. */
export interface PortSource {
  readonly service: ServiceRecord;
  readonly port: ServicePortRecord;
  readonly family: Family;
  readonly slices: readonly SliceRecord[];
}

export function compilePort(source: PortSource, scope: ServiceScope): CompiledPort {
  const { service, port, family } = source;
  const endpoints = endpointsOf(source, scope);
  const selection = select(service, endpoints, scope.place);
  const { run, sets } = runOf(selection);
  const ranges = compileRanges(service, family, scope.nodeAddresses);
  const algorithm = service.algorithm ?? scope.algorithm;
  const flags =
    (service.internalLocal ? SERVICE_F_INTERNAL_LOCAL : 0) |
    (service.externalLocal ? SERVICE_F_EXTERNAL_LOCAL : 0) |
    (selection.hasAny ? SERVICE_F_HAS_ANY : 0) |
    (ranges.hasNode ? SERVICE_F_SELF_IN_RANGE : 0) |
    (algorithm === 'round-robin' ? SERVICE_F_ROUND_ROBIN : 0);
  const bytes = new Uint8Array(SERVICE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(SERVICE_FLAGS_OFF, flags, true);
  view.setUint32(SERVICE_ID_OFF, serviceId(port), true);
  view.setUint32(SERVICE_LOCAL_COUNT_OFF, sets.local.count, true);
  view.setUint32(SERVICE_CLUSTER_FIRST_OFF, sets.cluster.first, true);
  view.setUint32(SERVICE_CLUSTER_COUNT_OFF, sets.cluster.count, true);
  view.setUint32(SERVICE_AFFINITY_SEC_OFF, service.affinitySec, true);
  const isAnswered = port.protocol === 'UDP' && isDns(source, scope);
  if (isAnswered) view.setUint32(SERVICE_LISTENER_OFF, scope.dns?.listener ?? 0, true);
  const filled = (['cluster', 'local'] as const).filter((set) => sets[set].count > 0);
  const row: ServiceRow = {
    table: TableId.SERVICE,
    bytes,
    backends: run.map((endpoint) => backendKey(endpoint, port.protocol)),
    sets,
    maglev: algorithm === 'maglev' ? filled : [],
    ranges: ranges.bytes,
  };
  return { endpoints, selection, run, row };
}

export interface CompiledService {
  readonly rows: Rows;
  /** By the key of the service row. */
  readonly presences: ReadonlyMap<RowKey, Presence>;
}

/** One service row, its backends, and every frontend that leads there. */
function* portRows(
  { service, port, family }: PortSource,
  { run, row }: CompiledPort,
  scope: ServiceScope,
): Generator<readonly [RowKey, Row]> {
  const { protocol } = port;
  const key = serviceKey(port, family);
  for (const endpoint of run) {
    yield [backendKey(endpoint, protocol), backendRow(endpoint, protocol)];
  }
  yield [key, row];
  for (const frontend of frontendsOf(service, port, family, scope)) {
    yield [frontendKey(frontend, protocol), frontendRow(frontend, protocol, key)];
  }
}

/**
 * All of a Service, each port and family by itself. One without usable endpoints keeps its
 * frontends, over empty sets.
 */
export function compileService(
  service: ServiceRecord,
  slices: Iterable<SliceRecord>,
  scope: ServiceScope,
): CompiledService {
  const rows = new Map<RowKey, Row>();
  const presences = new Map<RowKey, Presence>();
  const ownSlices = [...slices];
  for (const address of service.clusterIPs) rows.set(anyPortKey(address), anyPortRow(address));
  const sources = service.clusterIPs.flatMap(({ family }) =>
    service.ports.map((port): PortSource => ({ service, port, family, slices: ownSlices })),
  );
  for (const source of sources) {
    const { port, family } = source;
    const compiled = compilePort(source, scope);
    for (const [key, row] of portRows(source, compiled, scope)) {
      // Of several frontends on one address and port the better one counts, then the first.
      const known = rows.get(key);
      if (!known || rank(row) < rank(known)) rows.set(key, row);
    }
    const identity = { id: serviceId(port), protocol: port.protocol };
    const presence = presenceOf(identity, compiled.endpoints, scope.resetsTcp);
    if (presence) presences.set(serviceKey(port, family), presence);
  }
  return { rows, presences };
}
