/** Our own plugin: an agent on each node, the plugin as `sluice cni install` puts it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { packageFile } from '../../../src/package-root.js';
import type { Running } from '../netns.js';
import { BIN_DIR, type Cell } from './cell.js';
import { type Node, type PodNetwork, podSubnets } from './network.js';

const PLUGIN = 'sluice';
const INSTALL_TRIES = 60;
const INSTALL_WAIT_MS = 500;
const RUN_MS = 30_000;

function nameOf({ number }: Node): string {
  return `node-${String(number)}`;
}

function manifestOf(node: Node): string {
  const subnets = podSubnets(node);
  const addresses = [node.ipv4, node.ipv6].map((address) => ({ type: 'InternalIP', address }));
  return stringify({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: nameOf(node) },
    spec: { podCIDR: subnets[0], podCIDRs: subnets },
    status: { addresses },
  });
}

/** @returns the configuration's file */
export function writeAgentConfig(node: Node, nodes: readonly Node[]): string {
  const { folder } = node.cell;
  const objects = join(folder, 'objects');
  mkdirSync(objects);
  for (const one of nodes) writeFileSync(join(objects, `${nameOf(one)}.yaml`), manifestOf(one));
  const file = join(folder, 'sluice.yaml');
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: nameOf(node),
    source: { files: objects },
    stateDir: join(folder, 'state'),
    pinDir: `/sys/fs/bpf/sluice/${basename(folder)}`,
    uplinks: [{ name: 'eth0' }],
    cni: {
      socket: join(folder, 'cni.sock'),
      dataDir: join(folder, 'data'),
      binDir: BIN_DIR,
      // The tests write lists of their own.
      confDir: join(folder, 'net.d'),
      name: PLUGIN,
    },
  };
  writeFileSync(file, stringify(config));
  return file;
}

export function sluiceCommand(...words: string[]): [string, ...string[]] {
  return [process.execPath, packageFile('build/host/src/cli.js'), ...words];
}

/** Installing waits for an agent that is ready: when it is done, pods can come. */
export async function installPlugin(cell: Cell, config: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const result = await cell.runAsync(sluiceCommand('cni', 'install', '-c', config), {
      timeoutMs: RUN_MS,
    });
    if (result.status === 0) return;
    if (tries === INSTALL_TRIES) throw new Error(`sluice cni install: ${result.stderr}`);
    await delay(INSTALL_WAIT_MS);
  }
}

async function startAgent(node: Node, nodes: readonly Node[]): Promise<() => Promise<void>> {
  const config = writeAgentConfig(node, nodes);
  const agent: Running = node.cell.start(sluiceCommand('run', '-c', config));
  const stop = async (): Promise<void> => {
    await agent.stop();
    await node.cell.runAsync(sluiceCommand('cleanup', '-c', config), { timeoutMs: RUN_MS });
  };
  try {
    await installPlugin(node.cell, config);
    return stop;
  } catch (error) {
    await stop();
    throw new Error(`agent of ${nameOf(node)}: ${agent.output().slice(-2000)}`, { cause: error });
  }
}

export const SLUICE: PodNetwork = {
  name: 'sluice',
  mapsPorts: true,
  plugin: () => ({ type: PLUGIN }),
  async start(nodes) {
    const stops = await Promise.all(nodes.map((node) => startAgent(node, nodes)));
    return async () => {
      await Promise.all(stops.map((stop) => stop()));
    };
  },
};
