/**
 * Clusters for benchmarks: the Kubernetes objects of services with remote endpoints, compiled by
 * the real control plane into delta records.
 */
import { createControl, type Control } from '../../src/compile/control.js';
import type { Link } from '../../src/compile/links.js';
import type { Capacities } from '../../src/core/regions.js';
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
}

/** A pod of this node, by name and address. */
export interface PodSpec {
  readonly name: string;
  readonly address: string;
}

const META = { namespace: 'bench' };
const PORT_NAME = 'main';

function putService(control: Control, spec: ServiceSpec): void {
  const { name, clusterIP, protocol, port, targetPort, endpoints } = spec;
  control.apply({
    type: 'put',
    kind: 'Service',
    object: {
      metadata: { ...META, name },
      spec: {
        clusterIP,
        clusterIPs: [clusterIP],
        ipFamilies: ['IPv4'],
        ports: [{ name: PORT_NAME, protocol, port, targetPort }],
      },
    },
  });
  control.apply({
    type: 'put',
    kind: 'EndpointSlice',
    object: {
      metadata: { ...META, name: `${name}-1`, labels: { [SERVICE_NAME_LABEL]: name } },
      addressType: 'IPv4',
      ports: [{ name: PORT_NAME, protocol, port: targetPort }],
      endpoints: endpoints.map((address) => ({ addresses: [address] })),
    },
  });
}

function putPod(control: Control, pod: PodSpec): void {
  control.apply({
    type: 'put',
    kind: 'Pod',
    object: {
      metadata: { ...META, name: pod.name, annotations: { [NETNS_ANNOTATION]: '/none' } },
      spec: { nodeName: NODE_NAME, containers: [] },
      status: { podIP: pod.address, podIPs: [{ ip: pod.address }] },
    },
  });
}

function putNode(control: Control, name: string, address: string, podCIDR: string): void {
  control.apply({
    type: 'put',
    kind: 'Node',
    object: {
      metadata: { name },
      spec: { podCIDR, podCIDRs: [podCIDR] },
      status: { addresses: [{ type: 'InternalIP', address }] },
    },
  });
}

/** A cluster of two nodes: this one, and the one where every endpoint is. */
export interface ClusterSpec {
  readonly capacities: Capacities;
  readonly services: readonly ServiceSpec[];
  readonly pods: readonly PodSpec[];
  readonly links: readonly Link[];
  /** Pod range of the other node. */
  readonly remotePods: string;
}

/** What a cluster becomes. */
export interface CompiledCluster {
  /** Delta records that make a core know it. */
  readonly records: Uint8Array;
  /** Keys of the kernel's `ours` map: what an uplink hands to the lane. */
  readonly ours: readonly Uint8Array[];
}

export function compileCluster(spec: ClusterSpec): CompiledCluster {
  const control = createControl({ nodeName: NODE_NAME, capacities: spec.capacities });
  putNode(control, NODE_NAME, '192.168.0.1', '10.244.0.0/24');
  putNode(control, 'node-b', '192.168.0.2', spec.remotePods);
  for (const pod of spec.pods) putPod(control, pod);
  for (const service of spec.services) putService(control, service);
  control.setLinks(spec.links);
  control.apply({ type: 'synced' });
  const records = control.flush();
  const [problem] = control.problems();
  if (problem) throw new Error(`compile: ${JSON.stringify(problem)}`);
  return { records, ours: [...control.ours().values()] };
}
