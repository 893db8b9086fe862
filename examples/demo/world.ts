/** What every phase of the demo is given. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createAgent } from './agent.js';
import type { Agent } from './agent.js';
import { DNS_PORT, HTTP_PORT, IPERF_PORT, writeCluster } from './cluster.js';
import { createClients } from './clients.js';
import type { Clients } from './clients.js';
import { entryFile } from './entry.js';
import type { Site } from './site.js';
import { WEB_PODS, buildTopology } from './topology.js';
import type { DemoNode, NodeName, PodName, Topology } from './topology.js';

export interface World {
  readonly site: Site;
  readonly topology: Topology;
  readonly agents: Readonly<Record<NodeName, Agent>>;
  readonly clients: Clients;
  /** Folder of manifests that both agents watch. */
  readonly cluster: string;
  readonly offload: boolean;
  /** How often each pod has answered. */
  readonly hits: ReadonlyMap<PodName, number>;
}

const PODS_PER_NODE = 3;
/** Pods whose iperf3 serves. */
const IPERF_PODS = ['web-3'] as const;

async function startServers(site: Site, { pods, nodes }: Topology): Promise<void> {
  const program = entryFile('pod-server.js');
  const ports = [HTTP_PORT, DNS_PORT].map(String);
  const servers = WEB_PODS.map((name) =>
    pods[name].ns.start([process.execPath, program, name, ...ports]),
  );
  // A server on the host's own network, as hostNetwork pods are.
  servers.push(nodes.alpha.ns.start([process.execPath, program, 'alpha', ...ports]));
  const listeners = IPERF_PODS.map((name) =>
    pods[name].ns.start(['iperf3', '--server', '--forceflush', '--port', String(IPERF_PORT)]),
  );
  for (const { pid } of [...servers, ...listeners]) site.watch(pid);
  await Promise.all([
    ...servers.map((server) => server.waitFor(/ready/)),
    ...listeners.map((listener) => listener.waitFor(/listening/)),
  ]);
}

/** Namespaces, manifests, servers and agents; everything is programmed when this returns. */
export async function createWorld(site: Site, offload: boolean): Promise<World> {
  const topology = buildTopology(site.lab);
  const cluster = join(site.folder, 'cluster');
  mkdirSync(cluster);
  writeCluster(cluster, topology);
  const make = (node: DemoNode): Agent =>
    createAgent(site, node, { cluster, pods: PODS_PER_NODE, offload });
  const agents = { alpha: make(topology.nodes.alpha), beta: make(topology.nodes.beta) };
  const serving = startServers(site, topology);
  for (const agent of Object.values(agents)) agent.start();
  await Promise.all([serving, ...Object.values(agents).map((agent) => agent.awaitReady())]);
  const hits = new Map<PodName, number>();
  const clients = createClients((pod) => hits.set(pod, (hits.get(pod) ?? 0) + 1));
  return { site, topology, agents, clients, cluster, offload, hits };
}
