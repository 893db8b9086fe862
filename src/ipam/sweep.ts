/**
 * Which addresses nobody uses any more.
 *
 * An owner that is not there at one look may be about to come (an ADD under way), or may have gone
 * and come back since. So one is given up only when two looks, apart by the grace time, meet the
 * very same leases without an owner, and no look between them has seen the owner.
 */
import { formatAddress } from '../addr.js';
import { ownerKey } from './ipam.js';
import type { Lease, Owner } from './ipam.js';

interface Sighting {
  /** Which leases: addresses, and which giving-out of each. */
  readonly leases: string;
  readonly firstMs: number;
}

/** What one sweeper remembers from look to look. */
export interface SweepMemory {
  readonly graceMs: number;
  /** Owners that were not there at the last look. */
  readonly missing: Map<string, Sighting>;
}

/** @param graceMs  0: one look is enough, as when a runtime names all that is valid (CNI GC) */
export function createSweepMemory(graceMs: number): SweepMemory {
  return { graceMs, missing: new Map() };
}

const givingOut = ({ address, seq, sinceMs }: Lease): string =>
  `${formatAddress(address)} ${seq ?? sinceMs}`;

function byOwner(leases: readonly Lease[]): Map<string, Lease[]> {
  const groups = new Map<string, Lease[]>();
  for (const lease of leases) {
    const key = ownerKey(lease.owner);
    groups.set(key, [...(groups.get(key) ?? []), lease]);
  }
  return groups;
}

/**
 * Owners to release: gone at this look and, unless the grace time is 0, at an earlier one.
 *
 * @param alive   whether an owner is there; owners that it knows nothing of are alive too
 * @param memory  of this sweeper alone; changed
 * @param nowMs   monotonic, milliseconds
 */
export function staleOwners(
  leases: readonly Lease[],
  alive: (owner: Owner) => boolean,
  memory: SweepMemory,
  nowMs: number,
): readonly Owner[] {
  const { graceMs, missing } = memory;
  const before = new Map(missing);
  missing.clear();
  const stale: Owner[] = [];
  for (const [key, [first, ...rest]] of byOwner(leases)) {
    if (first === undefined || alive(first.owner)) continue;
    const seen = [first, ...rest].map(givingOut).sort().join();
    const earlier = before.get(key);
    const firstMs = earlier?.leases === seen ? earlier.firstMs : nowMs;
    missing.set(key, { leases: seen, firstMs });
    const isSeenTwice = earlier?.leases === seen || graceMs === 0;
    if (isSeenTwice && nowMs - firstMs >= graceMs) stale.push(first.owner);
  }
  return stale;
}
