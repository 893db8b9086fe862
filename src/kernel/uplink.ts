/**
 * Uplinks: the node's own interfaces to the rest of the world. Sluice finds them, never makes them.
 */
import { type Address, parseAddress } from '../addr.js';
import { DataplaneError, isErrno, messageOf } from '../errors.js';
import { driverName } from '../native.js';
import { type LinkAddress, Scope, listAddresses } from './address.js';
import { canonicalText } from './inet.js';
import { findLink, listLinks } from './link.js';
import type { Netns } from './netns.js';
import { isPodLink } from './pod-link.js';
import { ROUTE_PROTOCOL, deleteRoute, listRoutes, replaceRoute } from './route.js';

/** Where the program runs on an uplink. */
export type UplinkMode = 'xdp' | 'tc';

export interface UplinkSpec {
  readonly name: string;
  readonly mode: UplinkMode | 'auto';
}

export interface Uplink {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly mtu: number;
  /** Empty when the interface has no driver that says its name. */
  readonly driver: string;
  readonly mode: UplinkMode;
  readonly up: boolean;
  /** Global ones, `address/length`. */
  readonly addresses: readonly string[];
}

/**
 * Drivers with native XDP and XDP_REDIRECT, so that `auto` may choose it (kernel 5.15 and later;
 * ndo_bpf with XDP_SETUP_PROG under drivers/net). A name missing here costs speed, not function.
 * `veth` has XDP but loses its super-frames by it.
 */
const XDP_DRIVERS: ReadonlySet<string> = new Set([
  'atlantic',
  'bnxt_en',
  'ena',
  'fsl_dpaa2_eth',
  'fsl_enetc',
  'hv_netvsc',
  'i40e',
  'ice',
  'igb',
  'igc',
  'ixgbe',
  'ixgbevf',
  'mana',
  'mlx4_en',
  'mlx5_core',
  'mvneta',
  'mvpp2',
  'nfp',
  'nicvf',
  'qede',
  'sfc',
  'st_gmac',
  'virtio_net',
]);

/** What `auto` means on a device with this driver. */
export function uplinkMode(asked: UplinkMode | 'auto', driver: string): UplinkMode {
  if (asked !== 'auto') return asked;
  return XDP_DRIVERS.has(driver) ? 'xdp' : 'tc';
}

function driverOf(net: Netns, name: string): string {
  try {
    return driverName(net.fd, name);
  } catch (error) {
    // Devices without a driver of their own (some tunnels) do not answer.
    if (isErrno(error, 'EOPNOTSUPP')) return '';
    throw error;
  }
}

function isGlobal({ scope, usable }: LinkAddress): boolean {
  return scope === Scope.UNIVERSE && usable;
}

function addressText({ address, prefixLen }: LinkAddress): string {
  return `${address}/${prefixLen}`;
}

/**
 * Look up an uplink.
 *
 * @throws DataplaneError ERR_KERNEL when there is no such interface, or it is a pod's: XDP there
 *         would break the super-frames of what goes to the pod
 */
export function resolveUplink(net: Netns, spec: UplinkSpec): Uplink {
  const link = findLink(net.rtnl, spec.name);
  if (link === undefined) {
    const names = listLinks(net.rtnl).map(({ name }) => name);
    throw new DataplaneError(
      'ERR_KERNEL',
      `uplink ${spec.name} does not exist; this node has ${names.join(', ')}`,
    );
  }
  if (isPodLink(link)) {
    throw new DataplaneError('ERR_KERNEL', `uplink ${spec.name} is the link of a pod`);
  }
  const driver = driverOf(net, spec.name);
  const { ifindex, name, mac, mtu, up } = link;
  const addresses = listAddresses(net.rtnl, ifindex).filter(isGlobal).map(addressText);
  return { name, ifindex, mac, mtu, up, driver, mode: uplinkMode(spec.mode, driver), addresses };
}

/** 127.0.0.0/8 and ::1, whatever interface has them. */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/**
 * Every address others can reach this node by: usable, of any interface (lo may have some), and
 * neither loopback nor IPv6 link-local, which means nothing without its link. Each once, sorted.
 */
export function localAddresses(net: Netns, except: ReadonlySet<number> = new Set()): Address[] {
  const texts = listAddresses(net.rtnl).flatMap(({ address, family, scope, usable, ifindex }) => {
    const isBound = family === 6 && scope === Scope.LINK;
    const isCounted = usable && !isBound && !isLoopback(address) && !except.has(ifindex);
    return isCounted ? [address] : [];
  });
  return [...new Set(texts)].sort().map(parseAddress);
}

/** The pods of another node, and that node's address, which an uplink can reach. */
export interface NodeRoute {
  readonly podCidr: string;
  readonly via: string;
}

/**
 * Route the pods of other nodes, and none of nodes that are gone.
 *
 * @param wanted  every remote node's routes; what Sluice had routed besides is deleted
 * @param except  devices whose routes somebody else looks after: tunnels
 * @throws        DataplaneError ERR_NETLINK naming every route that could not be made, as to a
 *                node that is on no link of ours; all others are in place then
 */
export function setNodeRoutes(
  net: Netns,
  wanted: readonly NodeRoute[],
  except: ReadonlySet<number> = new Set(),
): void {
  const targets = new Map(wanted.map(({ podCidr, via }) => [canonicalText(podCidr), via]));
  const present = listRoutes(net.rtnl, { protocol: ROUTE_PROTOCOL });
  const remote = present.filter(
    ({ via, ifindex }) => via !== undefined && !except.has(ifindex ?? 0),
  );
  for (const { dst, metric, ifindex } of remote) {
    // With its device: another route to the same pods may be a tunnel's by now.
    const which = ifindex === undefined ? {} : { ifindex };
    if (!targets.has(dst)) deleteRoute(net.rtnl, { dst, metric, ...which });
  }
  const failures: string[] = [];
  for (const [dst, via] of targets) {
    if (remote.some((route) => route.dst === dst && route.via === via)) continue;
    try {
      replaceRoute(net.rtnl, { dst, via });
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  if (failures.length > 0) throw new DataplaneError('ERR_NETLINK', failures.join('; '));
}
