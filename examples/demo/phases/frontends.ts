/**
 * Every door of a service: ClusterIP, node port, load balancer, external address; for pods, for the
 * node itself, for outside clients; and who is told no, and how.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import { CURL_REFUSED, CURL_TIMED_OUT } from '../clients.js';
import { SERVICES, writeEndpoints } from '../cluster.js';
import type { Namespace } from '../netns.js';
import { POD_NAMES, POD_NODE } from '../topology.js';
import type { World } from '../world.js';
import { countsOf } from './connect.js';

/** So many that an endpoint without any is no bad luck: 4 * 0.75^60 is 10^-7. */
const REQUESTS = 60;
const FEW = 6;
/** Endpoints of one node only are bad luck of 2^-11. */
const SEEN_REQUESTS = 12;
const CHURN_REQUESTS = 400;
const CHURN_MS = 60;
const HTTP_NODE_PORT = 30080;
const DNS_NODE_PORT = 30053;

interface Door {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

function doorsOf({ topology }: World): Door[] {
  const { alpha, beta } = topology.nodes;
  const { balancer, external } = SERVICES.shop.outer;
  return [
    { name: "alpha's node port", host: alpha.ipv4, port: HTTP_NODE_PORT },
    { name: "beta's node port", host: beta.ipv4, port: HTTP_NODE_PORT },
    { name: 'the load balancer', host: balancer[0], port: 80 },
    { name: 'the external address', host: external[0], port: 80 },
    { name: "alpha's node port, IPv6", host: alpha.ipv6, port: HTTP_NODE_PORT },
    { name: 'the load balancer, IPv6', host: balancer[1], port: 80 },
  ];
}

async function everybody(world: World, check: Check): Promise<void> {
  const { topology, clients } = world;
  const callers: readonly (readonly [string, Namespace])[] = [
    ['outside client', topology.client.ns],
    ['pod', topology.pods['shell-1'].ns],
    ['node', topology.nodes.alpha.ns],
  ];
  for (const [caller, ns] of callers) {
    for (const { name, host, port } of doorsOf(world)) {
      await check(`${caller} to ${name}, TCP: every endpoint on both nodes`, async () => {
        const answers = await clients.http(ns, host, port, REQUESTS);
        const { size } = answers.pods;
        expect(size === SERVICES.shop.pods.length, `only ${countsOf(answers)} answered`);
        return countsOf(answers);
      });
    }
    await check(`${caller} to alpha's node port, UDP`, async () => {
      const answers = await clients.dns(ns, topology.nodes.alpha.ipv4, REQUESTS, DNS_NODE_PORT);
      const { size } = answers.pods;
      expect(size === SERVICES.shop.pods.length, `only ${countsOf(answers)} answered`);
      return countsOf(answers);
    });
  }
  await check('node to its own node port on 127.0.0.1', async () =>
    countsOf(await clients.http(topology.nodes.alpha.ns, '127.0.0.1', HTTP_NODE_PORT, REQUESTS)),
  );
}

async function policies({ topology, clients }: World, check: Check): Promise<void> {
  const { client, nodes, pods } = topology;
  const [door] = SERVICES.door.outer.balancer;
  await check(
    "externalTrafficPolicy Local: alpha's endpoints only, and they see the client",
    async () => {
      const answers = await clients.http(client.ns, door, 80, REQUESTS);
      const saw = [...answers.saw].join(', ');
      expect(answers.pods.size === 2 && saw === client.ipv4, `${countsOf(answers)} saw ${saw}`);
      return `${countsOf(answers)} saw ${saw}`;
    },
  );
  await check('externalTrafficPolicy Cluster: the endpoints see the node', async () => {
    const { ipv4, tunnel4 } = nodes.alpha;
    const seen = new Set<string>();
    for (let i = 0; i < SEEN_REQUESTS; i++) {
      const answer = await clients.once(client.ns, ipv4, HTTP_NODE_PORT);
      expect('who' in answer, JSON.stringify(answer));
      const isNear = POD_NAMES.some((pod) => pod === answer.who && POD_NODE[pod] === 'alpha');
      const expected = isNear ? ipv4 : tunnel4;
      expect(answer.saw === expected, `${answer.who} saw ${answer.saw}, expected ${expected}`);
      seen.add(answer.saw);
    }
    expect(seen.size === 2, `only ${[...seen].join()} was seen`);
    return `they saw ${ipv4}; beyond the tunnel ${tunnel4}`;
  });
  await check('loadBalancerSourceRanges: who is outside of them gets no answer', async () => {
    const answer = await clients.once(pods['shell-1'].ns, door, 80, '1');
    expect('exitCode' in answer && answer.exitCode === CURL_TIMED_OUT, JSON.stringify(answer));
    return 'silence';
  });
  await check('sessionAffinity: a client keeps its endpoint, whichever way it comes', async () => {
    const { ns } = pods['shell-1'];
    const one = await clients.http(ns, SERVICES.loyal.clusterIPs[0], 80, FEW);
    const two = await clients.http(ns, nodes.alpha.ipv4, 30082, FEW);
    const names = new Set([...one.pods.keys(), ...two.pods.keys()]);
    expect(names.size === 1, `${countsOf(one)} and ${countsOf(two)}`);
    return [...names].join();
  });
  await check('a service without endpoints refuses at once, on every door', async () => {
    const { balancer } = SERVICES.nobody.outer;
    for (const [host, port] of [
      [SERVICES.nobody.clusterIPs[0], 80],
      [balancer[0], 80],
      [nodes.alpha.ipv4, 30084],
    ] as const) {
      for (const ns of [client.ns, pods['shell-1'].ns, nodes.alpha.ns]) {
        const answer = await clients.once(ns, host, port);
        const isRefused = 'exitCode' in answer && answer.exitCode === CURL_REFUSED;
        expect(isRefused, `${host}:${port}: ${JSON.stringify(answer)}`);
      }
    }
    return 'connection refused, 9 of 9';
  });
}

/** An endpoint on the host's own network: its answers leave by the host's own stack. */
async function hostEndpoint({ topology, clients }: World, check: Check): Promise<void> {
  const { client, nodes, pods } = topology;
  const [vip] = SERVICES.host.clusterIPs;
  const callers: readonly (readonly [string, Namespace, string, number])[] = [
    ['pod of its node, by ClusterIP', pods['shell-1'].ns, vip, 80],
    ['pod of the other node, by ClusterIP', pods['shell-2'].ns, vip, 80],
    ['the host itself, by ClusterIP', nodes.alpha.ns, vip, 80],
    ['the host itself, by its node port', nodes.alpha.ns, nodes.alpha.ipv4, 30083],
    ['the other node, by ClusterIP', nodes.beta.ns, vip, 80],
    ['outside client, by its node port', client.ns, nodes.alpha.ipv4, 30083],
    ["outside client, by the other node's port", client.ns, nodes.beta.ipv4, 30083],
  ];
  for (const [caller, ns, host, port] of callers) {
    await check(`an endpoint on the host network answers ${caller}`, async () => {
      for (let i = 0; i < FEW; i++) {
        const answer = await clients.once(ns, host, port);
        expect('who' in answer && answer.who === 'alpha', JSON.stringify(answer));
      }
      return `${FEW} of ${FEW}`;
    });
  }
}

async function hairpin({ topology, clients }: World, check: Check): Promise<void> {
  await check('a pod reaches itself through its own service, and sees its node', async () => {
    const { ns } = topology.pods['web-1'];
    const answers = await clients.http(ns, SERVICES.self.clusterIPs[0], 80, FEW);
    const saw = [...answers.saw].join();
    expect(saw === topology.nodes.alpha.ipv4, `it saw ${saw}`);
    return `it saw ${saw}`;
  });
}

/** Every server goes on serving: whatever is chosen at any moment has to answer. */
async function churn({ topology, clients, cluster }: World, check: Check): Promise<void> {
  await check('endpoints come and go under load, and no request fails', async () => {
    const { shop } = SERVICES;
    const { alpha } = topology.nodes;
    const load = { isOver: false };
    const loads = [
      clients.http(topology.client.ns, alpha.ipv4, HTTP_NODE_PORT, CHURN_REQUESTS),
      clients.http(topology.client.ns, shop.outer.balancer[0], 80, CHURN_REQUESTS),
      clients.http(topology.pods['shell-1'].ns, shop.clusterIPs[0], 80, CHURN_REQUESTS),
      clients.http(alpha.ns, shop.outer.external[0], 80, CHURN_REQUESTS),
    ];
    const done = Promise.all(loads).finally(() => {
      load.isOver = true;
    });
    let changes = 0;
    for (; !load.isOver; changes++) {
      const pods = shop.pods.filter((_, i) => i === changes % 4 || i === (changes >> 2) % 4);
      writeEndpoints(cluster, { ...shop, pods }, topology);
      await Promise.race([delay(CHURN_MS), done.catch(() => undefined)]);
    }
    writeEndpoints(cluster, shop, topology);
    await done;
    return `${loads.length * CHURN_REQUESTS} requests over ${changes} changes`;
  });
}

/** What the agent says about a service and a packet, while both are in use. */
async function explained({ topology, agents }: World, check: Check): Promise<void> {
  const [vip] = SERVICES.shop.clusterIPs;
  const said = async (command: string, ...options: string[]): Promise<string> => {
    const { status, stdout, stderr } = await agents.alpha.sluice(command, ...options);
    expect(status === 0, `${command}: ${stderr.trim()}`);
    return stdout;
  };
  await check('sluice services tells doors, endpoints and why', async () => {
    const text = await said('services', 'default/shop:http');
    const { ipv4 } = topology.pods['web-3'];
    for (const word of [`${vip}:80`, ':30080', 'NodePort', 'LoadBalancer', ipv4]) {
      expect(text.includes(word), `no ${word} in: ${text}`);
    }
    return `${text.trim().split('\n').length} lines`;
  });
  await check('sluice trace tells what would become of a packet, and sends none', async () => {
    const from = `${topology.pods['shell-1'].ipv4}:40404`;
    const text = await said('trace', '--from', from, '--to', `${vip}:80/TCP`);
    for (const word of ['default/shop:http', 'flow-create', 'TX']) {
      expect(text.includes(word), `no ${word} in: ${text}`);
    }
    const isNew = agents.alpha.flows().some((flow) => flow.from === from);
    expect(!isNew, 'the trace has left a flow behind');
    const denied = await said('trace', '--from', from, '--to', '203.0.113.11:80/TCP');
    expect(denied.includes('SOURCE_NOT_IN_RANGE'), denied);
    return text.trim().split('\n').at(-1) ?? '';
  });
}

export async function frontendsPhase(world: World, check: Check): Promise<void> {
  await explained(world, check);
  await everybody(world, check);
  await hairpin(world, check);
  await churn(world, check);
  await policies(world, check);
  await hostEndpoint(world, check);
}
