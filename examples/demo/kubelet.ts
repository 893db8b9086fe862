/**
 * What a node's kubelet does: a sandbox for each pod, what the runtime says of it for the pod's
 * status, and DEL for what is over, again when it is in doubt.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from './agent.js';
import { NAMESPACE } from './cluster.js';
import type { Lab } from './netns.js';
import { withFiles } from './pod-files.js';
import { createRuntime } from './runtime.js';
import type { Added, PortMapping, Runtime, Sandbox } from './runtime.js';

/** Files of the address folder that are no address. */
const NO_ADDRESS = /^(lock|last_reserved_ip\..*)$/;

export interface Kubelet {
  readonly agent: Agent;
  readonly runtime: Runtime;
  /** A namespace for a pod; nothing is in it. */
  makeSandbox(pod: string, portMappings?: readonly PortMapping[]): Sandbox;
  /** What every ADD took that has succeeded, milliseconds. */
  readonly addTimes: readonly number[];
  add(sandbox: Sandbox): Promise<Added>;
  /** Files of addresses that are given out, and of deletions that nobody has done. */
  held(): string[];
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/**
 * @param agent     whose plugin is installed
 * @param podFiles  folder of what pods have in /etc
 */
export function createKubelet(lab: Lab, agent: Agent, podFiles: string): Kubelet {
  const { cni, ipam } = agent.config;
  if (cni === undefined) throw new Error(`${agent.node.name}: the agent serves no plugin`);
  const runtime = createRuntime(agent.node.ns, cni.confDir, cni.binDir);
  const addTimes: number[] = [];
  let serial = 0;
  return {
    agent,
    runtime,
    addTimes,
    makeSandbox: (pod, portMappings = []) => {
      serial++;
      const ns = withFiles(lab.namespace(pod), podFiles);
      const containerId = `${agent.node.name}-${pod}-${serial}`;
      return { containerId, ns, pod: [NAMESPACE, pod], portMappings };
    },
    add: async (sandbox) => {
      const added = await runtime.add(sandbox);
      addTimes.push(added.tookMs);
      return added;
    },
    held: () => {
      const networks = list(ipam.dataDir);
      const addresses = networks.flatMap((network) => list(join(ipam.dataDir, network)));
      const deletes = list(join(cni.socket, '..', 'deletes'));
      return [...addresses.filter((name) => !NO_ADDRESS.test(name)), ...deletes];
    },
  };
}
