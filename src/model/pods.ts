/**
 * Pods, projected: addresses, place, and the network namespace the files source names.
 */
import type { Pod } from 'kubernetes-types/core/v1.js';
import { canonicalAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { objectKey } from './keys.js';
import type { ObjectKey } from './keys.js';

/** Path of the pod's network namespace; a pod of this node that has it gets a link. */
export const NETNS_ANNOTATION = 'sluice.dev/netns';

export interface PodRecord {
  readonly key: ObjectKey;
  readonly nodeName: string | undefined;
  /** At most one address a family. */
  readonly addresses: readonly Address[];
  readonly netns: string | undefined;
  readonly ignored: readonly string[];
}

/**
 * @returns undefined for a pod without a network of its own: on the host's network, or finished
 */
export function projectPod(pod: Pod): PodRecord | undefined {
  const { spec, status } = pod;
  const isFinished = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (spec?.hostNetwork === true || isFinished) return undefined;
  const ignored: string[] = [];
  const addresses: Address[] = [];
  const texts = (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []);
  const all = texts.length > 0 ? texts : [status?.podIP ?? ''].filter((ip) => ip !== '');
  for (const [i, text] of all.entries()) {
    const address = canonicalAddress(text);
    const shown = `podIPs[${i}] ${JSON.stringify(text)}`;
    const isSecond = addresses.some((known) => known.family === address?.family);
    if (address === undefined) ignored.push(`${shown}: no address`);
    else if (isSecond) ignored.push(`${shown}: second IPv${address.family} address`);
    else addresses.push(address);
  }
  return {
    key: objectKey(pod.metadata),
    nodeName: spec?.nodeName,
    addresses,
    netns: pod.metadata?.annotations?.[NETNS_ANNOTATION],
    ignored,
  };
}
