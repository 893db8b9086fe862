/**
 * Three hundred pods come and go through the real plugin and the real agent, twenty at a time, while
 * the agent is restarted and killed: no address is given twice, and nothing is left at the end.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { closeFd, mapNextKey, objGet } from '../../src/native.js';
import { loadConfig } from '../../src/config/config.js';
import { parseList } from '../support/libcni/config.js';
import type { Json } from '../support/libcni/config.js';
import { PluginError } from '../support/libcni/exec.js';
import { type Libcni, openLibcni } from '../support/libcni.js';
import { openLab } from '../support/netns.js';
import type { Lab, Running } from '../support/netns.js';
import { BIN_DIR, type Cell, openCell } from '../support/runtimes/cell.js';
import { leftovers, stateOf } from '../support/runtimes/leftovers.js';
import type { Node } from '../support/runtimes/network.js';
import { installPlugin, sluiceCommand, writeAgentConfig } from '../support/runtimes/sluice.js';
import { needs } from '../support/skip.js';

const PODS = 300;
const AT_ONCE = 20;
/** Pods alive between two rounds: each round a random choice of the rest goes. */
const ALIVE_MAX = 60;
/** What happens to the agent in a round. */
const FATES: Readonly<Record<number, 'restart' | 'kill' | 'kill-midway'>> = {
  3: 'restart',
  6: 'kill',
  9: 'kill-midway',
  12: 'restart',
};
const MIDWAY_MS = 150;
const PATIENCE_MS = 60_000;
const LINK_KEY_BYTES = 4;
/** Files of a network's folder that hold no address. */
const LAYOUT = /\/(last_reserved_ip\.\d+|lock)$/;

const churnTest = needs({ root: true, tools: ['ip', 'nsenter', 'unshare', 'tc', 'nft'] });

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Pod {
  readonly containerId: string;
  readonly ifname: 'eth0';
  readonly netns: string;
  readonly slot: number;
}

interface World {
  readonly cell: Cell;
  readonly config: string;
  readonly libcni: Libcni;
  readonly slots: readonly string[];
}

const LIST = parseList(
  JSON.stringify({ cniVersion: '1.1.0', name: 'churn', plugins: [{ type: 'sluice' }] }),
);

async function openWorld(lab: Lab): Promise<World> {
  const ns = lab.namespace('churn');
  const wire = lab.namespace('wire');
  lab.connect(
    { ns, ifname: 'eth0', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
    { ns: wire, ifname: 'eth0', addresses: ['192.0.2.9/24'] },
  );
  const cell = await openCell(ns);
  const node: Node = { number: 1, cell, ipv4: '192.0.2.1', ipv6: '2001:db8::1' };
  const slots = Array.from({ length: ALIVE_MAX + AT_ONCE }, (_, i) => `pod-${String(i)}`);
  for (const slot of slots) cell.run(['ip', 'netns', 'add', slot]);
  const inside = ['nsenter', `--net=${ns.path}`, `--mount=/proc/${String(cell.pid)}/ns/mnt`, '--'];
  const libcni = openLibcni({
    path: [cell.path(BIN_DIR)],
    cacheDir: join(cell.folder, 'cache'),
    wrap: inside,
    env: { SLUICE_CNI_SOCKET: join(cell.folder, 'cni.sock') },
  });
  return { cell, config: writeAgentConfig(node, [node]), libcni, slots };
}

function startAgent({ cell, config }: World): Running {
  return cell.start(sluiceCommand('run', '-c', config));
}

function shuffled<T>(random: () => number, list: readonly T[]): T[] {
  return list
    .map((value) => [random(), value] as const)
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value);
}

/** As a runtime does: DEL until it succeeds. */
async function remove({ libcni }: World, pod: Pod): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      await libcni.del(LIST, pod);
      return;
    } catch (error) {
      if (!(error instanceof PluginError) || performance.now() > end) throw error;
    }
  }
}

/** As kubelet does: after a failure DEL, and a new sandbox. @returns the pod that came to be */
async function add(world: World, slot: number, nextId: () => string): Promise<[Pod, Json]> {
  const end = performance.now() + PATIENCE_MS;
  const netns = `/run/netns/${world.slots[slot] ?? ''}`;
  for (;;) {
    const pod: Pod = { containerId: nextId(), ifname: 'eth0', netns, slot };
    try {
      return [pod, await world.libcni.add(LIST, pod)];
    } catch (error) {
      if (!(error instanceof PluginError) || performance.now() > end) throw error;
      await remove(world, pod);
    }
  }
}

function addressesOf(result: Json): string[] {
  return (result['ips'] as { address: string }[]).map(({ address }) => address.split('/')[0] ?? '');
}

