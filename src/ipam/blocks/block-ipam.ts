/**
 * Addresses from pools that all nodes share, as Calico gives them: blocks are claimed on demand,
 * an address comes from an own block, else a new one, else another node's.
 *
 * What this node has given out is remembered; the store is asked to change it, never to find it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress } from '../../addr.js';
import type { Address, Cidr } from '../../addr.js';
import { messageOf } from '../../errors.js';
import { createTurns } from '../../turns.js';
import { IpamError, ownerKey } from '../ipam.js';
import type { AddressRequest, Ipam, Owner } from '../ipam.js';
import type { Store, StoreKey } from '../store/store.js';
import type { AssignRules } from './block.js';
import { createBlockTable } from './block-table.js';
import { createKeeper } from './keeper.js';
import type { BlockLease, LeaseView } from './keeper.js';
import { createLedger } from './ledger.js';
import { checkBlocks, overviewOf } from './overview.js';
import type { IpamFinding, Overview } from './overview.js';
import { choosePools, isReserved } from './pool.js';
import type { Pool, PoolView } from './pool.js';
import { inlinePools, storedPools } from './pool-source.js';
import type { Labels } from './selector.js';
import { hasOwnRoom, shortage } from './shortage.js';
import { createSupply } from './supply.js';
import type { Attempt, Given } from './supply.js';

export interface BlockIpamOptions {
  /** Is closed with the rest. */
  readonly store: Store;
  readonly nodeName: string;
  readonly nodeLabels: () => Labels;
  readonly namespaceLabels: (namespace: string) => Labels;
  /** Instead of those in the store. */
  readonly inline?: { readonly pools: readonly Pool[]; readonly reserved: readonly Cidr[] };
  /** Never take from a block of another node. */
  readonly strictAffinity?: boolean;
  /** Blocks of one family that this node claims by itself. */
  readonly maxBlocksPerHost?: number;
  /** How long an address rests after its release; it is the last in the queue anyway. */
  readonly cooldownMs?: number;
  /** How long nobody must answer for an address until it is freed; 0: never freed. */
  readonly leakGraceMs?: number;
  /** Wall clock, ms, shared with other nodes as well as clocks are. */
  readonly nowMs?: () => number;
  readonly random?: () => number;
  readonly pause?: (ms: number) => Promise<unknown>;
  /** A document that cannot be read, and what was given up because of it. */
  readonly onBroken?: (complaint: string) => void;
}

export interface BlockIpam extends Ipam {
  /** Give back blocks that have been empty for a minute; to be called about that often. */
  sweep(): Promise<number>;
  /** Free addresses that nobody answers for; to be called a few times in a grace period. */
  collect(view: LeaseView): Promise<readonly BlockLease[]>;
  /** Pools and nodes with their numbers. */
  overview(): Promise<Overview>;
  /** Leaked, double and unknown addresses. */
  check(view: LeaseView): Promise<readonly IpamFinding[]>;
  /** The pools as they are now: for masquerading and routes. */
  pools(): Promise<readonly Pool[]>;
}

/** Calico's defaults. */
const MAX_BLOCKS_PER_HOST = 20;
const LEAK_GRACE_MS = 15 * 60_000;

/** @throws IpamError invalid */
function checkRequest({ requested, rangeSets }: AddressRequest): void {
  if (rangeSets.length > 0) {
    const named = rangeSets.flat().map(({ subnet }) => subnet);
    const what = `ipRanges are named (${named.join(', ')}), but addresses come from blocks of pools`;
    throw new IpamError('invalid', what);
  }
  for (const family of [4, 6]) {
    const same = requested.filter((address) => address.family === family);
    if (same.length < 2) continue;
    const what = `two IPv${family} addresses are requested: ${same.map(formatAddress).join(', ')}; expected one a family`;
    throw new IpamError('invalid', what);
  }
}

