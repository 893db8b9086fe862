/**
 * net/nodeport-udp64: frames of 64 bytes to a node port whose backends are on another node. They
 * come by the uplink, are rewritten and masqueraded, and leave by the same uplink:
 *
 *   c (client 10.9.1.2, other node 10.9.1.3)      d (the node)
 *   c0 ═════════════════════════════════════════ d0 10.9.1.1
 *
 * The far end of the one link stands for a segment: client and other node are both behind c0,
 * where the generator sends and the sink counts.
 */
import type { Context, Result, Suite } from '../harness.js';
import { SUBJECT_CPU } from '../pin.js';
import type { Scope } from '../scope.js';
import type { ClusterIPService } from './kube-proxy.js';
import { createNetns, createVeth, ip, sysctl, type Device } from './netns.js';
import { missingTools, runSync } from './sh.js';
import { missingNative } from './sluice.js';
import { deviceOf, startNode } from './uplink.js';
import { runWire } from './wire-run.js';

const NAME = 'net/nodeport-udp64';
const RIVAL = 'kernel DNAT, masquerade and routing, kube-proxy nftables rules, same veth';
const FLOWS = 1000;
const NODE_ADDR = '10.9.1.1';
const CLIENT_ADDR = '10.9.1.2';
const OTHER_NODE_ADDR = '10.9.1.3';
const REMOTE_PODS = '10.9.2.0/24';
const NODE_PORT = 30053;
const SERVICE: ClusterIPService = {
  clusterIP: '10.96.0.1',
  protocol: 'udp',
  port: 53,
  endpoints: ['10.9.2.2', '10.9.2.3', '10.9.2.4', '10.9.2.5'],
  targetPort: 5353,
  nodePort: NODE_PORT,
};

function createSegment(scope: Scope): { c0: Device; d0: Device } {
  const c = createNetns(scope, 'c');
  const d = createNetns(scope, 'd');
  const { a: c0, b: d0 } = createVeth(
    { netns: c, name: 'c0', address: `${CLIENT_ADDR}/24` },
    { netns: d, name: 'd0', address: `${NODE_ADDR}/24` },
  );
  sysctl(d, 'net.ipv4.ip_forward=1');
  for (const device of ['all', 'd0']) {
    sysctl(d, `net.ipv4.conf.${device}.rp_filter=0`, `net.ipv4.conf.${device}.send_redirects=0`);
  }
  for (const address of [CLIENT_ADDR, OTHER_NODE_ADDR]) {
    ip(d, `neigh replace ${address} lladdr ${c0.mac} dev d0 nud permanent`);
  }
  ip(d, `route add ${REMOTE_PODS} via ${OTHER_NODE_ADDR}`);
  // Or a veth without XDP would drop every frame that the generator redirects into it.
  runSync({ netns: d }, ['ethtool', '-K', 'd0', 'gro', 'on']);
  return { c0, d0 };
}

async function runNodePort(context: Context): Promise<Result[]> {
  const { c0, d0 } = createSegment(context.scope);
  const { clusterIP, port, targetPort, endpoints } = SERVICE;
  const device = deviceOf(d0);
  const uplink = await startNode(context.scope, d0.netns, {
    near: device,
    far: device,
    nodeAddress: NODE_ADDR,
    serverMac: c0.mac,
    service: {
      name: 'udp',
      clusterIP,
      protocol: 'UDP',
      port,
      targetPort,
      endpoints,
      nodePort: NODE_PORT,
    },
    remotePods: REMOTE_PODS,
    offload: true,
    laneCpu: SUBJECT_CPU,
  });
  return runWire(context, {
    name: NAME,
    flows: FLOWS,
    offload: true,
    from: c0,
    sink: c0,
    path: {
      dstMac: d0.mac,
      srcMac: c0.mac,
      src: CLIENT_ADDR,
      dst: NODE_ADDR,
      dstPort: NODE_PORT,
    },
    uplink,
    node: d0,
    rules: {
      podCIDR: '10.9.2.0/23',
      serviceCIDR: '10.96.0.0/12',
      nodeAddress: NODE_ADDR,
      services: [SERVICE],
    },
    rival: RIVAL,
  });
}

export const suites: readonly Suite[] = [
  {
    names: [NAME],
    missing: () => Promise.resolve(missingTools('nft', 'ethtool', 'sysctl') ?? missingNative()),
    run: runNodePort,
  },
];
