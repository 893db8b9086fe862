/** Who has which address, in memory: every network of a manager, so that none is given twice. */
import type { Owner, PodIdentity } from '../ipam.js';
import type { Entry } from './folder.js';

/** An address that is given out. */
export interface Holding extends Entry {
  readonly network: string;
  /** Which giving-out this is. */
  readonly seq: number;
  readonly pod: PodIdentity | undefined;
}

export interface Book {
  holderOf(number: bigint): Holding | undefined;
  /** Whether the address was given back so lately that it rests. */
  isResting(number: bigint): boolean;
  /**
   * What an owner holds; when nothing bears its interface's name, what only bears its container's.
   * host-local does the same.
   */
  of(owner: Owner): readonly Holding[];
  ofNetwork(network: string): readonly Holding[];
  add(network: string, entry: Entry, pod: PodIdentity | undefined): Holding;
  /** @param restedMs  when it was given back; undefined when it never was given */
  remove(holding: Holding, restedMs: number | undefined): void;
}

const keyOf = (network: string, containerId: string, ifname: string): string =>
  `${network}/${containerId}\n${ifname}`;

/**
 * @param restMs  how long an address is not given again
 * @param now     wall clock, milliseconds
 */
export function createBook(restMs: number, now: () => number): Book {
  const byNumber = new Map<bigint, Holding>();
  const byOwner = new Map<string, Set<Holding>>();
  const byNetwork = new Map<string, Set<Holding>>();
  /** When addresses were given back, the longest ago first. */
  const resting = new Map<bigint, number>();
  let lastSeq = 0;

  function addTo<K>(index: Map<K, Set<Holding>>, key: K, holding: Holding): void {
    const set = index.get(key);
    if (set === undefined) index.set(key, new Set([holding]));
    else set.add(holding);
  }

  function removeFrom<K>(index: Map<K, Set<Holding>>, key: K, holding: Holding): void {
    const set = index.get(key);
    set?.delete(holding);
    if (set?.size === 0) index.delete(key);
  }

  function wake(): void {
    const since = now() - restMs;
    for (const [number, restedMs] of resting) {
      if (restedMs > since) return;
      resting.delete(number);
    }
  }

  return {
    holderOf: (number) => byNumber.get(number),
    isResting(number) {
      wake();
      return resting.has(number);
    },
    of({ network, containerId, ifname }) {
      const id = containerId.trim();
      const own = byOwner.get(keyOf(network, id, ifname)) ?? byOwner.get(keyOf(network, id, ''));
      return [...(own ?? [])];
    },
    ofNetwork: (network) => [...(byNetwork.get(network) ?? [])],
    add(network, entry, pod) {
      const holding = { ...entry, network, seq: ++lastSeq, pod };
      byNumber.set(entry.number, holding);
      addTo(byOwner, keyOf(network, entry.containerId, entry.ifname), holding);
      addTo(byNetwork, network, holding);
      return holding;
    },
    remove(holding, restedMs) {
      const { network, containerId, ifname, number } = holding;
      if (byNumber.get(number) === holding) byNumber.delete(number);
      removeFrom(byOwner, keyOf(network, containerId, ifname), holding);
      removeFrom(byNetwork, network, holding);
      if (restedMs === undefined || restMs <= 0) return;
      resting.delete(number);
      resting.set(number, restedMs);
    },
  };
}
