/**
 * Network interfaces over rtnetlink.
 *
 *   ifinfomsg (linux/rtnetlink.h)
 *   0        1     2        4         8       12       16
 *   +--------+-----+--------+---------+-------+--------+
 *   | family | pad | hwtype | ifindex | flags | change |
 *   +--------+-----+--------+---------+-------+--------+
 *
 * Spec: man 7 rtnetlink; linux/if_link.h, linux/veth.h
 */
import { formatMac, parseMac } from '../addr.js';
import { AF_INET, AF_INET6, AF_UNSPEC } from './inet.js';
import {
  type Attribute,
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_EXCL,
  bytesAttribute,
  decodeAttributes,
  headedAttribute,
  nestedAttribute,
  textAttribute,
  textOf,
  u32Attribute,
  u32Of,
  u8Attribute,
} from './netlink.js';
import type { Asks, Rtnl } from './rtnl.js';
import { isErrno } from '../errors.js';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

const IFINFO_SIZE = 16;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_AF_SPEC = 26;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_LINK_NETNSID = 37;
const IFLA_GSO_MAX_SEGS = 40;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_INET_CONF = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
/** Leave the statistics out of the reply: they are most of its bytes. */
const RTEXT_FILTER_SKIP_STATS = 8;

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_NOARP = 0x80;
const IFF_LOWER_UP = 0x10000;

/** Longest interface name (IFNAMSIZ without its NUL). */
export const IFNAME_MAX = 15;

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** Empty when the interface has none. */
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** Up, and so is the far end. */
  readonly carrier: boolean;
  readonly noArp: boolean;
  /** What links are deleted by together; 0 for those that nobody put anywhere. */
  readonly group: number;
  readonly loopback: boolean;
  /** `veth`, `vxlan`, ...; undefined for hardware. */
  readonly kind: string | undefined;
  /** What it is stacked on; of a veth, the far end, in whatever namespace that is. */
  readonly lowerIfindex: number | undefined;
  /** The far end or lower interface is in another namespace. */
  readonly lowerElsewhere: boolean;
  readonly txQueues: number;
  readonly rxQueues: number;
  readonly gsoMaxSegs: number;
  /** Attributes of its kind (IFLA_INFO_DATA); empty when it has none. */
  readonly data: Uint8Array;
}

/** How IPv6 link-local addresses come about on an interface (linux/if_link.h). */
export enum AddrGenMode {
  EUI64 = 0,
  /** None by itself. */
  NONE = 1,
}

/**
 * Parameters under net/ipv4/conf/IFNAME that a link takes with its other properties: the numbers
 * of linux/ip.h (IPV4_DEVCONF_*).
 */
export enum Ipv4Conf {
  FORWARDING = 1,
  PROXY_ARP = 3,
  RP_FILTER = 8,
}

/** One end of a veth pair. */
export interface VethEnd {
  readonly name: string;
  readonly mac: string;
}

export interface VethSpec extends VethEnd {
  readonly mtu: number;
  /** Queues each way of both ends; the kernel's default (its CPUs) when absent. */
  readonly queues?: number;
  /** `netnsFd`: where it is born, so that it is never seen elsewhere; absent: here. */
  readonly peer: VethEnd & { readonly netnsFd?: number };
}

/** What to change; absent fields stay. */
export interface LinkChange {
  readonly up?: boolean;
  readonly noArp?: boolean;
  readonly name?: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly addrGenMode?: AddrGenMode;
  readonly ipv4Conf?: readonly (readonly [Ipv4Conf, number])[];
  readonly group?: number;
  /** Largest super-frame in segments; 1 has the kernel cut all of them. */
  readonly gsoMaxSegs?: number;
  /** Move to the namespace behind this descriptor. */
  readonly netnsFd?: number;
}

