/**
 * Whether a pod link is still what was asked for. Looks and touches nothing; what others have
 * added is none of its business.
 */
import { messageOf } from '../errors.js';
import { type LinkAddress, listAddresses } from './address.js';
import { canonicalText } from './inet.js';
import type { Link } from './link.js';
import { type Netns, netnsAt } from './netns.js';
import { GATEWAY_IPV4, GATEWAY_IPV6, type PodEnds, type PodRoute, hostPrefix } from './pod-ends.js';
import { type PodLinkSpec, endsOf, findEnds } from './pod-link.js';
import { type Route, TABLE_MAIN, listRoutes, matchRoute } from './route.js';

/**
 * @returns undefined when everything is there, else one sentence that says what is not
 * @throws  DataplaneError ERR_ADDRESS, ERR_KERNEL when `spec` itself makes no sense
 * Cost     a thread for the namespace and some ten requests: well below 2 ms
 */
export function checkPodLink(net: Netns, spec: PodLinkSpec): string | undefined {
  const ends = endsOf(spec);
  let podNet: Netns;
  try {
    podNet = netnsAt(spec.netns);
  } catch (error) {
    return `the network namespace ${spec.netns} is not there: ${messageOf(error)}`;
  }
  try {
    const { host, pod, isPair } = findEnds(net, podNet, ends);
    const { hostIfname, podIfname } = ends;
    if (pod === undefined) return `the container has no interface ${podIfname}`;
    if (host === undefined) return `the node has no interface ${hostIfname}`;
    if (!isPair) return `${podIfname} of the container is not the far end of ${hostIfname}`;
    return checkPodEnd(podNet, pod, ends) ?? checkHostEnd(net, host, ends);
  } finally {
    podNet.close();
  }
}

function checkEnd(what: string, link: Link, mac: string, mtu: number): string | undefined {
  if (link.mac !== mac) return `${what} has the MAC address ${link.mac}, expected ${mac}`;
  if (link.mtu !== mtu) return `${what} has the MTU ${link.mtu}, expected ${mtu}`;
  return link.up ? undefined : `${what} is down`;
}

function checkHostEnd(net: Netns, host: Link, ends: PodEnds): string | undefined {
  const problem = checkEnd(`interface ${host.name} of the node`, host, ends.ownMac, ends.mtu);
  if (problem !== undefined) return problem;
  for (const ip of ends.ips) {
    const way = matchRoute(net.rtnl, ip);
    if (way?.dst !== hostPrefix(ip)) return `the node has no route ${hostPrefix(ip)}`;
    if (way.ifindex !== host.ifindex) {
      return `the node's route ${way.dst} leads elsewhere, expected by ${host.name}`;
    }
  }
  return undefined;
}

function hasAddress(present: readonly LinkAddress[], ip: string): boolean {
  return present.some(
    ({ address, prefixLen, usable }) => `${address}/${prefixLen}` === hostPrefix(ip) && usable,
  );
}

function wantedRoutes(ends: PodEnds): { readonly dst: string; readonly table: number }[] {
  const defaults: PodRoute[] = ends.ips.map((ip) => ({
    dst: ip.includes(':') ? '::/0' : '0.0.0.0/0',
  }));
  return [...defaults, ...ends.routes].map(({ dst, table }) => ({
    dst: canonicalText(dst),
    table: table ?? TABLE_MAIN,
  }));
}

function leadsOut({ dst, via }: Route): boolean {
  return via === (dst.includes(':') ? GATEWAY_IPV6 : GATEWAY_IPV4);
}

function checkPodEnd(podNet: Netns, pod: Link, ends: PodEnds): string | undefined {
  const problem = checkEnd(`interface ${pod.name} of the container`, pod, ends.podMac, ends.mtu);
  if (problem !== undefined) return problem;
  const present = listAddresses(podNet.rtnl, pod.ifindex);
  const absent = ends.ips.find((ip) => !hasAddress(present, ip));
  if (absent !== undefined) {
    return `interface ${pod.name} of the container has no address ${hostPrefix(absent)}`;
  }
  const wanted = wantedRoutes(ends);
  for (const table of new Set(wanted.map((route) => route.table))) {
    const routes = listRoutes(podNet.rtnl, { table, ifindex: pod.ifindex }).filter(leadsOut);
    const missing = wanted.find(
      (want) => want.table === table && !routes.some(({ dst }) => dst === want.dst),
    );
    if (missing !== undefined) return `the container has no route ${missing.dst} by its gateway`;
  }
  return undefined;
}
