/**
 * The namespace of an attachment, told from another that has come to its path: `/proc/PID/ns/net`
 * leads elsewhere once the kernel has given the PID away again.
 */
import { statSync } from 'node:fs';
import { messageOf } from '../errors.js';
import type { StoredAttachment } from './attachment-store.js';
import { identifyNetns } from './own-netns.js';
import type { NetnsIdentity } from './own-netns.js';

function formatIdentity({ dev, ino }: NetnsIdentity): string {
  return `${dev}:${ino}`;
}

/** The record with the identity of the namespace that is at its path now, if there is one. */
export async function withNetnsId(record: StoredAttachment): Promise<StoredAttachment> {
  const found = await identifyNetns(record.netns);
  return found === undefined ? record : { ...record, netnsId: formatIdentity(found) };
}

/**
 * Why the container's namespace is not to be had, in a sentence; undefined: it is there. Of records
 * without its identity, as older agents have left them, whatever is at the path counts as it.
 */
export function lostNetns({
  netns,
  netnsId,
}: Pick<StoredAttachment, 'netns' | 'netnsId'>): string | undefined {
  let found: NetnsIdentity;
  try {
    found = statSync(netns, { bigint: true });
  } catch (error) {
    return `${netns} is gone: ${messageOf(error)}`;
  }
  if (netnsId === undefined || netnsId === formatIdentity(found)) return undefined;
  return `${netns} leads to another network namespace than that of the container by now`;
}
