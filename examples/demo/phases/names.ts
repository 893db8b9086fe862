/** Names: what resolvers of pods are told, and who tells them. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '../agent.js';
import { eventually, expect } from '../checks.js';
import type { Check } from '../checks.js';
import { HTTP_PORT, NAMESPACE, SERVICES, writeObjects } from '../cluster.js';
import { DNS_VIP, WORLD_NAME } from '../naming.js';
import { dig, findResolvers, fullName } from '../resolvers.js';
import type { Resolver } from '../resolvers.js';
import type { DemoPod } from '../topology.js';
import type { World } from '../world.js';
import { checkRecords } from './records.js';

/** Questions whose frames are counted. */
const BATCH = 100;
/** Questions for a name that has been asked for before. */
const CACHED = 20;
const CHANGE_MS = 5000;
const FRESH_VIP = '10.96.0.97';
const FRESH_FILE = 'fresh.yaml';
/** getent(1): the name was not found. */
const NOT_FOUND = 2;

let markCount = 0;

/** DNS queries that a node has answered in their frames, and that it has left to its server. */
interface Told {
  readonly answered: number;
  readonly left: number;
}

export function toldBy({ status }: Agent): Told {
  const { lane } = status().counters;
  return { answered: lane['DNS_ANSWERED'] ?? 0, left: lane['DNS_LEFT'] ?? 0 };
}

/** The outcome of a query as dig prints it, `NXDOMAIN`. */
function outcomeOf(answer: string): string {
  const [, outcome = 'no answer'] = /status: ([A-Z]+)/.exec(answer) ?? [];
  return outcome;
}

/** A pod of each node. */
function shells({ topology: { pods } }: World): readonly [DemoPod, DemoPod] {
  return [pods['shell-1'], pods['shell-2']];
}

async function resolvers(world: World, check: Check): Promise<void> {
  const { here, missing } = findResolvers(world.site);
  const [ipv4, ipv6] = SERVICES.web.clusterIPs;
  const agrees = async ({ searches, addresses }: Resolver): Promise<string> => {
    const names = [...(searches ? ['web', 'web.default', 'web.default.svc'] : []), fullName('web')];
    for (const asked of names) {
      for (const { ns } of shells(world)) {
        const found = [await addresses(ns, asked, 4), await addresses(ns, asked, 6)]
          .flat()
          .join(' ');
        expect(
          found === `${ipv4} ${ipv6}`,
          `${asked} is ${found || 'nothing'}, expected ${ipv4} ${ipv6}`,
        );
      }
    }
    return names.join(', ');
  };
  for (const one of here) {
    await check(`${one.name} finds web, both families, in pods of both nodes`, () => agrees(one));
  }
  const left = missing.length > 0 ? `; not installed here: ${missing.join(', ')}` : '';
  await check('over TCP it is the same, at both addresses of the DNS', async () => {
    const addresses = Object.values(DNS_VIP);
    for (const { ns } of shells(world)) {
      for (const at of addresses) {
        const answer = await dig(ns, `@${at}`, '+tcp', '+search', '+short', 'web');
        expect(answer === ipv4, `${at}: ${answer}, expected ${ipv4}`);
      }
    }
    return `${addresses.join(' and ')}${left}`;
  });
}

/** Who has another resolv.conf asks the DNS by its address. */
async function others({ topology, agents }: World, check: Check): Promise<void> {
  const { nodes, client } = topology;
  await check('the nodes and the outside client are answered, too', async () => {
    const before = toldBy(agents.alpha);
    for (const { ns } of [nodes.alpha, nodes.beta, client]) {
      const answer = await dig(ns, `@${DNS_VIP.ipv4}`, '+short', fullName('web'));
      expect(answer === SERVICES.web.clusterIPs[0], `${ns.name}: ${answer}`);
    }
    const { answered } = toldBy(agents.alpha);
    expect(
      answered - before.answered >= 2,
      `alpha has answered ${answered - before.answered} of 2`,
    );
    return 'each in its frame';
  });
}

async function inTheFrame(world: World, check: Check): Promise<void> {
  const { agents } = world;
  const [{ ns }] = shells(world);
  await check('names of the cluster are answered in the frame, by WebAssembly alone', async () => {
    const before = toldBy(agents.alpha);
    const questions = Array.from({ length: BATCH / 2 }, () => [
      ...[fullName('web'), 'A', fullName('nosuch'), 'AAAA'],
    ]).flat();
    const answers = await dig(ns, '+noall', '+comments', ...questions);
    const replies = answers.match(/status: (NOERROR|NXDOMAIN)/g) ?? [];
    expect(
      replies.length === BATCH,
      `${replies.length} of ${BATCH} answered: ${answers.slice(-200)}`,
    );
    const { answered, left } = toldBy(agents.alpha);
    const told = `DNS_ANSWERED +${answered - before.answered}, DNS_LEFT +${left - before.left}`;
    expect(answered - before.answered >= BATCH && left === before.left, told);
    return told;
  });
}

