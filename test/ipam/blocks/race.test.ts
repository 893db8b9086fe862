/**
 * Managers that take and give back at random on one store, and crash. What they were told is kept
 * beside them: no address may be held twice, none may be lost.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { formatAddress } from '../../../src/addr.js';
import { createBlockIpam } from '../../../src/ipam/blocks/block-ipam.js';
import type { BlockIpam } from '../../../src/ipam/blocks/block-ipam.js';
import { IpamError } from '../../../src/ipam/ipam.js';
import { openEtcdStore } from '../../../src/ipam/store/etcd.js';
import { openFileStore } from '../../../src/ipam/store/file.js';
import type { Store } from '../../../src/ipam/store/store.js';
import { needs } from '../../support/skip.js';
import { startEtcd } from '../../support/etcd.js';
import { createMemoryStore } from '../store/memory.js';
import { dice, owner, putPools, request } from './managers.js';

/**
 * The same in every run, so that a failure comes again; SEED=N tries another. In this one a listing
 * that was asked for before an address was given back is answered afterwards.
 */
const SEED = Number(process.env['SEED'] ?? 17);
const POOLS = {
  v4: { cidr: '10.0.0.0/27', blockSize: 29 },
  v6: { cidr: 'fd00::/122', blockSize: 124 },
};

interface World {
  /** A client of the one store; closed by the manager that has it. */
  open(): Promise<Store>;
  /** End the process that has a client: what it has not sent is never sent, nothing is answered. */
  readonly kill?: (store: Store) => void;
  readonly nodes: number;
  readonly steps: number;
}

/** Addresses and the container that was told them. */
type Held = Map<string, string>;

/** One node's random life. */
async function live(name: string, world: World, held: Held): Promise<BlockIpam> {
  const random = dice(SEED ^ (name.charCodeAt(0) * 7919));
  const mine = new Map<string, readonly string[]>();
  let serial = 0;
  let store = await world.open();
  const start = () =>
    createBlockIpam({
      store,
      nodeName: name,
      nodeLabels: () => ({}),
      namespaceLabels: () => ({}),
      random,
    });
  let ipam = start();
  const take = async (): Promise<void> => {
    const id = `${name}${serial++}`;
    let given: readonly string[];
    try {
      given = (await ipam.acquire(request(id))).map(formatAddress);
    } catch (cause) {
      if (cause instanceof IpamError && cause.kind === 'exhausted') return;
      throw cause;
    }
    for (const address of given) {
      const other = held.get(address);
      if (other !== undefined) throw new Error(`${address} for ${id} is held by ${other}`);
      held.set(address, id);
    }
    mine.set(id, given);
  };
  const give = async (): Promise<void> => {
    const id = [...mine.keys()][Math.floor(random() * mine.size)];
    if (id === undefined) return;
    const given = mine.get(id) ?? [];
    mine.delete(id);
    for (const address of given) held.delete(address);
    const back = (await ipam.release(owner(id))).map(formatAddress);
    if (back.length !== given.length) throw new Error(`${id} had ${given.join()}: ${back.join()}`);
  };
  /** A crash amid a request: the runtime deletes what it has no answer for. What was told stays. */
  const crash = async (): Promise<void> => {
    const id = `${name}${serial++}`;
    if (world.kill === undefined) await ipam.close();
    else {
      void ipam.acquire(request(id)).catch(() => undefined);
      for (let i = Math.floor(random() * 12); i > 0; i--) await turn();
      world.kill(store);
    }
    store = await world.open();
    ipam = start();
    await ipam.release(owner(id));
  };
  for (let step = 0; step < world.steps; step++) {
    const count = 1 + Math.floor(random() * 4);
    const works = Array.from({ length: count }, () => (random() < 0.6 ? take() : give()));
    await Promise.all(works);
    if (random() < 0.1) await ipam.sweep();
    if (random() < 0.1) await crash();
  }
  return ipam;
}

async function race(t: ExecutionContext, world: World): Promise<void> {
  t.log(`SEED=${SEED}`);
  const store = await world.open();
  await putPools(store, POOLS);
  const held: Held = new Map();
  const names = Array.from({ length: world.nodes }, (_, i) => String.fromCharCode(97 + i));
  const managers = await Promise.all(names.map((name) => live(name, world, held)));
  const leases = (await Promise.all(managers.map((one) => one.leases()))).flat();
  const found = leases.map((lease) => `${formatAddress(lease.address)} ${lease.owner.containerId}`);
  t.deepEqual(found.sort(), [...held].map(([address, id]) => `${address} ${id}`).sort());
  const everywhere = { isAlive: () => true, hasNode: () => true };
  t.deepEqual(await managers[0]?.check(everywhere), []);
  for (const manager of managers) await manager.close();
  await store.close();
}

/** Clients of a store whose answers come in any order, and that can be killed. */
function jumbled(store: Store, random: () => number): Pick<World, 'open' | 'kill'> {
  const killed = new Set<Store>();
  const never = new Promise<never>(() => undefined);
  const pass = async (client: Store): Promise<void> => {
    for (let i = Math.floor(random() * 3); i > 0; i--) await turn();
    if (killed.has(client)) await never;
  };
  const open = (): Store => {
    const late = async <T>(run: () => Promise<T>): Promise<T> => {
      await pass(client);
      const [answer] = await Promise.allSettled([run()]);
      await pass(client);
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value;
    };
    const client: Store = {
      get: (key) => late(() => store.get(key)),
      list: (folder) => late(() => store.list(folder)),
      create: (key, value) => late(() => store.create(key, value)),
      update: (key, value, revision) => late(() => store.update(key, value, revision)),
      delete: (key, revision) => late(() => store.delete(key, revision)),
      close: () => Promise.resolve(),
    };
    return client;
  };
  return { open: () => Promise.resolve(open()), kill: (client) => void killed.add(client) };
}

for (const nodes of [2, 5]) {
  test(`blocks: ${nodes} nodes that race in memory hold no address twice and lose none`, async (t) => {
    const { store } = createMemoryStore();
    const random = dice(SEED);
    await race(t, { nodes, steps: 80, ...jumbled(store, random) });
  });

  test(`blocks: ${nodes} nodes that race in a folder hold no address twice and lose none`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-race-'));
    await race(t, { nodes, steps: 15, open: () => openFileStore(dir) });
    rmSync(dir, { recursive: true, force: true });
  });

  needs({ tools: ['etcd'] })(
    `blocks: ${nodes} nodes that race in etcd hold no address twice and lose none`,
    async (t) => {
      const server = await startEtcd();
      const options = { endpoints: [server.endpoint], prefix: '/race' };
      try {
        await race(t, { nodes, steps: 30, open: () => openEtcdStore(options) });
      } finally {
        await server.stop();
      }
    },
  );
}
