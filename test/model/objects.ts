/**
 * Kubernetes objects and events for tests, in few words.
 */
import type { Namespace, Node, Pod, Service, ServiceSpec } from 'kubernetes-types/core/v1.js';
import type { Endpoint, EndpointPort, EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import type { ObjectMeta } from 'kubernetes-types/meta/v1.js';
import { namedKey } from '../../src/model/keys.js';
import type { DeleteEvent, Kind, KindMap, PutEvent } from '../../src/model/events.js';

export const HERE = 'node-a';

export function service(name: string, spec: ServiceSpec): Service {
  return { metadata: { namespace: 'default', name }, spec };
}

/** The object with annotations. */
export function annotated<T extends { readonly metadata?: ObjectMeta }>(
  object: T,
  annotations: Record<string, string>,
): T {
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** A ClusterIP Service with one TCP port called `http`. */
export function webService(name: string, clusterIP: string, port = 80): Service {
  return service(name, { clusterIP, ports: [{ name: 'http', port, protocol: 'TCP' }] });
}

export const HTTP: EndpointPort = { name: 'http', port: 8080, protocol: 'TCP' };

export function slice(
  name: string,
  owner: string,
  endpoints: Endpoint[],
  ports: EndpointPort[] = [HTTP],
): EndpointSlice {
  const isIPv6 = endpoints[0]?.addresses[0]?.includes(':') === true;
  return {
    metadata: { namespace: 'default', name, labels: { 'kubernetes.io/service-name': owner } },
    addressType: isIPv6 ? 'IPv6' : 'IPv4',
    endpoints,
    ports,
  };
}

export function ready(address: string, nodeName = 'node-b'): Endpoint {
  return { addresses: [address], conditions: { ready: true, serving: true }, nodeName };
}

export function notReady(address: string, nodeName = 'node-b'): Endpoint {
  return { addresses: [address], conditions: { ready: false, serving: false }, nodeName };
}

/** Terminating but still serving. */
export function draining(address: string, nodeName = 'node-b'): Endpoint {
  const conditions = { ready: false, serving: true, terminating: true };
  return { addresses: [address], conditions, nodeName };
}

/** Terminating and no longer serving. */
export function dying(address: string, nodeName = 'node-b'): Endpoint {
  const conditions = { ready: false, serving: false, terminating: true };
  return { addresses: [address], conditions, nodeName };
}

export function node(name: string, podCIDRs: string[], internalIPs: string[]): Node {
  const addresses = internalIPs.map((address) => ({ type: 'InternalIP', address }));
  return { metadata: { name }, spec: { podCIDRs }, status: { addresses } };
}

export function pod(
  name: string,
  ips: string[],
  nodeName = HERE,
  netns = `/run/netns/${name}`,
): Pod {
  return {
    metadata: { namespace: 'default', name, annotations: { 'sluice.dev/netns': netns } },
    spec: { nodeName, containers: [] },
    status: { podIPs: ips.map((ip) => ({ ip })) },
  };
}

export function namespace(name: string, labels: Record<string, string> = {}): Namespace {
  return { metadata: { name, labels } };
}

export function put<K extends Kind>(kind: K, object: KindMap[K]): PutEvent {
  return { type: 'put', kind, object } as PutEvent;
}

export function drop(kind: Kind, name: string): DeleteEvent {
  const hasNone = kind === 'Node' || kind === 'Namespace';
  const key = hasNone ? namedKey(undefined, name) : namedKey('default', name);
  return { type: 'delete', kind, key };
}
