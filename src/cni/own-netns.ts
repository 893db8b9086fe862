/**
 * The guard of the node's own network: a runtime that names the agent's own network namespace
 * would have it taken for a pod, and taken apart with it.
 */
import { stat, statfs } from 'node:fs/promises';
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

/** NSFS_MAGIC of linux/magic.h. */
const NSFS = 0x6e736673;

function refuse(code: number, netns: string, expectation: string): never {
  throw new CniError(code, `CNI_NETNS: ${JSON.stringify(netns)}: ${expectation}`);
}

async function isNamespace(path: string): Promise<boolean> {
  try {
    return (await statfs(path)).type === NSFS;
  } catch {
    // As above.
    return true;
  }
}

/**
 * Refuse to work on the agent's own namespace, or on what is none, before anything is done. A DEL has
 * something to release whatever is at the path by now.
 *
 * @throws CniError 4, 8
 */
export async function guardNetns({ verb, netns, netnsOverride }: CniRequest): Promise<void> {
  if (netns === undefined || netnsOverride || (verb !== 'ADD' && verb !== 'DEL')) return;
  const [own, wanted] = await Promise.all([identifyOwnNetns(), identifyNetns(netns)]);
  if (own !== undefined && own.dev === wanted?.dev && own.ino === wanted.ino) {
    const expectation = "expected another network namespace than the plugin's own";
    refuse(CNI_CODE.INVALID_NETNS, netns, expectation);
  }
  if (verb === 'ADD' && wanted !== undefined && !(await isNamespace(netns))) {
    refuse(CNI_CODE.INVALID_ENVIRONMENT, netns, 'expected a network namespace');
  }
}
