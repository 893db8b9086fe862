/**
 * Two nodes on one wire, a pod on each, all traffic between pods in VXLAN:
 *
 *   client ── node 1 10.9.3.1 ═══════ 10.9.3.2 node 2 ── server
 *
 * The kernel's nodes are as flannel makes them: pods behind a bridge, a VXLAN device that learns
 * nothing, routes through it. Sluice's run an agent each. Namespaces, the wire and MTUs are alike.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mountBpffs, unmount } from '../../src/native.js';
import { NETNS_ANNOTATION } from '../../src/model/pods.js';
import { packageRoot } from '../../src/package-root.js';
import type { Scope } from '../scope.js';
import { createNetns, createVeth, ip, netnsPath, sysctl, type Netns } from './netns.js';
import { delay, run, runSync, start } from './sh.js';

const CLI = 'build/host/src/cli.js';
/** Of the wire 1500, less what VXLAN puts around. */
const POD_MTU = 1450;

interface NodeFacts {
  readonly name: string;
  readonly address: string;
  readonly range: string;
  readonly pod: string;
  /** flannel's, of the VXLAN device. */
  readonly mac: string;
}

const FACTS: readonly [NodeFacts, NodeFacts] = [1, 2].map((i) => ({
  name: `node-${i}`,
  address: `10.9.3.${i}`,
  range: `10.9.${3 + i}.0`,
  pod: `10.9.${3 + i}.5`,
  mac: `82:6e:00:00:00:0${i}`,
})) as [NodeFacts, NodeFacts];

/** Where the stream is sent. */
export const SERVER_ADDR = FACTS[1].pod;

export interface OverlayPair {
  readonly client: Netns;
  readonly server: Netns;
}

interface Made {
  readonly node: Netns;
  readonly pod: Netns;
  readonly facts: NodeFacts;
}

function createNodes(scope: Scope, label: string): [Made, Made] {
  const made = FACTS.map((facts) => ({
    facts,
    node: createNetns(scope, `${label}-${facts.name}`),
    pod: createNetns(scope, `${label}-pod`),
  })) as [Made, Made];
  const [a, b] = made.map(({ node, facts }) => {
    return { netns: node, name: 'up0', address: `${facts.address}/24` };
  }) as [Parameters<typeof createVeth>[0], Parameters<typeof createVeth>[0]];
  createVeth(a, b);
  for (const { node } of made) sysctl(node, 'net.ipv4.ip_forward=1');
  return made;
}

/** flannel's vxlan backend and the bridge plugin. */
function flannelNode({ node, pod, facts }: Made, other: NodeFacts): void {
  const { address, range, mac } = facts;
  const gateway = range.replace(/0$/, '1');
  const commands = [
    `link add flannel.1 address ${mac} mtu ${POD_MTU} type vxlan id 1 dstport 8472 nolearning local ${address} dev up0`,
    `address add ${range}/32 dev flannel.1`,
    'link set flannel.1 up',
    `neigh replace ${other.range} lladdr ${other.mac} dev flannel.1 nud permanent`,
    `route add ${other.range}/24 via ${other.range} dev flannel.1 onlink`,
    `link add cni0 mtu ${POD_MTU} type bridge`,
    `address add ${gateway}/24 dev cni0`,
    'link set cni0 up',
    `link add veth0 mtu ${POD_MTU} type veth peer name eth0 netns ${pod} mtu ${POD_MTU}`,
    'link set veth0 master cni0 up',
  ];
  for (const command of commands) ip(node, command);
  const fdb = `fdb append ${other.mac} dev flannel.1 dst ${other.address} self permanent`;
  runSync({ netns: node }, ['bridge', ...fdb.split(' ')]);
  ip(pod, 'link set eth0 up');
  ip(pod, `address add ${facts.pod}/24 dev eth0`);
  ip(pod, `route add default via ${gateway}`);
}

export function startFlannelPair(scope: Scope, label: string): OverlayPair {
  const [a, b] = createNodes(scope, label);
  flannelNode(a, b.facts);
  flannelNode(b, a.facts);
  return { client: a.pod, server: b.pod };
}

function objects(made: readonly Made[]): object[] {
  return made.flatMap(({ pod, facts }) => [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: facts.name },
      spec: { podCIDR: `${facts.range}/24`, podCIDRs: [`${facts.range}/24`] },
      status: { addresses: [{ type: 'InternalIP', address: facts.address }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: facts.name,
        namespace: 'default',
        annotations: { [NETNS_ANNOTATION]: netnsPath(pod) },
      },
      spec: { nodeName: facts.name, containers: [] },
      status: { podIP: facts.pod, podIPs: [{ ip: facts.pod }] },
    },
  ]);
}

function startAgent(scope: Scope, folder: string, { node, facts }: Made): void {
  const home = path.join(folder, facts.name);
  mkdirSync(path.join(home, 'bpf'), { recursive: true });
  mountBpffs(path.join(home, 'bpf'));
  scope.defer(() => unmount(path.join(home, 'bpf')));
  const file = path.join(folder, `${facts.name}.yaml`);
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: facts.name,
    source: { files: 'objects' },
    stateDir: path.join(home, 'state'),
    pinDir: path.join(home, 'bpf', 'sluice'),
    uplinks: [{ name: 'up0', mode: 'tc' }],
    overlay: { mode: 'vxlan' },
    logLevel: 'warn',
    metricsBindAddress: '',
    healthzBindAddress: '',
  };
  writeFileSync(file, JSON.stringify(config));
  start(scope, { netns: node }, process.execPath, path.join(packageRoot(), CLI), 'run', '-c', file);
}

const REACH_TRIES = 100;
const REACH_PAUSE_MS = 200;

export async function startSluicePair(scope: Scope, label: string): Promise<OverlayPair> {
  const made = createNodes(scope, label);
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'objects'));
  const text = objects(made).map((each) => JSON.stringify(each));
  writeFileSync(path.join(folder, 'objects', 'all.yaml'), text.join('\n---\n'));
  for (const each of made) startAgent(scope, folder, each);
  const [a, b] = made;
  for (let i = 0; ; i++) {
    try {
      await run({ netns: a.pod }, 'ping', '-c', '1', '-W', '1', SERVER_ADDR);
      return { client: a.pod, server: b.pod };
    } catch (cause) {
      if (i === REACH_TRIES) throw new Error('the other pod does not answer', { cause });
      await delay(REACH_PAUSE_MS);
    }
  }
}