function linkHeader(ifindex: number, flags = 0, change = 0): Uint8Array {
  const header = new Uint8Array(IFINFO_SIZE);
  const view = new DataView(header.buffer);
  view.setUint8(0, AF_UNSPEC);
  view.setInt32(4, ifindex, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return header;
}

function decodeLink({ payload }: NetlinkMessage): Link {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const flags = view.getUint32(8, true);
  const attributes = decodeAttributes(payload.subarray(IFINFO_SIZE));
  const info = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? new Uint8Array(0));
  return {
    ifindex: view.getInt32(4, true),
    name: textOf(attributes, IFLA_IFNAME) ?? '',
    mac: formatMac(attributes.get(IFLA_ADDRESS) ?? new Uint8Array(0)),
    mtu: u32Of(attributes, IFLA_MTU) ?? 0,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    noArp: (flags & IFF_NOARP) !== 0,
    group: u32Of(attributes, IFLA_GROUP) ?? 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    kind: textOf(info, IFLA_INFO_KIND),
    lowerIfindex: u32Of(attributes, IFLA_LINK),
    lowerElsewhere: attributes.has(IFLA_LINK_NETNSID),
    txQueues: u32Of(attributes, IFLA_NUM_TX_QUEUES) ?? 1,
    rxQueues: u32Of(attributes, IFLA_NUM_RX_QUEUES) ?? 1,
    gsoMaxSegs: u32Of(attributes, IFLA_GSO_MAX_SEGS) ?? 0,
    data: info.get(IFLA_INFO_DATA) ?? new Uint8Array(0),
  };
}

export function listLinks(rtnl: Rtnl): Link[] {
  const answers = rtnl.dump({
    type: RTM_GETLINK,
    header: linkHeader(0),
    attributes: [u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)],
    asked: 'list links',
  });
  return answers.map(decodeLink);
}

/** The interface of this name or index; undefined when there is none. */
export function findLink(rtnl: Rtnl, which: string | number): Link | undefined {
  const attributes = [u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)];
  if (typeof which === 'string') attributes.push(textAttribute(IFLA_IFNAME, which));
  const header = linkHeader(typeof which === 'number' ? which : 0);
  try {
    const [answer] = rtnl.request({
      type: RTM_GETLINK,
      header,
      attributes,
      asked: `find link ${which}`,
    });
    return answer === undefined ? undefined : decodeLink(answer);
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return undefined;
    throw error;
  }
}

function endAttributes(end: VethEnd, mtu: number, queues: number | undefined): Attribute[] {
  const attributes = [
    textAttribute(IFLA_IFNAME, end.name),
    bytesAttribute(IFLA_ADDRESS, parseMac(end.mac)),
    u32Attribute(IFLA_MTU, mtu),
  ];
  if (queues !== undefined) {
    attributes.push(u32Attribute(IFLA_NUM_TX_QUEUES, queues));
    attributes.push(u32Attribute(IFLA_NUM_RX_QUEUES, queues));
  }
  return attributes;
}

/**
 * Create a veth pair, both ends down.
 *
 * @throws NetlinkError EEXIST when either name is taken
 */
export function createVeth(rtnl: Rtnl, spec: VethSpec): void {
  const { peer, mtu, queues } = spec;
  const peerAttributes = endAttributes(peer, mtu, queues);
  if (peer.netnsFd !== undefined) peerAttributes.push(u32Attribute(IFLA_NET_NS_FD, peer.netnsFd));
  rtnl.request({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: linkHeader(0),
    attributes: [
      ...endAttributes(spec, mtu, queues),
      nestedAttribute(IFLA_LINKINFO, [
        textAttribute(IFLA_INFO_KIND, 'veth'),
        nestedAttribute(IFLA_INFO_DATA, [
          headedAttribute(VETH_INFO_PEER, linkHeader(0), peerAttributes),
        ]),
      ]),
    ],
    asked: `create veth ${spec.name} with peer ${peer.name}, mtu ${mtu}`,
  });
}

