/** Starting agent-child.ts: a namespace, a configuration, room for pins. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { mountBpffs, unmount } from '../../src/native.js';
import { NODE_NAME } from '../core/cluster.js';
import { createNetns, createVeth } from '../net/netns.js';
import { start } from '../net/sh.js';
import type { Scope } from '../scope.js';
import { capacitiesFor, type Scale } from './scale.js';

export interface AgentSpec {
  readonly scale: Scale;
  /** Path of the agent's configuration. */
  readonly config: string;
}

/** Milliseconds of each change. */
export interface AgentTimes {
  /** From the event to the delta. */
  readonly sent: number[];
  /** From the event to the end of the pass: the rows are in the core, everything has been seen to. */
  readonly applied: number[];
  /** By which the event loop was late for the event, because it did something else. */
  readonly late: number[];
}

export interface Agent {
  /** Make changes, one after the other. */
  change(count: number): Promise<AgentTimes>;
}

const CHILD = fileURLToPath(new URL('agent-child.ts', import.meta.url));

function writeConfig(folder: string, scale: Scale): string {
  const file = path.join(folder, 'sluice.yaml');
  const { frontends, services, backends, setEntries, maglevEntries } = capacitiesFor(scale);
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: NODE_NAME,
    source: { files: '.' },
    stateDir: folder,
    pinDir: path.join(folder, 'bpf', 'sluice'),
    serviceCIDRs: ['10.96.0.0/12'],
    metricsBindAddress: '',
    healthzBindAddress: '',
    capacities: { frontends, services, backends, setEntries, maglevEntries },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** An agent that has programmed the cluster. */
export async function startAgent(scope: Scope, scale: Scale): Promise<Agent> {
  const netns = createNetns(scope, 'control');
  const far = createNetns(scope, 'other');
  createVeth({ netns, name: 'up0', address: '192.168.0.1/24' }, { netns: far, name: 'up1' });
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'bpf'));
  mountBpffs(path.join(folder, 'bpf'));
  scope.defer(() => unmount(path.join(folder, 'bpf')));
  const spec: AgentSpec = { scale, config: writeConfig(folder, scale) };
  const loader = `--import=${import.meta.resolve('tsx')}`;
  // As src/cli.ts starts it.
  const young = '--max-semi-space-size=4';
  const args = ['--expose-gc', young, loader, CHILD, JSON.stringify(spec)];
  const child = start(scope, { netns }, process.execPath, ...args);
  await child.nextLine();
  return {
    change: async (count) => {
      child.send(String(count));
      return JSON.parse(await child.nextLine()) as AgentTimes;
    },
  };
}
