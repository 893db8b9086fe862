/**
 * Neighbours (ARP and NDP entries) over rtnetlink.
 *
 *   ndmsg (linux/neighbour.h)
 *   0        1     4         8       10      11     12
 *   +--------+-----+---------+-------+-------+------+
 *   | family | pad | ifindex | state | flags | type |
 *   +--------+-----+---------+-------+-------+------+
 */
import { formatMac, parseAddress, parseMac } from '../addr.js';
import { AF_UNSPEC, familyNumber, wireBytes, wireText } from './inet.js';
import {
  type Attribute,
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  bytesAttribute,
  decodeAttributes,
} from './netlink.js';
import type { Asks, Rtnl } from './rtnl.js';

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

export const NDMSG_SIZE = 12;
export const NDA_DST = 1;
export const NDA_LLADDR = 2;
const NUD_NONE = 0;
const NUD_REACHABLE = 0x02;
const NUD_STALE = 0x04;
const NUD_DELAY = 0x08;
const NUD_PROBE = 0x10;
const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
/** The MAC address is good, or was a moment ago and is being asked for again. */
const NUD_VALID = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
/** Somebody sends there: ask if need be. */
const NTF_USE = 0x01;
/** Answer for this address in the name of somebody else. */
const NTF_PROXY = 0x08;

export interface Neighbour {
  readonly ifindex: number;
  readonly address: string;
  /** Empty for a proxy entry and for one not resolved yet. */
  readonly mac: string;
  readonly permanent: boolean;
  readonly proxy: boolean;
  /** It has a MAC address that may be sent to. */
  readonly valid: boolean;
  /** Valid, but not confirmed for a while: the next use asks. */
  readonly stale: boolean;
}

/** An ndmsg (linux/neighbour.h), also of forwarding entries. */
export function neighbourHeader(
  family: number,
  ifindex: number,
  state: number,
  flags: number,
): Uint8Array {
  const header = new Uint8Array(NDMSG_SIZE);
  const view = new DataView(header.buffer);
  view.setUint8(0, family);
  view.setInt32(4, ifindex, true);
  view.setUint16(8, state, true);
  view.setUint8(10, flags);
  return header;
}

/** Which entry: the address on an interface; with `mac` a permanent one, without a proxy. */
export interface NeighbourSpec {
  readonly ifindex: number;
  readonly address: string;
  readonly mac?: string;
}

function ask(rtnl: Asks, type: number, spec: NeighbourSpec, verb: string): void {
  const address = parseAddress(spec.address);
  const family = familyNumber(address.family);
  const attributes: Attribute[] = [bytesAttribute(NDA_DST, wireBytes(address))];
  if (spec.mac !== undefined) attributes.push(bytesAttribute(NDA_LLADDR, parseMac(spec.mac)));
  const header =
    spec.mac === undefined
      ? neighbourHeader(family, spec.ifindex, NUD_NONE, NTF_PROXY)
      : neighbourHeader(family, spec.ifindex, NUD_PERMANENT, 0);
  const flags = type === RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0;
  rtnl.request({ type, flags, header, attributes, asked: `${verb} ${JSON.stringify(spec)}` });
}

/** Add or overwrite an entry. */
export function replaceNeighbour(rtnl: Asks, spec: NeighbourSpec): void {
  ask(rtnl, RTM_NEWNEIGH, spec, 'set neighbour');
}

/** @throws NetlinkError ENOENT when there is none */
export function deleteNeighbour(rtnl: Rtnl, spec: NeighbourSpec): void {
  ask(rtnl, RTM_DELNEIGH, spec, 'delete neighbour');
}

/**
 * Have the kernel find out, or confirm, the MAC address of a neighbour. It asks on its own time;
 * the answer is in a later listing.
 */
export function useNeighbour(
  rtnl: Rtnl,
  spec: { readonly ifindex: number; readonly address: string },
): void {
  const address = parseAddress(spec.address);
  rtnl.request({
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE,
    header: neighbourHeader(familyNumber(address.family), spec.ifindex, NUD_NONE, NTF_USE),
    attributes: [bytesAttribute(NDA_DST, wireBytes(address))],
    asked: `resolve neighbour ${JSON.stringify(spec)}`,
  });
}

function decodeNeighbour({ payload }: NetlinkMessage): Neighbour {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload.subarray(NDMSG_SIZE));
  const state = view.getUint16(8, true);
  return {
    ifindex: view.getInt32(4, true),
    address: wireText(attributes.get(NDA_DST) ?? new Uint8Array(4)),
    mac: formatMac(attributes.get(NDA_LLADDR) ?? new Uint8Array(0)),
    permanent: (state & NUD_PERMANENT) !== 0,
    proxy: (view.getUint8(10) & NTF_PROXY) !== 0,
    valid: (state & NUD_VALID) !== 0,
    stale: (state & NUD_STALE) !== 0,
  };
}

/** Entries of one interface, or of all; the proxy entries are a list of their own. */
export function listNeighbours(
  rtnl: Rtnl,
  which: { readonly ifindex?: number; readonly proxy?: boolean } = {},
): Neighbour[] {
  const answers = rtnl.dump({
    type: RTM_GETNEIGH,
    header: neighbourHeader(AF_UNSPEC, 0, 0, which.proxy === true ? NTF_PROXY : 0),
    attributes: [],
    asked: 'list neighbours',
  });
  const all = answers.map(decodeNeighbour);
  return all.filter(({ ifindex }) => which.ifindex === undefined || ifindex === which.ifindex);
}
