/** The world outside: pods reach it as their node, and it reaches what pods publish. */
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import { DNS_PORT, HTTP_PORT } from '../cluster.js';
import type { Once } from '../clients.js';
import type { Namespace } from '../netns.js';
import { HOST_PORT, PUBLISHED_POD } from '../world.js';
import type { World } from '../world.js';
import { codeOf } from './plugin.js';

const PINGS = 3;
const FAMILIES = ['ipv4', 'ipv6'] as const;

function expectAnswer(answer: Once, who: string, saw: string): void {
  const isRight = 'who' in answer && answer.who === who && answer.saw === saw;
  expect(isRight, `${JSON.stringify(answer)}, expected ${who} to see ${saw}`);
}

async function reachOut({ topology, clients }: World, check: Check): Promise<void> {
  const { internet, nodes, pods, router } = topology;
  const shells = [pods['shell-1'], pods['shell-2']];
  for (const family of FAMILIES) {
    const host = internet[family];
    const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
    await check(
      `pods of both nodes to the internet, ${name} TCP: it sees their nodes`,
      async () => {
        for (const { ns, node } of shells) {
          const answer = await clients.once(ns, host, HTTP_PORT);
          expectAnswer(answer, 'internet', nodes[node][family]);
        }
        return shells.map(({ node }) => nodes[node][family]).join(' and ');
      },
    );
    await check(
      `pods of both nodes to the internet, ${name} UDP: it sees their nodes`,
      async () => {
        for (const { ns, node } of shells) {
          const answer = await clients.onceByUdp(ns, host, DNS_PORT);
          expectAnswer(answer, 'internet', nodes[node][family]);
        }
        return shells.map(({ node }) => nodes[node][family]).join(' and ');
      },
    );
    await check(`pods of both nodes to the internet, ${name} ping`, async () => {
      for (const { ns } of shells) await clients.ping(ns, host, PINGS);
      return `${shells.length * PINGS} of ${shells.length * PINGS}`;
    });
  }
  await check('neither router nor internet knows a way to a pod', async () => {
    for (const family of FAMILIES) {
      const address = pods['shell-1'][family];
      const { status, stdout } = router.tryRun(['ip', 'route', 'get', address]);
      expect(status !== 0, `the router has: ${stdout.trim()}`);
      const answered = await clients.pingAs(internet.ns, internet[family], address, 1);
      expect(answered === 0, `${address} has answered the internet`);
    }
    return 'no route, no answer';
  });
}

async function hostPort({ topology, clients, kubelets }: World, check: Check): Promise<void> {
  const { alpha } = topology.nodes;
  const { client, internet, pods } = topology;
  const { 'shell-1': near, 'shell-2': far } = pods;
  const callers: readonly (readonly [string, Namespace, string, string])[] = [
    ['the outside client', client.ns, alpha.ipv4, client.ipv4],
    ['the outside client, IPv6', client.ns, alpha.ipv6, client.ipv6],
    ['the internet', internet.ns, alpha.ipv4, internet.ipv4],
    ['a pod of the node', near.ns, alpha.ipv4, near.ipv4],
    ['a pod of the other node', far.ns, alpha.ipv4, far.ipv4],
    ['the node itself, on 127.0.0.1', alpha.ns, '127.0.0.1', alpha.ipv4],
  ];
  for (const [caller, ns, host, source] of callers) {
    await check(`a pod's host port is reached by ${caller}`, async () => {
      const answer = await clients.once(ns, host, HOST_PORT);
      expectAnswer(answer, PUBLISHED_POD, source);
      return `${PUBLISHED_POD} saw ${source}`;
    });
  }
  await check('a second pod with that host port is refused, and leaves nothing', async () => {
    const { runtime, ...kubelet } = kubelets.alpha;
    const held = kubelet.held();
    const mapping = { hostPort: HOST_PORT, containerPort: HTTP_PORT, protocol: 'tcp' } as const;
    const sandbox = kubelet.makeSandbox('late', [mapping]);
    const [, message] = await codeOf(runtime.add(sandbox));
    expect(message.includes(String(HOST_PORT)), message);
    await runtime.del(sandbox);
    expect(kubelet.held().length === held.length, `held: ${kubelet.held().join(', ')}`);
    return message;
  });
}

export async function outsidePhase(world: World, check: Check): Promise<void> {
  await reachOut(world, check);
  await hostPort(world, check);
}
