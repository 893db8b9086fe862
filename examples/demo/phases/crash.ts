/** SIGKILL for a node's agent in the middle of a transfer. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Flow } from '../../../src/ops/flow-rows.js';
import { eventually, expect } from '../checks.js';
import type { Check } from '../checks.js';
import { SERVICES } from '../cluster.js';
import type { Running } from '../netns.js';
import { payloadDigest } from '../payload.js';
import { isWhole } from '../world.js';
import type { World } from '../world.js';
import { dig, fullName } from '../resolvers.js';
import { countsOf } from './connect.js';
import { toldBy } from './names.js';
import { busiestFlow, packetsOf } from './split.js';

const TRANSFER_BYTES = 80 * 1024 * 1024;
const TRANSFER_RATE = '10M';
/** The transfer has got going. */
const STARTED_BYTES = 4 * 1024 * 1024;
const DEAD_MS = 1000;
/** dig(1): no server has answered. */
const DIG_NO_ANSWER = 9;

interface Transfer {
  readonly file: string;
  readonly running: Running;
  readonly to: string;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

async function beginTransfer({ site, topology, clients }: World): Promise<Transfer> {
  const [address] = SERVICES.bulk.clusterIPs;
  const file = join(site.folder, 'download');
  const url = `http://${SERVICES.bulk.name}/download?bytes=${TRANSFER_BYTES}`;
  const { ns } = topology.pods['shell-1'];
  const running = clients.download(ns, url, file, TRANSFER_RATE);
  site.watch(running.pid);
  await eventually(5000, `the transfer did not start: ${running.output()}`, () =>
    sizeOf(file) > STARTED_BYTES ? true : undefined,
  );
  return { file, running, to: `${address}:80` };
}

/** The flows as `sluice flows --json` prints them. */
async function listFlows({ agents }: World): Promise<Flow[]> {
  const { status, stdout, stderr } = await agents.alpha.sluice('flows', '--json');
  expect(status === 0, `sluice flows: exit code ${status}: ${stderr.trim()}`);
  const lines = stdout.split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Flow);
}

async function whileDead(world: World, check: Check, transfer: Transfer): Promise<Flow> {
  const { agents, clients, topology } = world;
  const flow = busiestFlow(agents.alpha, transfer.to);
  await check('the agent of alpha is killed in the middle of a transfer', async () => {
    await agents.alpha.kill();
    const read = sizeOf(transfer.file);
    await eventually(5000, 'the kernel did not notice', () =>
      agents.alpha.status().lane.alive ? undefined : true,
    );
    return `SIGKILL after ${(read / 1e6).toFixed(0)} of ${(TRANSFER_BYTES / 1e6).toFixed(0)} MB`;
  });
  const before = sizeOf(transfer.file);
  await check('sluice flows works while the agent is dead, and the kernel goes on', async () => {
    const find = async (): Promise<Flow> => {
      const flows = await listFlows(world);
      const found = flows.find(({ from, to }) => from === flow.from && to === flow.to);
      expect(found !== undefined, `no flow ${flow.from} to ${flow.to} among ${flows.length}`);
      return found;
    };
    const first = packetsOf(await find());
    await delay(DEAD_MS);
    const then = packetsOf(await find());
    const grown = then.kernel - first.kernel;
    expect(grown > 0, 'the kernel repeats no packet of the transfer');
    expect(then.lane === first.lane, 'the dead lane has counted packets');
    return `kernel +${grown}, WASM +0 packets`;
  });
  await check('the transfer goes on while the agent is dead', async () => {
    const grown = await eventually(8000, 'no byte arrived', () => {
      const bytes = sizeOf(transfer.file) - before;
      return bytes > 0 ? bytes : undefined;
    });
    return `${(grown / 1e6).toFixed(1)} MB more`;
  });
  await check('new pod to pod connections work by kernel routes meanwhile', async () => {
    // It has used no service: a port of its own cannot be one of an earlier connection's row.
    const { 'web-2': from, 'web-1': near, 'web-4': far } = topology.pods;
    const one = await clients.http(from.ns, near.ipv4, 8080, 2);
    const two = await clients.http(from.ns, far.ipv4, 8080, 2);
    return `${countsOf(one)}; ${countsOf(two)}`;
  });
  await check('the dead agent answers no name to its pods; beta goes on for its own', async () => {
    const { 'shell-1': silent, 'shell-2': served } = topology.pods;
    const once = ['dig', '+short', '+tries=1', '+time=1', fullName('web')] as const;
    const { status, stdout } = await silent.ns.runAsync(once);
    expect(status === DIG_NO_ANSWER, `dig on alpha: exit code ${status}: ${stdout.trim()}`);
    const answer = await dig(served.ns, '+short', fullName('web'));
    expect(answer === SERVICES.web.clusterIPs[0], `beta answers ${answer}`);
    return stdout.trim().split('\n').at(-1) ?? '';
  });
  return flow;
}

