/**
 * The network of the demo: two nodes on two networks, a router between them, the world beyond.
 *
 *   shell-1 web-1 web-2 ── alpha ─┬─ 192.168.77.0/24 ─┐
 *                        client ──┘                   ├── router ── 198.51.100.0/24 ── internet
 *   shell-2 web-3 web-4 ── beta ──── 192.168.78.0/24 ─┘
 *
 * The router knows its three networks and no pod: what goes from one node's pods to the other's
 * has to be in a tunnel, and what goes out has to have a node's address. The links between pods
 * and nodes are not made here: that is the plugin's work.
 */
import type { Lab, Namespace } from './netns.js';
import type { Sandbox } from './runtime.js';

export const NODE_NAMES = ['alpha', 'beta'] as const;
export type NodeName = (typeof NODE_NAMES)[number];

export const POD_NAMES = ['shell-1', 'web-1', 'web-2', 'shell-2', 'web-3', 'web-4'] as const;
export type PodName = (typeof POD_NAMES)[number];

/** The pods that serve. */
export const WEB_PODS = ['web-1', 'web-2', 'web-3', 'web-4'] as const;

/** Where each pod is to run. */
export const POD_NODE: Readonly<Record<PodName, NodeName>> = {
  'shell-1': 'alpha',
  'web-1': 'alpha',
  'web-2': 'alpha',
  'shell-2': 'beta',
  'web-3': 'beta',
  'web-4': 'beta',
};
export const PODS_PER_NODE = POD_NAMES.length / NODE_NAMES.length;

export const UPLINK = 'eth0';
export const SERVICE_CIDR = '10.96.0.0/16';
export const SERVICE_CIDR6 = 'fd00:96::/112';
/** Bytes that every cable carries. */
export const UPLINK_MTU = 1500;

export interface Host {
  readonly ns: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface DemoNode extends Host {
  readonly name: NodeName;
  /** IPv4, IPv6. */
  readonly podCIDRs: readonly [string, string];
  /** What it is seen as beyond a tunnel: the first address of its range. */
  readonly tunnel4: string;
}

/** What plugin and kubelet have made of a pod. */
export interface DemoPod extends Host {
  readonly name: PodName;
  readonly node: NodeName;
  readonly sandbox: Sandbox;
}

/** What there is before any agent and any pod. */
export interface Network {
  readonly nodes: Readonly<Record<NodeName, DemoNode>>;
  /** Beside alpha; knows where pods and services are. */
  readonly client: Host;
  /** Beyond the router; knows of no pod. */
  readonly internet: Host;
  readonly router: Namespace;
}

export interface Topology extends Network {
  /** A pod that is made anew has another entry. */
  readonly pods: Record<PodName, DemoPod>;
}

/** A network of the router's: what its addresses begin with. */
interface Lan {
  readonly name: string;
  readonly prefix4: string;
  readonly prefix6: string;
}

const LANS: Readonly<Record<NodeName | 'internet', Lan>> = {
  alpha: { name: 'lan-alpha', prefix4: '192.168.77.', prefix6: 'fd00:77::' },
  beta: { name: 'lan-beta', prefix4: '192.168.78.', prefix6: 'fd00:78::' },
  // Addresses for documentation: RFC 5737 and RFC 3849.
  internet: { name: 'lan-world', prefix4: '198.51.100.', prefix6: '2001:db8:100::' },
};
const ROUTER_NUMBER = 254;
/** Of nodes, also in their pods' addresses. */
const NODE_NUMBER: Readonly<Record<NodeName, number>> = { alpha: 1, beta: 2 };
/** Where everybody is, and the last part of the addresses. */
const PLACES = {
  alpha: [LANS.alpha, NODE_NUMBER.alpha],
  beta: [LANS.beta, NODE_NUMBER.beta],
  client: [LANS.alpha, 100],
  internet: [LANS.internet, 9],
} as const;

/** A table with an entry for each name. */
export function tableOf<K extends string, V>(
  names: readonly K[],
  make: (name: K) => V,
): Record<K, V> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<K, V>;
}

function addressesOf({ prefix4, prefix6 }: Lan, number: number): [string, string] {
  return [`${prefix4}${number}/24`, `${prefix6}${number}/64`];
}

/** Each network is a bridge of the router's, which has an address there itself. */
function makeRouter(lab: Lab): Namespace {
  const router = lab.namespace('router');
  router.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  for (const lan of Object.values(LANS)) {
    const words = ['type', 'bridge', 'mcast_snooping', '0'] as const;
    router.run(['ip', 'link', 'add', lan.name, 'up', ...words]);
    const [ipv4, ipv6] = addressesOf(lan, ROUTER_NUMBER);
    router.run(['ip', 'address', 'add', ipv4, 'dev', lan.name]);
    router.run(['ip', 'address', 'add', ipv6, 'dev', lan.name, 'nodad']);
  }
  return router;
}

/** A namespace on one of the networks; the router is its way to everything else. */
function plugIn(lab: Lab, router: Namespace, role: keyof typeof PLACES): Host {
  const [lan, number] = PLACES[role];
  const ns = lab.namespace(role);
  const addresses = addressesOf(lan, number);
  lab.connect({ ns, ifname: UPLINK, addresses }, { ns: router, ifname: role }, UPLINK_MTU);
  router.run(['ip', 'link', 'set', role, 'master', lan.name]);
  for (const prefix of [lan.prefix4, lan.prefix6]) {
    ns.run(['ip', 'route', 'add', 'default', 'via', `${prefix}${ROUTER_NUMBER}`]);
  }
  return { ns, ipv4: `${lan.prefix4}${number}`, ipv6: `${lan.prefix6}${number}` };
}

/** alpha is the outside client's way to pods, services and balancers. */
function routeClient(client: Host, { alpha, beta }: Network['nodes']): void {
  const behind = [
    ...[alpha, beta].map(({ podCIDRs }) => podCIDRs),
    [SERVICE_CIDR],
    ['203.0.113.0/24', 'fd00:203::/64'],
  ].flat();
  for (const dst of behind) {
    const via = dst.includes(':') ? alpha.ipv6 : alpha.ipv4;
    client.ns.run(['ip', 'route', 'add', dst, 'via', via]);
  }
}

export function buildNetwork(lab: Lab): Network {
  const router = makeRouter(lab);
  const nodes = tableOf(NODE_NAMES, (name): DemoNode => {
    const number = NODE_NUMBER[name];
    const host = plugIn(lab, router, name);
    const podCIDRs = [`10.244.${number}.0/24`, `fd00:10:0:${number}::/64`] as const;
    return { ...host, name, podCIDRs, tunnel4: `10.244.${number}.0` };
  });
  const client = plugIn(lab, router, 'client');
  routeClient(client, nodes);
  const internet = plugIn(lab, router, 'internet');
  return { nodes, client, internet, router };
}