/** Interfaces that the kernel programs know. */
function linkCount(config: string): number {
  const fd = objGet(join(loadConfig(config, 'node-1').pinDir, 'maps', 'links'));
  try {
    let count = 0;
    for (let key = mapNextKey(fd, undefined, LINK_KEY_BYTES); key !== undefined; count += 1) {
      key = mapNextKey(fd, key, LINK_KEY_BYTES);
    }
    return count;
  } finally {
    closeFd(fd);
  }
}

/** Files with an address for a name, and entries of the journal of attachments. */
function remains({ cell }: World): string[] {
  const data = join(cell.folder, 'data');
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' });
  const held = files.filter((name) => /(\d+\.){3}\d+$|fd00[^/]*$/.test(name));
  const deletes = join(cell.folder, 'deletes');
  const queued = existsSync(deletes) ? readdirSync(deletes) : [];
  return [...held, ...queued];
}

/** What the command line prints, when it is content. */
async function ask({ cell, config }: World, ...words: string[]): Promise<string> {
  const command = sluiceCommand(...words, '-c', config);
  const { status, stdout, stderr } = await cell.runAsync(command, { timeoutMs: PATIENCE_MS });
  if (status !== 0) throw new Error(`sluice ${words.join(' ')}: ${stdout}${stderr}`);
  return stdout.trim();
}

async function churn(t: ExecutionContext, world: World, random: () => number): Promise<void> {
  let agent = startAgent(world);
  await installPlugin(world.cell, world.config);
  const before = stateOf(world.cell, LAYOUT);
  const linksBefore = linkCount(world.config);
  let serial = 0;
  const nextId = (): string => `churn-${String((serial += 1))}`;
  const free = world.slots.map((_, slot) => slot);
  const alive = new Map<string, Pod>();
  const holder = new Map<string, string>();
  const giveBack = async (pods: readonly Pod[]): Promise<void> => {
    // An address may be given again as soon as its DEL has begun.
    for (const [address, id] of holder) {
      if (pods.some((pod) => pod.containerId === id)) holder.delete(address);
    }
    await Promise.all(pods.map((pod) => remove(world, pod)));
    for (const pod of pods) {
      alive.delete(pod.containerId);
      free.push(pod.slot);
    }
  };
  const change = async (fate: (typeof FATES)[number] | undefined): Promise<void> => {
    if (fate === undefined) return;
    if (fate === 'kill-midway') await new Promise((resolve) => setTimeout(resolve, MIDWAY_MS));
    await agent.stop(fate === 'restart' ? 'SIGTERM' : 'SIGKILL');
    agent = startAgent(world);
  };
  for (let round = 1; round <= PODS / AT_ONCE; round += 1) {
    const slots = free.splice(0, AT_ONCE);
    const changed = change(FATES[round]);
    const added = await Promise.all(slots.map((slot) => add(world, slot, nextId)));
    await changed;
    for (const [pod, result] of added) {
      const addresses = addressesOf(result);
      t.is(addresses.length, 2, pod.containerId);
      for (const address of addresses) {
        t.is(holder.get(address), undefined, `${address} given to ${pod.containerId} too`);
        holder.set(address, pod.containerId);
      }
      alive.set(pod.containerId, pod);
    }
    const excess = Math.max(0, alive.size - ALIVE_MAX + Math.floor(random() * AT_ONCE));
    await giveBack(shuffled(random, [...alive.values()]).slice(0, excess));
  }
  t.is(await ask(world, 'ipam', 'check'), 'nothing is wrong');
  t.is((JSON.parse(await ask(world, 'cni', 'list', '--json')) as Json[]).length, alive.size);
  await giveBack(shuffled(random, [...alive.values()]));
  t.log(`${String(serial - PODS)} sandboxes were given up and made again`);
  t.deepEqual(await leftovers(before, () => stateOf(world.cell, LAYOUT)), []);
  t.deepEqual(remains(world), []);
  t.is(linkCount(world.config), linksBefore);
  for (const slot of world.slots) {
    t.notRegex(world.cell.run(['ip', '-n', slot, '-o', 'link']), /eth0/, slot);
  }
  await agent.stop();
}

churnTest(
  'cni: 300 pods come and go while the agent dies and returns; nothing is left',
  async (t) => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
    t.log(`SEED=${String(seed)}`);
    const lab = openLab();
    try {
      const world = await openWorld(lab);
      try {
        await churn(t, world, randomOf(seed));
      } finally {
        await world.cell.runAsync(sluiceCommand('cleanup', '-c', world.config), {
          timeoutMs: 30_000,
        });
        await world.cell.close();
      }
    } finally {
      lab.close();
    }
  },
);
