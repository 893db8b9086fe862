/** What changes while traffic runs: manifests, bad ones and good ones. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../agent.js';
import { eventually, expect } from '../checks.js';
import type { Check } from '../checks.js';
import { HTTP_PORT, SERVICES, endpointsFile, writeEndpoints, writeText } from '../cluster.js';
import type { World } from '../world.js';
import { countsOf } from './connect.js';

const CHANGE_MS = 5000;
/** A second line about the same mistake would be there by then. */
const QUIET_MS = 300;
const REQUESTS = 60;

const BAD_VALUE = `apiVersion: v1
kind: Service
metadata: {name: spare, namespace: default}
spec: {clusterIP: 10.96.0.99, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: broken, namespace: default}
spec:
  clusterIP: 10.96.0.98
  ports:
  - port: eighty
`;
const BAD_VALUE_FILE = 'broken.yaml';

/** The one line an agent logs about a file. @throws Error when there are more or none */
async function oneLine(agent: Agent, file: string, from: number): Promise<string> {
  const about = (): string[] =>
    agent
      .log()
      .slice(from)
      .filter((line) => line.includes(file));
  await eventually(CHANGE_MS, `${agent.node.name} logged nothing about ${file}`, () => about()[0]);
  await delay(QUIET_MS);
  const lines = about();
  expect(lines.length === 1, `${lines.length} lines about ${file}, expected one`);
  return lines.join('');
}

async function oneLineEach(world: World, file: string, write: () => void): Promise<string> {
  const agents = Object.values(world.agents);
  const marks = agents.map((agent) => agent.log().length);
  write();
  const lines = await Promise.all(agents.map((agent, i) => oneLine(agent, file, marks[i] ?? 0)));
  const [line = ''] = lines;
  return line.slice(line.lastIndexOf('/', line.indexOf(file)) + 1);
}

async function expectAllAnswer({ clients, topology }: World): Promise<string> {
  const shell = topology.pods['shell-1'];
  const answers = await clients.http(shell.ns, SERVICES.web.name, 80, REQUESTS);
  const { size } = answers.pods;
  expect(size === SERVICES.web.pods.length, `only ${countsOf(answers)} answered`);
  return countsOf(answers);
}

async function badInput(world: World, check: Check): Promise<void> {
  const { cluster } = world;
  await check('a bad value is one line with file, document, key and value', async () => {
    const line = await oneLineEach(world, BAD_VALUE_FILE, () => {
      writeText(cluster, BAD_VALUE_FILE, BAD_VALUE);
    });
    for (const word of ['document 2', 'spec.ports[0].port', '"eighty"']) {
      expect(line.includes(word), `${word} is not in: ${line}`);
    }
    return line;
  });
  const file = endpointsFile(SERVICES.web);
  const good = readFileSync(join(cluster, file), 'utf8');
  await check('a file that is no YAML any more is one line too', () =>
    oneLineEach(world, file, () => {
      writeText(cluster, file, `${good}  half: [an edit, that\n`);
    }),
  );
  await check('nothing that worked has stopped working', () => expectAllAnswer(world));
  rmSync(join(cluster, BAD_VALUE_FILE));
  writeText(cluster, file, good);
}

/** Wait until both nodes have programmed how many backends the web service has. */
export async function programmed({ agents }: World, backends: number): Promise<void> {
  const [address] = SERVICES.web.clusterIPs;
  const isDone = (agent: Agent): boolean =>
    agent.status().agent?.control.services.find((s) => s.frontend === `${address}:80`)?.backends
      .length === backends;
  await eventually(CHANGE_MS, `the change to ${backends} backends was not programmed`, () =>
    Object.values(agents).every(isDone) ? true : undefined,
  );
}

async function hotChange(world: World, check: Check): Promise<void> {
  const { topology, clients, cluster } = world;
  const { 'shell-1': shell, 'web-2': gone } = topology.pods;
  await check('an endpoint that is removed gets no new connection', async () => {
    const pods = SERVICES.web.pods.filter((pod) => pod !== gone.name);
    const began = performance.now();
    writeEndpoints(cluster, { ...SERVICES.web, pods }, topology);
    await programmed(world, pods.length);
    const tookMs = Math.round(performance.now() - began);
    const answers = await clients.http(shell.ns, SERVICES.web.name, 80, REQUESTS);
    expect(!answers.pods.has(gone.name), `${gone.name} still answers: ${countsOf(answers)}`);
    return `programmed in ${tookMs} ms: ${countsOf(answers)}`;
  });
  await check('the removed pod is still there for others', async () =>
    countsOf(await clients.http(shell.ns, gone.ipv4, HTTP_PORT, 2)),
  );
  await check('an endpoint that is added takes its share', async () => {
    writeEndpoints(cluster, SERVICES.web, topology);
    await programmed(world, SERVICES.web.pods.length);
    return expectAllAnswer(world);
  });
}

export async function changePhase(world: World, check: Check): Promise<void> {
  await badInput(world, check);
  await hotChange(world, check);
}
