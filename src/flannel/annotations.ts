/**
 * What this node says of itself to flannel's nodes.
 *
 * Spec: flannel-io/flannel, pkg/subnet/kube/annotations.go, pkg/backend/vxlan/vxlan.go
 */
import { formatAddress } from '../addr.js';
import type { Address, Family } from '../addr.js';
import { FLANNEL, backendData } from '../model/vtep.js';

/** This node's end of a tunnel. */
export interface OwnEnd {
  readonly family: Family;
  /** Where others are to send. */
  readonly address: Address;
  readonly mac: Uint8Array;
}

/** @returns annotations of this node's Node object, in a fixed order; none without an end */
export function ownAnnotations(
  vni: number,
  ends: readonly OwnEnd[],
): Readonly<Record<string, string>> {
  if (ends.length === 0) return {};
  const said: [string, string][] = [
    [FLANNEL.SUBNET_MANAGER, 'true'],
    [FLANNEL.BACKEND_TYPE, 'vxlan'],
  ];
  for (const { family, address, mac } of ends) {
    const isV4 = family === 4;
    said.push(
      [isV4 ? FLANNEL.BACKEND_DATA : FLANNEL.BACKEND_V6_DATA, backendData(vni, mac)],
      [isV4 ? FLANNEL.PUBLIC_IP : FLANNEL.PUBLIC_IPV6, formatAddress(address)],
    );
  }
  return Object.fromEntries(said);
}
