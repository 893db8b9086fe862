/**
 * Two links through a node, for frames at line rate:
 *
 *   c (client)          d (the node)          s (servers)
 *   c0 10.9.1.2 ══ d0 10.9.1.1   d1 10.9.2.1 ══ s0 10.9.2.2 ...
 *
 * Neighbours are static: what counts frames at s0 drops ARP too. GRO is on at d0, or a veth
 * without XDP would drop every frame that the generator redirects into it.
 */
import type { Scope } from '../scope.js';
import type { ClusterIPService, KubeProxyConfig } from './kube-proxy.js';
import { createNetns, createVeth, ip, sysctl, type Device } from './netns.js';
import { runSync } from './sh.js';
import type { UdpPath } from './udp-template.js';

export const CLIENT_ADDR = '10.9.1.2';
export const SERVER_ADDRS = ['10.9.2.2', '10.9.2.3', '10.9.2.4', '10.9.2.5'];
export const SERVICE: ClusterIPService = {
  clusterIP: '10.96.0.1',
  protocol: 'udp',
  port: 53,
  endpoints: SERVER_ADDRS,
  targetPort: 5353,
};
export const KUBE_PROXY: KubeProxyConfig = {
  podCIDR: '10.9.0.0/16',
  serviceCIDR: '10.96.0.0/12',
  nodeAddress: '10.9.1.1',
  services: [SERVICE],
};

export interface Wire {
  readonly c0: Device;
  readonly d0: Device;
  readonly d1: Device;
  readonly s0: Device;
  /** From the client to the service. */
  readonly path: UdpPath;
}

export function createWire(scope: Scope): Wire {
  const c = createNetns(scope, 'c');
  const d = createNetns(scope, 'd');
  const s = createNetns(scope, 's');
  const near = createVeth(
    { netns: c, name: 'c0', address: `${CLIENT_ADDR}/24` },
    { netns: d, name: 'd0', address: '10.9.1.1/24' },
  );
  const far = createVeth(
    { netns: d, name: 'd1', address: '10.9.2.1/24' },
    { netns: s, name: 's0', address: `${SERVER_ADDRS[0]}/24` },
  );
  sysctl(d, 'net.ipv4.ip_forward=1');
  for (const device of ['all', 'd0', 'd1']) sysctl(d, `net.ipv4.conf.${device}.rp_filter=0`);
  for (const address of SERVER_ADDRS) {
    ip(d, `neigh replace ${address} lladdr ${far.b.mac} dev d1 nud permanent`);
  }
  ip(d, `neigh replace ${CLIENT_ADDR} lladdr ${near.a.mac} dev d0 nud permanent`);
  runSync({ netns: d }, ['ethtool', '-K', 'd0', 'gro', 'on']);
  return {
    c0: near.a,
    d0: near.b,
    d1: far.a,
    s0: far.b,
    path: {
      dstMac: near.b.mac,
      srcMac: near.a.mac,
      src: CLIENT_ADDR,
      dst: SERVICE.clusterIP,
      dstPort: SERVICE.port,
    },
  };
}
