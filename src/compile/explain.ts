/**
 * What is programmed and why, for people and their tools: plain data that survives JSON.
 */
import { FrontendKind } from '../../assembly/abi.js';
import { formatAddress, formatAddressPort, formatCidr } from '../addr.js';
import type { Address, Family } from '../addr.js';
import type { Cluster } from '../model/cluster.js';
import type { Algorithm } from '../model/exposure.js';
import type { Kind } from '../model/events.js';
import { formatIgnored } from '../model/ignored.js';
import { byText } from '../model/keys.js';
import type { ObjectKey, ServicePortKey } from '../model/keys.js';
import { memberships } from '../model/select.js';
import type { Membership, SetName } from '../model/select.js';
import type { Protocol, ServiceRecord } from '../model/services.js';
import type { Endpoint } from '../model/slices.js';
import { backendId } from './backends.js';
import type { Conflict } from './desired.js';
import { frontendsOf, isExternalIPAllowed } from './frontends.js';
import type { Frontend, FrontendScope } from './frontends.js';
import type { Placement, PlacementCapacities } from './placement.js';
import type { Problem } from './program.js';
import { rangesOf } from './ranges.js';
import { compilePort, serviceId, serviceKey, usedSets } from './services.js';
import type { CompiledPort, PortSource, ServiceScope } from './services.js';

export interface ExplainedBackend {
  /** `ip:port` */
  readonly endpoint: string;
  /** As in BACKEND_ID and in tallies. */
  readonly id: number;
}

export type FrontendName = 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancer';

export interface ExplainedFrontend {
  readonly kind: FrontendName;
  /** `ip:port` */
  readonly address: string;
  /** The set that packets from outside are led to. */
  readonly set: SetName;
}

/** An endpoint of a slice, used or not. */
export interface ExplainedEndpoint extends ExplainedBackend {
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** On this node. */
  readonly local: boolean;
  readonly weight: number;
  /** Whether it is in each set, and why. */
  readonly cluster: Membership;
  readonly inLocal: Membership;
}

/** What a new flow meets when its set is empty. */
export type EmptyVerdict = 'REJECT' | 'DROP';

export interface ExplainedSet {
  /** A traffic policy asks for it. */
  readonly isUsed: boolean;
  /** `ip:port` */
  readonly endpoints: readonly string[];
  /** undefined: it is not empty, or not used. */
  readonly whenEmpty?: EmptyVerdict;
  /** Slots of its Maglev table; 0 = none. */
  readonly maglevSize: number;
}

/** One port of a Service in one address family. */
export interface ExplainedService {
  readonly key: ServicePortKey;
  /** As in SERVICE_ID and in tallies. */
  readonly id: number;
  readonly type: string;
  readonly family: Family;
  readonly protocol: Protocol;
  /** The ClusterIP's; all of them are in `frontends`. */
  readonly frontend: string;
  readonly frontends: readonly ExplainedFrontend[];
  readonly internalPolicy: 'Cluster' | 'Local';
  readonly externalPolicy: 'Cluster' | 'Local';
  readonly algorithm: Algorithm;
  /** Seconds a client keeps its backend; 0 = it does not. */
  readonly affinitySec: number;
  /** From where the load balancer's addresses may be reached; empty: everywhere. */
  readonly sourceRanges: readonly string[];
  /** No source range could be read: the load balancer's addresses are closed. */
  readonly isClosed: boolean;
  /** Those that take traffic to the ClusterIP on this node. */
  readonly backends: readonly ExplainedBackend[];
  readonly sets: Readonly<Record<SetName, ExplainedSet>>;
  /** All of them, in slices of the family. */
  readonly endpoints: readonly ExplainedEndpoint[];
  readonly endpointCount: number;
  /** Row of SERVICES; undefined before it is programmed. */
  readonly idx: number | undefined;
  /** Slots of the Maglev table that the ClusterIP uses; 0 = none. */
  readonly maglevSize: number;
}

export interface Explanation {
  readonly synced: boolean;
  readonly services: readonly ExplainedService[];
  /** Parts of objects that were not used, each with its object. */
  readonly ignored: readonly string[];
  readonly conflicts: readonly Conflict[];
  readonly problems: readonly Problem[];
  readonly used: PlacementCapacities;
}

const KIND: Readonly<Record<Frontend['kind'], FrontendName>> = {
  [FrontendKind.CLUSTER_IP]: 'ClusterIP',
  [FrontendKind.NODE_PORT]: 'NodePort',
  [FrontendKind.EXTERNAL_IP]: 'ExternalIP',
  [FrontendKind.LOAD_BALANCER]: 'LoadBalancer',
};

const set = (isLocal: boolean): SetName => (isLocal ? 'local' : 'cluster');

const policyName = (isLocal: boolean) => (isLocal ? 'Local' : 'Cluster');

