/** The end: pods are deleted, agents stop in order, and nothing is left of anything. */
import { readdirSync } from 'node:fs';
import { eventually, expect } from '../checks.js';
import type { Check } from '../checks.js';
import type { Kubelet } from '../kubelet.js';
import type { Site } from '../site.js';
import { NODE_NAMES, tableOf } from '../topology.js';
import type { World } from '../world.js';

const GONE_MS = 5000;

/** What a node has of the plugin's: pod links but for the trunk, addresses, deletions, pods' ends. */
function remains({ topology }: World, { agent, held }: Kubelet): string[] {
  const { ns, name } = agent.node;
  const links = ns.run(['ip', '-oneline', 'link', 'show']).match(/: sl[cr][0-9a-f]{8,}/g) ?? [];
  const ends = Object.values(topology.pods)
    .filter(({ node }) => node === name)
    .flatMap((pod) => pod.ns.run(['ip', '-oneline', 'link', 'show']).match(/: eth0/g) ?? []);
  return [...held(), ...links, ...ends];
}

async function deletePods(world: World, check: Check): Promise<void> {
  const { topology, kubelets } = world;
  await check('every pod is deleted, and nothing of what the plugin made is left', async () => {
    const pods = Object.values(topology.pods);
    await Promise.all(pods.map(({ node, sandbox }) => kubelets[node].runtime.del(sandbox)));
    let left: string[] = [];
    await eventually(GONE_MS, 'not gone', () => {
      left = Object.values(kubelets).flatMap((kubelet) => remains(world, kubelet));
      return left.length === 0 ? true : undefined;
    }).catch((cause: unknown) => {
      throw new Error(`left: ${left.join(', ')}`, { cause });
    });
    return `${pods.length} deleted; no link, no address`;
  });
}

/** `sluice cleanup` on each node, while the node is still there to be looked at. */
export async function leavePhase(world: World, check: Check): Promise<void> {
  const { agents, kubelets } = world;
  await deletePods(world, check);
  // Pods that nobody deletes: what is left of them is for cleanup.
  const strays = tableOf(NODE_NAMES, (name) => kubelets[name].makeSandbox('stray'));
  for (const name of NODE_NAMES) await kubelets[name].add(strays[name]);
  await check('sluice cni uninstall takes the plugin away', async () => {
    const removed = await Promise.all(
      Object.values(agents).map(async (agent) => {
        const { cni } = agent.config;
        const { status, stderr } = await agent.sluice('cni', 'uninstall');
        expect(status === 0, `sluice cni uninstall: exit code ${status}: ${stderr.trim()}`);
        const left = [cni?.binDir, cni?.confDir].flatMap((folder) => readdirSync(folder ?? ''));
        expect(left.length === 0, `left: ${left.join(', ')}`);
        return agent.node.name;
      }),
    );
    return removed.join(' and ');
  });
  await check('SIGTERM stops the agents, and sluice cleanup undoes them', async () => {
    const removed = await Promise.all(
      Object.values(agents).map(async (agent) => {
        const { name, ns } = agent.node;
        const code = await agent.stop();
        expect(code === 0, `the agent of ${name} ended with ${code}`);
        const { status, stdout, stderr } = await agent.sluice('cleanup');
        expect(status === 0, `sluice cleanup: exit code ${status}: ${stderr.trim()}`);
        const links = ns.run(['ip', '-oneline', 'link', 'show']);
        expect(!links.includes(': slc'), `links are left on ${name}: ${links}`);
        const ends = strays[name].ns.run(['ip', '-oneline', 'link', 'show']);
        expect(!ends.includes(': eth0'), `a pod of ${name} has kept its interface: ${ends}`);
        const routes = ns.run(['ip', 'route', 'show', 'proto', '83']);
        expect(routes.trim() === '', `routes are left on ${name}: ${routes}`);
        return stdout.split('\n').filter(Boolean).length;
      }),
    );
    return `${removed.join(' and ')} things removed`;
  });
}

/** After everything else: remove what the demo itself made, and look whether it is gone. */
export async function checkGone(site: Site, check: Check): Promise<void> {
  site.close();
  await check('nothing is left: namespaces and their links, pins, processes, files', async () => {
    let left: string[] = [];
    await eventually(GONE_MS, 'not gone', () => {
      left = site.leftovers();
      return left.length === 0 ? true : undefined;
    }).catch((cause: unknown) => {
      throw new Error(`left: ${left.join(', ')}`, { cause });
    });
    return 'all removed';
  });
}
