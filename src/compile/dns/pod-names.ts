/**
 * Names of pods by their addresses, for `pods verified`: of an address in a namespace while a pod there
 * has it.
 */
import type { Address } from '../../addr.js';
import type { ObjectKey } from '../../model/keys.js';
import type { NamedPod } from '../../model/named.js';
import { dashed, dashedLabel, isLabel } from './wire-names.js';

/** A name that is to be there with an address, or not to be there. */
export interface PodNameChange {
  /** `10-1-2-3.default.pod` */
  readonly key: string;
  readonly address: Address | undefined;
}

export interface PodNames {
  /** @returns the names of the pod, before and now */
  set(key: ObjectKey, pod: NamedPod | undefined, isShown: boolean): PodNameChange[];
  /** Pods known in a namespace, shown or not. */
  podsOf(namespace: string): Iterable<ObjectKey>;
}

/** As insecure pods have it, too: `fd00--` is `fd00::`, and so is the label without a last dash. */
function namesOf({ namespace, addresses }: NamedPod): Map<string, Address> {
  const names = addresses.flatMap((address) =>
    [dashed(address), dashedLabel(address)].map((label): [string, Address] => [
      `${label}.${namespace}.pod`,
      address,
    ]),
  );
  return new Map(isLabel(namespace) ? names : []);
}

export function createPodNames(): PodNames {
  /** Pods that have a name: several on one host's network. */
  const holders = new Map<string, Set<ObjectKey>>();
  const known = new Map<ObjectKey, ReadonlyMap<string, Address>>();
  const residents = new Map<string, Set<ObjectKey>>();

  const leave = (name: string, pod: ObjectKey): PodNameChange[] => {
    const others = holders.get(name);
    others?.delete(pod);
    if (others !== undefined && others.size > 0) return [];
    holders.delete(name);
    return [{ key: name, address: undefined }];
  };

  const reside = (key: ObjectKey, isHere: boolean): void => {
    const namespace = key.slice(0, Math.max(key.indexOf('/'), 0));
    const pods = residents.get(namespace) ?? new Set<ObjectKey>();
    if (isHere) pods.add(key);
    else pods.delete(key);
    if (pods.size > 0) residents.set(namespace, pods);
    else residents.delete(namespace);
  };

  return {
    set: (key, pod, isShown) => {
      reside(key, pod !== undefined);
      const before = known.get(key) ?? new Map<string, Address>();
      const after = pod && isShown ? namesOf(pod) : new Map<string, Address>();
      if (after.size > 0) known.set(key, after);
      else known.delete(key);
      const gone = [...before.keys()].filter((name) => !after.has(name));
      const changes = gone.flatMap((name) => leave(name, key));
      for (const [name, address] of after) {
        holders.set(name, (holders.get(name) ?? new Set<ObjectKey>()).add(key));
        changes.push({ key: name, address });
      }
      return changes;
    },
    podsOf: (namespace) => residents.get(namespace) ?? [],
  };
}
