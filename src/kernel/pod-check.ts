/**
 * Whether a pod link is still what was asked for. Looks and touches nothing; what others have
 * added is none of its business.
 */
import { messageOf } from '../errors.js';
import { type LinkAddress, listAddresses } from './address.js';
import { canonicalText } from './inet.js';
import type { Link } from './link.js';
import { type Netns, netnsAt } from './netns.js';
import type { PodEnds } from './pod-ends.js';
import { checkLimits } from './pod-limits.js';
import { type PodLinkSpec, endsOf, findEnds } from './pod-link.js';
import { checkRouting } from './pod-routes.js';
import { matchRoute } from './route.js';

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
    return (
      checkPodEnd(podNet, pod, ends) ??
      checkHostEnd(net, host, ends) ??
      checkLimits({ host: { net, link: host }, pod: { net: podNet, link: pod } }, ends)
    );
  } finally {
    podNet.close();
  }
}

function checkEnd(what: string, link: Link, mac: string): string | undefined {
  if (link.mac !== mac) return `${what} has the MAC address ${link.mac}, expected ${mac}`;
  return link.up ? undefined : `${what} is down`;
}

function checkHostEnd(net: Netns, host: Link, ends: PodEnds): string | undefined {
  const what = `interface ${host.name} of the node`;
  const problem = checkEnd(what, host, ends.ownMac);
  if (problem !== undefined) return problem;
  if (host.mtu !== ends.mtu) return `${what} has the MTU ${host.mtu}, expected ${ends.mtu}`;
  for (const ip of ends.ips) {
    const way = matchRoute(net.rtnl, ip);
    if (way?.dst !== canonicalText(ip)) return `the node has no route ${canonicalText(ip)}`;
    if (way.ifindex !== host.ifindex) {
      return `the node's route ${way.dst} leads elsewhere, expected by ${host.name}`;
    }
  }
  return undefined;
}

function hasAddress(present: readonly LinkAddress[], ip: string): boolean {
  return present.some(
    ({ address, prefixLen, usable }) => `${address}/${prefixLen}` === canonicalText(ip) && usable,
  );
}

function checkPodEnd(podNet: Netns, pod: Link, ends: PodEnds): string | undefined {
  const what = `interface ${pod.name} of the container`;
  const problem = checkEnd(what, pod, ends.podMac);
  if (problem !== undefined) return problem;
  // Plugins that come later may have lowered it.
  if (pod.mtu > ends.mtu) return `${what} has the MTU ${pod.mtu}, expected at most ${ends.mtu}`;
  const present = listAddresses(podNet.rtnl, pod.ifindex);
  const absent = ends.ips.find((ip) => !hasAddress(present, ip));
  if (absent !== undefined) return `${what} has no address ${canonicalText(absent)}`;
  return checkRouting(podNet.rtnl, pod.ifindex, ends);
}
