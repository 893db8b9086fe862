/** The Sluice side of the pod suites: a node where `sluice run` forwards. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { COUNTERS_BYTES, COUNTER_LANE_BASE, LaneCounter } from '../../assembly/abi.js';
import { closeFd, mapLookup, mountBpffs, objGet, unmount } from '../../src/native.js';
import { packageRoot } from '../../src/package-root.js';
import type { PutEvent } from '../../src/model/events.js';
import { NODE_NAME, nodeEvent, podEvent, serviceEvents } from '../core/cluster.js';
import type { ServiceSpec } from '../core/cluster.js';
import type { Scope } from '../scope.js';
import {
  awaitService,
  createPodNode,
  NODE_ADDR,
  POD_CIDR,
  POD_MTU,
  RR_SERVICE,
  SERVICE_CIDR,
  SERVICES,
  startServers,
  type PodNode,
} from './pods.js';
import { start } from './sh.js';

const CLI = 'build/host/src/cli.js';
/** Below the mount point: an agent may remove its own directory. */
const PIN_DIR = 'sluice';

/** Why no agent can run here, or undefined. */
export function missingAgent(): string | undefined {
  return existsSync(path.join(packageRoot(), CLI))
    ? undefined
    : `not built: ${CLI} (npm run build)`;
}

export interface AgentOptions {
  readonly offload: boolean;
  readonly trunk: 'xdp' | 'packet';
  /** Left out: those of pods.ts. */
  readonly services?: readonly ServiceSpec[];
  /** Start what the last service leads to; left out: `startServers`. */
  readonly serve?: (node: PodNode) => Promise<void>;
  /** Left out: NODE_ADDR, and no uplink. */
  readonly nodeAddress?: string;
  readonly uplinks?: readonly string[];
  /** Make the uplinks. */
  readonly plugIn?: (node: PodNode) => void;
  /** NAMESPACE/NAME of the Service that is the cluster's DNS. */
  readonly dns?: string;
  /** The agent's processor; left out: any. */
  readonly cpu?: number;
}

const API_VERSIONS: Readonly<Record<PutEvent['kind'], string>> = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Node: 'v1',
  Pod: 'v1',
  Namespace: 'v1',
};

/** Objects a file: many files or large ones take longer to read. */
const OBJECTS_PER_FILE = 200;

/** JSON is YAML. */
function writeManifests(folder: string, events: readonly PutEvent[]): void {
  const documents = events.map(({ kind, object }) =>
    JSON.stringify({ apiVersion: API_VERSIONS[kind], kind, ...object }),
  );
  for (let i = 0; i < documents.length; i += OBJECTS_PER_FILE) {
    const text = documents.slice(i, i + OBJECTS_PER_FILE).join('\n---\n');
    writeFileSync(path.join(folder, `${i}.yaml`), text);
  }
}

/** Room for ten thousand services of one endpoint. */
const CAPACITIES = { services: 16_384, frontends: 32_768 };

function writeConfig(folder: string, options: AgentOptions): string {
  const file = path.join(folder, 'sluice.yaml');
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: NODE_NAME,
    source: { files: 'objects' },
    stateDir: path.join(folder, 'state'),
    pinDir: path.join(folder, 'bpf', PIN_DIR),
    offload: options.offload ? 'on' : 'off',
    trunk: { kind: options.trunk },
    serviceCIDRs: [SERVICE_CIDR],
    podMTU: POD_MTU,
    nodeAddresses: [options.nodeAddress ?? NODE_ADDR],
    uplinks: (options.uplinks ?? []).map((name) => ({ name })),
    masquerade: { ipMasqAgentFile: 'ip-masq-agent' },
    logLevel: 'warn',
    capacities: CAPACITIES,
    ...(options.dns === undefined ? {} : { dns: { service: options.dns } }),
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** A node where Sluice forwards, and what its lane had to do. */
export interface SluiceNode extends PodNode {
  /** Of the agent. */
  readonly pid: number;
  /** Packets the lane has received so far. */
  lanePackets(): number;
}

/** A BPF file system for the agent's pins, where this process can look too. */
function mountPins(scope: Scope, folder: string): string {
  const pins = path.join(folder, 'bpf');
  mkdirSync(pins);
  mountBpffs(pins);
  scope.defer(() => unmount(pins));
  return pins;
}

function readLanePackets(pins: string): number {
  const fd = objGet(path.join(pins, PIN_DIR, 'maps', 'counters'));
  try {
    const words = mapLookup(fd, new Uint8Array(4), COUNTERS_BYTES);
    if (!words) throw new Error('map counters is empty');
    const view = new DataView(words.buffer, words.byteOffset);
    return Number(view.getBigUint64(8 * (COUNTER_LANE_BASE + LaneCounter.RX_PACKETS), true));
  } finally {
    closeFd(fd);
  }
}

/** A node where an agent forwards; it answers for the service when this returns. */
export async function startSluiceNode(
  scope: Scope,
  label: string,
  options: AgentOptions,
): Promise<SluiceNode> {
  const made = createPodNode(scope, label);
  options.plugIn?.(made);
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'objects'));
  writeManifests(path.join(folder, 'objects'), [
    nodeEvent(NODE_NAME, options.nodeAddress ?? NODE_ADDR, POD_CIDR),
    ...made.pods.map(podEvent),
    ...(options.services ?? SERVICES).flatMap(serviceEvents),
  ]);
  const pins = mountPins(scope, folder);
  const cli = path.join(packageRoot(), CLI);
  const config = writeConfig(folder, options);
  const place = { netns: made.node, ...(options.cpu === undefined ? {} : { cpu: options.cpu }) };
  const { pid } = start(scope, place, process.execPath, cli, 'run', '--config', config);
  await (options.serve?.(made) ?? startServers(scope, made));
  await awaitService(made, options.services?.at(-1) ?? RR_SERVICE);
  return { ...made, pid, lanePackets: () => readLanePackets(pins) };
}
