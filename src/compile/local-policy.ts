/**
 * What the Local traffic policies come to on this node: health checks, and ports without an endpoint.
 *
 * Spec  kube-proxy, pkg/proxy: ServicePortMap.HealthCheckNodePorts, EndpointsMap.LocalReadyEndpoints
 */
import type { Family } from '../addr.js';
import type { Cluster } from '../model/cluster.js';
import { byText } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import { selectEndpoints } from '../model/select.js';
import type { ServiceRecord } from '../model/services.js';
import { mergeEndpoints } from '../model/slices.js';

const FAMILIES: readonly Family[] = [4, 6];

/** A Service whose health load balancers ask this node for. */
export interface HealthCheck {
  readonly service: ObjectKey;
  readonly port: number;
  /** Distinct addresses of ready endpoints here; those of the family that has more. */
  readonly localEndpoints: number;
}

/** A pod of both families counts once, as it does for kube-proxy's IPv4 half. */
function localEndpointCount(cluster: Cluster, service: ServiceRecord): number {
  const slices = [...cluster.slicesOf(service.key)];
  const { nodeName } = cluster.place;
  const counts = FAMILIES.map((family) => {
    const endpoints = service.ports.flatMap((p) => mergeEndpoints(slices, p, family, nodeName));
    const here = endpoints.filter(({ ready, local }) => ready && local);
    return new Set(here.map(({ address }) => address.bytes.join())).size;
  });
  return Math.max(...counts);
}

/** In the order of their names. */
export function healthChecksOf(cluster: Cluster): HealthCheck[] {
  return [...cluster.services.values()]
    .flatMap((service) => {
      const { key, healthCheckNodePort: port } = service;
      if (port === undefined || service.ports.length === 0) return [];
      return [{ service: key, port, localEndpoints: localEndpointCount(cluster, service) }];
    })
    .sort((a, b) => byText(a.service, b.service));
}

/** Service ports with a Local policy that have usable endpoints, and none of them here. */
export interface WithoutLocal {
  readonly internal: number;
  readonly external: number;
}

export function withoutLocal(cluster: Cluster, family: Family): WithoutLocal {
  const { place } = cluster;
  let internal = 0;
  let external = 0;
  for (const service of cluster.services.values()) {
    if (!service.internalLocal && !service.externalLocal) continue;
    if (!service.clusterIPs.some((address) => address.family === family)) continue;
    const slices = [...cluster.slicesOf(service.key)];
    for (const port of service.ports) {
      const endpoints = mergeEndpoints(slices, port, family, place.nodeName);
      const { local, hasAny } = selectEndpoints(endpoints, place);
      if (!hasAny || local.length > 0) continue;
      internal += service.internalLocal ? 1 : 0;
      external += service.externalLocal ? 1 : 0;
    }
  }
  return { internal, external };
}
