/**
 * What makes the two ends of a pod link work: addresses, routes, neighbours, parameters.
 *
 * Every step may be repeated on a link that has it already. What one end needs is asked for in one
 * message, and parameters that are right are not written again: a pod waits for this.
 */
import { parseAddress } from '../addr.js';
import { DataplaneError, isErrno } from '../errors.js';
import { Scope, ensureAddress, listAddresses } from './address.js';
import { linkLocalOf } from './inet.js';
import { AddrGenMode, Ipv4Conf, type Link, type LinkChange, listLinks, setLink } from './link.js';
import { replaceNeighbour } from './neighbour.js';
import type { Netns } from './netns.js';
import {
  ROUTE_PROTOCOL,
  type Route,
  type RouteSpec,
  addRoute,
  matchRoute,
  replaceRoute,
} from './route.js';
import type { Asks } from './rtnl.js';
import { enableForwarding, relaxedReversePath } from './sysctl.js';
import { receiveFromXdp } from './veth.js';

/** First hop of every pod, IPv4: link-local and nobody's. */
export const GATEWAY_IPV4 = '169.254.1.1';
/** First hop of every pod, IPv6: the host end has it. */
export const GATEWAY_IPV6 = 'fe80::1';

/** Of every namespace (linux/net_namespace.h). */
const LOOPBACK_IFINDEX = 1;

/** A route of the pod beside its default; always by the gateway of the link. */
export interface PodRoute {
  /** `network/length`. */
  readonly dst: string;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly metric?: number;
  readonly table?: number;
}

export interface PodEnds {
  readonly hostIfname: string;
  readonly podIfname: string;
  readonly ownMac: string;
  readonly podMac: string;
  readonly mtu: number;
  /** An XDP program may redirect to the host's side. */
  readonly fromXdp: boolean;
  /** Without length, as RFC 5952 spells them. */
  readonly ips: readonly string[];
  readonly routes: readonly PodRoute[];
  /** See `PodLinkSpec`. */
  readonly takesAddress: boolean;
}

function isIpv6(ip: string): boolean {
  return parseAddress(ip).family === 6;
}

export function hostPrefix(ip: string): string {
  return `${ip}/${isIpv6(ip) ? 128 : 32}`;
}

/** Whether the pod end has an address that is neither wanted nor of its own making. */
export function hasForeignAddress(podNet: Netns, ifindex: number, ends: PodEnds): boolean {
  return listAddresses(podNet.rtnl, ifindex).some(
    ({ address, scope }) => scope === Scope.UNIVERSE && !ends.ips.includes(address),
  );
}

/** In one message the kernel would bring it up, and give it an address of its own, first. */
function raise(queue: Asks, ifindex: number, change: LinkChange): void {
  setLink(queue, ifindex, { ...change, addrGenMode: AddrGenMode.NONE });
  setLink(queue, ifindex, { up: true });
}

// ---- The host's side ------------------------------------------------------------------

function addressTaken(ip: string, { ifindex, dst }: Pick<Route, 'ifindex' | 'dst'>): Error {
  return new DataplaneError(
    'ERR_ADDRESS_TAKEN',
    `the node has a route ${dst} by link ${ifindex ?? 0} already; expected ${ip} to be free`,
  );
}

/**
 * How each address is reached now, by its narrowest route; undefined: not by one of its own.
 *
 * @param host  the link of this pod, when there is one
 * @throws      DataplaneError ERR_ADDRESS_TAKEN when that is another way
 */
export function waysTo(
  net: Netns,
  host: Link | undefined,
  ends: PodEnds,
): Map<string, Route | undefined> {
  const ways = new Map<string, Route | undefined>();
  for (const ip of ends.ips) {
    const found = matchRoute(net.rtnl, ip);
    const way = found?.dst === hostPrefix(ip) ? found : undefined;
    const isOurs = way?.ifindex === host?.ifindex && host !== undefined;
    const mayTake = ends.takesAddress && way?.protocol === ROUTE_PROTOCOL;
    if (way !== undefined && !isOurs && !mayTake) throw addressTaken(ip, way);
    ways.set(ip, way);
  }
  return ways;
}

function setHostParameters({ sysctl }: Netns, { hostIfname, ips }: PodEnds): void {
  // With no lane: answer ARP for the gateway, and for anything else beyond this link, at once.
  sysctl.write(`net/ipv4/neigh/${hostIfname}/proxy_delay`, 0);
  if (!ips.some(isIpv6)) return;
  const ipv6 = `net/ipv6/conf/${hostIfname}`;
  sysctl.write(`${ipv6}/disable_ipv6`, 0);
  sysctl.write(`${ipv6}/accept_ra`, 0);
  sysctl.write(`${ipv6}/forwarding`, 1);
}

