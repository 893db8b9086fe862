/**
 * What this node has given out, and what it may have given out without knowing: the store did not
 * answer when it was asked, and could not be told to forget it.
 */
import type { Address } from '../../addr.js';
import { IpamError, ownerKey } from '../ipam.js';
import type { Owner } from '../ipam.js';
import type { StoreKey } from '../store/store.js';
import { addressAt, blockKey } from './block-cidr.js';
import { sameOwner, unassign } from './block.js';
import type { Allocation, Block } from './block.js';
import type { BlockTable } from './block-table.js';
import { leasesOf } from './keeper.js';
import type { BlockLease } from './keeper.js';

export interface LedgerOptions {
  readonly table: BlockTable;
  readonly nodeName: string;
  readonly nowMs: () => number;
  /** Whether a block that has just lost an address is to go. */
  readonly isDone: (block: Block) => boolean;
}

interface Debt {
  readonly owner: Owner;
  readonly keys: ReadonlySet<StoreKey>;
}

export function createLedger({ table, nodeName, nowMs, isDone }: LedgerOptions) {
  const debts = new Map<string, Debt>();
  let loading: Promise<unknown> | undefined;

  /** Know what this node has given out. @throws IpamError unavailable */
  const ready = async (): Promise<void> => {
    loading ??= table.readAll();
    try {
      await loading;
    } catch (cause) {
      loading = undefined;
      throw cause;
    }
  };
  const leases = (): BlockLease[] => {
    const all = [...table.known.values()].flatMap(({ block }) => leasesOf(block));
    return all.filter(({ node }) => node === nodeName);
  };
  const heldBy = (owner: Owner): BlockLease[] =>
    leases().filter((lease) => sameOwner(lease.owner, owner));

  const isOf = (owner: Owner, allocation: Allocation): boolean =>
    allocation.node === nodeName && sameOwner(allocation.owner, owner);
  /**
   * Take everything of an owner out of a block.
   *
   * @param isForced  write the block even when nothing is found: an earlier write that is still
   *                  under way then comes too late
   */
  const giveBack = (key: StoreKey, owner: Owner, isForced: boolean): Promise<Address[]> =>
    table.edit<Address[]>(key, (block) => {
      if (block === undefined) return { block, result: [] };
      const held = [...block.allocations].filter(([, allocation]) => isOf(owner, allocation));
      const ordinals = held.map(([at]) => at);
      const result = ordinals.map((at) => addressAt(block.cidr, at));
      const left = unassign(block, ordinals, nowMs());
      if (ordinals.length > 0 && isDone(left)) return { block: undefined, result };
      return { block: isForced && left === block ? { ...block } : left, result };
    });

  /** Undo what a failed request may have left. What cannot be undone now is owed. */
  const undo = async (owner: Owner, keys: ReadonlySet<StoreKey>): Promise<void> => {
    const failed = new Set<StoreKey>();
    const tries = [...keys].map(async (key) => {
      await giveBack(key, owner, true).catch(() => failed.add(key));
    });
    await Promise.all(tries);
    if (failed.size > 0) debts.set(ownerKey(owner), { owner, keys: failed });
    else debts.delete(ownerKey(owner));
  };
  /** Undo what is owed. @throws IpamError unavailable  when that is not possible yet */
  const settle = async (owner: Owner): Promise<void> => {
    const debt = debts.get(ownerKey(owner));
    if (debt === undefined) return;
    await undo(owner, debt.keys);
    if (!debts.has(ownerKey(owner))) return;
    const what = `an earlier request of ${ownerKey(owner)} is not undone yet: the store does not answer`;
    throw new IpamError('unavailable', what);
  };
  /** @returns what the owner had. @throws IpamError unavailable */
  const release = async (owner: Owner): Promise<readonly Address[]> => {
    const keys = new Set(heldBy(owner).map(({ block }) => blockKey(block)));
    const given = await Promise.all([...keys].map((key) => giveBack(key, owner, false)));
    return given.flat();
  };
  const debtors = (): readonly Owner[] => [...debts.values()].map(({ owner }) => owner);

  return { ready, leases, heldBy, undo, settle, release, debtors };
}
