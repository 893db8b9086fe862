/**
 * Taking pod links away without waiting for the kernel.
 *
 * Deleting a veth takes 30 to 60 ms, nearly all of which the kernel waits until nobody can still be
 * looking at it. So a link is first retired, which takes half a millisecond: down, hence without
 * routes, and out of its name, which like its addresses is free from then on. It is deleted in the
 * background; all that were retired while the kernel waited go together, for the price of one.
 *
 * The names of retired links say what they are. What a crash leaves is deleted at the next start.
 */
import { DataplaneError, isErrno, messageOf } from '../errors.js';
import { type Link, deleteLinkGroup, findLink, listLinks, setLink } from './link.js';
import type { Netns } from './netns.js';
import { openRtnl } from './rtnl.js';

/** Links of this group are to be deleted ("Slr"). */
const RETIRED_GROUP = 0x53_6c_72;
const RETIRED_PREFIX = 'slr';
const RETIRED_PATTERN = /^slr[0-9a-f]{8}$/;

export interface PodLinkRetirement {
  /**
   * Make a link unreachable; when this returns, its name and its addresses may be used again.
   *
   * @param name  host side
   * @returns     false when there is none
   * @throws      DataplaneError ERR_KERNEL when the name belongs to another kind of interface
   */
  retire(name: string): boolean;
  /** Resolves when nothing retired is left. */
  drain(): Promise<void>;
  /** `drain`, and no more retiring. */
  close(): Promise<void>;
}

/** Whether a link is retired: nobody's any more, and about to be deleted. */
export function isRetired({ name, kind }: Link): boolean {
  return kind === 'veth' && RETIRED_PATTERN.test(name);
}

/** Links that were retired and are not deleted yet. */
export function listRetired(net: Netns): Link[] {
  return listLinks(net.rtnl).filter(isRetired);
}

function retiredName(ifindex: number): string {
  return `${RETIRED_PREFIX}${ifindex.toString(16).padStart(8, '0')}`;
}

/** @returns false when there is no such link */
function putAway(net: Netns, name: string): boolean {
  const link = findLink(net.rtnl, name);
  if (link === undefined) return false;
  if (link.kind !== 'veth') {
    throw new DataplaneError(
      'ERR_KERNEL',
      `interface ${name} is ${link.kind ?? 'a device'}, expected a veth of Sluice; not retired`,
    );
  }
  const { ifindex } = link;
  try {
    net.rtnl.batch((queue) => {
      setLink(queue, ifindex, { up: false });
      setLink(queue, ifindex, { name: retiredName(ifindex), group: RETIRED_GROUP });
    });
    return true;
  } catch (error) {
    // The namespace of its far end went away at the same moment, and took it along.
    if (isErrno(error, 'ENODEV')) return false;
    throw error;
  }
}

/**
 * Begin with what was left behind, and delete in the background from then on.
 *
 * @param onProblem  told when links could not be deleted; they are tried again with the next
 * @param onGone     told when nothing retired is left
 */
export function retirePodLinks(
  net: Netns,
  onProblem: (problem: Error) => void,
  onGone: () => void = () => undefined,
): PodLinkRetirement {
  // A deletion occupies its socket until it is over.
  const rtnl = openRtnl(net.fd);
  let isDue = false;
  let running: Promise<void> | undefined;

  /** Nothing was retired while the kernel was busy. */
  const isQuiet = (): boolean => !isDue;
  const deleteAll = async (): Promise<void> => {
    while (isDue) {
      isDue = false;
      try {
        await deleteLinkGroup(rtnl, RETIRED_GROUP);
        if (isQuiet()) onGone();
      } catch (error) {
        const message = `cannot delete retired pod links: ${messageOf(error)}`;
        onProblem(new DataplaneError('ERR_KERNEL', message, { cause: error }));
      }
    }
    running = undefined;
  };
  const schedule = (): void => {
    isDue = true;
    running ??= deleteAll();
  };
  const drain = async (): Promise<void> => {
    while (running !== undefined) await running;
  };

  if (listRetired(net).length > 0) schedule();
  return {
    retire: (name) => {
      const isThere = putAway(net, name);
      if (isThere) schedule();
      return isThere;
    },
    drain,
    close: async () => {
      await drain();
      rtnl.close();
    },
  };
}
