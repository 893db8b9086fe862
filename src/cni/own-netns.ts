/**
 * The guard of the node's own network: a runtime that names the agent's own network namespace
 * would have it taken for a pod, and taken apart with it.
 */
import { stat } from 'node:fs/promises';
import { CNI_CODE, CniError } from './errors.js';
import type { CniRequest } from './request.js';

/** What identifies a namespace (namespaces(7), "The /proc/pid/ns/ directory"). */
export interface NetnsIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** @returns undefined when there is none at that path */
export async function identifyNetns(path: string): Promise<NetnsIdentity | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return { dev, ino };
  } catch {
    // Gone, or not to be looked at: whoever opens it says so.
    return undefined;
  }
}

/** The namespace this process is in. */
export function identifyOwnNetns(): Promise<NetnsIdentity | undefined> {
  return identifyNetns('/proc/self/ns/net');
}

/**
 * Refuse to work on the agent's own namespace, before anything is done.
 *
 * @throws CniError 8
 */
export async function guardNetns({ verb, netns, netnsOverride }: CniRequest): Promise<void> {
  if (netns === undefined || netnsOverride || (verb !== 'ADD' && verb !== 'DEL')) return;
  const [own, wanted] = await Promise.all([identifyOwnNetns(), identifyNetns(netns)]);
  if (own === undefined || own.dev !== wanted?.dev || own.ino !== wanted.ino) return;
  const expectation = "expected another network namespace than the plugin's own";
  const message = `CNI_NETNS: ${JSON.stringify(netns)}: ${expectation}`;
  throw new CniError(CNI_CODE.INVALID_NETNS, message);
}
