/**
 * The state of the cluster as this node sees it: a function of the objects, not of their history.
 *
 * Pure: no I/O, no clock, no randomness. `apply` says what a change may have touched; whoever
 * compiles looks at the records.
 */
import { isDeepStrictEqual } from 'node:util';
import type { DeleteEvent, PutEvent } from './events.js';
import { byText, namedKey, objectKey } from './keys.js';
import type { ObjectKey } from './keys.js';
import { projectNode } from './nodes.js';
import type { NodeRecord } from './nodes.js';
import { projectPod } from './pods.js';
import type { PodRecord } from './pods.js';
import type { Place } from './select.js';
import { projectService } from './services.js';
import type { ServiceRecord } from './services.js';
import { projectSlice } from './slices.js';
import type { SliceRecord } from './slices.js';

/** What has to be compiled anew. */
export type DirtyKey = `service:${ObjectKey}` | `node:${ObjectKey}` | `pod:${ObjectKey}`;

export interface Cluster {
  /** Take one change in. @returns what it touched; nothing when nothing changed */
  apply(event: PutEvent | DeleteEvent): DirtyKey[];
  readonly place: Place;
  readonly services: ReadonlyMap<ObjectKey, ServiceRecord>;
  readonly nodes: ReadonlyMap<ObjectKey, NodeRecord>;
  readonly pods: ReadonlyMap<ObjectKey, PodRecord>;
  /** The slices of a service, whether the service is known or not. */
  slicesOf(service: ObjectKey): Iterable<SliceRecord>;
  /** Everything there is to compile, in a fixed order. */
  allKeys(): DirtyKey[];
}

/** Store or drop a record. @returns the old one and whether anything changed */
function replace<T>(records: Map<ObjectKey, T>, key: ObjectKey, next: T | undefined) {
  const old = records.get(key);
  const isSame = isDeepStrictEqual(old, next);
  if (!isSame && next === undefined) records.delete(key);
  if (!isSame && next !== undefined) records.set(key, next);
  return { old, isSame };
}

/** Slices by their own key and by the service they belong to, known or not. */
function createSliceIndex() {
  const slices = new Map<ObjectKey, SliceRecord>();
  const byService = new Map<ObjectKey, Map<ObjectKey, SliceRecord>>();
  const leave = ({ key, service }: SliceRecord): void => {
    const siblings = byService.get(service);
    siblings?.delete(key);
    if (siblings?.size === 0) byService.delete(service);
  };
  const join = (slice: SliceRecord): void => {
    const siblings = byService.get(slice.service) ?? new Map<ObjectKey, SliceRecord>();
    byService.set(slice.service, siblings.set(slice.key, slice));
  };
  return {
    of: (service: ObjectKey): Iterable<SliceRecord> => byService.get(service)?.values() ?? [],
    /** @returns the services that gained, lost or saw a change of the slice */
    set: (key: ObjectKey, next: SliceRecord | undefined): ObjectKey[] => {
      const { old, isSame } = replace(slices, key, next);
      if (isSame) return [];
      if (old) leave(old);
      if (next) join(next);
      return [...new Set([old, next].flatMap((slice) => slice?.service ?? []))];
    },
  };
}

export function createCluster(nodeName: string): Cluster {
  const services = new Map<ObjectKey, ServiceRecord>();
  const slices = createSliceIndex();
  const nodes = new Map<ObjectKey, NodeRecord>();
  const pods = new Map<ObjectKey, PodRecord>();
  const ownKey = namedKey(undefined, nodeName);

  const setService = (key: ObjectKey, next: ServiceRecord | undefined): DirtyKey[] =>
    replace(services, key, next).isSame ? [] : [`service:${key}`];

  const setSlice = (key: ObjectKey, next: SliceRecord | undefined): DirtyKey[] => {
    const owners = slices.set(key, next).filter((owner) => services.has(owner));
    return owners.map((owner) => `service:${owner}` as const);
  };

  const setNode = (key: ObjectKey, next: NodeRecord | undefined): DirtyKey[] => {
    const { old, isSame } = replace(nodes, key, next);
    if (isSame) return [];
    const isMoved = key === ownKey && old?.zone !== next?.zone;
    const all = isMoved ? [...services.keys()].map((service) => `service:${service}` as const) : [];
    return [`node:${key}`, ...all];
  };

  const setPod = (key: ObjectKey, next: PodRecord | undefined): DirtyKey[] => {
    const { old, isSame } = replace(pods, key, next);
    const isHere = old?.nodeName === nodeName || next?.nodeName === nodeName;
    return isSame || !isHere ? [] : [`pod:${key}`];
  };

  const put = (event: PutEvent): DirtyKey[] => {
    const key = objectKey(event.object.metadata);
    switch (event.kind) {
      case 'Service':
        return setService(key, projectService(event.object));
      case 'EndpointSlice':
        return setSlice(key, projectSlice(event.object));
      case 'Node':
        return setNode(key, projectNode(event.object));
      case 'Pod':
        return setPod(key, projectPod(event.object));
    }
  };

  const drop = ({ kind, key }: DeleteEvent): DirtyKey[] => {
    switch (kind) {
      case 'Service':
        return setService(key, undefined);
      case 'EndpointSlice':
        return setSlice(key, undefined);
      case 'Node':
        return setNode(key, undefined);
      case 'Pod':
        return setPod(key, undefined);
    }
  };

  return {
    apply: (event) => (event.type === 'put' ? put(event) : drop(event)),
    get place(): Place {
      return { nodeName, zone: nodes.get(ownKey)?.zone };
    },
    services,
    nodes,
    pods,
    slicesOf: slices.of,
    allKeys: () => {
      const local = [...pods.values()].filter((pod) => pod.nodeName === nodeName);
      return [
        ...[...services.keys()].map((key) => `service:${key}` as const),
        ...[...nodes.keys(), ownKey].map((key) => `node:${key}` as const),
        ...local.map((pod) => `pod:${pod.key}` as const),
      ].sort(byText);
    },
  };
}
