/** A pod is made anew while others talk, and the old one's DEL is late. */
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import { HTTP_PORT, SERVICES, writeEndpoints, writePods } from '../cluster.js';
import type { DemoService } from '../cluster.js';
import { addPod, startServer } from '../world.js';
import type { World } from '../world.js';
import { programmed } from './change.js';
import { countsOf } from './connect.js';

const NAME = 'web-2';
const BATCH = 30;
const FEW = 4;

interface Load {
  /** Ends what goes on. @returns how many requests were answered; rejects if one was not */
  stop(): Promise<number>;
}

/** Requests by pods of both nodes and by the outside client, over and over. */
function talk({ topology, clients }: World): Load {
  const load = { isOver: false };
  const [address] = SERVICES.web.clusterIPs;
  const { pods, client } = topology;
  const callers = [pods['shell-1'].ns, pods['shell-2'].ns, client.ns];
  const loops = callers.map(async (ns) => {
    let answered = 0;
    while (!load.isOver) {
      await clients.http(ns, address, 80, BATCH);
      answered += BATCH;
    }
    return answered;
  });
  const done = Promise.all(loops);
  // Looked at in the end.
  done.catch(() => undefined);
  return {
    stop: async () => {
      load.isOver = true;
      return (await done).reduce((sum, answered) => sum + answered, 0);
    },
  };
}

function servicesOf(): DemoService[] {
  const services: readonly DemoService[] = Object.values(SERVICES);
  return services.filter(({ pods }) => pods.includes(NAME));
}

/** The new sandbox is there, with its server, before the old one is deleted. */
async function replace(world: World): Promise<string> {
  const { site, topology, kubelets, servers, cluster } = world;
  const kubelet = kubelets.alpha;
  for (const service of servicesOf()) {
    const pods = service.pods.filter((pod) => pod !== NAME);
    writeEndpoints(cluster, { ...service, pods }, topology);
  }
  await programmed(world, SERVICES.web.pods.length - 1);
  await servers.get(NAME)?.stop();
  const old = topology.pods[NAME];
  const pod = await addPod(kubelet, NAME, kubelet.makeSandbox(NAME));
  expect(pod.ipv4 !== old.ipv4, `${old.ipv4} is given twice`);
  servers.set(NAME, await startServer(site, pod.ns, NAME));
  topology.pods[NAME] = pod;
  writePods(cluster, topology);
  await programmed(world, SERVICES.web.pods.length);
  await kubelet.runtime.del(old.sandbox);
  return `${old.ipv4} became ${pod.ipv4}`;
}

export async function renewPhase(world: World, check: Check): Promise<void> {
  const { topology, kubelets, clients } = world;
  const kubelet = kubelets.alpha;
  const held = kubelet.held();
  const old = topology.pods[NAME];
  const load = talk(world);
  await check('a pod is made anew before its old sandbox is deleted', () => replace(world));
  await check('DEL of the old sandbox, late and once more, harms nothing of the new', async () => {
    await kubelet.runtime.del(old.sandbox);
    const { sandbox, ipv4, ipv6 } = topology.pods[NAME];
    await kubelet.runtime.check(sandbox);
    const near = await clients.http(topology.pods['shell-1'].ns, ipv4, HTTP_PORT, FEW);
    const far = await clients.http(topology.pods['shell-2'].ns, ipv6, HTTP_PORT, FEW);
    const now = kubelet.held();
    expect(now.length === held.length, `held: ${now.join(', ')}`);
    expect(!now.includes(old.ipv4), `${old.ipv4} was not given back`);
    return `${countsOf(near)} and ${countsOf(far)} of ${NAME}'s answers`;
  });
  await check('nobody who talked meanwhile has noticed', async () => {
    return `${await load.stop()} requests, none failed`;
  });
}
