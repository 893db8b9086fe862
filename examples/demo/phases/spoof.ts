/** A pod that sends as somebody else. */
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import type { World } from '../world.js';

const PACKETS = 5;

export async function spoofPhase(world: World, check: Check): Promise<void> {
  const { topology, agents, clients } = world;
  const { 'shell-1': shell, 'web-2': victim, 'web-3': target } = topology.pods;
  const spoofs = (counter: string): number => agents.alpha.status().counters.kernel[counter] ?? 0;
  const tryAs = async (source: string, host: string, counter: string): Promise<string> => {
    const before = spoofs(counter);
    const nodad = source.includes(':') ? ['nodad'] : [];
    shell.ns.run(['ip', 'address', 'add', source, 'dev', 'lo', ...nodad]);
    const answered = await clients.pingAs(shell.ns, source, host, PACKETS);
    shell.ns.run(['ip', 'address', 'delete', source, 'dev', 'lo']);
    const counted = spoofs(counter) - before;
    expect(answered === 0, `${answered} packets were answered`);
    expect(counted >= PACKETS, `${counter} grew by ${counted} for ${PACKETS} packets`);
    return `${PACKETS} packets of ${shell.name} as ${source}: ${counter} +${counted}`;
  };
  await check('a pod cannot send as another pod', () =>
    tryAs(victim.ipv4, target.ipv4, 'SPOOF_IPV4'),
  );
  await check('a pod cannot send as another pod, IPv6', () =>
    tryAs(victim.ipv6, target.ipv6, 'SPOOF_IPV6'),
  );
}