function familyAttributes({ addrGenMode, ipv4Conf = [] }: LinkChange): Attribute[] {
  const families: Attribute[] = [];
  if (ipv4Conf.length > 0) {
    const conf = ipv4Conf.map(([key, value]) => u32Attribute(key, value));
    families.push(nestedAttribute(AF_INET, [nestedAttribute(IFLA_INET_CONF, conf)]));
  }
  if (addrGenMode !== undefined) {
    const inet6 = [u8Attribute(IFLA_INET6_ADDR_GEN_MODE, addrGenMode)];
    families.push(nestedAttribute(AF_INET6, inet6));
  }
  return families;
}

/**
 * Create a device of one end, down.
 *
 * @param kind  as `ip link add type` has it
 * @param data  attributes of the kind
 * @throws      NetlinkError EEXIST when the name is taken, or what makes the device unique
 */
export function createLinkOfKind(
  rtnl: Rtnl,
  end: VethEnd & { readonly mtu: number },
  kind: string,
  data: readonly Attribute[],
): void {
  rtnl.request({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: linkHeader(0),
    attributes: [
      ...endAttributes(end, end.mtu, undefined),
      nestedAttribute(IFLA_LINKINFO, [
        textAttribute(IFLA_INFO_KIND, kind),
        nestedAttribute(IFLA_INFO_DATA, data),
      ]),
    ],
    asked: `create ${kind} ${end.name}, mtu ${end.mtu}`,
  });
}

function changeAttributes(change: LinkChange): Attribute[] {
  const attributes: Attribute[] = [];
  const { name, mac, mtu, gsoMaxSegs, group, netnsFd } = change;
  if (name !== undefined) attributes.push(textAttribute(IFLA_IFNAME, name));
  if (mac !== undefined) attributes.push(bytesAttribute(IFLA_ADDRESS, parseMac(mac)));
  if (mtu !== undefined) attributes.push(u32Attribute(IFLA_MTU, mtu));
  if (gsoMaxSegs !== undefined) attributes.push(u32Attribute(IFLA_GSO_MAX_SEGS, gsoMaxSegs));
  if (group !== undefined) attributes.push(u32Attribute(IFLA_GROUP, group));
  const families = familyAttributes(change);
  if (families.length > 0) attributes.push(nestedAttribute(IFLA_AF_SPEC, families));
  if (netnsFd !== undefined) attributes.push(u32Attribute(IFLA_NET_NS_FD, netnsFd));
  return attributes;
}

/** Change an interface in one request. */
export function setLink(rtnl: Asks, ifindex: number, change: LinkChange): void {
  const { up, noArp } = change;
  const mask = (up === undefined ? 0 : IFF_UP) | (noArp === undefined ? 0 : IFF_NOARP);
  const flags = (up === true ? IFF_UP : 0) | (noArp === true ? IFF_NOARP : 0);
  rtnl.request({
    type: RTM_NEWLINK,
    header: linkHeader(ifindex, flags, mask),
    attributes: changeAttributes(change),
    asked: `set link ${ifindex}: ${JSON.stringify(change)}`,
  });
}

/**
 * Delete every link of a group at once, off the calling thread. However many they are, the kernel
 * waits once until nobody looks at them any more, which is most of what a deletion costs.
 *
 * @returns false when the group is empty
 */
export async function deleteLinkGroup(rtnl: Rtnl, group: number): Promise<boolean> {
  try {
    await rtnl.later({
      type: RTM_DELLINK,
      header: linkHeader(0),
      attributes: [u32Attribute(IFLA_GROUP, group)],
      asked: `delete links of group ${group}`,
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return false;
    throw error;
  }
}

/** @throws NetlinkError ENODEV when it is gone already */
export function deleteLink(rtnl: Rtnl, ifindex: number): void {
  rtnl.request({
    type: RTM_DELLINK,
    header: linkHeader(ifindex),
    attributes: [],
    asked: `delete link ${ifindex}`,
  });
}
