/**
 * Finding and retiring veth pairs by name: what the trunk and the pod links have in common.
 */
import { DataplaneError } from '../errors.js';
import { type Link, deleteLink, findLink } from './link.js';
import { isErrno } from './netlink.js';
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
