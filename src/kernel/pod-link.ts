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
import { createHash } from 'node:crypto';
import {
  GATEWAY_MAC_0,
  GATEWAY_MAC_1,
  GATEWAY_MAC_2,
  GATEWAY_MAC_3,
  GATEWAY_MAC_4,
  GATEWAY_MAC_5,
} from '../../assembly/abi.js';
import { formatAddress, formatMac, parseAddress } from '../addr.js';
import { DataplaneError } from '../errors.js';
import {
  AddrGenMode,
  IFNAME_MAX,
  type Link,
  createVeth,
  findLink,
  listLinks,
  setLink,
} from './link.js';
import { type Netns, isSameNetns, netnsAt } from './netns.js';
import { type PodEnds, configureHostEnd, configurePodEnd, hasForeignAddress } from './pod-ends.js';
import { arePeers, deleteVeth } from './veth.js';

export const GATEWAY_MAC = formatMac(
  Uint8Array.of(
    GATEWAY_MAC_0,
    GATEWAY_MAC_1,
    GATEWAY_MAC_2,
    GATEWAY_MAC_3,
    GATEWAY_MAC_4,
    GATEWAY_MAC_5,
  ),
);

const NAME_PREFIX = 'slc';
/** Hex digits of the hash in a name: what IFNAMSIZ leaves, less one. */
const NAME_DIGITS = 11;
const NAME_PATTERN = /^slc[0-9a-f]{11}$/;
/** Locally administered, unicast, and never the 02:53 of a stamp. */
const POD_MAC_0 = 0x0a;
const POD_IFNAME = 'eth0';

export interface PodKey {
  readonly namespace: string;
  readonly name: string;
}

export interface PodLinkSpec extends PodKey {
  /** Path of the pod's network namespace. */
  readonly netns: string;
  /** At most one address of each family; a length, if given, is ignored. */
  readonly ips: readonly string[];
  readonly mtu: number;
  /** Some uplink hands packets over by XDP. */
  readonly fromXdp?: boolean;
  /** Interface name inside the pod; `eth0` when absent. */
  readonly ifname?: string;
  /** Interface name on the host; from the pod's name when absent. */
  readonly hostIfname?: string;
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
}

function podHash(key: PodKey): Uint8Array {
  return createHash('sha256').update(`${key.namespace}/${key.name}`).digest();
}

/** Name of the host side: the same for the same pod, for ever and on every node. */
export function podLinkName(key: PodKey): string {
  const digits = Buffer.from(podHash(key)).toString('hex').slice(0, NAME_DIGITS);
  return `${NAME_PREFIX}${digits}`;
}

/** MAC of the pod side; bytes of the hash that the name does not use. */
export function podMac(key: PodKey): string {
  return formatMac(Uint8Array.of(POD_MAC_0, ...podHash(key).subarray(8, 13)));
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

interface Found {
  readonly host: Link;
  readonly pod: Link;
}

/** The pair, when it is this pod's and carries no address of an earlier life. */
function findOwn(net: Netns, podNet: Netns, ends: PodEnds): Found | undefined {
  const host = findLink(net.rtnl, ends.hostIfname);
  const pod = findLink(podNet.rtnl, ends.podIfname);
  if (host === undefined || pod === undefined || !arePeers(host, pod)) return undefined;
  if (host.mac !== GATEWAY_MAC || pod.mac !== ends.podMac) return undefined;
  return hasForeignAddress(podNet, pod.ifindex, ends) ? undefined : { host, pod };
}

function create(net: Netns, podNet: Netns, ends: PodEnds): void {
  deleteVeth(net.rtnl, ends.hostIfname);
  createVeth(net.rtnl, {
    name: ends.hostIfname,
    mac: GATEWAY_MAC,
    mtu: ends.mtu,
    peer: { name: ends.podIfname, mac: ends.podMac, netnsFd: podNet.fd },
  });
}

function configure(net: Netns, podNet: Netns, found: Found, ends: PodEnds): void {
  const { host, pod } = found;
  const change = { mtu: ends.mtu, addrGenMode: AddrGenMode.NONE };
  setLink(net.rtnl, host.ifindex, change);
  // The end that comes up first is the first to be told of its carrier; the other may be called
  // down for another second (linkwatch), which is better seen on the host than in the pod.
  setLink(podNet.rtnl, pod.ifindex, { ...change, up: true });
  configureHostEnd(net, host.ifindex, ends);
  configurePodEnd(podNet, pod.ifindex, ends);
}

/**
 * Create the link of a pod, or adopt the one it has.
 *
 * Doing it again changes nothing. A link of that name that is not this pod's, or holds other
 * addresses, is replaced. When anything fails, a link made by this call is gone again.
 *
 * @throws NetlinkError EEXIST when the pod has another interface of that name, or the node
 *         another route to the address
 * @throws DataplaneError ERR_KERNEL when `netns` is the node's own namespace
 * @throws the native error naming the path when there is no such namespace
 */
export function ensurePodLink(net: Netns, spec: PodLinkSpec): PodLink {
  const ends: PodEnds = {
    hostIfname: spec.hostIfname ?? podLinkName(spec),
    podIfname: spec.ifname ?? POD_IFNAME,
    ownMac: GATEWAY_MAC,
    podMac: podMac(spec),
    mtu: spec.mtu,
    fromXdp: spec.fromXdp ?? false,
    ips: spec.ips.map((ip) => formatAddress(parseAddress(ip.replace(/\/\d+$/, '')))),
  };
  checkName(ends.hostIfname);
  checkName(ends.podIfname);
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

function ensureBetween(net: Netns, podNet: Netns, ends: PodEnds): PodLink {
  const adopted = findOwn(net, podNet, ends) !== undefined;
  if (!adopted) create(net, podNet, ends);
  try {
    const found = findOwn(net, podNet, ends);
    if (found === undefined) {
      throw new DataplaneError('ERR_KERNEL', `link ${ends.hostIfname} was changed meanwhile`);
    }
    configure(net, podNet, found, ends);
    const { hostIfname, ownMac, podMac, mtu } = ends;
    return { name: hostIfname, ifindex: found.host.ifindex, ownMac, podMac, mtu, adopted };
  } catch (error) {
    if (!adopted) deleteVeth(net.rtnl, ends.hostIfname);
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

/** Host sides of pod links, by the shape of their names. */
export function listPodLinks(net: Netns): Link[] {
  return listLinks(net.rtnl).filter(({ name, kind }) => kind === 'veth' && NAME_PATTERN.test(name));
}
