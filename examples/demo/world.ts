/** What every phase of the demo is given. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentStatus } from '../../src/agent/status-file.js';
import { createAgent } from './agent.js';
import type { Agent } from './agent.js';
import {
  DNS_PORT,
  HTTP_PORT,
  IPERF_PORT,
  NAMESPACE,
  SERVICES,
  writeNodes,
  writePods,
} from './cluster.js';
import { createClients } from './clients.js';
import type { Clients } from './clients.js';
import { entryFile } from './entry.js';
import { createKubelet } from './kubelet.js';
import type { Kubelet } from './kubelet.js';
import { watchLosses } from './losses.js';
import { startWorldDns, writePodFiles } from './naming.js';
import type { WorldDns } from './naming.js';
import type { Namespace, Running } from './netns.js';
import type { PortMapping, Sandbox } from './runtime.js';
import type { Site } from './site.js';
import {
  NODE_NAMES,
  PODS_PER_NODE,
  POD_NAMES,
  POD_NODE,
  WEB_PODS,
  buildNetwork,
  tableOf,
} from './topology.js';
import type { DemoNode, DemoPod, Network, NodeName, PodName, Topology } from './topology.js';

export interface World {
  readonly site: Site;
  readonly topology: Topology;
  readonly agents: Readonly<Record<NodeName, Agent>>;
  readonly kubelets: Readonly<Record<NodeName, Kubelet>>;
  readonly clients: Clients;
  readonly worldDns: WorldDns;
  /** What runs in the serving pods. */
  readonly servers: Map<PodName, Running>;
  /** Folder of manifests that both agents watch. */
  readonly cluster: string;
  readonly offload: boolean;
  /** How often each pod has answered. */
  readonly hits: ReadonlyMap<PodName, number>;
}

/** The pod that asks for ports of its node. */
export const PUBLISHED_POD = 'web-1';
export const HOST_PORT = 18080;
const PUBLISHED: readonly PortMapping[] = [
  { hostPort: HOST_PORT, containerPort: HTTP_PORT, protocol: 'tcp' },
];
/** Pods whose iperf3 serves. */
const IPERF_PODS = ['web-3'] as const;

/** Start what answers in a namespace. @param name  what it says of itself */
export async function startServer(site: Site, ns: Namespace, name: string): Promise<Running> {
  const ports = [HTTP_PORT, DNS_PORT].map(String);
  const server = ns.start([process.execPath, entryFile('pod-server.js'), name, ...ports]);
  site.watch(server.pid);
  await server.waitFor(/ready/);
  return server;
}

async function startListener(site: Site, ns: Namespace): Promise<void> {
  const command = ['iperf3', '--server', '--forceflush', '--port', String(IPERF_PORT)] as const;
  const listener = ns.start(command);
  site.watch(listener.pid);
  await listener.waitFor(/listening/);
}

/** Pods' servers, one on the host's own network as hostNetwork pods are, and one far away. */
async function startServers(site: Site, topology: Topology): Promise<Map<PodName, Running>> {
  const { pods, nodes, internet } = topology;
  const servers = new Map<PodName, Running>();
  await Promise.all([
    ...WEB_PODS.map(async (name) => {
      servers.set(name, await startServer(site, pods[name].ns, name));
    }),
    startServer(site, nodes.alpha.ns, 'alpha'),
    startServer(site, internet.ns, 'internet'),
    ...IPERF_PODS.map((name) => startListener(site, pods[name].ns)),
  ]);
  return servers;
}

/** A pod of the runtime's. */
export async function addPod(kubelet: Kubelet, name: PodName, sandbox: Sandbox): Promise<DemoPod> {
  const { ipv4, ipv6 } = await kubelet.add(sandbox);
  return { name, node: kubelet.agent.node.name, ns: sandbox.ns, ipv4, ipv6, sandbox };
}

/** The agent runs: the plugin can be put into the runtime's folders, and pods can come. */
async function openKubelet(site: Site, agent: Agent, podFiles: string): Promise<Kubelet> {
  await agent.awaitReady();
  const { status, stderr } = await agent.sluice('cni', 'install');
  if (status !== 0) throw new Error(`sluice cni install: exit code ${status}: ${stderr.trim()}`);
  return createKubelet(site.lab, agent, podFiles);
}

/** One node's pods, one after the other. */
async function addPods(kubelet: Kubelet): Promise<DemoPod[]> {
  const pods: DemoPod[] = [];
  for (const name of POD_NAMES) {
    if (POD_NODE[name] !== kubelet.agent.node.name) continue;
    const ports = name === PUBLISHED_POD ? PUBLISHED : [];
    pods.push(await addPod(kubelet, name, kubelet.makeSandbox(name, ports)));
  }
  return pods;
}

/** Whether an agent has programmed a node's usual pods, and every endpoint there is. */
export function isWhole({ pods, control }: AgentStatus): boolean {
  return (
    pods === PODS_PER_NODE &&
    SERVICES.web.clusterIPs.every((address) => {
      const host = address.includes(':') ? `[${address}]` : address;
      const found = control.services.find(({ frontend }) => frontend === `${host}:80`);
      return found?.backends.length === SERVICES.web.pods.length;
    })
  );
}

async function createPods(
  network: Network,
  kubelets: World['kubelets'],
  cluster: string,
): Promise<Topology> {
  const pods = (await Promise.all(Object.values(kubelets).map(addPods))).flat();
  const byName = Object.fromEntries(pods.map((pod) => [pod.name, pod]));
  const topology = { ...network, pods: byName as Record<PodName, DemoPod> };
  writePods(cluster, topology);
  return topology;
}

/** Namespaces, agents, pods, servers; everything is programmed when this returns. */
export async function createWorld(site: Site, offload: boolean): Promise<World> {
  const network = buildNetwork(site.lab);
  const cluster = join(site.folder, 'cluster');
  mkdirSync(cluster);
  writeNodes(cluster, network);
  const worldDns = await startWorldDns(site, network.internet);
  const upstreams = [network.internet.ipv4, network.internet.ipv6];
  const make = (node: DemoNode): Agent => createAgent(site, node, { cluster, offload, upstreams });
  const agents = tableOf(NODE_NAMES, (name) => make(network.nodes[name]));
  for (const agent of Object.values(agents)) agent.start();
  const podFiles = writePodFiles(site, NAMESPACE);
  const [alpha, beta] = await Promise.all([
    openKubelet(site, agents.alpha, podFiles),
    openKubelet(site, agents.beta, podFiles),
  ]);
  const kubelets = { alpha, beta };
  const topology = await createPods(network, kubelets, cluster);
  const servers = await startServers(site, topology);
  await Promise.all(Object.values(agents).map((agent) => agent.awaitReady(isWhole)));
  const hits = new Map<PodName, number>();
  const clients = createClients(
    (pod) => hits.set(pod, (hits.get(pod) ?? 0) + 1),
    () => watchLosses(Object.values(agents)),
  );
  return {
    ...{ site, topology, agents, kubelets, clients, worldDns },
    ...{ servers, cluster, offload, hits },
  };
}
