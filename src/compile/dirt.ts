/**
 * What has to be compiled anew: what the cluster says, and what stands on the surroundings that
 * changed.
 */
import isEqual from 'fast-deep-equal/es6/index.js';
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import type { Cluster, DirtyKey } from '../model/cluster.js';
import { namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import { tunnelsOf, uplinkOf } from './compile.js';
import type { Surroundings } from './compile.js';
import type { Link } from './links.js';
import type { Neighbours } from './routes.js';
import type { ServiceScope } from './services.js';

export interface Dirt {
  add(keys: Iterable<DirtyKey>): void;
  /** The surroundings have become others. */
  surrounded(before: Surroundings, after: Surroundings): void;
  /** @returns everything that is dirty; from here on it is clean */
  take(scope: ServiceScope): DirtyKey[];
}

function podLinks(links: readonly Link[]): Map<ObjectKey, Link> {
  return new Map(links.flatMap((link) => (link.kind === 'pod' ? [[link.pod, link]] : [])));
}

/** Pods whose link came, went or changed. */
function changedPods(before: readonly Link[], after: readonly Link[]): DirtyKey[] {
  const [old, now] = [podLinks(before), podLinks(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((pod) => !isEqual(old.get(pod), now.get(pod)))
    .map((pod) => `pod:${pod}` as const);
}

function withoutPods({ links }: Surroundings): readonly Link[] {
  return links.filter(({ kind }) => kind !== 'pod');
}

function texts(addresses: readonly Address[]): string {
  return addresses.map(formatAddress).join();
}

/** What Services with node ports or source ranges stand on, and host ports. */
function standingOf({ nodePorts, nodeAddresses, globalAddresses }: ServiceScope): string {
  return [nodePorts, nodeAddresses, globalAddresses].map(texts).join(' ');
}

export function createDirt(cluster: Cluster): Dirt {
  const own = namedKey(undefined, cluster.place.nodeName);
  const dirty = new Set<DirtyKey>([`node:${own}`]);
  let standing = '';
  let ownFamilies = '';

  const add = (keys: Iterable<DirtyKey>): void => {
    for (const key of keys) dirty.add(key);
  };

  const peers = (isTouched: (addresses: readonly Address[]) => boolean): DirtyKey[] =>
    [...cluster.nodes]
      .filter(([key, { internalIPs }]) => key !== own && isTouched(internalIPs))
      .map(([key]) => `node:${key}` as const);

  const neighboursChanged = (before: Neighbours, after: Neighbours): void => {
    const changed = new Set(
      [...before.keys(), ...after.keys()].filter(
        (text) => !isEqual(before.get(text), after.get(text)),
      ),
    );
    if (changed.size === 0) return;
    add(peers((addresses) => addresses.some((address) => changed.has(formatAddress(address)))));
  };

  const exposedServices = (): DirtyKey[] =>
    [...cluster.services.values()]
      .filter(
        ({ ports, sourceRanges }) =>
          sourceRanges.length > 0 || ports.some(({ nodePort }) => nodePort !== undefined),
      )
      .map(({ key }) => `service:${key}` as const);

  const hostPorts = (): DirtyKey[] =>
    [...cluster.attachments.values()]
      .filter((attachment) => attachment.hostPorts.length > 0)
      .map(({ key }) => `pod:${key}` as const);

  return {
    add,
    surrounded: (before, after) => {
      add(changedPods(before.links, after.links));
      const isSame =
        isEqual(withoutPods(before), withoutPods(after)) &&
        texts(before.localAddresses) === texts(after.localAddresses) &&
        (before.outside === after.outside || isEqual(before.outside, after.outside));
      if (!isSame) dirty.add(`node:${own}`);
      const isOutwardSame =
        isEqual(uplinkOf(before), uplinkOf(after)) &&
        isEqual(tunnelsOf(before), tunnelsOf(after)) &&
        isEqual(before.overlay, after.overlay);
      if (!isOutwardSame) add(peers(() => true));
      neighboursChanged(before.neighbours, after.neighbours);
      if (before.dns !== after.dns) {
        const services = [before.dns, after.dns].flatMap((dns) => dns?.service ?? []);
        add([`node:${own}`, ...services.map((service) => `service:${service}` as const)]);
      }
    },
    take: (scope) => {
      const families = scope.nodeAddresses.map(({ family }) => family).join();
      if (families !== ownFamilies) add(peers(() => true));
      ownFamilies = families;
      const now = standingOf(scope);
      if (now !== standing) add([...exposedServices(), ...hostPorts()]);
      standing = now;
      const taken = [...dirty];
      dirty.clear();
      return taken;
    },
  };
}
