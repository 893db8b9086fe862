/**
 * Next hops: the MAC address a packet needs that leaves by XDP, where no kernel fills it in.
 *
 *   address ──route──▶ gateway, or the address itself ──neighbour──▶ MAC
 */
import { type Neighbour, listNeighbours, useNeighbour } from './neighbour.js';
import type { Netns } from './netns.js';
import { RTN_UNICAST, lookupRoute } from './route.js';

export interface NextHop {
  /** Of the interface the way leads out of. */
  readonly ifindex: number;
  readonly mac: string;
}

export interface NextHops {
  /** By address, as it was asked for. */
  readonly found: ReadonlyMap<string, NextHop>;
  /** Addresses whose next hop the kernel has been asked for and does not know yet. */
  readonly missing: readonly string[];
}

function keyOf(ifindex: number, address: string): string {
  return `${String(ifindex)} ${address}`;
}

/** Of a device without addresses of its own (a tunnel, NOARP) the MAC says nothing. */
function isResolved(entry: Neighbour | undefined): entry is Neighbour {
  return entry !== undefined && entry.valid && entry.mac !== '';
}

/**
 * Where packets to these addresses go first.
 *
 * An address that is this node's own, or that nobody has a route to, has no next hop and is in
 * neither list. One that is not resolved is asked for, one that is stale confirmed: nobody else
 * tells the kernel that it is in use, and it would forget it.
 *
 * @param addresses  in the spelling of `formatAddress`
 * @throws           NetlinkError
 */
export function resolveNextHops(net: Netns, addresses: readonly string[]): NextHops {
  const found = new Map<string, NextHop>();
  const missing: string[] = [];
  if (addresses.length === 0) return { found, missing };
  const known = new Map(
    listNeighbours(net.rtnl).map((entry) => [keyOf(entry.ifindex, entry.address), entry]),
  );
  for (const address of addresses) {
    const way = lookupRoute(net.rtnl, address);
    if (way?.ifindex === undefined || way.type !== RTN_UNICAST) continue;
    const hop = { ifindex: way.ifindex, address: way.via ?? address };
    const entry = known.get(keyOf(hop.ifindex, hop.address));
    if (isResolved(entry)) found.set(address, { ifindex: hop.ifindex, mac: entry.mac });
    else missing.push(address);
    if (!isResolved(entry) || entry.stale) useNeighbour(net.rtnl, hop);
  }
  return { found, missing };
}
