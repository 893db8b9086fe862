/**
 * Addresses of interfaces over rtnetlink.
 *
 *   ifaddrmsg (linux/if_addr.h)
 *   0        1           2       3       4         8
 *   +--------+-----------+-------+-------+---------+
 *   | family | prefixLen | flags | scope | ifindex |
 *   +--------+-----------+-------+-------+---------+
 */
import { AF_UNSPEC, familyNumber, parseInterfaceAddress, wireBytes, wireText } from './inet.js';
import {
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  bytesAttribute,
  decodeAttributes,
  u32Attribute,
  u32Of,
} from './netlink.js';
import type { Asks, Rtnl } from './rtnl.js';

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

const IFADDR_SIZE = 8;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;

/** Do not ask the link first whether somebody else has the address (RFC 4862 5.4). */
const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;

/** How far an address or the target of a route is good for (linux/rtnetlink.h). */
export enum Scope {
  UNIVERSE = 0,
  LINK = 253,
  HOST = 254,
  /** In a deletion: any. */
  NOWHERE = 255,
}

export interface LinkAddress {
  readonly ifindex: number;
  readonly family: 4 | 6;
  /** Without its length. */
  readonly address: string;
  readonly prefixLen: number;
  readonly scope: number;
  /** Usable: not waiting for duplicate address detection, nor refused by it. */
  readonly usable: boolean;
}

function addressHeader(family: number, prefixLen: number, ifindex: number): Uint8Array {
  const header = new Uint8Array(IFADDR_SIZE);
  const view = new DataView(header.buffer);
  view.setUint8(0, family);
  view.setUint8(1, prefixLen);
  view.setUint32(4, ifindex, true);
  return header;
}

function decodeAddress({ payload }: NetlinkMessage): LinkAddress {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload.subarray(IFADDR_SIZE));
  // On a point-to-point link IFA_ADDRESS is the far end and IFA_LOCAL ours.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? new Uint8Array(4);
  const flags = u32Of(attributes, IFA_FLAGS) ?? view.getUint8(2);
  return {
    ifindex: view.getUint32(4, true),
    family: bytes.length === 4 ? 4 : 6,
    address: wireText(bytes),
    prefixLen: view.getUint8(1),
    scope: view.getUint8(3),
    usable: (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0,
  };
}

/** Addresses of one interface, or of all. */
export function listAddresses(rtnl: Rtnl, ifindex?: number): LinkAddress[] {
  const answers = rtnl.dump({
    type: RTM_GETADDR,
    header: addressHeader(AF_UNSPEC, 0, 0),
    attributes: [],
    asked: 'list addresses',
  });
  const all = answers.map(decodeAddress);
  return ifindex === undefined ? all : all.filter((address) => address.ifindex === ifindex);
}

/**
 * Give an interface an address, usable at once (no duplicate address detection).
 *
 * @param text  `address/length`; the interface has the address itself, not its network
 * @throws      NetlinkError EEXIST when the interface has it already
 */
export function addAddress(rtnl: Asks, ifindex: number, text: string): void {
  put(rtnl, ifindex, text, NLM_F_EXCL);
}

/** As `addAddress`; one that is there already stays. */
export function ensureAddress(rtnl: Asks, ifindex: number, text: string): void {
  put(rtnl, ifindex, text, NLM_F_REPLACE);
}

function put(rtnl: Asks, ifindex: number, text: string, mode: number): void {
  const { address, prefixLen } = parseInterfaceAddress(text);
  const bytes = wireBytes(address);
  rtnl.request({
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | mode,
    header: addressHeader(familyNumber(address.family), prefixLen, ifindex),
    attributes: [
      bytesAttribute(IFA_LOCAL, bytes),
      bytesAttribute(IFA_ADDRESS, bytes),
      ...(address.family === 6 ? [u32Attribute(IFA_FLAGS, IFA_F_NODAD)] : []),
    ],
    asked: `add address ${text} to link ${ifindex}`,
  });
}

/** @throws NetlinkError EADDRNOTAVAIL when the interface does not have it */
export function deleteAddress(rtnl: Rtnl, ifindex: number, text: string): void {
  const { address, prefixLen } = parseInterfaceAddress(text);
  rtnl.request({
    type: RTM_DELADDR,
    header: addressHeader(familyNumber(address.family), prefixLen, ifindex),
    attributes: [bytesAttribute(IFA_LOCAL, wireBytes(address))],
    asked: `delete address ${text} from link ${ifindex}`,
  });
}