/** What the world's DNS was asked since `from`, whole: its lines come after a question of ours. */
async function askedSince({ worldDns, topology }: World, from: number): Promise<string[]> {
  markCount++;
  const mark = `mark-${markCount}.invalid.`;
  const { ns, ipv4 } = topology.internet;
  await dig(ns, `@${ipv4}`, mark);
  return eventually(CHANGE_MS, 'the DNS of the world logs nothing', () => {
    const asked = worldDns.queries().slice(from);
    const marked = asked.findIndex((query) => query.endsWith(mark));
    return marked === -1 ? undefined : asked.slice(0, marked);
  });
}

async function beyond(world: World, check: Check): Promise<void> {
  const { agents, clients, worldDns } = world;
  const [shell] = shells(world);
  const record = async (ask: () => Promise<string>): Promise<readonly [string, string[]]> => {
    await askedSince(world, 0);
    const from = worldDns.queries().length;
    const said = await ask();
    return [said, await askedSince(world, from)];
  };
  const reach = async (): Promise<string> => {
    const answer = await clients.once(shell.ns, WORLD_NAME, HTTP_PORT);
    expect('who' in answer && answer.who === 'internet', JSON.stringify(answer));
    return answer.saw;
  };
  await check('a name of the world is left to the server, which asks upstream for it', async () => {
    const before = toldBy(agents.alpha);
    const [saw, asked] = await record(reach);
    const left = toldBy(agents.alpha).left - before.left;
    expect(left > 0, 'no query was left to the server');
    const others = asked.filter((query) => !query.endsWith(` ${WORLD_NAME}.`));
    expect(asked.length > 0 && others.length === 0, `upstream was asked ${asked.join(', ')}`);
    return `${WORLD_NAME} saw ${saw}; DNS_LEFT +${left}; upstream: ${asked.join(', ')}`;
  });
  await check(
    "asked again it comes from the server's cache, and upstream hears nothing",
    async () => {
      const before = toldBy(agents.alpha);
      const [answers, asked] = await record(() =>
        dig(shell.ns, '+noall', '+answer', ...Array<string>(CACHED).fill(`${WORLD_NAME}.`)),
      );
      const count = answers.split('\n').filter((line) => line.startsWith(WORLD_NAME)).length;
      const left = toldBy(agents.alpha).left - before.left;
      expect(count >= CACHED && left >= CACHED, `${count} answers; DNS_LEFT +${left}`);
      expect(asked.length === 0, `upstream was asked ${asked.join(', ')}`);
      return `${CACHED} questions; DNS_LEFT +${left}; upstream: none`;
    },
  );
  await check(
    'what the cluster does not have is NXDOMAIN, and upstream hears nothing',
    async () => {
      const names = [fullName('nosuch'), fullName('web.nosuch'), 'web.nosuch.svc.cluster.local'];
      const [said, asked] = await record(async () => {
        for (const name of names) {
          const outcome = outcomeOf(await dig(shell.ns, name));
          expect(outcome === 'NXDOMAIN', `${name}: ${outcome}`);
        }
        // With the dot at its end, or the last of the search list would be the world's.
        const { status } = await shell.ns.runAsync(['getent', 'ahosts', `${fullName('nosuch')}.`]);
        expect(status === NOT_FOUND, `getent: exit code ${status}`);
        return `${names.length} names by dig, one by glibc`;
      });
      expect(asked.length === 0, `upstream was asked ${asked.join(', ')}`);
      return said;
    },
  );
}

async function comeAndGo(world: World, check: Check): Promise<void> {
  const { cluster } = world;
  const name = fullName('fresh');
  const sayAll = async (wanted: (answer: string) => boolean): Promise<string> => {
    const began = performance.now();
    for (const { ns } of shells(world)) {
      let last = '';
      await eventually(CHANGE_MS, `${name} has not become what it is to be`, async () => {
        last = await dig(ns, name);
        return wanted(last) ? true : undefined;
      });
    }
    return `${Math.round(performance.now() - began)} ms on both nodes`;
  };
  const isGone = (answer: string): boolean => outcomeOf(answer) === 'NXDOMAIN';
  await check('a service that is made has its name at once', async () => {
    for (const { ns } of shells(world)) expect(isGone(await dig(ns, name)), 'it was there before');
    writeObjects(cluster, FRESH_FILE, [
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'fresh', namespace: NAMESPACE } },
        spec: { clusterIP: FRESH_VIP, clusterIPs: [FRESH_VIP], ports: [{ port: 80 }] },
      },
    ]);
    return sayAll((answer) => answer.includes(FRESH_VIP));
  });
  await check('and when it is deleted the name is gone, whoever has asked for it', () => {
    rmSync(join(cluster, FRESH_FILE));
    return sayAll(isGone);
  });
}

export async function namesPhase(world: World, check: Check): Promise<void> {
  await resolvers(world, check);
  await checkRecords(world, check);
  await others(world, check);
  await inTheFrame(world, check);
  await beyond(world, check);
  await comeAndGo(world, check);
}
