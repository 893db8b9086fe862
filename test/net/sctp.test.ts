/**
 * SCTP through real agents, between real stacks: usrsctp in the pods speaks SCTP over raw IP, and
 * takes nothing whose CRC is wrong. One backend is on the client's node, the other on the next.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Agent, createAgent } from '../../examples/demo/agent.js';
import { writeCluster } from '../../examples/demo/cluster.js';
import { type Site, openSite } from '../../examples/demo/site.js';
import type { Namespace, RunResult } from '../../examples/demo/netns.js';
import { type PodName, type Topology, buildTopology } from '../../examples/demo/topology.js';
import type { Flow } from '../../src/ops/flows.js';
import { needs } from '../support/skip.js';

const HEADER = '/usr/include/usrsctp.h';
const SOURCE = join(import.meta.dirname, 'sctp-peer.c');
const PORT = 7777;
const TARGET_PORT = 38412;
const PODS_PER_NODE = 3;
const CLIENT: PodName = 'shell-1';

/** Service, backend, ClusterIPs: behind each one a single pod. */
const SERVICES = [
  { name: 'sctp-near', pod: 'web-1', clusterIPs: ['10.96.0.80', 'fd00:96::80'] },
  { name: 'sctp-far', pod: 'web-3', clusterIPs: ['10.96.0.81', 'fd00:96::81'] },
] as const;

const FAMILIES = [
  { addressType: 'IPv4', family: 'ipv4' },
  { addressType: 'IPv6', family: 'ipv6' },
] as const;

/** What is tried: near and far, either family. */
const PATHS = SERVICES.flatMap(({ pod, clusterIPs }) =>
  FAMILIES.map(({ family }, i) => ({ pod, family, vip: clusterIPs[i] ?? '' })),
);

const missing = existsSync(HEADER) ? undefined : 'needs libusrsctp-dev, not installed';
const sctpTest = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'nsenter', 'gcc'],
  also: missing,
});

function compilePeer(folder: string): string {
  const peer = join(folder, 'sctp-peer');
  const args = ['-Wall', '-Wextra', '-Werror', '-O1', '-o', peer, SOURCE, '-lusrsctp'];
  const { status, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
  return peer;
}

/** Services and slices as YAML, beside the demo's own. */
function manifests({ pods }: Topology): string {
  const port = { name: 'sctp', protocol: 'SCTP' };
  const objects = SERVICES.flatMap(({ name, pod, clusterIPs }) => [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: {
        clusterIP: clusterIPs[0],
        clusterIPs,
        ipFamilies: ['IPv4', 'IPv6'],
        ports: [{ ...port, port: PORT, targetPort: TARGET_PORT }],
      },
    },
    ...FAMILIES.map(({ addressType, family }) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-${family}`,
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType,
      ports: [{ ...port, port: TARGET_PORT }],
      endpoints: [
        {
          addresses: [pods[pod][family]],
          nodeName: pods[pod].node,
          conditions: { ready: true },
        },
      ],
    })),
  ]);
  return objects.map((object) => stringify(object)).join('---\n');
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** Both nodes under their agents, with everything programmed. */
async function startNodes(site: Site, topology: Topology, offload: boolean): Promise<Agent[]> {
  const cluster = join(site.folder, 'cluster');
  mkdirSync(cluster);
  writeCluster(cluster, topology);
  writeFileSync(join(cluster, 'sctp.yaml'), manifests(topology));
  const { alpha, beta } = topology.nodes;
  const agents = [alpha, beta].map((node) =>
    createAgent(site, node, { cluster, pods: PODS_PER_NODE, offload }),
  );
  for (const agent of agents) agent.start();
  await Promise.all(agents.map((agent) => agent.awaitReady()));
  return agents;
}

interface Exchange {
  readonly vip: string;
  /** Its backend, and that one's address. */
  readonly pod: PodName;
  readonly own: string;
  /** Where the client is, and its address. */
  readonly from: Namespace;
  readonly source: string;
}

/** One association of the client with a backend. @returns what the client printed */
async function exchange(
  site: Site,
  { pods }: Topology,
  peer: string,
  { vip, pod, own, from, source }: Exchange,
): Promise<RunResult> {
  const server = pods[pod].ns.start([peer, 'server', own, String(TARGET_PORT)]);
  site.watch(server.pid);
  await server.waitFor(/ready/);
  const ask = [peer, 'client', vip, String(PORT), `to ${vip}`, source] as const;
  const result = await from.runAsync(ask);
  await server.stop();
  return result;
}

/** The association of a client with a ClusterIP, as the agent of its node knows it. */
function flowOf(agent: Agent | undefined, source: string, vip: string): Flow | undefined {
  const to = `${bracketed(vip)}:${String(PORT)}`;
  const isIts = ({ protocol, from, ...flow }: Flow): boolean =>
    protocol === 'SCTP' && flow.to === to && from.startsWith(`${bracketed(source)}:`);
  return agent?.flows().find(isIts);
}

for (const offload of [true, false]) {
  const how = offload ? 'with the kernel repeating' : 'with everything through WebAssembly';

  sctpTest(`sctp: associations to ClusterIPs open, carry and close ${how}`, async (t) => {
    const site = openSite(() => undefined);
    try {
      const peer = compilePeer(site.folder);
      const topology = buildTopology(site.lab);
      const agents = await startNodes(site, topology, offload);
      const { pods, nodes } = topology;
      for (const client of [pods[CLIENT], nodes.alpha]) {
        for (const { vip, pod, family } of PATHS) {
          const own = pods[pod][family];
          const source = client[family];
          const path = { vip, pod, own, from: client.ns, source };
          const said = await exchange(site, topology, peer, path);
          t.is(said.status, 0, `${source} to ${vip}: ${said.stderr}`);
          t.is(said.stdout, `to ${vip}\n`);
          t.like(flowOf(agents[0], source, vip), {
            translatedTo: `${bracketed(own)}:${String(TARGET_PORT)}`,
            state: 'CLOSED',
            original: { kernelPackets: 0 },
            reply: { kernelPackets: 0 },
          });
        }
      }
      for (const agent of agents) t.is(await agent.stop(), 0);
    } finally {
      site.close();
    }
    t.deepEqual(site.leftovers(), []);
  });
}
