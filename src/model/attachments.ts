/**
 * Attachments: interfaces of containers that a runtime had made, by CNI. A pod may have several, and
 * its Pod object, if there is one, may say less and later.
 */
import type { Address } from '../addr.js';
import type { ObjectKey } from './keys.js';
import type { Protocol } from './services.js';

/** What CNI calls an attachment; container identifiers are unique within a network only. */
export interface AttachmentName {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

/** A port of the node that leads to one of the pod. */
export interface HostPort {
  readonly protocol: Protocol;
  readonly hostPort: number;
  readonly containerPort: number;
  /** The only address of the node it is on; undefined: all, with 127.0.0.1. */
  readonly hostIP: Address | undefined;
}

export interface AttachmentRecord {
  readonly key: ObjectKey;
  readonly name: AttachmentName;
  /** Of the Pod object, when the runtime has said it. */
  readonly pod: ObjectKey | undefined;
  /** At most one address a family. */
  readonly addresses: readonly Address[];
  readonly hostPorts: readonly HostPort[];
  /** A qdisc on the host's side limits what the pod receives: packets have to pass it. */
  readonly isShaped: boolean;
}

/** Never the key of an object of the API: those have no colon. */
export function attachmentKey({ network, containerId, ifname }: AttachmentName): ObjectKey {
  return `cni:${network}/${containerId}/${ifname}` as ObjectKey;
}
