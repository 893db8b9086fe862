/**
 * Taking back what nobody will ask for again: runtimes forget a DEL, and agents die.
 *
 *   a record that was never completed          at once: no request works on it
 *   an attachment whose namespace is gone      after two looks with the grace time between them
 *   an address of no attachment                the same, where it can be told that nobody has it
 *
 * All of it in the turn of the attachment, so that no request is met half-way.
 */
import { parseAddress } from '../addr.js';
import type { Address } from '../addr.js';
import type { AttachmentStore, StoredAttachment } from '../cni/attachment-store.js';
import type { Undo } from '../cni/undo.js';
import { messageOf } from '../errors.js';
import { ownerKey } from '../ipam/ipam.js';
import type { Lease, Owner } from '../ipam/ipam.js';
import { createSweepMemory, staleOwners } from '../ipam/sweep.js';
import type { SweepMemory } from '../ipam/sweep.js';
import type { Log } from '../log.js';
import type { Turns } from '../turns.js';
import type { Addresses } from './addresses.js';

/** As often as the block manager wants to be asked for empty blocks. */
const BLOCKS_MS = 60_000;

export interface LeakSweepParts {
  readonly store: AttachmentStore;
  readonly addresses: Addresses;
  readonly turns: Turns;
  readonly undo: Undo;
  /** Whether the container's namespace is there, or its link. */
  readonly isThere: (attachment: StoredAttachment) => boolean;
  /**
   * Whether a Pod of this node has an address, or cannot be said not to have it. Undefined: there
   * are no Pods to be looked at.
   */
  readonly hasPod: ((address: Address) => boolean) | undefined;
  /** 0: nothing is taken back but what was never completed. */
  readonly graceMs: number;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface LeakSweep {
  /** One look at everything; to be called about every 30 seconds. Never rejects. */
  look(): Promise<void>;
  /** Attachments and addresses that looked leaked at the last look, and are still there. */
  leaked(): number;
  /** How many were taken back. */
  reclaimed(): number;
}

const UNKNOWN = parseAddress('::');

/** An attachment as the sweep sees it: what it holds, since when. */
function leasesOf({ network, containerId, ifname, ips, sinceMs }: StoredAttachment): Lease[] {
  const owner = { network, containerId, ifname };
  const addresses = ips.length === 0 ? [UNKNOWN] : ips.map(parseAddress);
  return addresses.map((address) => ({ owner, address, pod: undefined, sinceMs }));
}

export function createLeakSweep(parts: LeakSweepParts): LeakSweep {
  const { store, addresses, turns, undo, isThere, hasPod, graceMs, nowMs, log } = parts;
  const unattached = createSweepMemory(graceMs);
  const unheld = createSweepMemory(graceMs);
  /** What went wrong with an owner is said once. */
  const complaints = new Map<string, string>();
  let unanswered = 0;
  let reclaimed = 0;
  let blocksMs = -Infinity;
  let collectMs = -Infinity;

  const isBusy = (owner: Owner): boolean => turns.isTaken(ownerKey(owner));

  const complain = (about: string, owner: object, error: unknown): void => {
    const message = messageOf(error);
    if (complaints.get(about) === message) return;
    complaints.set(about, message);
    log.error(owner, `what leaked could not be taken back: ${message}`);
  };

  /** @param isStill  asked in the turn */
  const takeBack = async (
    owner: Owner,
    isStill: () => boolean,
    [work, what]: readonly [(owner: Owner) => Promise<unknown>, string],
    memory?: SweepMemory,
  ): Promise<void> => {
    const { network, containerId, ifname } = owner;
    const name = { network, containerId, ifname };
    try {
      await turns.take(ownerKey(owner), async () => {
        if (!isStill()) return;
        await work(name);
        reclaimed++;
        log.info(name, what);
      });
      memory?.missing.delete(ownerKey(owner));
      complaints.delete(ownerKey(owner));
    } catch (error) {
      complain(ownerKey(owner), name, error);
    }
  };

  const finish = async (): Promise<void> => {
    for (const record of store.all()) {
      if (!record.isPending || isBusy(record)) continue;
      const isStill = (): boolean => store.find(record) === record;
      await takeBack(record, isStill, [undo, 'an attachment without its container is freed']);
    }
  };

  const lookAtAttachments = async (): Promise<void> => {
    const complete = store.all().filter(({ isPending }) => !isPending);
    const isAlive = (owner: Owner): boolean => {
      const record = store.find(owner);
      return record === undefined || isBusy(owner) || isThere(record);
    };
    for (const owner of staleOwners(complete.flatMap(leasesOf), isAlive, unattached, nowMs())) {
      const seen = store.find(owner);
      const isStill = (): boolean => seen !== undefined && store.find(owner) === seen;
      const what = 'the container is gone: its attachment is freed';
      await takeBack(owner, isStill, [undo, what], unattached);
    }
  };

  /** host-local before 0.7 did not note the interface. */
  const isAttached = (owner: Owner): boolean =>
    store.find(owner) !== undefined ||
    isBusy(owner) ||
    (owner.ifname === '' &&
      store.all().some((r) => r.network === owner.network && r.containerId === owner.containerId));

  /** Of an address without attachment only a Pod can tell whether another plugin's container has it. */
  const lookAtRange = async (): Promise<void> => {
    if (hasPod === undefined) return;
    const leases = await addresses.ipam.leases();
    const kept = new Set(
      leases.filter(({ address }) => hasPod(address)).map(({ owner }) => ownerKey(owner)),
    );
    const isAlive = (owner: Owner): boolean => isAttached(owner) || kept.has(ownerKey(owner));
    for (const owner of staleOwners(leases, isAlive, unheld, nowMs())) {
      const release = (of: Owner): Promise<unknown> => addresses.ipam.release(of);
      const what = 'nobody has these addresses: they are free';
      await takeBack(owner, () => store.find(owner) === undefined, [release, what], unheld);
    }
  };

  const lookAtBlocks = async (): Promise<void> => {
    if (addresses.mode !== 'blocks') return;
    const { ipam } = addresses;
    if (nowMs() - blocksMs >= BLOCKS_MS) {
      blocksMs = nowMs();
      await ipam.sweep();
    }
    if (graceMs === 0 || nowMs() - collectMs < graceMs / 2) return;
    collectMs = nowMs();
    unanswered = 0;
    const freed = await ipam.collect({
      isAlive: ({ owner, address }) => {
        const isAlive = isAttached(owner) || hasPod?.(address) === true;
        if (!isAlive) unanswered++;
        return isAlive;
      },
    });
    unanswered -= freed.length;
    reclaimed += freed.length;
    for (const { owner } of freed) log.info({ ...owner }, 'nobody has this address: it is free');
  };

  const guarded = async (what: string, look: () => Promise<void>): Promise<void> => {
    try {
      await look();
      complaints.delete(what);
    } catch (error) {
      complain(what, { what }, error);
    }
  };

  return {
    look: async () => {
      await finish();
      if (graceMs > 0) await guarded('attachments', lookAtAttachments);
      if (addresses.mode === 'blocks') await guarded('blocks', lookAtBlocks);
      else if (graceMs > 0) await guarded('ranges', lookAtRange);
    },
    leaked: () => unattached.missing.size + unheld.missing.size + unanswered,
    reclaimed: () => reclaimed,
  };
}

/** Look again and again. @returns stops it, when a look under way is over */
export function keepSweeping(sweep: LeakSweep, periodMs: number): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  const arm = (): void => {
    timer = setTimeout(() => {
      looking = sweep.look().then(arm);
    }, periodMs);
  };
  arm();
  return async () => {
    clearTimeout(timer);
    await looking;
    clearTimeout(timer);
  };
}
