/** A random cluster as Kubernetes objects in YAML, and as the Corefile to serve them with. */
import { stringify } from 'yaml';
import type { Cluster, Port, Service, Slice } from './cluster.js';

const portsOf = (ports: readonly Port[]): object[] =>
  ports.map(({ name, protocol, port }) => ({ ...(name === '' ? {} : { name }), protocol, port }));

function specOf({ kind, addresses, ports, externalName }: Service): object {
  if (kind === 'external') return { type: 'ExternalName', externalName };
  if (kind === 'headless') {
    return { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'], ports: portsOf(ports) };
  }
  const [clusterIP] = addresses;
  return { type: 'ClusterIP', clusterIP, clusterIPs: addresses, ports: portsOf(ports) };
}

function sliceOf({ namespace, name }: Service, slice: Slice, i: number): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: `${name}-${i}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: slice.family === 4 ? 'IPv4' : 'IPv6',
    ports: slice.ports,
    endpoints: slice.endpoints.map(({ addresses, hostname, ready }) => ({
      addresses,
      ...(hostname === undefined ? {} : { hostname }),
      conditions: ready === undefined ? {} : { ready },
    })),
  };
}

/** All objects, in several documents. */
export function manifestsOf({ namespaces, services }: Cluster): string {
  const objects = [
    ...namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
    ...services.flatMap((service) => [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: service.namespace, name: service.name },
        spec: specOf(service),
      },
      ...service.slices.map((slice, i) => sliceOf(service, slice, i)),
    ]),
  ];
  return objects.map((object) => `---\n${stringify(object)}`).join('');
}

/** @param port  where it is served on 127.0.0.1 */
export function corefileOf({ domain, ttl, pods }: Cluster, port: number): string {
  const options = `ttl ${ttl}\n        pods ${pods}`;
  return `${domain}:${port} in-addr.arpa:${port} ip6.arpa:${port} {
    bind 127.0.0.1
    bufsize 4096
    kubernetes {
        ${options}
    }
}
`;
}
