/**
 * The kernel's own routes, as far as it matters whether a packet leaves by an uplink with the node's
 * address as its source.
 *
 * Only the main table is looked at: where rules lead elsewhere (`ip rule`), the kernel's look-up for
 * the packet itself still counts when it is sent, on the device that was found here.
 */
import { parseCidr } from '../addr.js';
import { Scope, listAddresses } from './address.js';
import type { Netns } from './netns.js';
import { type FittedRoutes, type OutsideRoute, fitRoutes } from './outside-fit.js';
import { ROUTE_PROTOCOL, RTN_UNICAST, type Route, listRoutes } from './route.js';

/** Rows that the routes of a node may take of those there are for pods and nodes. */
const ROUTES_MAX = 1024;

/** fe80::/10 and ff00::/8 mean a link (RFC 4291 2.5.6, 2.7). */
const LINKS_OWN = /^(fe[89ab]|ff)/;

export interface OutsideOptions {
  readonly uplinks: ReadonlySet<number>;
  /** The node's own addresses, at most one a family: what pods are to be seen as. */
  readonly nodeAddresses: readonly string[];
}

/** Global addresses by the interface and family that has them. */
function sourcesOf(net: Netns): Map<string, string[]> {
  const sources = new Map<string, string[]>();
  for (const { ifindex, family, address, scope, usable } of listAddresses(net.rtnl)) {
    if (scope !== Scope.UNIVERSE || !usable) continue;
    const key = `${ifindex} ${family}`;
    sources.set(key, [...(sources.get(key) ?? []), address]);
  }
  return sources;
}

/**
 * Whether what leaves by a route carries the node's address, as the kernel would have it: the
 * route's own source, else one of its device. A device without addresses borrows the node's.
 */
function isNodes(
  { src, ifindex, family }: Route,
  node: string,
  sources: ReadonlyMap<string, string[]>,
): boolean {
  if (src !== undefined) return src === node;
  const own = sources.get(`${ifindex ?? 0} ${family}`) ?? [];
  return own.length === 0 || own.includes(node);
}

/** Of several routes to one prefix the one with the least metric, as the kernel has it. */
function best(routes: readonly Route[]): Route[] {
  const byTarget = new Map<string, Route>();
  for (const route of routes) {
    const known = byTarget.get(route.dst);
    if (known === undefined || route.metric < known.metric) byTarget.set(route.dst, route);
  }
  return [...byTarget.values()];
}

/**
 * Routes of the main table but Sluice's own, the fewest that say the same.
 *
 * @throws NetlinkError
 */
export function listOutsideRoutes(
  net: Netns,
  { uplinks, nodeAddresses }: OutsideOptions,
): FittedRoutes {
  const sources = sourcesOf(net);
  const foreign = listRoutes(net.rtnl).filter(
    ({ protocol, dst }) => protocol !== ROUTE_PROTOCOL && !LINKS_OWN.test(dst),
  );
  const routes = best(foreign).map((route): OutsideRoute => {
    const cidr = parseCidr(route.dst);
    const { type, ifindex, encapsulates } = route;
    const node = nodeAddresses.find((address) => address.includes(':') === (cidr.family === 6));
    const leaves =
      node !== undefined &&
      type === RTN_UNICAST &&
      ifindex !== undefined &&
      uplinks.has(ifindex) &&
      !encapsulates &&
      isNodes(route, node, sources);
    return { cidr, uplink: leaves ? ifindex : undefined };
  });
  return fitRoutes(routes, ROUTES_MAX);
}
