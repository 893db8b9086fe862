/**
 * Services, projected to what is programmed.
 *
 * Spec  kube-proxy, pkg/proxy: what its change trackers accept
 */
import type { Service, ServicePort } from 'kubernetes-types/core/v1.js';
import type { ObjectMeta } from 'kubernetes-types/meta/v1.js';
import { canonicalAddress } from '../addr.js';
import type { Address, Family } from '../addr.js';
import { projectExposure } from './exposure.js';
import type { Exposure } from './exposure.js';
import { objectKey, servicePortKey } from './keys.js';
import type { ObjectKey, ServicePortKey } from './keys.js';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** Objects that carry one of these labels belong to another proxy. */
const FOREIGN_LABELS = [
  'service.kubernetes.io/service-proxy-name',
  'service.kubernetes.io/headless',
];

const PORT_MAX = 65535;

export interface ServicePortRecord {
  readonly key: ServicePortKey;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** undefined: it has none, as with allocateLoadBalancerNodePorts: false. */
  readonly nodePort: number | undefined;
}

export interface ServiceRecord extends Exposure {
  readonly key: ObjectKey;
  readonly type: string;
  /** At most one address a family. */
  readonly clusterIPs: readonly Address[];
  readonly ports: readonly ServicePortRecord[];
  /** internalTrafficPolicy is Local. */
  readonly internalLocal: boolean;
  /** It can be reached from outside: a NodePort or LoadBalancer Service, or one with externalIPs. */
  readonly isExternal: boolean;
  /** externalTrafficPolicy is Local, and the Service is external. */
  readonly externalLocal: boolean;
  /** Where load balancers ask for the endpoints of this node; only with `externalLocal`. */
  readonly healthCheckNodePort: number | undefined;
  /** Parts of the object that could not be used, for people. */
  readonly ignored: readonly string[];
}

/** True for a Service or EndpointSlice that is another proxy's. */
export function isForeign(meta: ObjectMeta | undefined): boolean {
  const labels = meta?.labels ?? {};
  return FOREIGN_LABELS.some((label) => label in labels);
}

export function protocolOf(text: string | undefined): Protocol | undefined {
  return text === 'TCP' || text === 'UDP' || text === 'SCTP' ? text : undefined;
}

/** The address text for a family: by the index of the family, or by itself in old objects. */
function clusterIPText(service: Service, family: Family): string | undefined {
  const { clusterIP, clusterIPs = [], ipFamilies = [] } = service.spec ?? {};
  const index = ipFamilies.indexOf(`IPv${family}`);
  if (ipFamilies.length > 0) return index < 0 ? undefined : (clusterIPs[index] ?? undefined);
  const texts = clusterIPs.length > 0 ? clusterIPs : [clusterIP ?? ''];
  return texts.find((text) => canonicalAddress(text)?.family === family);
}

function projectPorts(
  key: ObjectKey,
  ports: readonly ServicePort[],
  ignored: string[],
): ServicePortRecord[] {
  const known = new Map<ServicePortKey, ServicePortRecord>();
  for (const { name: portName = '', protocol: text, port, nodePort: given } of ports) {
    const protocol = protocolOf(text);
    if (protocol === undefined) {
      ignored.push(`port ${port}: protocol ${String(text)}`);
      continue;
    }
    const portKey = servicePortKey(key, portName, protocol);
    if (known.has(portKey)) ignored.push(`port ${port}: second port named "${portName}"`);
    else
      known.set(portKey, { key: portKey, portName, protocol, port, nodePort: given || undefined });
  }
  return [...known.values()];
}

function isExternal({ spec }: Service): boolean {
  const { type, externalIPs } = spec ?? {};
  return type === 'LoadBalancer' || type === 'NodePort' || (externalIPs ?? []).length > 0;
}

function healthCheckPort({ spec }: Service, ignored: string[]): number | undefined {
  const { type, healthCheckNodePort: port = 0 } = spec ?? {};
  if (type !== 'LoadBalancer' || port === 0) return undefined;
  if (Number.isInteger(port) && port > 0 && port <= PORT_MAX) return port;
  ignored.push(`healthCheckNodePort ${String(port)}: no port`);
  return undefined;
}

/**
 * @returns undefined when nothing is programmed for the object: headless, ExternalName, or
 *          another proxy's
 */
export function projectService(service: Service): ServiceRecord | undefined {
  const { spec } = service;
  const clusterIP = spec?.clusterIP ?? '';
  if (clusterIP === '' || clusterIP === 'None' || spec?.type === 'ExternalName') return undefined;
  if (isForeign(service.metadata)) return undefined;
  const key = objectKey(service.metadata);
  const ignored: string[] = [];
  const clusterIPs = ([4, 6] as const).flatMap((family) => {
    const text = clusterIPText(service, family);
    if (text === undefined) return [];
    const address = canonicalAddress(text);
    if (address?.family === family) return [address];
    ignored.push(`clusterIP ${JSON.stringify(text)}: no IPv${family} address`);
    return [];
  });
  const ports = projectPorts(key, spec?.ports ?? [], ignored);
  const internalLocal = spec?.internalTrafficPolicy === 'Local';
  const external = isExternal(service);
  const externalLocal = external && spec?.externalTrafficPolicy === 'Local';
  return {
    key,
    type: spec?.type ?? 'ClusterIP',
    clusterIPs,
    ports,
    internalLocal,
    isExternal: external,
    externalLocal,
    healthCheckNodePort: externalLocal ? healthCheckPort(service, ignored) : undefined,
    ...projectExposure(service, new Set(clusterIPs.map(({ family }) => family)), ignored),
    ignored,
  };
}
