/**
 * What the control plane has to know of the node besides its links: the addresses it has, and the
 * next hops towards other nodes where a packet leaves without the kernel's help.
 */
import { formatAddress, parseMac } from '../addr.js';
import type { Control } from '../compile/control.js';
import type { Link } from '../compile/links.js';
import type { Netns } from '../kernel/netns.js';
import { resolveNextHops } from '../kernel/next-hop.js';
import { localAddresses } from '../kernel/uplink.js';

export interface SurveyParts {
  readonly control: Control;
  readonly net: Netns;
  /** Ask for another pass soon. */
  readonly again: () => void;
}

/**
 * @returns the survey: tells the control plane what is, and says whether that is all; if not, it has
 *          asked for another pass
 */
export function createSurvey({
  control,
  net,
  again,
}: SurveyParts): (links: readonly Link[]) => boolean {
  let missing: readonly string[] = [];

  /** MACs of the other nodes behind uplinks with a port of their own: XDP asks no kernel for them. */
  const meetNeighbours = (links: readonly Link[]): boolean => {
    const ported = new Set(links.flatMap((l) => (l.ioPort === undefined ? [] : [l.ifindex])));
    if (ported.size === 0) return true;
    const addresses = control.peers().flatMap((peer) => peer.addresses.map(formatAddress));
    const hops = resolveNextHops(net, addresses);
    const ours = [...hops.found].filter(([, { ifindex }]) => ported.has(ifindex));
    control.setNeighbours(new Map(ours.map(([address, { mac }]) => [address, parseMac(mac)])));
    // One that does not answer is asked again when there is a pass anyway.
    const isNews = hops.missing.some((address) => !missing.includes(address));
    missing = hops.missing;
    if (isNews) again();
    return !isNews;
  };

  return (links) => {
    // What Sluice gives its own links is no address to reach the node at.
    const own = links.flatMap(({ kind, ifindex }) => (kind === 'uplink' ? [] : [ifindex]));
    control.setLocalAddresses(localAddresses(net, new Set(own)));
    return meetNeighbours(links);
  };
}
