/**
 * The cluster of the demo as a folder of ordinary Kubernetes YAML, which both agents watch.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { namingObjects } from './naming.js';
import { NODE_NAMES, POD_NAMES, WEB_PODS } from './topology.js';
import type { Network, NodeName, PodName, Topology } from './topology.js';

export const HTTP_PORT = 8080;
export const DNS_PORT = 5353;
export const IPERF_PORT = 5201;

export interface DemoService {
  readonly name: string;
  /** IPv4, and IPv6 where it has one; `None`, and no other, for a headless service of both families. */
  readonly clusterIPs: readonly [string, string?];
  readonly ports: readonly DemoPort[];
  readonly pods: readonly PodName[];
  /** Only endpoints of the node that a connection meets first. */
  readonly local?: boolean;
  /** Reached from outside: addresses of a load balancer and of externalIPs, by way of alpha. */
  readonly outer?: DemoOuter;
  /** Nodes whose own server is behind it, instead of pods. */
  readonly nodes?: readonly NodeName[];
}

interface DemoOuter {
  readonly balancer: readonly string[];
  readonly external: readonly string[];
  readonly spec?: object;
}

interface DemoPort {
  readonly name: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  readonly targetPort: number;
  readonly nodePort?: number;
}

const HTTP: DemoPort = { name: 'http', protocol: 'TCP', port: 80, targetPort: HTTP_PORT };
const DNS: DemoPort = { name: 'dns', protocol: 'UDP', port: 53, targetPort: DNS_PORT };
const IPERF: DemoPort = { name: 'iperf', protocol: 'TCP', port: 5201, targetPort: IPERF_PORT };

const HEADLESS = 'None';

export const SERVICES = {
  web: {
    name: 'web',
    clusterIPs: ['10.96.0.10', 'fd00:96::10'],
    ports: [HTTP],
    pods: WEB_PODS,
  },
  whoami: {
    name: 'whoami',
    clusterIPs: ['10.96.0.53', 'fd00:96::53'],
    ports: [DNS],
    pods: WEB_PODS,
  },
  edge: {
    name: 'edge',
    clusterIPs: ['10.96.0.20'],
    ports: [HTTP],
    pods: WEB_PODS,
    local: true,
  },
  bulk: {
    name: 'bulk',
    clusterIPs: ['10.96.0.30'],
    ports: [HTTP, IPERF],
    pods: ['web-3'],
  },
  shop: {
    name: 'shop',
    clusterIPs: ['10.96.0.40', 'fd00:96::40'],
    ports: [
      { ...HTTP, nodePort: 30080 },
      { ...DNS, nodePort: 30053 },
    ],
    pods: WEB_PODS,
    outer: {
      balancer: ['203.0.113.10', 'fd00:203::10'],
      external: ['203.0.113.20', 'fd00:203::20'],
    },
  },
  door: {
    name: 'door',
    clusterIPs: ['10.96.0.50'],
    ports: [{ ...HTTP, nodePort: 30081 }],
    pods: WEB_PODS,
    outer: {
      balancer: ['203.0.113.11'],
      external: [],
      spec: { externalTrafficPolicy: 'Local', loadBalancerSourceRanges: ['192.168.77.0/24'] },
    },
  },
  loyal: {
    name: 'loyal',
    clusterIPs: ['10.96.0.60'],
    ports: [{ ...HTTP, nodePort: 30082 }],
    pods: WEB_PODS,
    outer: { balancer: [], external: [], spec: { sessionAffinity: 'ClientIP' } },
  },
  self: {
    name: 'self',
    clusterIPs: ['10.96.0.90'],
    ports: [HTTP],
    pods: ['web-1'],
  },
  host: {
    name: 'host',
    clusterIPs: ['10.96.0.70'],
    ports: [{ ...HTTP, nodePort: 30083 }],
    pods: [],
    nodes: ['alpha'],
    outer: { balancer: [], external: [] },
  },
  nobody: {
    name: 'nobody',
    clusterIPs: ['10.96.0.80'],
    ports: [{ ...HTTP, nodePort: 30084 }],
    pods: [],
    outer: { balancer: ['203.0.113.12'], external: [] },
  },
  crew: {
    name: 'crew',
    clusterIPs: [HEADLESS],
    ports: [HTTP],
    pods: WEB_PODS,
  },
} as const satisfies Record<string, DemoService>;