async function restart(world: World, check: Check, flow: Flow): Promise<void> {
  const { agents, topology } = world;
  const { alpha } = agents;
  await check('the restarted agent takes the same rows over', async () => {
    alpha.start();
    const { adopted } = await alpha.awaitReady(isWhole);
    expect(adopted, 'it began with an empty table');
    const { counters } = alpha.status();
    const [taken = 0, rejected = 0] = ['FLOWS_ADOPTED', 'FLOWS_REJECTED'].map(
      (name) => counters.lane[name] ?? 0,
    );
    expect(taken > 0 && rejected === 0, `${taken} adopted, ${rejected} rejected`);
    const same = alpha.flows().find(({ from, to }) => from === flow.from && to === flow.to);
    expect(same !== undefined, `flow ${flow.from} to ${flow.to} is gone`);
    expect(same.ageMs > flow.ageMs, 'the row was made anew');
    expect(same.translatedTo === flow.translatedTo, `it leads to ${same.translatedTo} now`);
    return `${taken} rows adopted, 0 rejected; ${flow.from} still to ${flow.translatedTo}`;
  });
  await check('the first query that the new agent is asked is answered, in its frame', async () => {
    const { answered } = toldBy(alpha);
    const { ns } = topology.pods['shell-1'];
    const answer = await dig(ns, '+tries=1', '+short', fullName('web'));
    expect(answer === SERVICES.web.clusterIPs[0], `it says ${answer || 'nothing'}`);
    const grown = toldBy(alpha).answered - answered;
    expect(grown === 1, `DNS_ANSWERED +${grown}, expected +1`);
    return `${answer}; DNS_ANSWERED +1`;
  });
}

export async function crashPhase(world: World, check: Check): Promise<void> {
  const { clients, topology } = world;
  const transfer = await beginTransfer(world);
  await restart(world, check, await whileDead(world, check, transfer));
  await check('the transfer completes, whole and right', async () => {
    const { status, stderr } = await transfer.running.done;
    expect(status === 0, `curl: exit code ${status}: ${stderr.trim()}`);
    const body = readFileSync(transfer.file);
    expect(body.length === TRANSFER_BYTES, `${body.length} of ${TRANSFER_BYTES} bytes`);
    const digest = createHash('sha256').update(body).digest('hex');
    expect(digest === payloadDigest(TRANSFER_BYTES), `digest ${digest} is not the payload's`);
    return `${body.length} bytes, SHA-256 ${digest.slice(0, 16)}...`;
  });
  await check('new connections are decided again', async () => {
    const shell = topology.pods['shell-1'];
    const tcp = await clients.http(shell.ns, SERVICES.web.name, 80, 16);
    const udp = await clients.dns(shell.ns, SERVICES.whoami.name, 8);
    return `TCP ${countsOf(tcp)}; UDP ${countsOf(udp)}`;
  });
}
