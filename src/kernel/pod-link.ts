/**
 * The link of a pod: a veth pair with one address each family and no network around it.
 *
 *   pod eth0  10.1.2.3/32, 2001:db8::3/128          host slc<hash>  fe80::1/64
 *             default via 169.254.1.1, via fe80::1                  10.1.2.3 dev slc<hash>
 *             MAC 0a:<hash>                                         MAC GATEWAY_MAC
 *
 * The gateway's MAC is the same on every link, and both ends know the other's MAC for good, so
 * that nothing waits for ARP or NDP. 169.254.1.1 is nobody's address: who asks for it is
 * answered by the lane, or by proxy ARP when there is no lane. The kernel's own routes make
 * everything work, if slower, without any agent.
 *
 * Model: Calico's /32 workload endpoints
 */
import { formatAddress, formatMac, parseAddress, parseMac } from '../addr.js';
import { DataplaneError } from '../errors.js';
import { GATEWAY_MAC, type PodKey, linkHash, macOfHash } from '../model/pod-mac.js';
import { IFNAME_MAX, type Link, createVeth, findLink, listLinks } from './link.js';
import { type Netns, isSameNetns, netnsAt } from './netns.js';
import {
  type PodEnds,
  configureHostEnd,
  configurePodEnd,
  hasForeignAddress,
  raisePodEnd,
  waysTo,
} from './pod-ends.js';
import { type PodLimits, setLimits } from './pod-limits.js';
import { isRetired } from './pod-retire.js';
import { type PodRoute, forgetSources } from './pod-routes.js';
import { arePeers, deleteVeth } from './veth.js';

const NAME_PREFIX = 'slc';
/** Hex digits of the hash in a name: what IFNAMSIZ leaves, less one. */
const NAME_DIGITS = 11;
const NAME_PATTERN = /^slc[0-9a-f]{11}$/;
/** Of an interface that a runtime gives no name. */
export const POD_IFNAME = 'eth0';

