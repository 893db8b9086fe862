/** Pods as the plugin makes them: addresses, times, and what it says of itself. */
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import { PluginError } from '../runtime.js';
import { POD_NAMES } from '../topology.js';
import type { World } from '../world.js';

/** CNI 1.1.0 has no code for it: docs/cni.md. */
const CODE_NOT_AS_ADDED = 105;

/** Whether an address is in one of two ranges that end at a dot or a double colon. */
function isInside(address: string, cidrs: readonly string[]): boolean {
  return cidrs.some((cidr) => address.startsWith(cidr.replace(/(0\/24|\/64)$/, '')));
}

async function made({ topology, kubelets }: World, check: Check): Promise<void> {
  await check('every pod was made by the plugin, with addresses of its node', () => {
    const pods = POD_NAMES.map((name) => topology.pods[name]);
    for (const { name, node, ipv4, ipv6 } of pods) {
      const { podCIDRs } = topology.nodes[node];
      const isRight = [ipv4, ipv6].every((address) => isInside(address, podCIDRs));
      expect(isRight, `${name} has ${ipv4} and ${ipv6}, expected ${podCIDRs.join(' and ')}`);
    }
    const addresses = new Set(pods.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]));
    expect(addresses.size === 2 * pods.length, `${addresses.size} addresses`);
    const times = Object.values(kubelets).flatMap(({ addTimes }) => addTimes);
    const sorted = [...times].sort((a, b) => a - b).map((ms) => ms.toFixed(0));
    return `ADD took ${sorted.join(', ')} ms`;
  });
}

async function answers({ topology, kubelets }: World, check: Check): Promise<void> {
  await check('STATUS, VERSION and CHECK are answered on both nodes', async () => {
    const { alpha } = kubelets;
    for (const { runtime } of Object.values(kubelets)) await runtime.status();
    for (const { sandbox, node } of Object.values(topology.pods)) {
      await kubelets[node].runtime.check(sandbox);
    }
    const versions = await alpha.runtime.versions();
    return `${POD_NAMES.length} pods are as they were added; ${alpha.runtime.cniVersion} of ${versions.join(', ')}`;
  });
}

/** The code that a plugin answers with. @throws Error when there is none */
export async function codeOf(asked: Promise<unknown>): Promise<readonly [number, string]> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof PluginError) return [error.code, error.message];
    throw error;
  }
  throw new Error('the plugin did not complain');
}

async function missing({ kubelets, topology }: World, check: Check): Promise<void> {
  const { runtime, ...kubelet } = kubelets.alpha;
  await check('CHECK tells what somebody took from a pod; DEL may come twice', async () => {
    const held = kubelet.held();
    const sandbox = kubelet.makeSandbox('guest');
    const { ipv4 } = await kubelet.add(sandbox);
    sandbox.ns.run(['ip', 'address', 'delete', `${ipv4}/32`, 'dev', 'eth0']);
    const [code, message] = await codeOf(runtime.check(sandbox));
    expect(code === CODE_NOT_AS_ADDED, message);
    await runtime.del(sandbox);
    await runtime.del(sandbox);
    const left = kubelet.held();
    expect(left.length === held.length, `held: ${left.join(', ')}`);
    await runtime.check(topology.pods['web-1'].sandbox);
    return message;
  });
}

export async function pluginPhase(world: World, check: Check): Promise<void> {
  await made(world, check);
  await answers(world, check);
  await missing(world, check);
}
