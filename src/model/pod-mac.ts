/** MAC addresses of the links of pods: ours is the same everywhere, a pod's follows from its name. */
import {
  GATEWAY_MAC_0,
  GATEWAY_MAC_1,
  GATEWAY_MAC_2,
  GATEWAY_MAC_3,
  GATEWAY_MAC_4,
  GATEWAY_MAC_5,
} from '../../assembly/abi.js';
import { formatMac } from '../addr.js';
import { sha256 } from '../sha256.js';

export const GATEWAY_MAC = formatMac(
  Uint8Array.of(
    GATEWAY_MAC_0,
    GATEWAY_MAC_1,
    GATEWAY_MAC_2,
    GATEWAY_MAC_3,
    GATEWAY_MAC_4,
    GATEWAY_MAC_5,
  ),
);

/** Locally administered, unicast, and never the 02:53 of a stamp. */
const POD_MAC_0 = 0x0a;

export interface PodKey {
  readonly namespace: string;
  readonly name: string;
}

/** SHA-256 of what a link is named after. */
export function linkHash(...parts: readonly string[]): Uint8Array {
  return sha256(parts.join('/'));
}

/** From bytes of the hash that the link's name does not use. */
export function macOfHash(digest: Uint8Array): string {
  return formatMac(Uint8Array.of(POD_MAC_0, ...digest.subarray(8, 13)));
}

/** MAC of the pod side, which nobody wished otherwise. */
export function podMac({ namespace, name }: PodKey): string {
  return macOfHash(linkHash(namespace, name));
}
