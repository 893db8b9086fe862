/**
 * What makes the two ends of a pod link work: addresses, routes, neighbours, parameters.
 *
 * Every step may be repeated on a link that has it already. What one end needs is asked for in one
 * message, and parameters that are right are not written again: a pod waits for this.
 */
import { DataplaneError, isErrno } from '../errors.js';
import { Scope, ensureAddress, listAddresses } from './address.js';
import { canonicalText, linkLocalOf } from './inet.js';
import { AddrGenMode, Ipv4Conf, type Link, type LinkChange, listLinks, setLink } from './link.js';
import { replaceNeighbour } from './neighbour.js';
import type { Netns } from './netns.js';
import type { PodLimits } from './pod-limits.js';
import { GATEWAY_IPV4, GATEWAY_IPV6, type RoutedEnd, familyOf, routingOf } from './pod-routes.js';
import {
  ROUTE_PROTOCOL,
  type Route,
  type RouteSpec,
  addRoute,
  matchRoute,
  replaceRoute,
} from './route.js';
import type { Asks } from './rtnl.js';
import { addSourceRule } from './rule.js';
import { enableForwarding, relaxedReversePath } from './sysctl.js';
import { receiveFromXdp } from './veth.js';

/** Of every namespace (linux/net_namespace.h). */
const LOOPBACK_IFINDEX = 1;

export interface PodEnds extends RoutedEnd, PodLimits {
  readonly hostIfname: string;
  readonly podIfname: string;
  readonly ownMac: string;
  readonly podMac: string;
  readonly mtu: number;
  /** An XDP program may redirect to the host's side. */
  readonly fromXdp: boolean;
  /** See `PodLinkSpec`. */
  readonly takesAddress: boolean;
}

function isIpv6(ip: string): boolean {
  return familyOf(ip) === 6;
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
    const way = found?.dst === canonicalText(ip) ? found : undefined;
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
  const spec: RouteSpec = { dst: canonicalText(ip), ifindex, scope: Scope.LINK };
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
      if (isErrno(error, 'EEXIST')) throw addressTaken(ip, { ifindex: 0, dst: canonicalText(ip) });
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
export function raisePodEnd(
  podNet: Netns,
  { ifindex, mtu }: Pick<Link, 'ifindex' | 'mtu'>,
  ends: PodEnds,
): void {
  if (ends.fromXdp) receiveFromXdp(podNet.fd, ends.podIfname);
  if (ends.ips.some(isIpv6)) setPodParameters(podNet, ends.podIfname);
  podNet.rtnl.batch((queue) => {
    setLink(queue, LOOPBACK_IFINDEX, { up: true });
    raise(queue, ifindex, { mtu });
  });
}

/**
 * The side of the pod, which is up; ends with the pod able to speak.
 *
 * @returns whether the pod has rules for the link, which do not go with it
 */
export function configurePodEnd(podNet: Netns, ifindex: number, ends: PodEnds): boolean {
  const { ips, ownMac: mac } = ends;
  const { routes, rules, hasRules } = routingOf(podNet.rtnl, ifindex, ends);
  podNet.rtnl.batch((queue) => {
    if (ips.some(isIpv6)) ensureAddress(queue, ifindex, `${linkLocalOf(ends.podMac)}/64`);
    for (const ip of ips) {
      const address = isIpv6(ip) ? GATEWAY_IPV6 : GATEWAY_IPV4;
      ensureAddress(queue, ifindex, canonicalText(ip));
      replaceNeighbour(queue, { ifindex, address, mac });
    }
    for (const route of routes) replaceRoute(queue, route);
    for (const rule of rules) addSourceRule(queue, rule);
  });
  return hasRules;
}
