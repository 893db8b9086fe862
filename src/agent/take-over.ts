/**
 * Taking over what an earlier agent had attached, until it is done: what the kernel refuses at one
 * moment it may allow at the next, and a pod that was not taken over is served by nobody.
 */
import type { StoredAttachment } from '../cni/attachment-store.js';
import { messageOf } from '../errors.js';
import type { Owner } from '../ipam/ipam.js';
import type { Log } from '../log.js';
import { attachmentKey } from '../model/attachments.js';
import type { ObjectKey } from '../model/keys.js';

/** From a failure to the next try: at first, and at most. */
const FIRST_MS = 1_000;
const MAX_MS = 60_000;

export interface TakeOverParts {
  /** Make or adopt the link, and tell the control plane. @throws what may be tried again */
  readonly link: (attachment: StoredAttachment) => void;
  /** Why there is nothing left to take over, in a sentence; undefined: there is. */
  readonly isVoid: (attachment: StoredAttachment) => string | undefined;
  /** Ask for a pass, which looks. */
  readonly again: () => void;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface TakeOver {
  /** Try each of them once. */
  begin(attachments: readonly StoredAttachment[]): void;
  /** Try those again that failed long enough ago; cheap when there are none. */
  look(): void;
  /** It is detached. */
  forget(owner: Owner): void;
  close(): void;
}

interface Waiting {
  readonly attachment: StoredAttachment;
  readonly dueMs: number;
  readonly pauseMs: number;
  /** What was said of it last. */
  readonly said: string;
}

export function createTakeOver({ link, isVoid, again, nowMs, log }: TakeOverParts): TakeOver {
  const waiting = new Map<ObjectKey, Waiting>();
  let timer: NodeJS.Timeout | undefined;

  /** Ask for the pass that finds the next of them due. */
  const arm = (): void => {
    clearTimeout(timer);
    if (waiting.size === 0) return;
    const nextMs = Math.min(...[...waiting.values()].map(({ dueMs }) => dueMs));
    // The process is kept alive by others.
    timer = setTimeout(again, Math.max(0, nextMs - nowMs())).unref();
  };

  const attempt = (attachment: StoredAttachment, before?: Waiting): void => {
    const { network, containerId, ifname } = attachment;
    const what = { network, containerId, ifname };
    const key = attachmentKey(attachment);
    waiting.delete(key);
    const gone = isVoid(attachment);
    if (gone !== undefined) {
      log.warn(what, `${gone}: the attachment waits for its DEL`);
      return;
    }
    try {
      link(attachment);
      if (before) log.info(what, 'the attachment is taken over now');
    } catch (error) {
      const said = messageOf(error);
      if (said !== before?.said) {
        log.error(what, `an attachment could not be taken over, and is tried again: ${said}`);
      }
      const pauseMs = before ? Math.min(MAX_MS, before.pauseMs * 2) : FIRST_MS;
      waiting.set(key, { attachment, said, pauseMs, dueMs: nowMs() + pauseMs });
    }
  };

  return {
    begin: (attachments) => {
      for (const attachment of attachments) attempt(attachment);
      arm();
    },
    look: () => {
      if (waiting.size === 0) return;
      const due = [...waiting.values()].filter(({ dueMs }) => dueMs <= nowMs());
      for (const one of due) attempt(one.attachment, one);
      arm();
    },
    forget: (owner) => void waiting.delete(attachmentKey(owner)),
    close: () => {
      clearTimeout(timer);
    },
  };
}