function explainFrontend(service: ServiceRecord, frontend: Frontend): ExplainedFrontend {
  const isInternal = frontend.kind === FrontendKind.CLUSTER_IP;
  return {
    kind: KIND[frontend.kind],
    address: formatAddressPort(frontend.address, frontend.port),
    set: set(isInternal ? service.internalLocal : service.externalLocal),
  };
}

function explainEndpoints(
  service: ServiceRecord,
  protocol: Protocol,
  { endpoints, selection }: CompiledPort,
): ExplainedEndpoint[] {
  const used = usedSets(service);
  const unused: Membership = { isMember: false, why: 'not used' };
  const inCluster = memberships(endpoints, 'cluster', selection);
  const inLocal = memberships(endpoints, 'local', selection);
  return endpoints.map((endpoint: Endpoint, i) => ({
    endpoint: endpoint.key,
    id: backendId(endpoint, protocol),
    ready: endpoint.ready,
    serving: endpoint.serving,
    terminating: endpoint.terminating,
    local: endpoint.local,
    weight: endpoint.weight,
    cluster: (used.cluster ? inCluster[i] : undefined) ?? unused,
    inLocal: (used.local ? inLocal[i] : undefined) ?? unused,
  }));
}

interface Explained extends PortSource {
  readonly address: Address;
}

function explainPort(
  source: Explained,
  placement: Placement,
  scope: ServiceScope,
): ExplainedService {
  const { service, port, family, address } = source;
  const { protocol } = port;
  const compiled = compilePort(source, scope);
  const { selection } = compiled;
  const placed = placement.service(serviceKey(port, family));
  const used = usedSets(service);
  const ranges = rangesOf(service, family);
  const explainSet = (name: SetName): ExplainedSet => {
    const isEmpty = used[name] && selection[name].length === 0;
    return {
      isUsed: used[name],
      endpoints: selection[name].map(({ key }) => key),
      ...(isEmpty ? { whenEmpty: selection.hasAny ? 'DROP' : 'REJECT' } : {}),
      maglevSize: placed?.maglev[name]?.count ?? 0,
    };
  };
  const sets = { cluster: explainSet('cluster'), local: explainSet('local') };
  const internal = set(service.internalLocal);
  const toBackend = (e: Endpoint): ExplainedBackend => ({
    endpoint: e.key,
    id: backendId(e, protocol),
  });
  return {
    key: port.key,
    id: serviceId(port),
    type: service.type,
    family,
    protocol,
    frontend: formatAddressPort(address, port.port),
    frontends: frontendsOf(service, port, family, scope).map((f) => explainFrontend(service, f)),
    internalPolicy: policyName(service.internalLocal),
    externalPolicy: policyName(service.externalLocal),
    algorithm: service.algorithm ?? scope.algorithm,
    affinitySec: service.affinitySec,
    sourceRanges: (ranges ?? []).map(formatCidr),
    isClosed: ranges === undefined,
    backends: selection[internal].map(toBackend),
    sets,
    endpoints: explainEndpoints(service, protocol, compiled),
    endpointCount: compiled.endpoints.length,
    idx: placed?.idx,
    maglevSize: sets[internal].maglevSize,
  };
}

/** In the order of their keys, then of their frontends. */
export function explainService(
  service: ServiceRecord,
  cluster: Cluster,
  placement: Placement,
  scope: ServiceScope,
): ExplainedService[] {
  const slices = [...cluster.slicesOf(service.key)];
  return service.clusterIPs
    .flatMap((address) =>
      service.ports.map((port) =>
        explainPort({ service, port, address, family: address.family, slices }, placement, scope),
      ),
    )
    .sort((a, b) => byText(a.key, b.key) || byText(a.frontend, b.frontend));
}

export function explainServices(
  cluster: Cluster,
  placement: Placement,
  scope: ServiceScope,
): ExplainedService[] {
  return [...cluster.services.values()]
    .flatMap((service) => explainService(service, cluster, placement, scope))
    .sort((a, b) => byText(a.key, b.key) || byText(a.frontend, b.frontend));
}

/** `Service default/web: clusterIP "x": no IPv4 address` */
export function explainIgnored(cluster: Cluster, scope: FrontendScope): string[] {
  const lines: string[] = [];
  const note = (kind: Kind, key: ObjectKey, ignored: readonly string[]): void => {
    for (const what of ignored) lines.push(formatIgnored({ kind, key, what }));
  };
  for (const service of cluster.services.values()) {
    const refused = service.externalIPs.filter((ip) => !isExternalIPAllowed(ip, scope));
    const why = refused.map((ip) => `externalIP "${formatAddress(ip)}": not allowed`);
    note('Service', service.key, [...service.ignored, ...why]);
    for (const slice of cluster.slicesOf(service.key)) {
      note('EndpointSlice', slice.key, slice.ignored);
    }
  }
  for (const [key, node] of cluster.nodes) note('Node', key, node.ignored);
  for (const pod of cluster.pods.values()) note('Pod', pod.key, pod.ignored);
  return lines.sort(byText);
}
