/** SIGKILL for an agent in the middle of a burst of ADDs. */
import { eventually, expect } from '../checks.js';
import type { Check } from '../checks.js';
import type { Kubelet } from '../kubelet.js';
import { PluginError } from '../runtime.js';
import type { Added, Sandbox } from '../runtime.js';
import { PODS_PER_NODE } from '../topology.js';
import type { World } from '../world.js';

const BURST = 16;
/** As many as a kubelet starts at a time. */
const AT_ONCE = 4;
/** ADDs that have succeeded when the agent dies. */
const KILL_AFTER = 5;
const GONE_MS = 8000;
/** "Try again later" of the specification. */
const CODE_TRY_AGAIN = 11;

interface Burst {
  readonly made: Map<Sandbox, Added>;
  readonly failed: Map<Sandbox, unknown>;
}

/** ADD for each, a few at a time. @param onMade  told how many there are by now */
async function addAll(
  kubelet: Kubelet,
  sandboxes: readonly Sandbox[],
  onMade: (count: number) => void,
): Promise<Burst> {
  const burst: Burst = { made: new Map(), failed: new Map() };
  const waiting = [...sandboxes];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      try {
        burst.made.set(next, await kubelet.add(next));
        onMade(burst.made.size);
      } catch (error) {
        burst.failed.set(next, error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return burst;
}

function sandboxesFor(kubelet: Kubelet, count: number): Sandbox[] {
  return Array.from({ length: count }, (_, i) => kubelet.makeSandbox(`burst-${i}`));
}

async function interrupted({ kubelets, agents }: World, check: Check): Promise<Burst> {
  let burst: Burst = { made: new Map(), failed: new Map() };
  await check('the agent of beta is killed in the middle of a burst of ADDs', async () => {
    let killed: Promise<void> | undefined;
    burst = await addAll(kubelets.beta, sandboxesFor(kubelets.beta, BURST), (count) => {
      if (count === KILL_AFTER) killed = agents.beta.kill();
    });
    await killed;
    const { made, failed } = burst;
    expect(failed.size > 0, `all ${made.size} were made`);
    for (const error of failed.values()) {
      const isAgain = error instanceof PluginError && error.code === CODE_TRY_AGAIN;
      expect(isAgain, `expected code ${CODE_TRY_AGAIN}: ${String(error)}`);
    }
    return `${made.size} made, ${failed.size} told to try again later`;
  });
  return burst;
}

/** Those that failed are deleted, and their pods get new sandboxes; as kubelet does. */
async function recover(world: World, check: Check, { made, failed }: Burst): Promise<Burst> {
  const { kubelets, agents, clients, topology } = world;
  const kubelet = kubelets.beta;
  await check('what failed is deleted while no agent runs', async () => {
    await Promise.all([...failed.keys()].map((sandbox) => kubelet.runtime.del(sandbox)));
    return `${failed.size} of ${failed.size}, remembered for the next agent`;
  });
  await check('the next agent takes over what was made, and it is as it was', async () => {
    agents.beta.start();
    await agents.beta.awaitReady(({ pods }) => pods === PODS_PER_NODE + made.size);
    for (const [sandbox, { ipv4 }] of made) {
      await kubelet.runtime.check(sandbox);
      await clients.ping(topology.pods['shell-1'].ns, ipv4, 1);
    }
    return `${made.size} pods answer CHECK and ping`;
  });
  let again: Burst = { made: new Map(), failed: new Map() };
  await check('pods that failed come in new sandboxes; no address is given twice', async () => {
    again = await addAll(kubelet, sandboxesFor(kubelet, failed.size), () => undefined);
    for (const error of again.failed.values()) throw error;
    const all = [...made.values(), ...again.made.values(), ...Object.values(topology.pods)];
    const addresses = all.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
    expect(new Set(addresses).size === addresses.length, 'an address was given twice');
    return `${again.made.size} pods, ${addresses.length} addresses in use`;
  });
  return again;
}

export async function burstPhase(world: World, check: Check): Promise<void> {
  const { kubelets, agents } = world;
  const { runtime, held } = kubelets.beta;
  const heldBefore = held().length;
  const links = (): number =>
    agents.beta.node.ns.run(['ip', '-oneline', 'link']).split('\n').length;
  const linksBefore = links();
  const burst = await interrupted(world, check);
  const again = await recover(world, check, burst);
  await check('when all of them are deleted, no address, link or record is left', async () => {
    const sandboxes = [...burst.made.keys(), ...again.made.keys()];
    await Promise.all(sandboxes.map((sandbox) => runtime.del(sandbox)));
    const isLeft = (): string => `${held().length} held, ${links()} links`;
    await eventually(GONE_MS, 'something is left', () =>
      held().length === heldBefore && links() === linksBefore ? true : undefined,
    ).catch((cause: unknown) => {
      throw new Error(`${isLeft()}, expected ${heldBefore} and ${linksBefore}`, { cause });
    });
    await agents.beta.awaitReady(({ pods }) => pods === PODS_PER_NODE);
    const { status, stdout, stderr } = await agents.beta.sluice('ipam', 'check');
    expect(status === 0, `sluice ipam check: exit code ${status}: ${stdout}${stderr}`);
    return `${sandboxes.length} deleted; ${isLeft()}, as before`;
  });
}
