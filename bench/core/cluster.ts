/**
 * Clusters for benchmarks: the Kubernetes objects of services with remote endpoints, compiled by
 * the real control plane into delta records.
 */
import { createControl } from '../../src/compile/control.js';
import type { Algorithm } from '../../src/model/exposure.js';
import type { Link } from '../../src/compile/links.js';
import type { DnsHere } from '../../src/compile/services.js';
import type { Capacities } from '../../src/core/regions.js';
import type { PutEvent } from '../../src/model/events.js';
import { NETNS_ANNOTATION } from '../../src/model/pods.js';
import { SERVICE_NAME_LABEL } from '../../src/model/slices.js';

export const NODE_NAME = 'node-a';

/** One ClusterIP service with one port. */
export interface ServiceSpec {
  readonly name: string;
  readonly clusterIP: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  readonly targetPort: number;
  readonly endpoints: readonly string[];
  /** Makes it a Service of type NodePort. */
  readonly nodePort?: number;
}

/** A pod of this node. */
export interface PodSpec {
  readonly name: string;
  readonly address: string;
  /** Path of its network namespace. */
  readonly netns: string;
}

export const NAMESPACE = 'bench';
const META = { namespace: NAMESPACE };
const PORT_NAME = 'main';

/** The objects of one service, as a source would report them. */
export function serviceEvents(spec: ServiceSpec): PutEvent[] {
  const { name, clusterIP, protocol, port, targetPort, endpoints, nodePort } = spec;
  const exposed = nodePort === undefined ? {} : { nodePort };
  return [
    {
      type: 'put',
      kind: 'Service',
      object: {
        metadata: { ...META, name },
        spec: {
          type: nodePort === undefined ? 'ClusterIP' : 'NodePort',
          clusterIP,
          clusterIPs: [clusterIP],
          ipFamilies: ['IPv4'],
          ports: [{ name: PORT_NAME, protocol, port, targetPort, ...exposed }],
        },
      },
    },
    {
      type: 'put',
      kind: 'EndpointSlice',
      object: {
        metadata: { ...META, name: `${name}-1`, labels: { [SERVICE_NAME_LABEL]: name } },
        addressType: 'IPv4',
        ports: [{ name: PORT_NAME, protocol, port: targetPort }],
        endpoints: endpoints.map((address) => ({ addresses: [address] })),
      },
    },
  ];
}

export function podEvent(pod: PodSpec): PutEvent {
  return {
    type: 'put',
    kind: 'Pod',
    object: {
      metadata: { ...META, name: pod.name, annotations: { [NETNS_ANNOTATION]: pod.netns } },
      spec: { nodeName: NODE_NAME, containers: [] },
      status: { podIP: pod.address, podIPs: [{ ip: pod.address }] },
    },
  };
}

export function nodeEvent(name: string, address: string, podCIDR: string): PutEvent {
  return {
    type: 'put',
    kind: 'Node',
    object: {
      metadata: { name },
      spec: { podCIDR, podCIDRs: [podCIDR] },
      status: { addresses: [{ type: 'InternalIP', address }] },
    },
  };
}

/** A cluster of two nodes: this one, and the one where every endpoint is. */
export interface ClusterSpec {
  readonly capacities: Capacities;
  readonly services: readonly ServiceSpec[];
  readonly pods: readonly PodSpec[];
  readonly links: readonly Link[];
  /** Pod range of the other node. */
  readonly remotePods: string;
  /** Of this node. */
  readonly nodeAddress?: string;
  /** The Service that is the cluster's DNS. */
  readonly dns?: DnsHere;
  /** How backends are chosen; left out: as the agent does. */
  readonly algorithm?: Algorithm;
}

/** What a cluster becomes. */
export interface CompiledCluster {
  /** Delta records that make a core know it. */
  readonly records: Uint8Array;
  /** Keys of the kernel's `ours` map: what an uplink hands to the lane. */
  readonly ours: readonly Uint8Array[];
}

export function compileCluster(spec: ClusterSpec): CompiledCluster {
  const control = createControl({
    nodeName: NODE_NAME,
    capacities: spec.capacities,
    ...(spec.algorithm === undefined ? {} : { algorithm: spec.algorithm }),
  });
  const events = [
    nodeEvent(NODE_NAME, spec.nodeAddress ?? '192.168.0.1', '10.244.0.0/24'),
    nodeEvent('node-b', '192.168.0.2', spec.remotePods),
    ...spec.pods.map(podEvent),
    ...spec.services.flatMap(serviceEvents),
  ];
  for (const event of events) control.apply(event);
  control.setLinks(spec.links);
  control.setDns(spec.dns);
  control.apply({ type: 'synced' });
  const records = control.flush();
  const [problem] = control.problems();
  if (problem) throw new Error(`compile: ${JSON.stringify(problem)}`);
  return { records, ours: [...control.ours().values()] };
}
