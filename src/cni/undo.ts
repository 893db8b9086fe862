/** Taking an attachment back: rows and link, addresses, record. What is not there is no error. */
import { messageOf } from '../errors.js';
import type { Ipam, Owner } from '../ipam/ipam.js';
import type { Log } from '../log.js';
import type { AttachmentStore } from './attachment-store.js';
import type { Attachments } from './attachments.js';
import { delegateOf, recordedCall } from './delegated.js';
import type { AskDelegate } from './delegated.js';
import { CniError, isRetryable } from './errors.js';
import type { CniRequest } from './request.js';

/**
 * To be called in the turn of the attachment.
 *
 * @param request  the DEL, or the ADD that has failed; without one the record has to do
 * @throws CniError, IpamError; then the record stays, and it can be tried again
 */
export type Undo = (owner: Owner, request?: CniRequest) => Promise<void>;

export interface UndoPorts {
  readonly attachments: Pick<Attachments, 'detach'>;
  readonly ipam: Pick<Ipam, 'release'>;
  readonly store: AttachmentStore;
  readonly askDelegate: AskDelegate;
  readonly log: Log;
}

export function createUndo({ attachments, ipam, store, askDelegate, log }: UndoPorts): Undo {
  const giveBack = async (owner: Owner, request: CniRequest | undefined): Promise<void> => {
    const named = request && delegateOf(request);
    if (request !== undefined && named !== undefined) {
      await askDelegate(named, 'DEL', request);
      return;
    }
    const known = store.find(owner);
    const recorded = known && recordedCall(known);
    if (recorded) await askDelegate(recorded.type, 'DEL', recorded.call);
  };

  return async (owner, request) => {
    await attachments.detach(owner);
    try {
      await giveBack(owner, request);
    } catch (error) {
      // A plugin that is not there, or does not speak the version, has given nothing to an ADD that
      // never succeeded, and will not take it back either.
      const isGiven = store.find(owner)?.isPending === false;
      if (isGiven || !(error instanceof CniError) || isRetryable(error.code)) throw error;
      log.warn({ ...owner }, `${messageOf(error)}; it has nothing to give back`);
    }
    await ipam.release(owner);
    await store.remove(owner);
  };
}
