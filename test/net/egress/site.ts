/**
 * A node with two pods, and the world outside it, which knows the node and no pod:
 *
 *   shell ──┐
 *           node ── eth0 ── outside   192.0.2.9, and behind it 198.51.100.9
 *   web   ──┘
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { AgentStatus } from '../../../src/agent/status-file.js';
import { NETNS_ANNOTATION } from '../../../src/model/pods.js';
import { packageFile } from '../../../src/package-root.js';
import type { Lab, Namespace, RunResult, Running } from '../../support/netns.js';
import { type Held, ask, hold, serve } from '../peer.js';

const CLI = packageFile('build/host/src/cli.js');
const READY_MS = 20_000;
const POLL_MS = 50;
const NODE_NAME = 'alpha';

export const NODE = { ipv4: '192.0.2.1', ipv6: 'fd00:192::1' };
/** On the node's own network, and beyond it. */
export const NEAR = { ipv4: '192.0.2.9', ipv6: 'fd00:192::9' };
export const FAR = { ipv4: '198.51.100.9', ipv6: 'fd00:198::9' };
export const PODS = {
  shell: { ipv4: '10.244.1.10', ipv6: 'fd00:10:244:1::10' },
  web: { ipv4: '10.244.1.11', ipv6: 'fd00:10:244:1::11' },
} as const;
export type PodName = keyof typeof PODS;
export const PORT = 7000;
export const CLUSTER_IP = '10.96.0.10';

export interface Site {
  readonly node: Namespace;
  readonly outside: Namespace;
  readonly pods: Readonly<Record<PodName, Namespace>>;
  readonly folder: string;
  startAgent(): Promise<void>;
  killAgent(): Promise<void>;
  /** What an agent logged, of all its lives. */
  log(): string;
  /** Until the status file says what is asked for. */
  awaitStatus(isReady: (status: AgentStatus) => boolean): Promise<AgentStatus>;
  sluice(command: string, ...args: string[]): Promise<RunResult>;
  /** Add an object to the folder of manifests. */
  write(name: string, ...objects: object[]): void;
  /** A server at PORT that says whom it sees. */
  serve(ns: Namespace, port?: number): Promise<Running>;
  ask(ns: Namespace, proto: 'tcp' | 'udp', address: string, port: number): Promise<string>;
  /** One TCP connection that asks whenever it is told to. */
  hold(ns: Namespace, address: string, port: number): Held;
  close(): void;
}

function network(lab: Lab): Pick<Site, 'node' | 'outside' | 'pods'> {
  const node = lab.namespace('node');
  const outside = lab.namespace('outside');
  lab.connect(
    { ns: node, ifname: 'eth0', addresses: [`${NODE.ipv4}/24`, `${NODE.ipv6}/64`] },
    { ns: outside, ifname: 'eth0', addresses: [`${NEAR.ipv4}/24`, `${NEAR.ipv6}/64`] },
  );
  outside.run(['ip', 'address', 'add', `${FAR.ipv4}/32`, 'dev', 'lo']);
  outside.run(['ip', 'address', 'add', `${FAR.ipv6}/128`, 'dev', 'lo', 'nodad']);
  node.run(['ip', 'route', 'add', 'default', 'via', NEAR.ipv4]);
  node.run(['ip', 'route', 'add', 'default', 'via', NEAR.ipv6]);
  return { node, outside, pods: { shell: lab.namespace('shell'), web: lab.namespace('web') } };
}

function objects(pods: Site['pods']): object[] {
  const names = ['shell', 'web'] as const;
  return [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: NODE_NAME },
      spec: { podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] },
      status: {
        addresses: [NODE.ipv4, NODE.ipv6].map((address) => ({ type: 'InternalIP', address })),
      },
    },
    ...names.map((name) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: 'default',
        annotations: { [NETNS_ANNOTATION]: pods[name].path },
      },
      spec: { nodeName: NODE_NAME },
      status: { podIPs: [{ ip: PODS[name].ipv4 }, { ip: PODS[name].ipv6 }] },
    })),
  ];
}

/** A node port over UDP that leads to `web`. */
export function nodePortOf(nodePort: number): object[] {
  const metadata = { name: 'large', namespace: 'default' };
  const port = { name: 'udp', protocol: 'UDP', port: PORT };
  const labels = { 'kubernetes.io/service-name': 'large' };
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: { type: 'NodePort', clusterIP: CLUSTER_IP, ports: [{ ...port, nodePort }] },
    },
    {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
      metadata: { ...metadata, labels },
      addressType: 'IPv4',
      endpoints: [{ addresses: [PODS.web.ipv4], nodeName: NODE_NAME }],
      ports: [port],
    },
  ];
}

/** @param extra  keys of the configuration */
export function openEgressSite(lab: Lab, extra: object = {}): Site {
  const net = network(lab);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-egress-'));
  const pinDir = `/sys/fs/bpf/sluice/egress-${process.pid}-${folder.slice(-6)}`;
  const manifests = join(folder, 'manifests');
  const config = join(folder, 'sluice.yaml');
  const lives: Running[] = [];
  mkdirSync(manifests);
  const write: Site['write'] = (name, ...list) => {
    writeFileSync(join(manifests, `${name}.yaml`), list.map((o) => stringify(o)).join('---\n'));
  };
  write('base', ...objects(net.pods));
  writeFileSync(
    config,
    stringify({
      apiVersion: 'sluice/v1alpha1',
      kind: 'SluiceConfiguration',
      nodeName: NODE_NAME,
      source: { files: 'manifests' },
      stateDir: 'state',
      pinDir,
      uplinks: [{ name: 'eth0' }],
      serviceCIDRs: ['10.96.0.0/16'],
      metricsBindAddress: '',
      healthzBindAddress: '',
      masquerade: { ipMasqAgentFile: 'ip-masq-agent' },
      ...extra,
    }),
  );

  const status = (pid: number): AgentStatus | undefined => {
    const file = join(folder, 'state', 'status.json');
    if (!existsSync(file)) return undefined;
    const said = JSON.parse(readFileSync(file, 'utf8')) as AgentStatus;
    return said.pid === pid ? said : undefined;
  };
  const awaitStatus: Site['awaitStatus'] = async (isReady) => {
    const running = lives.at(-1);
    let last: AgentStatus | undefined;
    for (let waited = 0; running && waited < READY_MS; waited += POLL_MS) {
      last = status(running.pid);
      if (last && isReady(last)) return last;
      await delay(POLL_MS);
    }
    throw new Error(`not so: ${JSON.stringify(last?.problems)} ${running?.output() ?? ''}`);
  };
  return {
    ...net,
    folder,
    write,
    awaitStatus,
    startAgent: async () => {
      lives.push(net.node.start([process.execPath, CLI, 'run', '-c', config]));
      await awaitStatus(({ control, pods, problems }) => {
        return control.synced && pods === 2 && problems.length === 0;
      });
    },
    killAgent: async () => {
      await lives.at(-1)?.stop('SIGKILL');
    },
    log: () => lives.map((life) => life.output()).join(''),
    sluice: (command, ...args) =>
      net.node.runAsync([process.execPath, CLI, command, '-c', config, ...args]),
    serve: (ns, port = PORT) => serve(ns, port),
    ask,
    hold: (ns, address, port) => hold(ns, 'tcp', address, port),
    close: () => {
      lab.close();
      rmSync(pinDir, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
