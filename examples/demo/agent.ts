/** One node's `sluice run`: started, watched, killed, asked. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { AgentStatus } from '../../src/agent/status-file.js';
import { loadConfig } from '../../src/config/config.js';
import type { SluiceConfig } from '../../src/config/config.js';
import type { Flow } from '../../src/ops/flow-rows.js';
import { readFlows } from '../../src/ops/flows.js';
import { readStatus } from '../../src/ops/status.js';
import type { Status } from '../../src/ops/status.js';
import { packageFile } from '../../src/package-root.js';
import { nodeCorefile } from './naming.js';
import type { RunResult, Running } from './netns.js';
import type { Site } from './site.js';
import { SERVICE_CIDR, SERVICE_CIDR6, UPLINK } from './topology.js';
import type { DemoNode } from './topology.js';

const READY_MS = 20_000;
const POLL_MS = 50;
const STOP_MS = 10_000;
const COREFILE = 'Corefile';
/** Small tables: what is in them is read several times a second. */
const CAPACITIES = { flows4: 16384, flows6: 4096, maglevEntries: 262144 };

/** What the agents of a cluster have in common. */
export interface AgentParts {
  /** Folder of manifests. */
  readonly cluster: string;
  readonly offload: boolean;
  /** Addresses of who knows the names that the cluster does not; without them the agent is no DNS. */
  readonly upstreams?: readonly string[];
}

export interface Agent {
  readonly node: DemoNode;
  readonly config: SluiceConfig;
  start(): void;
  /** Wait until it has programmed everything and `isReady` agrees. @throws Error after 20 s */
  awaitReady(isReady?: (status: AgentStatus) => boolean): Promise<AgentStatus>;
  kill(): Promise<void>;
  /** By SIGTERM. @returns exit code */
  stop(): Promise<number>;
  /** As `sluice status` and `sluice flows` read them. */
  status(): Status;
  flows(): Flow[];
  /** `sluice COMMAND ... -c CONFIG` beside the agent. */
  sluice(command: string, ...options: string[]): Promise<RunResult>;
  /** Messages logged so far, of all its lives. */
  log(): string[];
}

function writeConfig(site: Site, node: DemoNode, parts: AgentParts): string {
  const { cluster, offload, upstreams } = parts;
  const folder = join(site.folder, node.name);
  mkdirSync(folder);
  const file = join(folder, 'sluice.yaml');
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: node.name,
    source: { files: cluster },
    stateDir: 'state',
    pinDir: join(site.pinRoot, node.name),
    offload: offload ? 'on' : 'off',
    uplinks: [{ name: UPLINK }],
    serviceCIDRs: [SERVICE_CIDR, SERVICE_CIDR6],
    nodePortAddresses: ['primary', 'localhost'],
    capacities: CAPACITIES,
    cni: { dataDir: 'attachments', binDir: 'bin', confDir: 'net.d' },
    ipam: { dataDir: 'networks' },
    ...(upstreams === undefined ? {} : { dns: { corefile: COREFILE } }),
  };
  writeFileSync(file, stringify(config));
  if (upstreams !== undefined) writeFileSync(join(folder, COREFILE), nodeCorefile(upstreams));
  return file;
}

/** The message of a log line; the line itself when it is no log line. */
function messageOfLine(line: string): string {
  try {
    const { msg } = JSON.parse(line) as { msg?: string };
    return msg ?? line;
  } catch {
    return line;
  }
}

function statusOf(file: string, pid: number): AgentStatus | undefined {
  try {
    const status = JSON.parse(readFileSync(file, 'utf8')) as AgentStatus;
    return status.pid === pid ? status : undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export function createAgent(site: Site, node: DemoNode, parts: AgentParts): Agent {
  const file = writeConfig(site, node, parts);
  const config = loadConfig(file, node.name);
  const cli = packageFile('build/host/src/cli.js');
  const lives: Running[] = [];

  const current = (): Running => {
    const running = lives.at(-1);
    if (running === undefined) throw new Error(`the agent of ${node.name} was never started`);
    return running;
  };
  const log = (): string[] =>
    lives
      .flatMap((life) => life.output().split('\n'))
      .filter(Boolean)
      .map(messageOfLine);

  const awaitReady: Agent['awaitReady'] = async (isReady = () => true) => {
    const { pid, child } = current();
    const path = join(config.stateDir, 'status.json');
    for (let waited = 0; waited < READY_MS && child.exitCode === null; waited += POLL_MS) {
      const status = statusOf(path, pid);
      const isWhole = status?.control.synced === true && status.problems.length === 0;
      if (isWhole && isReady(status)) return status;
      await delay(POLL_MS);
    }
    const problems = statusOf(path, pid)?.problems ?? [];
    const said = [...log().slice(-1), ...problems].join('; ');
    throw new Error(`the agent of ${node.name} is not ready: ${said}`);
  };

  return {
    node,
    config,
    start: () => {
      const running = node.ns.start([process.execPath, cli, 'run', '-c', file]);
      site.watch(running.pid);
      lives.push(running);
    },
    awaitReady,
    kill: async () => {
      await current().stop('SIGKILL');
    },
    stop: async () => {
      const stopped = current().stop('SIGTERM');
      const late = setTimeout(() => void current().stop('SIGKILL'), STOP_MS);
      const { status } = await stopped;
      clearTimeout(late);
      return status;
    },
    status: () => readStatus(config),
    flows: () => readFlows(config.pinDir),
    sluice: (command, ...options) =>
      node.ns.runAsync([process.execPath, cli, command, ...options, '-c', file]),
    log,
  };
}
