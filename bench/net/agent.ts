/** The Sluice side of the pod suites: a node where `sluice run` forwards. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { packageRoot } from '../../src/package-root.js';
import type { PutEvent } from '../../src/model/events.js';
import { NODE_NAME, nodeEvent, podEvent, serviceEvents } from '../core/cluster.js';
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

/** Why no agent can run here, or undefined. */
export function missingAgent(): string | undefined {
  return existsSync(path.join(packageRoot(), CLI))
    ? undefined
    : `not built: ${CLI} (npm run build)`;
}

export interface AgentOptions {
  readonly offload: boolean;
  readonly trunk: 'xdp' | 'packet';
}

const API_VERSIONS: Readonly<Record<PutEvent['kind'], string>> = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Node: 'v1',
  Pod: 'v1',
};

/** JSON is YAML: one file an object. */
function writeManifests(folder: string, events: readonly PutEvent[]): void {
  events.forEach(({ kind, object }, i) => {
    const document = { apiVersion: API_VERSIONS[kind], kind, ...object };
    writeFileSync(path.join(folder, `${i}-${kind}.yaml`), JSON.stringify(document));
  });
}

function writeConfig(folder: string, options: AgentOptions): string {
  const file = path.join(folder, 'sluice.yaml');
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: NODE_NAME,
    source: { files: 'objects' },
    stateDir: path.join(folder, 'state'),
    offload: options.offload ? 'on' : 'off',
    trunk: { kind: options.trunk },
    serviceCIDRs: [SERVICE_CIDR],
    podMTU: POD_MTU,
    nodeAddresses: [NODE_ADDR],
    logLevel: 'warn',
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** A node where an agent forwards; it answers for the service when this returns. */
export async function startSluiceNode(
  scope: Scope,
  label: string,
  options: AgentOptions,
): Promise<PodNode> {
  const made = createPodNode(scope, label);
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'objects'));
  writeManifests(path.join(folder, 'objects'), [
    nodeEvent(NODE_NAME, NODE_ADDR, POD_CIDR),
    ...made.pods.map(podEvent),
    ...SERVICES.flatMap(serviceEvents),
  ]);
  const cli = path.join(packageRoot(), CLI);
  const config = writeConfig(folder, options);
  start(scope, { netns: made.node }, process.execPath, cli, 'run', '--config', config);
  await startServers(scope, made);
  await awaitService(made, RR_SERVICE);
  return made;
}
