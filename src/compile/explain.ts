/**
 * What is programmed and why, for people and their tools.
 */
import { formatAddressPort } from '../addr.js';
import type { Cluster } from '../model/cluster.js';
import { byText } from '../model/keys.js';
import type { ServicePortKey } from '../model/keys.js';
import { mergeEndpoints } from '../model/slices.js';
import { backendId } from './backends.js';
import type { Conflict } from './desired.js';
import type { Placement, PlacementCapacities } from './placement.js';
import type { Problem } from './program.js';
import { clusterIPEndpoints, serviceId, serviceKey } from './services.js';

export interface ExplainedBackend {
  /** `ip:port` */
  readonly endpoint: string;
  /** As in BACKEND_ID and in tallies. */
  readonly id: number;
}

export interface ExplainedService {
  readonly key: ServicePortKey;
  /** As in SERVICE_ID and in tallies. */
  readonly id: number;
  readonly frontend: string;
  readonly protocol: string;
  /** Those that take traffic on this node. */
  readonly backends: readonly ExplainedBackend[];
  /** Endpoints in all slices, usable or not. */
  readonly endpointCount: number;
  /** Row of SERVICES; undefined before it is programmed. */
  readonly idx: number | undefined;
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

export function explainServices(cluster: Cluster, placement: Placement): ExplainedService[] {
  const { place } = cluster;
  const explained: ExplainedService[] = [];
  for (const service of cluster.services.values()) {
    const slices = [...cluster.slicesOf(service.key)];
    for (const address of service.clusterIPs) {
      for (const port of service.ports) {
        const used = clusterIPEndpoints({ service, port, address }, slices, place);
        const all = mergeEndpoints(slices, port, address.family, place.nodeName);
        const placed = placement.service(serviceKey(port, address));
        explained.push({
          key: port.key,
          id: serviceId(port),
          frontend: formatAddressPort(address, port.port),
          protocol: port.protocol,
          backends: used.map((e) => ({ endpoint: e.key, id: backendId(e, port.protocol) })),
          endpointCount: all.length,
          idx: placed?.idx,
          maglevSize: placed?.maglev?.count ?? 0,
        });
      }
    }
  }
  return explained.sort((a, b) => byText(a.key, b.key) || byText(a.frontend, b.frontend));
}

/** `Service default/web: clusterIP "x": no IPv4 address` */
export function explainIgnored(cluster: Cluster): string[] {
  const lines: string[] = [];
  const note = (kind: string, key: string, ignored: readonly string[]): void => {
    for (const what of ignored) lines.push(`${kind} ${key}: ${what}`);
  };
  for (const service of cluster.services.values()) {
    note('Service', service.key, service.ignored);
    for (const slice of cluster.slicesOf(service.key)) {
      note('EndpointSlice', slice.key, slice.ignored);
    }
  }
  for (const node of cluster.nodes.values()) note('Node', node.name, node.ignored);
  for (const pod of cluster.pods.values()) note('Pod', pod.key, pod.ignored);
  return lines.sort(byText);
}
