/**
 * What an address manager is to the CNI verbs: addresses for an attachment, all or none.
 *
 * There are two: addresses of this node's own range (range/), and blocks of pools that all nodes
 * share (blocks/).
 */
import type { Address } from '../addr.js';

/** Who holds an address: an attachment, as CNI names it. Identifiers are unique in one network only. */
export interface Owner {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

/** One text for each owner: an identifier has no slash. */
export function ownerKey({ network, containerId, ifname }: Owner): string {
  return `${network}/${containerId}/${ifname}`;
}

/**
 * Whether owners of a network are among these attachments. Owners in other networks are alive: the
 * list says nothing of them. A lease that names no interface (host-local before 0.7) is alive with
 * any of its container.
 */
export function isAmong(
  network: string,
  attachments: readonly Omit<Owner, 'network'>[],
): (owner: Owner) => boolean {
  const valid = attachments.map(({ containerId, ifname }) =>
    ownerKey({ network, containerId, ifname }),
  );
  const named = new Set(valid);
  const containers = new Set(attachments.map(({ containerId }) => containerId));
  return (owner) =>
    owner.network !== network ||
    named.has(ownerKey(owner)) ||
    (owner.ifname === '' && containers.has(owner.containerId));
}

/** The pod behind an owner, when the runtime says it (CNI_ARGS K8S_POD_*). */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string | undefined;
}

/** Part of a subnet that addresses are taken from; host-local's range. */
export interface AddressRange {
  /** `network/length`. */
  readonly subnet: string;
  readonly rangeStart?: string;
  readonly rangeEnd?: string;
  readonly gateway?: string;
}

export interface AddressRequest {
  readonly owner: Owner;
  readonly pod: PodIdentity | undefined;
  /** Exactly these; empty: any. */
  readonly requested: readonly Address[];
  /**
   * One address of each set, from any of its ranges; of a family that no set has, the manager's
   * own.
   */
  readonly rangeSets: readonly (readonly AddressRange[])[];
  /** Names or CIDRs of the only pools to take from; empty: all that serve the pod. */
  readonly pools: readonly string[];
}

/** An address given out. */
export interface Lease {
  readonly owner: Owner;
  readonly address: Address;
  readonly pod: PodIdentity | undefined;
  /** Wall clock, milliseconds; undefined when an earlier format did not say. */
  readonly sinceMs: number | undefined;
  /**
   * Which giving-out this is: another number when the same owner gets the same address again.
   * Undefined where `sinceMs` tells that.
   */
  readonly seq?: number;
}

/** Why an address is not given. */
export type IpamErrorKind =
  /** No address is free. */
  | 'exhausted'
  /** A requested address belongs to somebody. */
  | 'taken'
  /** A requested address is in no range, or reserved. */
  | 'outside'
  /** The owner has addresses already. */
  | 'duplicate'
  /** The request or the configuration contradicts itself: no retry helps. */
  | 'invalid'
  /** The shared store does not answer: try again later. */
  | 'unavailable';

export class IpamError extends Error {
  override readonly name = 'IpamError';

  constructor(
    readonly kind: IpamErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface Ipam {
  /**
   * Addresses for an attachment, at most one a family. They are durable when this resolves.
   *
   * @throws IpamError; then nothing is held that was not held before
   */
  acquire(request: AddressRequest): Promise<readonly Address[]>;
  /** Give back what an owner holds. @returns what it was; nothing for an unknown owner */
  release(owner: Owner): Promise<readonly Address[]>;
  /** What an owner holds. */
  held(owner: Owner): Promise<readonly Address[]>;
  /** Everything this node has given out. */
  leases(): Promise<readonly Lease[]>;
  /**
   * Why no address could be given now; undefined when one could.
   *
   * @param network  the one to be asked for; undefined: any
   */
  status(network?: string): Promise<string | undefined>;
  /** Free what the manager itself holds open. Leases stay. */
  close(): Promise<void>;
}
