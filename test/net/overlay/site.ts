/**
 * Nodes on networks of their own, with a router between them:
 *
 *   a 10.101.0.2 ── r0 [router] r1 ── 10.102.0.2 b        pods 10.244.1.0/24, 10.244.2.0/24
 *     fd00:101::2                       fd00:102::2             fd00:244:1::/64, fd00:244:2::/64
 *
 * The router knows nothing of pods, so that what is not put into tunnels does not arrive.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { AgentStatus } from '../../../src/agent/status-file.js';
import { NETNS_ANNOTATION } from '../../../src/model/pods.js';
import { packageFile } from '../../../src/package-root.js';
import type { Lab, Namespace, Running } from '../../support/netns.js';

export const UPLINK = 'up0';
const READY_MS = 30_000;
const POLL_MS = 100;

/** Node number i has these; its only pod ends in 5. */
export interface NodeSpec {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly podCIDRs: readonly [string, string];
  readonly pod4: string;
  readonly pod6: string;
}

export function nodeSpec(i: number): NodeSpec {
  return {
    name: `node-${i}`,
    ipv4: `10.10${i}.0.2`,
    ipv6: `fd00:10${i}::2`,
    podCIDRs: [`10.244.${i}.0/24`, `fd00:244:${i}::/64`],
    pod4: `10.244.${i}.5`,
    pod6: `fd00:244:${i}::5`,
  };
}

export interface SiteNode extends NodeSpec {
  readonly ns: Namespace;
  readonly pod: Namespace;
}

/** Which addresses a node is said to have. */
export type Underlay = 'dual' | 'ipv4' | 'ipv6';

export interface Site {
  readonly router: Namespace;
  readonly nodes: readonly [SiteNode, SiteNode];
  readonly folder: string;
  /** Write objects where the agents read them. */
  write(name: string, objects: readonly object[]): void;
  /** @param keys  of the configuration, beside what every node has */
  startAgent(node: SiteNode, keys?: object): Promise<SiteAgent>;
}

export interface SiteAgent {
  readonly running: Running;
  /** Wait until it is as wanted, and nothing is wrong. */
  awaitStatus(isReady: (status: AgentStatus) => boolean): Promise<AgentStatus>;
  /** Stop by a signal; what it made stays. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  cleanUp(): void;
}

export function nodeObject(spec: NodeSpec, underlay: Underlay, annotations: object = {}): object {
  const addresses = [
    ...(underlay === 'ipv6' ? [] : [spec.ipv4]),
    ...(underlay === 'ipv4' ? [] : [spec.ipv6]),
  ];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: spec.name, annotations },
    spec: { podCIDR: spec.podCIDRs[0], podCIDRs: spec.podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

export function podObject({ name, pod, pod4, pod6 }: SiteNode): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `pod-${name}`,
      namespace: 'default',
      annotations: { [NETNS_ANNOTATION]: pod.path },
    },
    spec: { nodeName: name, containers: [] },
    status: { phase: 'Running', podIP: pod4, podIPs: [{ ip: pod4 }, { ip: pod6 }] },
  };
}

function connectNode(lab: Lab, router: Namespace, i: number, mtu: number): SiteNode {
  const spec = nodeSpec(i);
  const ns = lab.namespace(spec.name);
  const pod = lab.namespace(`pod-${i}`);
  lab.connect(
    { ns, ifname: UPLINK, addresses: [`${spec.ipv4}/24`, `${spec.ipv6}/64`] },
    { ns: router, ifname: `r${i}`, addresses: [`10.10${i}.0.1/24`, `fd00:10${i}::1/64`] },
    mtu,
  );
  ns.run(['ip', 'route', 'add', 'default', 'via', `10.10${i}.0.1`]);
  ns.run(['ip', '-6', 'route', 'add', 'default', 'via', `fd00:10${i}::1`]);
  return { ...spec, ns, pod };
}

export function openSite(lab: Lab, options: { mtu?: number; underlay?: Underlay } = {}): Site {
  const { mtu = 1500, underlay = 'dual' } = options;
  const router = lab.namespace('router');
  router.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  const nodes = [connectNode(lab, router, 1, mtu), connectNode(lab, router, 2, mtu)] as const;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-overlay-'));
  mkdirSync(join(folder, 'cluster'));
  const write = (name: string, objects: readonly object[]): void => {
    const text = objects.map((each) => stringify(each)).join('---\n');
    writeFileSync(join(folder, 'cluster', `${name}.yaml`), text);
  };
  write(
    'nodes',
    nodes.map((node) => nodeObject(node, underlay)),
  );
  write('pods', nodes.map(podObject));
  const cli = [process.execPath, packageFile('build/host/src/cli.js')] as const;
  const site: Site = {
    router,
    nodes: [nodes[0], nodes[1]],
    folder,
    write,
    startAgent: async (node, keys = {}) => {
      const { name, ns } = node;
      const stateDir = join(folder, name);
      const config = join(folder, `${name}.yaml`);
      const pinDir = `/sys/fs/bpf/sluice/${ns.name.replaceAll('.', '_')}`;
      const common = {
        apiVersion: 'sluice/v1alpha1',
        kind: 'SluiceConfiguration',
        nodeName: name,
        source: { files: 'cluster' },
        stateDir,
        pinDir,
        uplinks: [{ name: UPLINK, mode: 'tc' }],
        serviceCIDRs: ['10.96.0.0/16'],
        capacities: { flows4: 16384, flows6: 4096, maglevEntries: 65536 },
        logLevel: 'info',
        metricsBindAddress: '',
        healthzBindAddress: '',
      };
      writeFileSync(config, stringify({ ...common, ...keys }));
      const running = ns.start([...cli, 'run', '-c', config], { timeoutMs: 220_000 });
      await running.waitFor(/port: /);
      return {
        running,
        awaitStatus: (isReady) => awaitStatus(join(stateDir, 'status.json'), running, isReady),
        stop: async (signal = 'SIGTERM') => {
          await running.stop(signal);
        },
        cleanUp: () => {
          ns.run([...cli, 'cleanup', '-c', config], { timeoutMs: 20_000 });
        },
      };
    },
  };
  return site;
}

export function closeSite({ folder }: Site): void {
  rmSync(folder, { recursive: true, force: true });
}

async function awaitStatus(
  file: string,
  running: Running,
  isReady: (status: AgentStatus) => boolean,
): Promise<AgentStatus> {
  const deadline = performance.now() + READY_MS;
  let said = '';
  while (performance.now() < deadline && running.child.exitCode === null) {
    try {
      said = readFileSync(file, 'utf8');
      const status = JSON.parse(said) as AgentStatus;
      if (status.problems.length === 0 && isReady(status)) return status;
    } catch {
      // Not there yet.
    }
    await delay(POLL_MS);
  }
  throw new Error(`not ready: ${said.slice(0, 2000)} ${running.output().slice(-2000)}`);
}

/** One ping that is answered. @returns what ping says when none is */
export function ping(ns: Namespace, address: string, ...options: string[]): string | undefined {
  const { status, stdout, stderr } = ns.tryRun(
    ['ping', '-n', '-c', '1', '-W', '2', ...options, address],
    { timeoutMs: 10_000 },
  );
  return status === 0 ? undefined : `${stdout}${stderr}`;
}

/** Try until it goes through. @returns the last failure, undefined when it did */
export async function eventually(
  attempt: () => string | undefined,
  withinMs = 15_000,
): Promise<string | undefined> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const failure = attempt();
    if (failure === undefined || performance.now() > deadline) return failure;
    await delay(POLL_MS);
  }
}
