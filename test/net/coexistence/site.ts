/** A node with an uplink, a peer at the other end of it, a pod, and an agent that comes and goes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { NETNS_ANNOTATION } from '../../../src/model/pods.js';
import { packageFile } from '../../../src/package-root.js';
import type { Lab, Namespace, Running } from '../../support/netns.js';
import { NODE, NODE_PORT, PEER } from './script.js';

const NODE_NAME = 'node-a';
const POD_IP = '10.244.1.5';
const TARGET_PORT = 8080;
export const UPLINK = 'up0';
export const POD_GREETING = 'from the pod';

/** Where the peer finds the service when an agent is there. */
export const FRONTENDS: readonly (readonly [address: string, port: number])[] = [
  ['10.96.0.10', 80],
  [NODE.ipv4, NODE_PORT],
];

const SERVICE = { name: 'web', namespace: 'default' };
const PORT = { name: 'http', protocol: 'TCP' };

/** Of the node: the frontends share its address. */
function manifests(podNetns: string): object[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: NODE_NAME },
      spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
      status: { addresses: [{ type: 'InternalIP', address: NODE.ipv4 }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'web-1',
        namespace: 'default',
        annotations: { [NETNS_ANNOTATION]: podNetns },
      },
      spec: { nodeName: NODE_NAME, containers: [] },
      status: { phase: 'Running', podIP: POD_IP, podIPs: [{ ip: POD_IP }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: SERVICE,
      spec: {
        type: 'NodePort',
        clusterIP: '10.96.0.10',
        clusterIPs: ['10.96.0.10'],
        ipFamilies: ['IPv4'],
        ports: [{ ...PORT, port: 80, targetPort: TARGET_PORT, nodePort: NODE_PORT }],
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'web-ipv4',
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': 'web' },
      },
      addressType: 'IPv4',
      ports: [{ ...PORT, port: TARGET_PORT }],
      endpoints: [{ addresses: [POD_IP], nodeName: NODE_NAME, conditions: { ready: true } }],
    },
  ];
}

export interface Site {
  readonly node: Namespace;
  readonly peer: Namespace;
  /** Let the peer's stack speak. */
  withPeerStack<T>(body: () => Promise<T>): Promise<T>;
  /** Attach an agent in this way, run, and clean up after it. */
  withAgent<T>(mode: 'tc' | 'xdp', body: () => Promise<T>): Promise<T>;
  close(): void;
}

/** Nothing is sent that nobody asked for, and nothing held back that somebody did. */
const QUIET = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  `net.ipv4.conf.${UPLINK}.send_redirects=0`,
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv6.icmp.ratelimit=0',
  `net.ipv6.conf.${UPLINK}.accept_ra=0`,
];

/** Nobody has to ask for the other's MAC address, during a recording least of all. */
function introduce(ns: Namespace, other: typeof NODE | typeof PEER): void {
  for (const address of [other.ipv4, other.ipv6]) {
    ns.run(['ip', 'neigh', 'replace', address, 'lladdr', other.mac, 'dev', UPLINK]);
  }
}

/** Take the peer's own stack off the wire, or put it there: a script needs no second author. */
function setPeerStack(peer: Namespace, on: boolean): void {
  peer.run(['sysctl', '-qw', `net.ipv6.conf.${UPLINK}.disable_ipv6=${on ? 0 : 1}`]);
  if (!on) {
    peer.run(['ip', 'address', 'flush', 'dev', UPLINK]);
    return;
  }
  peer.run(['ip', 'address', 'add', `${PEER.ipv4}/24`, 'dev', UPLINK]);
  peer.run(['ip', 'address', 'add', `${PEER.ipv6}/64`, 'dev', UPLINK, 'nodad']);
  peer.run(['ip', 'route', 'add', '10.96.0.0/12', 'via', NODE.ipv4]);
  introduce(peer, NODE);
}

function configure(node: Namespace, peer: Namespace): void {
  node.run(['sysctl', '-qw', ...QUIET]);
  introduce(node, PEER);
  node.run(['ip', 'route', 'add', 'default', 'via', PEER.ipv4]);
  node.run(['ip', '-6', 'route', 'add', 'default', 'via', PEER.ipv6]);
  // As a card would: a packet that XDP sees has all its checksums.
  peer.run(['ethtool', '-K', UPLINK, 'tx', 'off']);
  setPeerStack(peer, false);
}

function writeCluster(folder: string, podNetns: string): void {
  mkdirSync(join(folder, 'cluster'));
  const text = manifests(podNetns).map((each) => stringify(each));
  writeFileSync(join(folder, 'cluster', 'all.yaml'), text.join('---\n'));
}

const DAD_MS = 10_000;
const DAD_POLL_MS = 50;

/** Wait for duplicate address detection: its frames are the kernel's own, and of no round. */
async function settled(ns: Namespace): Promise<void> {
  const deadline = performance.now() + DAD_MS;
  const command = ['ip', '-6', 'address', 'show', 'tentative'] as const;
  while (ns.run([...command]).trim() !== '') {
    if (performance.now() > deadline) throw new Error('an address is still tentative');
    await delay(DAD_POLL_MS);
  }
}

export async function openSite(lab: Lab): Promise<Site> {
  const [node, peer, pod] = [lab.namespace('node'), lab.namespace('peer'), lab.namespace('pod')];
  const end = (ns: Namespace, { ipv4, ipv6, mac }: typeof NODE | typeof PEER) => ({
    ns,
    ifname: UPLINK,
    mac,
    addresses: [`${ipv4}/24`, `${ipv6}/64`],
  });
  lab.connect(end(node, NODE), { ns: peer, ifname: UPLINK, mac: PEER.mac });
  configure(node, peer);
  await settled(node);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-coexistence-'));
  writeCluster(folder, pod.path);
  const server = pod.start(['python3', '-c', POD_SERVER], { timeoutMs: 170_000 });
  await server.waitFor(/listening/);
  const pinDir = `/sys/fs/bpf/sluice/${node.name.replaceAll('.', '_')}`;
  const cli = [process.execPath, packageFile('build/host/src/cli.js')] as const;

  const startAgent = async (config: string): Promise<Running> => {
    const agent = node.start([...cli, 'run', '-c', config]);
    await agent.waitFor(/port: /);
    return agent;
  };
  return {
    node,
    peer,
    withPeerStack: async (body) => {
      setPeerStack(peer, true);
      try {
        return await body();
      } finally {
        setPeerStack(peer, false);
      }
    },
    withAgent: async (mode, body) => {
      const config = join(folder, `${mode}.yaml`);
      writeFileSync(
        config,
        stringify({
          apiVersion: 'sluice/v1alpha1',
          kind: 'SluiceConfiguration',
          nodeName: NODE_NAME,
          source: { files: 'cluster' },
          stateDir: join(folder, mode),
          pinDir,
          uplinks: [{ name: UPLINK, mode }],
          serviceCIDRs: ['10.96.0.0/12'],
        }),
      );
      const agent = await startAgent(config);
      try {
        return await body();
      } finally {
        await agent.stop();
        node.run([...cli, 'cleanup', '-c', config], { timeoutMs: 30_000 });
      }
    },
    close: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

const POD_SERVER = `import socket
s = socket.create_server(('', ${TARGET_PORT}))
print('listening', flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b'${POD_GREETING}')
    c.close()`;
