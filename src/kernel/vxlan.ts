/**
 * A VXLAN device that learns nothing: who is where is written into its forwarding entries. One
 * device for each family of the packets around; either carries IPv4 and IPv6.
 *
 * Packets around say "don't fragment", so that a narrow path is heard of. Their UDP checksum is 0
 * over IPv4, as RFC 7348 has it and network cards want it, and real over IPv6 (RFC 6936).
 *
 * Spec: linux/if_link.h, linux/if_vxlan.h; RFC 7348
 */
import type { Family } from '../addr.js';
import { parseAddress } from '../addr.js';
import { DataplaneError } from '../errors.js';
import { addAddress, deleteAddress, listAddresses, Scope } from './address.js';
import { wireBytes, wireText } from './inet.js';
import { AddrGenMode, createLinkOfKind, deleteLink, findLink, setLink } from './link.js';
import type { Link } from './link.js';
import { bytesAttribute, decodeAttributes, u32Attribute, u32Of, u8Attribute } from './netlink.js';
import type { Attribute } from './netlink.js';
import type { Netns } from './netns.js';
import { hasIpv6, relaxReversePath } from './sysctl.js';

const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;
const IFLA_VXLAN_UDP_CSUM = 18;
const IFLA_VXLAN_UDP_ZERO_CSUM6_TX = 19;
const IFLA_VXLAN_DF = 29;
const VXLAN_DF_SET = 1;

/** Names of our devices, by the family of the packets around. */
export const VXLAN_NAME: Readonly<Record<Family, string>> = { 4: 'slv4', 6: 'slv6' };

export interface VxlanSpec {
  readonly name: string;
  readonly vni: number;
  /** UDP, of both ends. */
  readonly port: number;
  /** This node's address: the family of the packets around. */
  readonly local: string;
  readonly mac: string;
  readonly mtu: number;
  /** What this node is called beyond it: addresses without a length, at most one a family. */
  readonly addresses: readonly string[];
}

export interface Vxlan {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly mtu: number;
  /** It was there already, and right. */
  readonly adopted: boolean;
}

/** UDP port as netlink has it: network order. */
function portAttribute(port: number): Attribute {
  return bytesAttribute(IFLA_VXLAN_PORT, Uint8Array.of(port >> 8, port & 0xff));
}

function deviceData({ vni, port, local }: VxlanSpec): Attribute[] {
  const address = parseAddress(local);
  const isV4 = address.family === 4;
  return [
    u32Attribute(IFLA_VXLAN_ID, vni),
    bytesAttribute(isV4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, wireBytes(address)),
    portAttribute(port),
    u8Attribute(IFLA_VXLAN_LEARNING, 0),
    u8Attribute(isV4 ? IFLA_VXLAN_UDP_CSUM : IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 0),
    u8Attribute(IFLA_VXLAN_DF, VXLAN_DF_SET),
  ];
}

/** Whether a device is what we would make; what can be changed in place is not looked at. */
function isRight({ kind, data }: Link, { vni, port, local }: VxlanSpec): boolean {
  if (kind !== 'vxlan') return false;
  const found = decodeAttributes(data);
  const address = found.get(IFLA_VXLAN_LOCAL) ?? found.get(IFLA_VXLAN_LOCAL6);
  const portBytes = found.get(IFLA_VXLAN_PORT) ?? [];
  return (
    u32Of(found, IFLA_VXLAN_ID) === vni &&
    ((portBytes[0] ?? 0) << 8) + (portBytes[1] ?? 0) === port &&
    address !== undefined &&
    wireText(address) === local &&
    found.get(IFLA_VXLAN_LEARNING)?.[0] === 0 &&
    found.get(IFLA_VXLAN_DF)?.[0] === VXLAN_DF_SET
  );
}

/** Give the device its addresses, and take away what others, or other times, gave it. */
function setAddresses(net: Netns, ifindex: number, addresses: readonly string[]): void {
  const wanted = new Set(addresses);
  for (const { address, family, prefixLen, scope } of listAddresses(net.rtnl, ifindex)) {
    const isWhole = prefixLen === (family === 4 ? 32 : 128);
    if (isWhole && wanted.delete(address)) continue;
    if (scope === Scope.UNIVERSE) deleteAddress(net.rtnl, ifindex, `${address}/${prefixLen}`);
  }
  for (const address of wanted) addAddress(net.rtnl, ifindex, address);
}

function configure(net: Netns, { ifindex }: Link, spec: VxlanSpec): void {
  const { sysctl, rtnl } = net;
  setLink(rtnl, ifindex, { mac: spec.mac, mtu: spec.mtu, addrGenMode: AddrGenMode.NONE });
  relaxReversePath(sysctl, spec.name);
  sysctl.write(`net/ipv4/conf/${spec.name}/forwarding`, 1);
  if (hasIpv6(sysctl)) {
    sysctl.write(`net/ipv6/conf/${spec.name}/disable_ipv6`, 0);
    sysctl.write(`net/ipv6/conf/${spec.name}/accept_ra`, 0);
    sysctl.write(`net/ipv6/conf/${spec.name}/forwarding`, 1);
  }
  setLink(rtnl, ifindex, { up: true });
  setAddresses(net, ifindex, spec.addresses);
}

/**
 * Create the device, or adopt the one that is there; one of the name that is another is replaced.
 *
 * @throws NetlinkError EEXIST when another device has network and port
 * @throws DataplaneError ERR_KERNEL when the name belongs to something else
 */
export function ensureVxlan(net: Netns, spec: VxlanSpec): Vxlan {
  const found = findLink(net.rtnl, spec.name);
  const adopted = found !== undefined && isRight(found, spec);
  if (!adopted) {
    removeVxlan(net, spec.name);
    createLinkOfKind(net.rtnl, spec, 'vxlan', deviceData(spec));
  }
  const link = adopted ? found : findLink(net.rtnl, spec.name);
  if (link === undefined) {
    throw new DataplaneError('ERR_KERNEL', `tunnel ${spec.name} was removed meanwhile`);
  }
  configure(net, link, spec);
  const { name, mac, mtu } = spec;
  return { name, ifindex: link.ifindex, mac, mtu, adopted };
}

/**
 * Remove a device of ours; its routes and entries go with it.
 *
 * @returns false when there was none
 * @throws  DataplaneError ERR_KERNEL when the name belongs to another kind of interface
 */
export function removeVxlan(net: Netns, name: string): boolean {
  const link = findLink(net.rtnl, name);
  if (link === undefined) return false;
  if (link.kind !== 'vxlan') {
    throw new DataplaneError(
      'ERR_KERNEL',
      `interface ${name} is ${link.kind ?? 'a device'}, expected a vxlan of Sluice; not deleted`,
    );
  }
  deleteLink(net.rtnl, link.ifindex);
  return true;
}