export function createBlockIpam(options: BlockIpamOptions): BlockIpam {
  const { store, nodeName, nodeLabels, namespaceLabels, inline } = options;
  const { strictAffinity = false, maxBlocksPerHost = MAX_BLOCKS_PER_HOST } = options;
  const { cooldownMs = 0, leakGraceMs = LEAK_GRACE_MS, nowMs = Date.now } = options;
  const source = inline ? inlinePools(inline.pools, inline.reserved) : storedPools(store, nowMs);
  const table = createBlockTable({
    store,
    isOurs: (block) =>
      block.node === nodeName || [...block.allocations.values()].some((a) => a.node === nodeName),
    pause: options.pause ?? sleep,
    random: options.random ?? Math.random,
    onBroken: options.onBroken ?? (() => undefined),
  });
  const rules = (): AssignRules => {
    const view = source.last();
    return {
      nowMs: nowMs(),
      cooldownMs,
      isReserved: (address) => view !== undefined && isReserved(view, address),
    };
  };
  const supply = createSupply({
    ...{ table, nodeName, strictAffinity, rules },
    maxBlocks: maxBlocksPerHost,
  });
  const keeper = createKeeper({
    ...{ table, nodeName, nodeLabels, nowMs, cooldownMs, leakGraceMs },
    pools: source.last,
  });
  const { take: inTurn } = createTurns();
  const ledger = createLedger({ table, nodeName, nowMs, isDone: keeper.isDone });
  const { ready, heldBy, settle } = ledger;

  const namespaceOf = ({ pod }: AddressRequest): Labels =>
    pod === undefined ? {} : namespaceLabels(pod.namespace);

  /** What to ask the supply for, once for each address. */
  const plan = (request: AddressRequest, view: PoolView): ((a: Attempt) => Promise<Given>)[] => {
    const wish = {
      named: request.pools,
      nodeLabels: nodeLabels(),
      namespaceLabels: namespaceOf(request),
    };
    const chosen = choosePools(view, wish);
    if (request.requested.length > 0) {
      const enabled = view.pools.filter(({ disabled }) => !disabled);
      return request.requested.map((address) => (attempt) => {
        const named = request.pools.length > 0 ? chosen.get(address.family) : undefined;
        return supply.exact(named ?? enabled, address, attempt);
      });
    }
    if (chosen.size === 0) {
      const where = request.pod === undefined ? '' : ` namespace ${request.pod.namespace} on`;
      throw new IpamError('exhausted', `no enabled pool serves${where} node ${nodeName}`);
    }
    return [...chosen.values()].map((pools) => (attempt) => supply.any(pools, attempt));
  };

  const acquire = async (request: AddressRequest): Promise<readonly Address[]> => {
    checkRequest(request);
    const { owner, pod } = request;
    await ready();
    await settle(owner);
    const held = heldBy(owner).map(({ address }) => formatAddress(address));
    if (held.length > 0) {
      throw new IpamError('duplicate', `${ownerKey(owner)} has ${held.join(', ')} already`);
    }
    const attempt = { claimant: { owner, pod, node: nodeName }, tried: new Set<StoreKey>() };
    const steps = plan(request, await source.read());
    const done = await Promise.allSettled(steps.map((step) => step(attempt)));
    const given = done.flatMap((one) => (one.status === 'fulfilled' ? [one.value.address] : []));
    const failed = done.find((one) => one.status === 'rejected');
    if (failed === undefined) return given;
    await ledger.undo(owner, attempt.tried);
    throw failed.reason;
  };

  const release = async (owner: Owner): Promise<readonly Address[]> => {
    await ready();
    await settle(owner);
    return ledger.release(owner);
  };

  const status = async (): Promise<string | undefined> => {
    const view = await source.read();
    // An answer, whatever it is: the store is there.
    await store.get([...table.known.keys()][0] ?? 'blocks/none');
    const known = [...table.known.values()].map(({ block }) => block);
    const situation = { view, nodeName, nodeLabels: nodeLabels(), rules: rules(), strictAffinity };
    if (hasOwnRoom(situation, known)) return undefined;
    return shortage({ ...situation, maxBlocks: maxBlocksPerHost }, await table.readAll());
  };

  return {
    acquire: (request) => inTurn(ownerKey(request.owner), () => acquire(request)),
    release: (owner) => inTurn(ownerKey(owner), () => release(owner)),
    held: async (owner) => {
      await ready();
      return heldBy(owner).map(({ address }) => address);
    },
    leases: async () => {
      await ready();
      return ledger.leases();
    },
    status: () => status().catch((cause: unknown) => messageOf(cause)),
    sweep: async () => {
      await ready();
      for (const owner of ledger.debtors()) await inTurn(ownerKey(owner), () => settle(owner));
      await source.read();
      return keeper.sweep();
    },
    collect: async (view) => {
      await ready();
      return keeper.collect(view);
    },
    overview: async () => overviewOf(await source.read(), await table.readAll()),
    check: async (view) => {
      const isOurs = ({ node }: BlockLease) => view.hasNode !== undefined || node === nodeName;
      return checkBlocks([await source.read(), await table.readAll()], view, isOurs);
    },
    pools: async () => (await source.read()).pools,
    close: () => store.close(),
  };
}