/** What CNI calls an attachment. */
export interface AttachmentKey {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

export interface PodLinkSpec extends PodLimits {
  /** Path of the pod's network namespace. */
  readonly netns: string;
  /** Interface name inside the pod. */
  readonly ifname: string;
  /** Interface name on the host, as `podLinkName` or `attachmentLinkName` gives it. */
  readonly hostIfname: string;
  /** MAC address of the pod's side, as `podMac` or `attachmentMac` gives it, or as wished. */
  readonly mac: string;
  /** At most one address of each family; a length, if given, is ignored. */
  readonly ips: readonly string[];
  readonly mtu: number;
  /** Routes of the pod beside its default ones. */
  readonly routes?: readonly PodRoute[];
  /** Some uplink hands packets over by XDP. */
  readonly fromXdp?: boolean;
  /**
   * A route of Sluice's own to one of the addresses, such as the link of a pod that had it before,
   * gives way; else it is an error, as anybody else's is.
   */
  readonly takesAddress?: boolean;
}

export interface PodLink {
  /** Host side. */
  readonly name: string;
  readonly ifindex: number;
  readonly ownMac: string;
  /** Pod side. */
  readonly podMac: string;
  readonly mtu: number;
  /** It was there already. */
  readonly adopted: boolean;
  /** The pod's namespace has rules for its addresses, which do not go with the link. */
  readonly hasRules: boolean;
}

function nameOf(hash: Uint8Array): string {
  return `${NAME_PREFIX}${Buffer.from(hash).toString('hex').slice(0, NAME_DIGITS)}`;
}

/** Name of the host side: the same for the same pod, for ever and on every node. */
export function podLinkName({ namespace, name }: PodKey): string {
  return nameOf(linkHash(namespace, name));
}

/**
 * Name of the host side of an attachment. The container is in it, so that a late deletion of an old
 * container never hits the link of the one that took its place.
 */
export function attachmentLinkName({ network, containerId, ifname }: AttachmentKey): string {
  return nameOf(linkHash(network, containerId, ifname));
}

/** MAC of the pod side of an attachment, when the runtime asks for none. */
export function attachmentMac({ network, containerId, ifname }: AttachmentKey): string {
  return macOfHash(linkHash(network, containerId, ifname));
}

function checkName(name: string): void {
  if (
    name.length === 0 ||
    name.length > IFNAME_MAX ||
    /[\s/:]/.test(name) ||
    /^\.\.?$/.test(name)
  ) {
    throw new DataplaneError(
      'ERR_KERNEL',
      `${JSON.stringify(name)} is no interface name; expected 1 to ${IFNAME_MAX} characters without spaces, "/" and ":"`,
    );
  }
}

/** Both ends as a spec describes them. */
export function endsOf(spec: PodLinkSpec): PodEnds {
  checkName(spec.hostIfname);
  checkName(spec.ifname);
  return {
    hostIfname: spec.hostIfname,
    podIfname: spec.ifname,
    ownMac: GATEWAY_MAC,
    podMac: formatMac(parseMac(spec.mac)),
    mtu: spec.mtu,
    fromXdp: spec.fromXdp ?? false,
    ips: spec.ips.map((ip) => formatAddress(parseAddress(ip.replace(/\/\d+$/, '')))),
    routes: spec.routes ?? [],
    takesAddress: spec.takesAddress ?? false,
    ingress: spec.ingress,
    egress: spec.egress,
  };
}

interface Found {
  readonly host: Link | undefined;
  readonly pod: Link | undefined;
  /** Both are there, and each is the far end of the other. */
  readonly isPair: boolean;
}

/** What bears the names of the two ends. */
export function findEnds(net: Netns, podNet: Netns, ends: PodEnds): Found {
  const host = findLink(net.rtnl, ends.hostIfname);
  const pod = findLink(podNet.rtnl, ends.podIfname);
  const isPair = host !== undefined && pod !== undefined && arePeers(host, pod);
  return { host, pod, isPair };
}

/** Whether the pair may stay: this pod's, with no address of an earlier life. */
function isReusable(podNet: Netns, { host, pod, isPair }: Found, ends: PodEnds): boolean {
  if (!isPair || host?.mac !== ends.ownMac || pod?.mac !== ends.podMac) return false;
  return !hasForeignAddress(podNet, pod.ifindex, ends);
}

/** @returns the pod's side of a fresh pair; a stale one of the host's name is gone first */
function create(net: Netns, podNet: Netns, ends: PodEnds, stale: Link | undefined): Link {
  if (stale !== undefined) deleteVeth(net.rtnl, ends.hostIfname);
  createVeth(net.rtnl, {
    name: ends.hostIfname,
    mac: ends.ownMac,
    mtu: ends.mtu,
    peer: { name: ends.podIfname, mac: ends.podMac, netnsFd: podNet.fd },
  });
  const pod = findLink(podNet.rtnl, ends.podIfname);
  if (pod !== undefined) return pod;
  throw new DataplaneError('ERR_KERNEL', `link ${ends.hostIfname} was changed meanwhile`);
}

/**
 * Create the link of a pod, or adopt the one it has.
 *
 * Doing it again changes nothing. A link of that name on the host that is not this pod's, or that
 * holds other addresses, is replaced. When anything fails, a link made by this call is gone again.
 *
 * @throws DataplaneError ERR_IFNAME_TAKEN when the pod has another interface of that name
 * @throws DataplaneError ERR_ADDRESS_TAKEN when the node reaches an address by another interface
 * @throws DataplaneError ERR_KERNEL when `netns` is the node's own namespace
 * @throws the native error naming the path when there is no such namespace
 */
export function ensurePodLink(net: Netns, spec: PodLinkSpec): PodLink {
  const ends = endsOf(spec);
  const podNet = netnsAt(spec.netns);
  try {
    if (isSameNetns(net, podNet)) {
      throw new DataplaneError('ERR_KERNEL', `${spec.netns} is the node's own network namespace`);
    }
    return ensureBetween(net, podNet, ends);
  } finally {
    podNet.close();
  }
}

/**
 * As `findEnds`. Where a link that is retired but not deleted yet still has the pod's side, it is
 * deleted first: who detaches a container may attach it again at once.
 */
function findRoom(net: Netns, podNet: Netns, ends: PodEnds): Found {
  const found = findEnds(net, podNet, ends);
  const { pod, isPair } = found;
  if (pod?.lowerIfindex === undefined || isPair) return found;
  const far = findLink(net.rtnl, pod.lowerIfindex);
  if (far !== undefined && !(isRetired(far) && arePeers(far, pod))) return found;
  if (far !== undefined) deleteVeth(net.rtnl, far.name);
  return findEnds(net, podNet, ends);
}

/** Of the pod's end: a plugin that came later may have lowered the one of a link that was there. */
function mtuOfPod(adopted: Found | undefined, { mtu }: PodEnds): number {
  const { host, pod } = adopted ?? {};
  const isLowered = host !== undefined && pod !== undefined && pod.mtu < host.mtu;
  return isLowered ? Math.min(pod.mtu, mtu) : mtu;
}

function ensureBetween(net: Netns, podNet: Netns, ends: PodEnds): PodLink {
  const found = findRoom(net, podNet, ends);
  if (found.pod !== undefined && !found.isPair) {
    throw new DataplaneError(
      'ERR_IFNAME_TAKEN',
      `the container has an interface ${ends.podIfname} that is not the far end of ${ends.hostIfname}`,
    );
  }
  const adopted = isReusable(podNet, found, ends);
  const ways = waysTo(net, found.host, ends);
  try {
    const present = adopted ? found.pod : undefined;
    const pod = present ?? create(net, podNet, ends, found.host);
    // A veth's lower link is its far end.
    const ifindex = pod.lowerIfindex ?? 0;
    // The end that comes up first is the first to be told of its carrier; the other may be called
    // down for another second (linkwatch), which is better seen on the host than in the pod.
    raisePodEnd(podNet, { ...pod, mtu: mtuOfPod(present && found, ends) }, ends);
    configureHostEnd(net, ifindex, ends, ways);
    const { hostIfname: name, ownMac, podMac, mtu } = ends;
    const host = { net, link: { name, ifindex, mtu } };
    setLimits({ host, pod: { net: podNet, link: pod } }, ends);
    const hasRules = configurePodEnd(podNet, pod.ifindex, ends);
    return { name, ifindex, ownMac, podMac, mtu, adopted, hasRules };
  } catch (error) {
    if (!adopted) {
      deleteVeth(net.rtnl, ends.hostIfname);
      forgetSources(podNet, ends.ips);
    }
    throw error;
  }
}

/**
 * Remove the link of a pod, with its routes; its namespace may be gone already.
 *
 * @param name  host side, as `podLinkName` or `PodLink.name` gives it
 * @returns     false when there was none
 */
export function removePodLink(net: Netns, name: string): boolean {
  return deleteVeth(net.rtnl, name);
}

/** Whether this is the host side of a pod link, by the shape of its name. */
export function isPodLink({ name, kind }: Pick<Link, 'name' | 'kind'>): boolean {
  return kind === 'veth' && NAME_PATTERN.test(name);
}

export function listPodLinks(net: Netns): Link[] {
  return listLinks(net.rtnl).filter(isPodLink);
}
