/**
 * The network of the demo: two nodes and an outside client on one wire, pods in namespaces.
 *
 *   shell-1 web-1 web-2 ── alpha ──┐
 *                                  ├── fabric (a bridge) ── client
 *   shell-2 web-3 web-4 ── beta ───┘
 *
 * The links between pods and nodes are not made here: that is the agent's work.
 */
import type { Lab, Namespace } from './netns.js';

export const NODE_NAMES = ['alpha', 'beta'] as const;
export type NodeName = (typeof NODE_NAMES)[number];

export const POD_NAMES = ['shell-1', 'web-1', 'web-2', 'shell-2', 'web-3', 'web-4'] as const;
export type PodName = (typeof POD_NAMES)[number];

/** The pods that serve. */
export const WEB_PODS = ['web-1', 'web-2', 'web-3', 'web-4'] as const;

export const UPLINK = 'eth0';
export const SERVICE_CIDR = '10.96.0.0/16';
export const SERVICE_CIDR6 = 'fd00:96::/112';

interface Host {
  readonly ns: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface DemoNode extends Host {
  readonly name: NodeName;
  /** IPv4, IPv6. */
  readonly podCIDRs: readonly [string, string];
}

export interface DemoPod extends Host {
  readonly name: PodName;
  readonly node: NodeName;
}

export interface Topology {
  readonly nodes: Readonly<Record<NodeName, DemoNode>>;
  readonly pods: Readonly<Record<PodName, DemoPod>>;
  readonly client: Host;
}

const BRIDGE = 'br0';
const CLIENT_NUMBER = 100;
const NODE_NUMBER: Readonly<Record<NodeName, number>> = { alpha: 1, beta: 2 };
/** Node, and last part of the addresses. */
const POD_PLACE: Readonly<Record<PodName, readonly [NodeName, number]>> = {
  'shell-1': ['alpha', 10],
  'web-1': ['alpha', 11],
  'web-2': ['alpha', 12],
  'shell-2': ['beta', 10],
  'web-3': ['beta', 13],
  'web-4': ['beta', 14],
};

/** A table with an entry for each name. */
function tableOf<K extends string, V>(names: readonly K[], make: (name: K) => V): Record<K, V> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<K, V>;
}

function makeFabric(lab: Lab): Namespace {
  const fabric = lab.namespace('fabric');
  const words = ['type', 'bridge', 'mcast_snooping', '0'] as const;
  fabric.run(['ip', 'link', 'add', BRIDGE, 'up', ...words]);
  return fabric;
}

/** A namespace on the wire. */
function plugIn(lab: Lab, fabric: Namespace, role: string, number: number): Host {
  const ns = lab.namespace(role);
  const ipv4 = `192.168.77.${number}`;
  const ipv6 = `fd00:77::${number}`;
  const addresses = [`${ipv4}/24`, `${ipv6}/64`];
  lab.connect({ ns, ifname: UPLINK, addresses }, { ns: fabric, ifname: role });
  fabric.run(['ip', 'link', 'set', role, 'master', BRIDGE]);
  return { ns, ipv4, ipv6 };
}

/** The outside client knows where the pods are; alpha is its way to the services and balancers. */
function routeClient(client: Host, nodes: Topology['nodes']): void {
  const routes = NODE_NAMES.flatMap((name) => {
    const { podCIDRs, ipv4, ipv6 } = nodes[name];
    return [[podCIDRs[0], ipv4] as const, [podCIDRs[1], ipv6] as const];
  });
  const outer = [
    [SERVICE_CIDR, nodes.alpha.ipv4],
    ['203.0.113.0/24', nodes.alpha.ipv4],
    ['fd00:203::/64', nodes.alpha.ipv6],
  ] as const;
  for (const [dst, via] of [...routes, ...outer]) {
    client.ns.run(['ip', 'route', 'add', dst, 'via', via]);
  }
}

export function buildTopology(lab: Lab): Topology {
  const fabric = makeFabric(lab);
  const nodes = tableOf(NODE_NAMES, (name): DemoNode => {
    const number = NODE_NUMBER[name];
    const host = plugIn(lab, fabric, name, number);
    return { ...host, name, podCIDRs: [`10.244.${number}.0/24`, `fd00:10:0:${number}::/64`] };
  });
  const pods = tableOf(POD_NAMES, (name): DemoPod => {
    const [node, last] = POD_PLACE[name];
    const ipv4 = `10.244.${NODE_NUMBER[node]}.${last}`;
    const ipv6 = `fd00:10:0:${NODE_NUMBER[node]}::${last}`;
    return { name, node, ipv4, ipv6, ns: lab.namespace(name) };
  });
  const client = plugIn(lab, fabric, 'client', CLIENT_NUMBER);
  routeClient(client, nodes);
  return { nodes, pods, client };
}