/** Of every object of the demo. */
export const NAMESPACE = 'default';
const namespace = NAMESPACE;

function isHeadless({ clusterIPs }: DemoService): boolean {
  return clusterIPs[0] === HEADLESS;
}

function familiesOf(service: DemoService): string[] {
  const isDual = isHeadless(service) || service.clusterIPs[1] !== undefined;
  return isDual ? ['IPv4', 'IPv6'] : ['IPv4'];
}

function serviceObject(service: DemoService): object {
  const { name, clusterIPs, ports, local, outer } = service;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    ...(outer
      ? { status: { loadBalancer: { ingress: outer.balancer.map((ip) => ({ ip })) } } }
      : {}),
    spec: {
      ...(outer ? { type: 'LoadBalancer', externalIPs: outer.external, ...outer.spec } : {}),
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: familiesOf(service),
      internalTrafficPolicy: local === true ? 'Local' : 'Cluster',
      ports,
    },
  };
}

/** One EndpointSlice for each family of a service. */
function sliceObjects(service: DemoService, topology: Topology): object[] {
  return familiesOf(service).map((addressType) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service.name}-${addressType.toLowerCase()}`,
      namespace,
      labels: { 'kubernetes.io/service-name': service.name },
    },
    addressType,
    ports: service.ports.map(({ name, protocol, targetPort }) => ({
      name,
      protocol,
      port: targetPort,
    })),
    endpoints: [
      ...service.pods.map((pod) => topology.pods[pod]),
      ...(service.nodes ?? []).map((node) => ({ ...topology.nodes[node], node })),
    ].map(({ name, ipv4, ipv6, node }) => ({
      // Of pods whose `subdomain` is the headless service.
      ...(isHeadless(service) ? { hostname: name } : {}),
      addresses: [addressType === 'IPv4' ? ipv4 : ipv6],
      nodeName: node,
      conditions: { ready: true },
    })),
  }));
}

function nodeObjects({ nodes }: Network): object[] {
  return NODE_NAMES.map((name) => {
    const { podCIDRs, ipv4, ipv6 } = nodes[name];
    const addresses = [ipv4, ipv6].map((address) => ({ type: 'InternalIP', address }));
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: { podCIDR: podCIDRs[0], podCIDRs },
      status: { addresses },
    };
  });
}

function podObjects({ pods }: Topology): object[] {
  return POD_NAMES.map((name) => {
    const { node, ipv4, ipv6 } = pods[name];
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: { nodeName: node, containers: [] },
      status: { phase: 'Running', podIP: ipv4, podIPs: [{ ip: ipv4 }, { ip: ipv6 }] },
    };
  });
}

/** Replace a file of the folder as a whole: who reads sees the old one or the new one. */
export function writeText(folder: string, file: string, text: string): void {
  const path = join(folder, file);
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

/** A file of the folder with these objects, each a document. */
export function writeObjects(folder: string, file: string, objects: readonly object[]): void {
  const options = { aliasDuplicateObjects: false };
  writeText(folder, file, objects.map((object) => stringify(object, options)).join('---\n'));
}

/** The file that says which pods are behind a service. */
export function endpointsFile({ name }: DemoService): string {
  return `endpoints-${name}.yaml`;
}

export function writeEndpoints(folder: string, service: DemoService, topology: Topology): void {
  writeObjects(folder, endpointsFile(service), sliceObjects(service, topology));
}

/** What an agent needs before there are pods: nodes, and the ranges of their addresses. */
export function writeNodes(folder: string, network: Network): void {
  writeObjects(folder, 'nodes.yaml', nodeObjects(network));
  writeObjects(folder, 'names.yaml', namingObjects([NAMESPACE]));
  writeObjects(folder, 'services.yaml', Object.values(SERVICES).map(serviceObject));
}

/** Pods as their kubelets tell of them, and the endpoints that they are. */
export function writePods(folder: string, topology: Topology): void {
  writeObjects(folder, 'pods.yaml', podObjects(topology));
  for (const service of Object.values(SERVICES)) writeEndpoints(folder, service, topology);
}
