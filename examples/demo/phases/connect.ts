/** Who reaches whom: pods, nodes, services, the world outside. */
import { SERVICES } from '../cluster.js';
import type { Answers, Family, Target } from '../clients.js';
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import type { Namespace } from '../netns.js';
import { fullName } from '../resolvers.js';
import type { World } from '../world.js';

const PINGS = 5;
/** So many that a backend without any is no bad luck: 4 * 0.75^60 is 10^-7. */
const REQUESTS = 60;
const QUESTIONS = 60;

/** `web-1 11, web-2 9` */
export function countsOf({ pods, retries }: Answers): string {
  const sorted = [...pods].sort(([a], [b]) => (a < b ? -1 : 1));
  const counts = sorted.map(([pod, count]) => `${pod} ${count}`);
  return [...counts, ...(retries === 0 ? [] : [`${retries} asked again`])].join(', ');
}

function expectSpread(answers: Answers, wanted: number): string {
  const { size } = answers.pods;
  expect(size === wanted, `${size} of ${wanted} backends hit: ${countsOf(answers)}`);
  return countsOf(answers);
}

function expectSource({ saw }: Answers, source: string): string {
  const seen = [...saw].join(', ');
  expect(seen === source, `the pod saw ${seen}, expected the client's own ${source}`);
  return `the pod saw ${seen}`;
}

const named = (name: string, family: Family): Target => ({ name, family });

async function pods({ topology, clients }: World, check: Check): Promise<void> {
  const { 'shell-1': shell, 'web-1': near, 'web-3': far } = topology.pods;
  const ping = (from: Namespace, host: string) => async (): Promise<string> => {
    const ms = await clients.ping(from, host, PINGS);
    return `${PINGS} of ${PINGS}, ${ms.toFixed(2)} ms on average`;
  };
  await check('pod to pod, same node: ping', ping(shell.ns, near.ipv4));
  await check('pod to pod, across nodes: ping', ping(shell.ns, far.ipv4));
  await check('pod to pod, across nodes: IPv6 ping', ping(shell.ns, far.ipv6));
  await check('pod to pod, across nodes: TCP keeps the source address', async () =>
    expectSource(await clients.http(shell.ns, far.ipv4, 8080, 1), shell.ipv4),
  );
  await check('pod to outside client: ping', ping(shell.ns, topology.client.ipv4));
  await check('pod to its own node: ping', ping(shell.ns, topology.nodes.alpha.ipv4));
}

async function services({ topology, clients }: World, check: Check): Promise<void> {
  const { 'shell-1': shell, 'shell-2': other } = topology.pods;
  const [web, web6] = SERVICES.web.clusterIPs;
  const [dns] = SERVICES.whoami.clusterIPs;
  const http = (from: Namespace, to: Target) => async (): Promise<string> =>
    expectSpread(await clients.http(from, to, 80, REQUESTS), SERVICES.web.pods.length);
  const ask = (from: Namespace, to: Target) => async (): Promise<string> =>
    expectSpread(await clients.dns(from, to, QUESTIONS), SERVICES.whoami.pods.length);
  await check('pod to web, TCP: every backend on both nodes', http(shell.ns, named('web', 4)));
  await check('pod of the other node to web.default, TCP', http(other.ns, named('web.default', 4)));
  await check('pod to whoami, UDP: every backend', ask(shell.ns, named('whoami', 4)));
  const whole = fullName('web');
  await check(`pod to ${whole}, IPv6 TCP`, http(shell.ns, named(whole, 6)));
  await check('pod to whoami.default.svc, IPv6 UDP', ask(shell.ns, named('whoami.default.svc', 6)));
  await check('node to ClusterIP, TCP', http(topology.nodes.alpha.ns, web));
  await check('node to ClusterIP, UDP', ask(topology.nodes.beta.ns, dns));
  await check('node to ClusterIP, IPv6 TCP', http(topology.nodes.alpha.ns, web6));
}

async function outside({ topology, clients }: World, check: Check): Promise<void> {
  const { client } = topology;
  await check('outside client to pod address, routed by the node', async () =>
    expectSource(await clients.http(client.ns, topology.pods['web-4'].ipv4, 8080, 4), client.ipv4),
  );
  await check(
    'outside client to ClusterIP by way of a node, backends on that node only',
    async () => {
      const [edge] = SERVICES.edge.clusterIPs;
      return expectSpread(await clients.http(client.ns, edge, 80, REQUESTS), 2);
    },
  );
  await check('outside client to ClusterIP by way of a node, backends on both', async () => {
    const [web] = SERVICES.web.clusterIPs;
    const answers = await clients.http(client.ns, web, 80, REQUESTS);
    return expectSpread(answers, SERVICES.web.pods.length);
  });
}

export async function connectPhase(world: World, check: Check): Promise<void> {
  await pods(world, check);
  await services(world, check);
  await outside(world, check);
}
