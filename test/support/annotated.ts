/**
 * Two nodes on one wire, their pods said by annotations: links come from Pod objects, no plugin is
 * asked.
 *
 *   shell-1 web-1 web-2 ── alpha ──┐
 *                                  ├── fabric (a bridge)
 *   shell-2 web-3 web-4 ── beta ───┘
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Agent, createAgent } from '../../examples/demo/agent.js';
import type { Site } from '../../examples/demo/site.js';
import {
  type DemoNode,
  NODE_NAMES,
  type NodeName,
  PODS_PER_NODE,
  POD_NAMES,
  POD_NODE,
  type PodName,
  UPLINK,
  tableOf,
} from '../../examples/demo/topology.js';
import { NETNS_ANNOTATION } from '../../src/model/pods.js';
import type { Lab, Namespace } from './netns.js';

export type { PodName };

export interface AnnotatedPod {
  readonly ns: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly node: NodeName;
}

export interface Topology {
  readonly nodes: Readonly<Record<NodeName, DemoNode>>;
  readonly pods: Readonly<Record<PodName, AnnotatedPod>>;
}

const BRIDGE = 'br0';
const POD_NUMBER_FIRST = 10;

function addNode(lab: Lab, fabric: Namespace, name: NodeName): DemoNode {
  const number = NODE_NAMES.indexOf(name) + 1;
  const ns = lab.namespace(name);
  const [ipv4, ipv6] = [`192.168.77.${String(number)}`, `fd00:77::${String(number)}`];
  const addresses = [`${ipv4}/24`, `${ipv6}/64`];
  lab.connect({ ns, ifname: UPLINK, addresses }, { ns: fabric, ifname: name });
  fabric.run(['ip', 'link', 'set', name, 'master', BRIDGE]);
  const podCIDRs = [`10.244.${String(number)}.0/24`, `fd00:10:0:${String(number)}::/64`] as const;
  return { name, ns, ipv4, ipv6, podCIDRs, tunnel4: `10.244.${String(number)}.0` };
}

export function buildTopology(lab: Lab): Topology {
  const fabric = lab.namespace('fabric');
  fabric.run(['ip', 'link', 'add', BRIDGE, 'up', 'type', 'bridge', 'mcast_snooping', '0']);
  const nodes = tableOf(NODE_NAMES, (name) => addNode(lab, fabric, name));
  const pods = tableOf(POD_NAMES, (name): AnnotatedPod => {
    const node = POD_NODE[name];
    const number = String(NODE_NAMES.indexOf(node) + 1);
    const last = String(POD_NUMBER_FIRST + POD_NAMES.indexOf(name));
    const [ipv4, ipv6] = [`10.244.${number}.${last}`, `fd00:10:0:${number}::${last}`];
    return { node, ipv4, ipv6, ns: lab.namespace(name) };
  });
  return { nodes, pods };
}

function objects({ nodes, pods }: Topology): object[] {
  return [
    ...Object.values(nodes).map(({ name, podCIDRs, ipv4, ipv6 }) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: { podCIDR: podCIDRs[0], podCIDRs },
      status: { addresses: [ipv4, ipv6].map((address) => ({ type: 'InternalIP', address })) },
    })),
    ...Object.entries(pods).map(([name, { node, ipv4, ipv6, ns }]) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', annotations: { [NETNS_ANNOTATION]: ns.path } },
      spec: { nodeName: node, containers: [] },
      status: { phase: 'Running', podIP: ipv4, podIPs: [{ ip: ipv4 }, { ip: ipv6 }] },
    })),
  ];
}

export interface NodesOptions {
  readonly offload: boolean;
  /** More objects, as YAML. */
  readonly manifests?: string;
}

/** Nodes under their agents, with every pod's link. */
export async function startAgents(
  site: Site,
  topology: Topology,
  names: readonly NodeName[],
  { offload, manifests = '' }: NodesOptions,
): Promise<Agent[]> {
  const cluster = join(site.folder, 'cluster');
  mkdirSync(cluster);
  const text = objects(topology).map((object) => stringify(object));
  writeFileSync(join(cluster, 'objects.yaml'), [...text, manifests].join('---\n'));
  const agents = names.map((name) => createAgent(site, topology.nodes[name], { cluster, offload }));
  for (const agent of agents) agent.start();
  await Promise.all(agents.map(awaitPods));
  return agents;
}

/** Wait until an agent has the links of all of its node's pods. */
export async function awaitPods(agent: Agent): Promise<void> {
  await agent.awaitReady(({ pods }) => pods === PODS_PER_NODE);
}
