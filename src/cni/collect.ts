/**
 * GC: everything of a network that is not in the list of what is valid.
 *
 * The list is older than the request: an ADD under way is not in it and goes on. What was made
 * again since the request came is not what the list is about.
 */
import { messageOf } from '../errors.js';
import { isAmong, ownerKey } from '../ipam/ipam.js';
import type { Ipam, Owner } from '../ipam/ipam.js';
import type { Log } from '../log.js';
import type { Turns } from '../turns.js';
import type { AttachmentStore } from './attachment-store.js';
import { delegateOf } from './delegated.js';
import type { AskDelegate } from './delegated.js';
import { CNI_CODE, CniError } from './errors.js';
import type { CniRequest } from './request.js';
import type { Undo } from './undo.js';

export interface CollectPorts {
  readonly ipam: Ipam;
  readonly store: AttachmentStore;
  readonly turns: Turns;
  readonly undo: Undo;
  readonly askDelegate: AskDelegate;
  readonly log: Log;
}

/** Who is to go, and what its record was when the request came. */
async function staleOwners({ conf }: CniRequest, { ipam, store, turns }: CollectPorts) {
  const isValid = isAmong(conf.name, conf.validAttachments ?? []);
  const isStale = (owner: Owner): boolean => !isValid(owner);
  const isIdle = (owner: Owner): boolean => !turns.isTaken(ownerKey(owner));
  const records = store.all().filter((record) => isStale(record) && isIdle(record));
  const leases = await ipam.leases();
  const bare = leases
    .map(({ owner }) => owner)
    .filter((owner) => isStale(owner) && store.find(owner) === undefined);
  return [
    ...records.map((seen) => ({ owner: seen, seen })),
    ...bare.map((owner) => ({ owner, seen: undefined })),
  ];
}

/** Goes on after an error. @throws CniError 11 in the end */
export async function collect(request: CniRequest, ports: CollectPorts): Promise<void> {
  const { store, turns, undo, askDelegate, log } = ports;
  const problems: string[] = [];
  for (const { owner, seen } of await staleOwners(request, ports)) {
    const { network, containerId, ifname } = owner;
    const name = { network, containerId, ifname };
    try {
      await turns.take(ownerKey(owner), async () => {
        if (store.find(owner) !== seen) return;
        await undo(name);
        log.info(name, 'garbage collected');
      });
    } catch (error) {
      problems.push(`${containerId} ${ifname}: ${messageOf(error)}`);
    }
  }
  const delegate = delegateOf(request);
  if (delegate !== undefined) {
    const failed = (error: unknown): void => void problems.push(messageOf(error));
    await askDelegate(delegate, 'GC', request).catch(failed);
  }
  if (problems.length === 0) return;
  const what = 'not everything could be collected';
  throw new CniError(CNI_CODE.TRY_AGAIN, what, problems.join('; '));
}