function routeToPod(queue: Asks, ifindex: number, ip: string, way: Route | undefined): void {
  if (way?.ifindex === ifindex) return;
  const spec: RouteSpec = { dst: hostPrefix(ip), ifindex, scope: Scope.LINK };
  // What may be replaced is the link of a pod that had the address before.
  if (way === undefined) addRoute(queue, spec);
  else replaceRoute(queue, spec);
}

/**
 * The host's side; ends with the link up and the node routing to the pod.
 *
 * @param ways  what `waysTo` has found
 * @throws      DataplaneError ERR_ADDRESS_TAKEN when somebody was faster
 */
export function configureHostEnd(
  net: Netns,
  ifindex: number,
  ends: PodEnds,
  ways: ReadonlyMap<string, Route | undefined>,
): void {
  const { ips, podMac, mtu } = ends;
  enableForwarding(net.sysctl, () => listLinks(net.rtnl).map(({ name }) => name));
  setHostParameters(net, ends);
  const ipv4Conf = [
    [Ipv4Conf.RP_FILTER, relaxedReversePath(net.sysctl)],
    [Ipv4Conf.FORWARDING, 1],
    [Ipv4Conf.PROXY_ARP, 1],
  ] as const;
  net.rtnl.batch((queue) => {
    raise(queue, ifindex, { mtu, ipv4Conf });
    if (ips.some(isIpv6)) ensureAddress(queue, ifindex, `${GATEWAY_IPV6}/64`);
    for (const ip of ips) replaceNeighbour(queue, { ifindex, address: ip, mac: podMac });
  });
  for (const ip of ips) {
    try {
      routeToPod(net.rtnl, ifindex, ip, ways.get(ip));
    } catch (error) {
      if (isErrno(error, 'EEXIST')) throw addressTaken(ip, { ifindex: 0, dst: hostPrefix(ip) });
      throw error;
    }
  }
}

// ---- The pod's side -------------------------------------------------------------------

/**
 * Addresses are usable at once and outlive the link being down. Runtimes may hand over a namespace
 * with IPv6 switched off.
 */
function setPodParameters({ sysctl }: Netns, podIfname: string): void {
  sysctl.write('net/ipv6/conf/lo/disable_ipv6', 0);
  const ipv6 = `net/ipv6/conf/${podIfname}`;
  sysctl.write(`${ipv6}/disable_ipv6`, 0);
  sysctl.write(`${ipv6}/accept_ra`, 0);
  sysctl.write(`${ipv6}/accept_dad`, 0);
  sysctl.write(`${ipv6}/keep_addr_on_down`, 1);
}

/** Bring the pod's side up, with nothing on it. */
export function raisePodEnd(podNet: Netns, ifindex: number, ends: PodEnds): void {
  if (ends.fromXdp) receiveFromXdp(podNet.fd, ends.podIfname);
  if (ends.ips.some(isIpv6)) setPodParameters(podNet, ends.podIfname);
  podNet.rtnl.batch((queue) => {
    setLink(queue, LOOPBACK_IFINDEX, { up: true });
    raise(queue, ifindex, { mtu: ends.mtu });
  });
}

function routePod(queue: Asks, ifindex: number, ends: PodEnds, ipv6: boolean): void {
  const via = ipv6 ? GATEWAY_IPV6 : GATEWAY_IPV4;
  replaceNeighbour(queue, { ifindex, address: via, mac: ends.ownMac });
  const extra = ends.routes.filter(({ dst }) => isIpv6(dst.replace(/\/.*/, '')) === ipv6);
  const tables = new Set([undefined, ...extra.map(({ table }) => table)]);
  if (!ipv6) {
    for (const table of tables) {
      const spec = { dst: hostPrefix(via), ifindex, scope: Scope.LINK };
      replaceRoute(queue, table === undefined ? spec : { ...spec, table });
    }
  }
  for (const route of [{ dst: ipv6 ? '::/0' : '0.0.0.0/0' }, ...extra]) {
    replaceRoute(queue, { ...route, ifindex, via });
  }
}

/** The side of the pod, which is up; ends with the pod able to speak. */
export function configurePodEnd(podNet: Netns, ifindex: number, ends: PodEnds): void {
  const ipv6 = ends.ips.some(isIpv6);
  podNet.rtnl.batch((queue) => {
    if (ipv6) ensureAddress(queue, ifindex, `${linkLocalOf(ends.podMac)}/64`);
    for (const ip of ends.ips) ensureAddress(queue, ifindex, hostPrefix(ip));
    for (const ip of ends.ips) routePod(queue, ifindex, ends, isIpv6(ip));
  });
}
