/**
 * What the kernel knows of the nodes beyond a tunnel, in flannel's scheme: for each of a node's pod
 * ranges its first address is the node's own beyond the tunnel.
 *
 *   neighbour  first address of the range -> MAC address of the node's end
 *   forwarding MAC address -> the node's address
 *   route      range via its first address, on the link
 *
 * Made in this order and removed in the reverse one, so that no route leads to where nothing is
 * known. Compared with what there is every time: what others changed, or an agent left that is no
 * more, is put right.
 *
 * Spec: flannel-io/flannel, pkg/backend/vxlan/vxlan_network.go
 */
import { formatAddress } from '../addr.js';
import { DataplaneError, isErrno, messageOf } from '../errors.js';
import { deleteFdbEntry, listFdb, replaceFdbEntry } from './fdb.js';
import type { FdbEntry } from './fdb.js';
import { canonicalText, parseInterfaceAddress } from './inet.js';
import { deleteNeighbour, listNeighbours, replaceNeighbour } from './neighbour.js';
import type { NeighbourSpec } from './neighbour.js';
import type { Netns } from './netns.js';
import { ROUTE_PROTOCOL, deleteRoute, listRoutes, replaceRoute } from './route.js';
import type { Route, RouteSpec } from './route.js';

/** A range of pods beyond a tunnel. */
export interface TunnelRange {
  readonly podCidr: string;
  /** The node's address. */
  readonly remote: string;
  /** Of the node's end. */
  readonly mac: string;
  /** Source of what this node sends there itself. */
  readonly src: string | undefined;
  /** Longest packet, where the path is narrower than the device. */
  readonly mtu: number | undefined;
}

/** The three entries of a range. */
interface Entries {
  readonly neighbour: MacEntry;
  readonly fdb: FdbEntry;
  readonly route: RouteSpec & { readonly ifindex: number; readonly via: string };
}

type MacEntry = NeighbourSpec & { readonly mac: string };

interface Present {
  readonly neighbours: Map<string, MacEntry>;
  readonly fdb: Map<string, FdbEntry>;
  readonly routes: ReadonlyMap<string, Route>;
}

const neighbourKey = ({ address, mac }: MacEntry): string => `${address} ${mac}`;
const fdbKey = ({ mac, remote }: FdbEntry): string => `${mac} ${remote}`;

function entriesOf(ifindex: number, { podCidr, remote, mac, src, mtu }: TunnelRange): Entries {
  const dst = canonicalText(podCidr);
  const via = formatAddress(parseInterfaceAddress(dst).address);
  return {
    neighbour: { ifindex, address: via, mac },
    fdb: { ifindex, mac, remote },
    route: {
      ...{ dst, via, ifindex, onlink: true },
      ...(src === undefined ? {} : { src }),
      ...(mtu === undefined ? {} : { mtu }),
    },
  };
}

function look(net: Netns, ifindex: number): Present {
  const permanent = listNeighbours(net.rtnl, { ifindex }).filter((each) => each.permanent);
  const neighbours = permanent.map(({ address, mac }) => ({ ifindex, address, mac }));
  const routes = listRoutes(net.rtnl, { ifindex, protocol: ROUTE_PROTOCOL });
  return {
    neighbours: new Map(neighbours.map((entry) => [neighbourKey(entry), entry])),
    fdb: new Map(listFdb(net.rtnl, ifindex).map((entry) => [fdbKey(entry), entry])),
    routes: new Map(routes.map((route) => [route.dst, route])),
  };
}

function isThere({ neighbours, fdb, routes }: Present, wanted: Entries): boolean {
  const route = routes.get(wanted.route.dst);
  const { via, src, mtu } = wanted.route;
  const isRouted = route?.via === via && route.src === src && route.mtu === mtu;
  return isRouted && neighbours.has(neighbourKey(wanted.neighbour)) && fdb.has(fdbKey(wanted.fdb));
}

function removeNeighbour(net: Netns, entry: MacEntry): void {
  try {
    deleteNeighbour(net.rtnl, entry);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** Add what is missing of a range; what this call made is gone again when a later step fails. */
function add(net: Netns, { neighbours, fdb }: Present, wanted: Entries): void {
  const made: (() => void)[] = [];
  try {
    if (!neighbours.has(neighbourKey(wanted.neighbour))) {
      replaceNeighbour(net.rtnl, wanted.neighbour);
      made.push(() => removeNeighbour(net, wanted.neighbour));
    }
    // The ranges of a node share this one.
    const key = fdbKey(wanted.fdb);
    if (!fdb.has(key)) {
      replaceFdbEntry(net.rtnl, wanted.fdb);
      fdb.set(key, wanted.fdb);
      made.push(() => {
        deleteFdbEntry(net.rtnl, wanted.fdb);
        fdb.delete(key);
      });
    }
    replaceRoute(net.rtnl, wanted.route);
  } catch (error) {
    for (const undo of made.reverse()) undo();
    throw error;
  }
}

/** In the reverse order: nothing is sent to where the kernel would not know what to do. */
function removeStale(
  net: Netns,
  wanted: readonly Entries[],
  present: Present,
  attempt: (step: () => void) => void,
): void {
  const dsts = new Set(wanted.map(({ route }) => route.dst));
  for (const { dst, metric, ifindex } of present.routes.values()) {
    const which = ifindex === undefined ? {} : { ifindex };
    if (!dsts.has(dst)) attempt(() => void deleteRoute(net.rtnl, { dst, metric, ...which }));
  }
  const fdb = new Set(wanted.map((entries) => fdbKey(entries.fdb)));
  for (const [key, entry] of present.fdb) {
    if (!fdb.has(key)) attempt(() => void deleteFdbEntry(net.rtnl, entry));
  }
  // One of another MAC address is overwritten, not deleted.
  const addresses = new Set(wanted.map(({ neighbour }) => neighbour.address));
  for (const entry of present.neighbours.values()) {
    if (!addresses.has(entry.address)) attempt(() => removeNeighbour(net, entry));
  }
}

/**
 * Have the kernel know these ranges beyond a tunnel, and no others.
 *
 * @throws DataplaneError ERR_NETLINK naming all that failed; everything else is done then
 */
export function setTunnelPeers(net: Netns, ifindex: number, ranges: readonly TunnelRange[]): void {
  const failures: string[] = [];
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      failures.push(messageOf(error));
    }
  };
  const wanted = ranges.map((range) => entriesOf(ifindex, range));
  const present = look(net, ifindex);
  removeStale(net, wanted, present, attempt);
  for (const entries of wanted) {
    if (!isThere(present, entries)) attempt(() => add(net, present, entries));
  }
  if (failures.length > 0) throw new DataplaneError('ERR_NETLINK', failures.join('; '));
}
