/**
 * SCTP through real agents, between real stacks: usrsctp in the pods speaks SCTP over raw IP, and
 * takes nothing whose CRC is wrong. One backend is on the client's node, the other on the next.
 */
import { stringify } from 'yaml';
import type { Agent } from '../../examples/demo/agent.js';
import { type Site, openSite } from '../../examples/demo/site.js';
import type { Namespace, RunResult } from '../../examples/demo/netns.js';
import type { Flow } from '../../src/ops/flow-rows.js';
import { type PodName, type Topology, buildTopology, startAgents } from '../support/annotated.js';
import { needs } from '../support/skip.js';
import { compilePeer, withoutSctp } from './sctp-peer.js';

const PORT = 7777;
const TARGET_PORT = 38412;
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

const sctpTest = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'nsenter', 'gcc'],
  also: withoutSctp(),
});

/** Services and slices as YAML. */
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
      const agents = await startAgents(site, topology, ['alpha', 'beta'], {
        offload,
        manifests: manifests(topology),
      });
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
