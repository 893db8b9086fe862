/**
 * Addresses out of ranges of this node's own, kept as the reference plugin host-local keeps them:
 * a node that used it goes on with what is in its folders, and back.
 *
 * Decisions are made in memory; files only make them last. An operation takes in first what others
 * did to the folder, so that host-local may still serve the pods it has started.
 */
import { join } from 'node:path';
import { messageOf } from '../../errors.js';
import { IpamError, ownerKey } from '../ipam.js';
import type { AddressRange, Ipam, Lease, Owner } from '../ipam.js';
import { addressOf } from '../number.js';
import { createBook } from './book.js';
import type { Holding } from './book.js';
import { createClaims } from './claims.js';
import { nextOf } from './choose.js';
import { unknownFilesIn } from './folder.js';
import { openNetwork } from './network.js';
import type { Network } from './network.js';
import { familiesOf, parseRangeSets } from './ranges.js';
import type { RangeSet } from './ranges.js';

/** CNI 1.1.0, network configuration: `name`; here the name of a folder. */
const NETWORK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const NO_RANGE = 'no pod range known yet';

export interface RangeIpamOptions {
  /** Holds a folder for each network; host-local's default is /var/lib/cni/networks. */
  readonly dataDir: string;
  /** What a request takes from that names no ranges; undefined while nobody has said it. */
  readonly ranges: () => readonly (readonly AddressRange[])[] | undefined;
  /** Wall clock, milliseconds. */
  readonly now: () => number;
  /**
   * How long an address that was given back is not given again, unless asked for. It does not
   * outlive the process; the round that addresses are given in does.
   */
  readonly cooldownMs?: number;
  /** Networks that are served from the beginning. */
  readonly networks?: readonly string[];
  /** Owners whose addresses were asked for with ranges: they need not be in the node's. */
  readonly hasOwnRanges?: (owner: Owner) => boolean;
  /** A network's folder that cannot be opened or written, and why; once until it can be again. */
  readonly onBroken?: (complaint: string) => void;
}

/** A network whose folder cannot be opened or written. */
export interface BrokenNetwork {
  readonly network: string;
  readonly path: string;
  readonly why: string;
}

export interface RangeIpam extends Ipam {
  /**
   * Serve a network from now on, so that what is in its folder counts as given out here. Asking
   * for one of its addresses does the same. Other folders of dataDir belong to somebody else.
   */
  adopt(network: string): Promise<void>;
  /** What a request without ranges takes from; undefined while nobody has said it. */
  ranges(): readonly (readonly AddressRange[])[] | undefined;
  /** As they were when last looked at. The others are served nevertheless. */
  broken(): readonly BrokenNetwork[];
  /** Paths in the folders of networks that are served, of files that mean nothing here. */
  unknownFiles(): readonly string[];
}

const leaseOf = ({ network, containerId, ifname, number, pod, sinceMs, seq }: Holding): Lease => ({
  owner: { network, containerId, ifname },
  address: addressOf(number),
  pod,
  sinceMs,
  seq,
});

const addressesOf = (holdings: readonly Holding[]) =>
  holdings.map(({ number }) => addressOf(number));

export function createRangeIpam(options: RangeIpamOptions): RangeIpam {
  const { dataDir, ranges, now, cooldownMs = 0, hasOwnRanges = () => false } = options;
  const { onBroken = () => undefined } = options;
  const book = createBook(cooldownMs, now);
  const networks = new Map<string, Network>();
  /** Owners that have come with ranges since. */
  const withRanges = new Set<string>();
  /** Folders were looked at: what earlier agents gave out is in the book. */
  let areClaimsRead = false;
  const checkClaims = createClaims({
    holdings: () => [...networks.keys()].flatMap((name) => book.ofNetwork(name)),
    isFree: (owner) => hasOwnRanges(owner) || withRanges.has(ownerKey(owner)),
  });
  for (const name of options.networks ?? []) networkOf(name);

  function networkOf(name: string): Network {
    const known = networks.get(name);
    if (known !== undefined) return known;
    if (!NETWORK_NAME.test(name)) {
      throw new IpamError('invalid', `${JSON.stringify(name)} is no name of a network`);
    }
    const path = join(dataDir, name);
    const network = openNetwork({ name, path, book, now, onProblem: onBroken });
    networks.set(name, network);
    return network;
  }

  /** A family that is not asked for is served from the node's own. */
  function setsOf(asked: readonly (readonly AddressRange[])[]): readonly RangeSet[] {
    const own = ranges();
    if (own === undefined && asked.length === 0) throw new IpamError('unavailable', NO_RANGE);
    const families = familiesOf(asked);
    const rest = (own ?? []).filter((set) => !familiesOf([set]).some((f) => families.includes(f)));
    if (own !== undefined && rest.length > 0 && areClaimsRead) checkClaims(own);
    return parseRangeSets([...asked, ...rest]);
  }

  /** What cannot be opened remains as it was last seen: it is a problem of its network alone. */
  async function lookAround(): Promise<void> {
    await Promise.allSettled(Array.from(networks.values(), (network) => network.look()));
    areClaimsRead = true;
  }

  const broken = (): BrokenNetwork[] =>
    [...networks].flatMap(([network, { problem }]) => {
      const why = problem();
      return why === undefined ? [] : [{ network, path: join(dataDir, network), why }];
    });

  /** Why nothing can be kept: of one network, or because it is so of all. */
  function unkept(network: string | undefined): string | undefined {
    if (network !== undefined) return networkOf(network).problem();
    const found = broken();
    return found.length === networks.size ? found[0]?.why : undefined;
  }

  return {
    async acquire(request) {
      if (request.pools.length > 0) {
        throw new IpamError('invalid', 'pools are named, but addresses come from node ranges');
      }
      const { owner, rangeSets } = request;
      const network = networkOf(owner.network);
      const sets = setsOf(rangeSets);
      if (rangeSets.length > 0) withRanges.add(ownerKey(owner));
      return addressesOf(await network.acquire(request, sets));
    },
    async release(owner) {
      const released = addressesOf(await networkOf(owner.network).release(owner));
      withRanges.delete(ownerKey(owner));
      return released;
    },
    async held(owner: Owner) {
      await networkOf(owner.network).look();
      return addressesOf(book.of(owner));
    },
    async leases() {
      await lookAround();
      return [...networks.keys()].flatMap((name) => book.ofNetwork(name).map(leaseOf));
    },
    async status(network) {
      try {
        if (network !== undefined) networkOf(network);
        await lookAround();
        const why = unkept(network);
        if (why !== undefined) return why;
        const sets = setsOf([]);
        for (const set of sets) nextOf(set, undefined, book);
        return undefined;
      } catch (cause) {
        return messageOf(cause);
      }
    },
    async adopt(name) {
      await networkOf(name).look();
    },
    ranges,
    broken,
    unknownFiles: () => [...networks.keys()].flatMap((name) => unknownFilesIn(join(dataDir, name))),
    async close() {
      await Promise.all(Array.from(networks.values(), (network) => network.close()));
    },
  };
}
