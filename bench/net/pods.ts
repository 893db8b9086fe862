/**
 * A node with two pods, for everything that goes pod → ClusterIP → pod:
 *
 *   client 10.244.0.11/32 ── node ── server 10.244.0.12/32
 *
 * The kernel's node and Sluice's are made alike, side by side: the same namespaces, the same
 * veths with the same addresses, routes and MACs (src/kernel/pod-link.ts makes both), the same
 * servers, pinned alike. Only who forwards differs. Samples are taken from one at a time.
 */
import { POD_IFNAME, ensurePodLink, podLinkName } from '../../src/kernel/pod-link.js';
import { podMac } from '../../src/model/pod-mac.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { NAMESPACE, type PodSpec, type ServiceSpec } from '../core/cluster.js';
import { SUBJECT_CPU } from '../pin.js';
import type { Scope } from '../scope.js';
import { compileNative } from '../twin.js';
import { startIptables } from './kube-proxy-iptables.js';
import { startKubeProxy, type ClusterIPService } from './kube-proxy.js';
import { createNetns, ip, netnsPath, sysctl, type Netns } from './netns.js';
import { delay, run, start } from './sh.js';

export const POD_CIDR = '10.244.0.0/24';
export const SERVICE_CIDR = '10.96.0.0/12';
export const NODE_ADDR = '192.168.0.1';
export const POD_MTU = 1500;
export const CLIENT_ADDR = '10.244.0.11';
export const SERVER_ADDR = '10.244.0.12';
/** Endpoints of services behind which iperf3 and `rr server` listen. */
export const STREAM_PORT = 5201;
export const RR_PORT = 7000;

function service(name: string, clusterIP: string, targetPort: number): ServiceSpec {
  return { name, clusterIP, protocol: 'TCP', port: 80, targetPort, endpoints: [SERVER_ADDR] };
}
export const STREAM_SERVICE = service('stream', '10.96.0.1', STREAM_PORT);
export const RR_SERVICE = service('rr', '10.96.0.2', RR_PORT);
export const SERVICES: readonly ServiceSpec[] = [STREAM_SERVICE, RR_SERVICE];

/** A node's namespaces, before anybody forwards. */
export interface PodNode {
  readonly node: Netns;
  readonly client: Netns;
  readonly server: Netns;
  readonly pods: readonly PodSpec[];
}

export function createPodNode(scope: Scope, label: string): PodNode {
  const node = createNetns(scope, label);
  const client = createNetns(scope, `${label}-client`);
  const server = createNetns(scope, `${label}-server`);
  sysctl(node, 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0');
  ip(node, `addr add ${NODE_ADDR}/32 dev lo`);
  return {
    node,
    client,
    server,
    pods: [
      { name: 'client', address: CLIENT_ADDR, netns: netnsPath(client) },
      { name: 'server', address: SERVER_ADDR, netns: netnsPath(server) },
    ],
  };
}

/** Pod links as the agent makes them. */
export function linkPods({ node, pods }: PodNode): void {
  const net = netnsAt(netnsPath(node));
  try {
    for (const { name, address, netns } of pods) {
      const key = { namespace: NAMESPACE, name };
      const link = { hostIfname: podLinkName(key), mac: podMac(key), ifname: POD_IFNAME };
      ensurePodLink(net, { ...link, netns, ips: [address], mtu: POD_MTU });
    }
  } finally {
    net.close();
  }
}

/** Who decides in a node where the kernel forwards. */
export type KernelMode = 'nftables' | 'iptables';

export interface KernelOptions {
  readonly services?: readonly ServiceSpec[];
  readonly mode?: KernelMode;
}

function clusterIPService(spec: ServiceSpec): ClusterIPService {
  const protocol = spec.protocol === 'TCP' ? 'tcp' : 'udp';
  const { clusterIP, port, targetPort, endpoints } = spec;
  return { clusterIP, protocol, port, endpoints, targetPort };
}

/** A node where the kernel forwards: routes, conntrack and kube-proxy's rules. */
export async function startKernelNode(
  scope: Scope,
  label: string,
  { services = SERVICES, mode = 'nftables' }: KernelOptions = {},
): Promise<PodNode> {
  const made = createPodNode(scope, label);
  linkPods(made);
  const config = {
    podCIDR: POD_CIDR,
    serviceCIDR: SERVICE_CIDR,
    nodeAddress: NODE_ADDR,
    services: services.map(clusterIPService),
  };
  if (mode === 'nftables') await startKubeProxy(made.node, config);
  else startIptables(made.node, config);
  await startServers(scope, made);
  return made;
}

/** Start the request/response server; the stream server is a suite's own. */
export async function startServers(scope: Scope, { server }: PodNode): Promise<void> {
  const rr = await compileNative('rr');
  const place = { netns: server, cpu: SUBJECT_CPU };
  await start(scope, place, rr, 'server', String(RR_PORT)).nextLine();
}

/** An agent that reads ten thousand services takes its time. */
const REACH_TRIES = 150;
const REACH_PAUSE_MS = 200;

/** Wait until the client reaches the server through the service. */
export async function awaitService({ client }: PodNode, spec: ServiceSpec): Promise<void> {
  const connect = `exec 3<>/dev/tcp/${spec.clusterIP}/${spec.port}`;
  for (let i = 0; ; i++) {
    try {
      await run({ netns: client }, 'timeout', '1', 'bash', '-c', connect);
      return;
    } catch (cause) {
      if (i === REACH_TRIES) throw new Error('the service does not answer', { cause });
      await delay(REACH_PAUSE_MS);
    }
  }
}
