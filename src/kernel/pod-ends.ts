/**
 * What makes the two ends of a pod link work: addresses, routes, neighbours, parameters.
 * Every step may be repeated on a link that has it already.
 */
import { parseAddress } from '../addr.js';
import { Scope, addAddress, listAddresses } from './address.js';
import { linkLocalOf } from './inet.js';
import { findLink, listLinks, setLink } from './link.js';
import { isErrno } from './netlink.js';
import { replaceNeighbour } from './neighbour.js';
import type { Netns } from './netns.js';
import { ROUTE_PROTOCOL, type RouteSpec, addRoute, listRoutes, replaceRoute } from './route.js';
import { enableForwarding, relaxReversePath } from './sysctl.js';
import { receiveFromXdp } from './veth.js';

/** First hop of every pod, IPv4: link-local and nobody's. */
export const GATEWAY_IPV4 = '169.254.1.1';
/** First hop of every pod, IPv6: the host end has it. */
export const GATEWAY_IPV6 = 'fe80::1';

export interface PodEnds {
  readonly hostIfname: string;
  readonly podIfname: string;
  readonly ownMac: string;
  readonly podMac: string;
  readonly mtu: number;
  /** An XDP program may redirect to the host's side. */
  readonly fromXdp: boolean;
  /** Without length. */
  readonly ips: readonly string[];
}

function isIpv6(ip: string): boolean {
  return parseAddress(ip).family === 6;
}

function hostPrefix(ip: string): string {
  return `${ip}/${isIpv6(ip) ? 128 : 32}`;
}

/** Add unless it is there. */
function ensureAddress(net: Netns, ifindex: number, text: string): void {
  try {
    addAddress(net.rtnl, ifindex, text);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}

/** Whether the pod end has an address that is neither wanted nor of its own making. */
export function hasForeignAddress(podNet: Netns, ifindex: number, ends: PodEnds): boolean {
  const wanted = ends.ips.map((ip) => parseAddress(ip));
  return listAddresses(podNet.rtnl, ifindex).some(({ address, scope }) => {
    if (scope !== Scope.UNIVERSE) return false;
    const { bytes } = parseAddress(address);
    return !wanted.some((want) => Buffer.compare(want.bytes, bytes) === 0);
  });
}

function setHostParameters({ sysctl }: Netns, ifname: string): void {
  const ipv4 = `net/ipv4/conf/${ifname}`;
  relaxReversePath(sysctl, ifname);
  sysctl.write(`${ipv4}/forwarding`, 1);
  // With no lane: answer ARP for the gateway, and for anything else beyond this link.
  sysctl.write(`${ipv4}/proxy_arp`, 1);
  sysctl.write(`net/ipv4/neigh/${ifname}/proxy_delay`, 0);
}

function setHostParameters6({ sysctl }: Netns, ifname: string): void {
  const ipv6 = `net/ipv6/conf/${ifname}`;
  sysctl.write(`${ipv6}/disable_ipv6`, 0);
  sysctl.write(`${ipv6}/accept_ra`, 0);
  sysctl.write(`${ipv6}/forwarding`, 1);
}

/**
 * The node's own route to a pod's address.
 *
 * @throws NetlinkError EEXIST when somebody else has a route to it
 */
function ensureHostRoute(net: Netns, spec: RouteSpec): void {
  try {
    addRoute(net.rtnl, spec);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    const [present] = listRoutes(net.rtnl, { dst: spec.dst });
    if (present?.ifindex === spec.ifindex) return;
    if (present?.protocol !== ROUTE_PROTOCOL) throw error;
    // The link of a pod that had the address before.
    replaceRoute(net.rtnl, spec);
  }
}

/** The host's side; ends with the link up and the node routing to the pod. */
export function configureHostEnd(net: Netns, ifindex: number, ends: PodEnds): void {
  const { hostIfname, ips, podMac } = ends;
  enableForwarding(net.sysctl, () => listLinks(net.rtnl).map(({ name }) => name));
  setHostParameters(net, hostIfname);
  if (ips.some(isIpv6)) setHostParameters6(net, hostIfname);
  setLink(net.rtnl, ifindex, { up: true });
  if (ips.some(isIpv6)) ensureAddress(net, ifindex, `${GATEWAY_IPV6}/64`);
  for (const ip of ips) {
    replaceNeighbour(net.rtnl, { ifindex, address: ip, mac: podMac });
    ensureHostRoute(net, { dst: hostPrefix(ip), ifindex, scope: Scope.LINK });
  }
}

/** Runtimes may hand over a namespace with IPv6 switched off. */
function enablePodIpv6(podNet: Netns, podIfname: string): void {
  for (const ifname of ['lo', podIfname]) {
    podNet.sysctl.write(`net/ipv6/conf/${ifname}/disable_ipv6`, 0);
  }
  podNet.sysctl.write(`net/ipv6/conf/${podIfname}/accept_ra`, 0);
}

function routePod(podNet: Netns, ifindex: number, ownMac: string, ipv6: boolean): void {
  const via = ipv6 ? GATEWAY_IPV6 : GATEWAY_IPV4;
  replaceNeighbour(podNet.rtnl, { ifindex, address: via, mac: ownMac });
  if (!ipv6) {
    replaceRoute(podNet.rtnl, { dst: hostPrefix(via), ifindex, scope: Scope.LINK });
  }
  replaceRoute(podNet.rtnl, { dst: ipv6 ? '::/0' : '0.0.0.0/0', ifindex, via });
}

/** The side of the pod, which is up; ends with the pod able to speak. */
export function configurePodEnd(podNet: Netns, ifindex: number, ends: PodEnds): void {
  const { rtnl } = podNet;
  const ipv6 = ends.ips.some(isIpv6);
  if (ends.fromXdp) receiveFromXdp(podNet.fd, ends.podIfname);
  if (ipv6) enablePodIpv6(podNet, ends.podIfname);
  const lo = findLink(rtnl, 'lo');
  if (lo !== undefined && !lo.up) setLink(rtnl, lo.ifindex, { up: true });
  if (ipv6) ensureAddress(podNet, ifindex, `${linkLocalOf(ends.podMac)}/64`);
  for (const ip of ends.ips) ensureAddress(podNet, ifindex, hostPrefix(ip));
  for (const ip of ends.ips) routePod(podNet, ifindex, ends.ownMac, isIpv6(ip));
}
