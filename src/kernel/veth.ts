/**
 * Finding, retiring and tuning veth pairs: what the trunk and the pod links have in common.
 */
import { DataplaneError, isErrno } from '../errors.js';
import { ethtoolGet, ethtoolSet } from '../native.js';
import { type Link, deleteLink, findLink } from './link.js';
import type { Rtnl } from './rtnl.js';

/** Whether each is the far end of the other. Interface indices repeat between namespaces. */
export function arePeers(a: Link, b: Link): boolean {
  return (
    a.kind === 'veth' &&
    b.kind === 'veth' &&
    a.lowerIfindex === b.ifindex &&
    b.lowerIfindex === a.ifindex
  );
}

/**
 * Delete a veth and with it its far end.
 *
 * @returns false when there was none
 * @throws  DataplaneError ERR_KERNEL when the name belongs to another kind of interface, which
 *          is not ours to delete
 */
export function deleteVeth(rtnl: Rtnl, name: string): boolean {
  const link = findLink(rtnl, name);
  if (link === undefined) return false;
  if (link.kind !== 'veth') {
    throw new DataplaneError(
      'ERR_KERNEL',
      `interface ${name} is ${link.kind ?? 'a device'}, expected a veth of Sluice; not deleted`,
    );
  }
  try {
    deleteLink(rtnl, link.ifindex);
    return true;
  } catch (error) {
    // Its far end, or the namespace of that, went away at the same moment.
    if (isErrno(error, 'ENODEV')) return false;
    throw error;
  }
}

// linux/ethtool.h
const ETHTOOL_GGRO = 0x2b;
const ETHTOOL_SGRO = 0x2c;

/**
 * Have an end of a veth take what an XDP program redirects to the other end. That arrives by NAPI,
 * which a veth has only with a program of its own or with GRO; without, it is dropped unheard.
 */
export function receiveFromXdp(netnsFd: number, ifname: string): void {
  if (ethtoolGet(netnsFd, ifname, ETHTOOL_GGRO) !== 1) {
    ethtoolSet(netnsFd, ifname, ETHTOOL_SGRO, 1);
  }
}
