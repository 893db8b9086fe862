/** The end: agents stop in order, and nothing is left of anything. */
import { eventually, expect } from '../checks.js';
import type { Check } from '../checks.js';
import type { Site } from '../site.js';
import type { World } from '../world.js';

const GONE_MS = 5000;

/** `sluice cleanup` on each node, while the node is still there to be looked at. */
export async function leavePhase({ agents }: World, check: Check): Promise<void> {
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
