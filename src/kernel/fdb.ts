/**
 * Forwarding entries of a tunnel device over rtnetlink: which node has which MAC address beyond it.
 * Neighbours of the bridge family (ndmsg in neighbour.ts), kept by the device itself.
 *
 * Spec: man 8 bridge (fdb ... self permanent); linux/neighbour.h
 */
import { formatMac, parseAddress, parseMac } from '../addr.js';
import { wireBytes, wireText } from './inet.js';
import {
  NLM_F_CREATE,
  NLM_F_REPLACE,
  bytesAttribute,
  decodeAttributes,
  u32Attribute,
} from './netlink.js';
import {
  NDA_DST,
  NDA_LLADDR,
  NDMSG_SIZE,
  NUD_PERMANENT,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
  neighbourHeader,
} from './neighbour.js';
import type { NetlinkMessage } from './netlink.js';
import type { Rtnl } from './rtnl.js';
import { isErrno } from '../errors.js';

const AF_BRIDGE = 7;
const NDA_MASTER = 9;
const NDA_IFINDEX = 8;
/** The device's own table, not that of a bridge it is in. */
const NTF_SELF = 0x02;

export interface FdbEntry {
  readonly ifindex: number;
  readonly mac: string;
  /** Address of the node whose it is. */
  readonly remote: string;
}

function ask(rtnl: Rtnl, type: number, entry: FdbEntry, verb: string): void {
  const flags = type === RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0;
  rtnl.request({
    type,
    flags,
    header: neighbourHeader(AF_BRIDGE, entry.ifindex, NUD_PERMANENT, NTF_SELF),
    attributes: [
      bytesAttribute(NDA_DST, wireBytes(parseAddress(entry.remote))),
      bytesAttribute(NDA_LLADDR, parseMac(entry.mac)),
    ],
    asked: `${verb} forwarding entry ${JSON.stringify(entry)}`,
  });
}

/** Add an entry, in the place of what there is for the MAC address. */
export function replaceFdbEntry(rtnl: Rtnl, entry: FdbEntry): void {
  ask(rtnl, RTM_NEWNEIGH, entry, 'set');
}

/** @returns false when there was none */
export function deleteFdbEntry(rtnl: Rtnl, entry: FdbEntry): boolean {
  try {
    ask(rtnl, RTM_DELNEIGH, entry, 'delete');
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function decode({ payload }: NetlinkMessage): FdbEntry | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload.subarray(NDMSG_SIZE));
  const remote = attributes.get(NDA_DST);
  const mac = attributes.get(NDA_LLADDR);
  if (remote === undefined || mac === undefined || attributes.has(NDA_MASTER)) return undefined;
  return { ifindex: view.getInt32(4, true), mac: formatMac(mac), remote: wireText(remote) };
}

/** Entries of one device that lead to a node. */
export function listFdb(rtnl: Rtnl, ifindex: number): FdbEntry[] {
  const answers = rtnl.dump({
    type: RTM_GETNEIGH,
    header: neighbourHeader(AF_BRIDGE, 0, 0, 0),
    attributes: [u32Attribute(NDA_IFINDEX, ifindex)],
    asked: 'list forwarding entries',
  });
  return answers.flatMap((answer) => {
    const entry = decode(answer);
    return entry?.ifindex === ifindex ? [entry] : [];
  });
}
