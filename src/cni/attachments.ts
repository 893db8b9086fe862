/** Links and rows of attachments, as the verbs ask for them. */
import type { Owner } from '../ipam/ipam.js';
import type { StoredAttachment } from './attachment-store.js';

/** The link of an attachment, once it is made. */
export interface AttachedLink {
  /** Host side. */
  readonly hostIfname: string;
  readonly ownMac: string;
  /** The container's. */
  readonly mac: string;
  readonly gateways: Readonly<Record<4 | 6, string>>;
}

/** Links and rows: what the agent does with the kernel and the lane. */
export interface Attachments {
  /** Make the link and program it; undone when it rejects. Again: nothing changes. */
  attach(attachment: StoredAttachment): Promise<AttachedLink>;
  /** Its packets stop, its rows and its link go; no error when there is nothing. */
  detach(owner: Owner): Promise<void>;
  /** What is missing or different, in a sentence; undefined: nothing. Changes nothing. */
  check(attachment: StoredAttachment): string | undefined;
  /** Why a host port cannot be had, in a sentence; undefined: it can. */
  conflict(attachment: StoredAttachment): string | undefined;
}
