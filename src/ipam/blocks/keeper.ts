/**
 * What is done to blocks while nobody asks for an address: empty ones are given back, and
 * addresses that nobody answers for are freed.
 */
import { formatAddress } from '../../addr.js';
import type { Address, Cidr } from '../../addr.js';
import type { Lease, Owner } from '../ipam.js';
import type { StoreKey } from '../store/store.js';
import { addressAt, blockKey, covers, ordinalOf } from './block-cidr.js';
import { isResting, unassign } from './block.js';
import type { Block } from './block.js';
import type { BlockTable } from './block-table.js';
import type { PoolView } from './pool.js';
import type { Labels } from './selector.js';

/** An address of a block, and who holds it. */
export interface BlockLease extends Lease {
  /** The node that asked for it. */
  readonly node: string;
  /** Not the same twice, even for the same owner and address. */
  readonly seq: number;
  readonly block: Cidr;
}

export function leasesOf(block: Block): BlockLease[] {
  return [...block.allocations].map(([at, { owner, pod, node, seq, sinceMs }]) => {
    const address: Address = addressAt(block.cidr, at);
    return { owner, address, pod, sinceMs, node, seq, block: block.cidr };
  });
}

/** What is known of the rest of the world. */
export interface LeaseView {
  /** Whether somebody answers for an address; look it up anew. */
  isAlive(lease: BlockLease): boolean | Promise<boolean>;
  /** Given: addresses of all nodes are looked at, and those of a missing node are leaked. */
  hasNode?(name: string): boolean;
}

export interface KeeperOptions {
  readonly table: BlockTable;
  readonly nodeName: string;
  readonly nodeLabels: () => Labels;
  readonly pools: () => PoolView | undefined;
  readonly nowMs: () => number;
  readonly cooldownMs: number;
  /** How long an address must look leaked; 0: none is ever freed. */
  readonly leakGraceMs: number;
}

/** An empty block is kept for so long; Calico's number. */
const EMPTY_MS = 60_000;

/** The handle of Calico: all addresses of a container in a network. */
const handleOf = ({ network, containerId }: Owner): string => `${network}.${containerId}`;

interface Suspect {
  readonly seq: number;
  readonly sinceMs: number;
}

export function createKeeper(options: KeeperOptions) {
  const { table, nodeName, nodeLabels, pools, nowMs, cooldownMs, leakGraceMs } = options;
  const suspects = new Map<string, Suspect>();

  /** Whether this node may go on with a block; it may while the pools are not known. */
  const isServed = (block: Block): boolean => {
    const view = pools();
    if (view === undefined) return true;
    const pool = view.pools.find(({ cidr }) => covers(cidr, block.cidr));
    return pool?.servesNode(nodeLabels()) === true;
  };
  const isIdle = (block: Block): boolean =>
    block.node === nodeName &&
    block.allocations.size === 0 &&
    !isResting(block, nowMs(), cooldownMs);

  /** Whether a block that has just lost an address goes at once: the node has no business in it. */
  const isDone = (block: Block): boolean => isIdle(block) && !isServed(block);

  const giveUp = (key: StoreKey, isUnused: (block: Block) => boolean): Promise<boolean> =>
    table.edit(key, (block) =>
      block !== undefined && isUnused(block)
        ? { block: undefined, result: true }
        : { block, result: false },
    );

  /** Give back blocks that have been empty for a while, but the last one of a family. */
  const sweep = async (): Promise<number> => {
    const own = [...table.known].filter(([, { block }]) => block.node === nodeName);
    const left = { 4: 0, 6: 0 };
    for (const [, { block }] of own) if (isServed(block)) left[block.cidr.family]++;
    const isOld = (block: Block): boolean => isIdle(block) && nowMs() - block.changedMs >= EMPTY_MS;
    let count = 0;
    for (const [key, { block }] of own) {
      const { family } = block.cidr;
      if (isDone(block)) count += Number(await giveUp(key, isDone));
      else if (isOld(block) && left[family] > 1 && (await giveUp(key, isOld))) {
        left[family]--;
        count++;
      }
    }
    return count;
  };

  /** Look at leases. @returns those that have looked leaked for long enough */
  const look = async (leases: readonly BlockLease[], view: LeaseView): Promise<BlockLease[]> => {
    const isMissing = (lease: BlockLease) => view.hasNode?.(lease.node) === false;
    const alive = new Set<string>();
    for (const lease of leases) {
      if (!isMissing(lease) && (await view.isAlive(lease))) alive.add(handleOf(lease.owner));
    }
    const leaked = leases.filter(({ owner }) => !alive.has(handleOf(owner)));
    const before = new Map(suspects);
    suspects.clear();
    return leaked.filter(({ address, seq }) => {
      const text = formatAddress(address);
      const suspect = before.get(text);
      const sinceMs = suspect?.seq === seq ? suspect.sinceMs : nowMs();
      suspects.set(text, { seq, sinceMs });
      return suspect?.seq === seq && nowMs() - sinceMs >= leakGraceMs;
    });
  };
  /** Free an address if it is still the same allocation. */
  const free = ({ block: cidr, address, seq }: BlockLease): Promise<boolean> =>
    table.edit(blockKey(cidr), (block) => {
      const at = ordinalOf(cidr, address);
      if (block?.allocations.get(at)?.seq !== seq) return { block, result: false };
      const next = unassign(block, [at], nowMs());
      return { block: isDone(next) ? undefined : next, result: true };
    });

  /**
   * Free addresses that nobody has answered for in two looks with the grace period between them.
   * All addresses of a container go together or stay together.
   *
   * @returns what was freed
   */
  const collect = async (view: LeaseView): Promise<readonly BlockLease[]> => {
    if (leakGraceMs === 0) return [];
    const { hasNode } = view;
    const blocks = hasNode ? await table.readAll() : [...table.known.values()].map((k) => k.block);
    const mine = (lease: BlockLease) => hasNode !== undefined || lease.node === nodeName;
    const freed: BlockLease[] = [];
    for (const lease of await look(blocks.flatMap(leasesOf).filter(mine), view)) {
      if (await free(lease)) freed.push(lease);
    }
    const isOrphan = (block: Block): boolean =>
      hasNode?.(block.node) === false &&
      block.allocations.size === 0 &&
      nowMs() - block.changedMs >= leakGraceMs;
    for (const { cidr } of blocks.filter(isOrphan)) await giveUp(blockKey(cidr), isOrphan);
    return freed;
  };

  return { isDone, sweep, collect };
}

export type Keeper = ReturnType<typeof createKeeper>;
