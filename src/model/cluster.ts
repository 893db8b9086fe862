/**
 * The state of the cluster as this node sees it: a function of the objects, not of their history.
 *
 * Pure: no I/O, no clock, no randomness. `apply` says what a change may have touched; whoever
 * compiles looks at the records.
 */
import type { Namespace, Pod, Service } from 'kubernetes-types/core/v1.js';
import type { AttachmentRecord } from './attachments.js';
import type { DeleteEvent, PutEvent } from './events.js';
import type { IgnoredPart } from './ignored.js';
import { competes } from './host-ports.js';
import { byText, namedKey, objectKey } from './keys.js';
import type { ObjectKey } from './keys.js';
import { createNamed } from './named.js';
import type { NameKey, Named } from './named.js';
import { projectNode } from './nodes.js';
import type { NodeRecord } from './nodes.js';
import { projectPod } from './pods.js';
import type { PodRecord } from './pods.js';
import { isSame as sameRecords } from './same.js';
import type { Place } from './select.js';
import { projectService } from './services.js';
import type { ServiceRecord } from './services.js';
import { projectSlice } from './slices.js';
import type { SliceRecord } from './slices.js';

/** What has to be compiled anew. */
export type DirtyKey = `service:${ObjectKey}` | `node:${ObjectKey}` | `pod:${ObjectKey}`;

/** What an event has changed; nothing when the object says the same as before. */
export interface Change {
  readonly dirty: readonly DirtyKey[];
  /** What names have to be made anew of. */
  readonly names: readonly NameKey[];
  /** What cannot be used of the object, unless it was so before. */
  readonly ignored: readonly IgnoredPart[];
}

export interface Cluster {
  /** Take one change in. */
  apply(event: PutEvent | DeleteEvent): Change;
  /** @param record  undefined: the attachment is gone */
  setAttachment(key: ObjectKey, record: AttachmentRecord | undefined): readonly DirtyKey[];
  readonly place: Place;
  readonly services: ReadonlyMap<ObjectKey, ServiceRecord>;
  readonly nodes: ReadonlyMap<ObjectKey, NodeRecord>;
  readonly pods: ReadonlyMap<ObjectKey, PodRecord>;
  /** Of this node, all of them. */
  readonly attachments: ReadonlyMap<ObjectKey, AttachmentRecord>;
  /** What names are made from. */
  readonly named: Named;
  /** The slices of a service that are for a proxy, whether the service is known or not. */
  slicesOf(service: ObjectKey): Iterable<SliceRecord>;
  /** Everything there is to compile, in a fixed order. */
  allKeys(): DirtyKey[];
}

interface AnyRecord {
  readonly ignored: readonly string[];
}

/** Store or drop a record. @returns the old one, whether anything changed, what is newly ignored */
function replace<T extends AnyRecord>(
  records: Map<ObjectKey, T>,
  key: ObjectKey,
  next: T | undefined,
) {
  const old = records.get(key);
  const isSame = sameRecords(old, next);
  if (!isSame && next === undefined) records.delete(key);
  if (!isSame && next !== undefined) records.set(key, next);
  const ignored = isSame || next === undefined ? [] : next.ignored;
  return { old, isSame, ignored: ignored.filter((what) => old?.ignored.includes(what) !== true) };
}

/** A change of one object, before it is said which. */
interface Replaced {
  readonly dirty: readonly DirtyKey[];
  readonly names: readonly NameKey[];
  readonly ignored: readonly string[];
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
  const of = (service: ObjectKey): Iterable<SliceRecord> => byService.get(service)?.values() ?? [];
  const ownersOf = (slices: readonly (SliceRecord | undefined)[]): ObjectKey[] => [
    ...new Set(slices.flatMap((slice) => slice?.service ?? [])),
  ];
  const isOurs = (slice: SliceRecord | undefined): boolean => slice?.isForeign === false;
  return {
    of,
    ours: (service: ObjectKey): Iterable<SliceRecord> => [...of(service)].filter(isOurs),
    /**
     * @returns the services that gained, lost or saw a change of the slice, those of them for
     *          which it is or was a proxy's, what is ignored
     */
    set: (key: ObjectKey, next: SliceRecord | undefined) => {
      const { old, isSame, ignored } = replace(slices, key, next);
      if (isSame) return { owners: [], ours: [], ignored };
      if (old) leave(old);
      if (next) join(next);
      return { owners: ownersOf([old, next]), ours: ownersOf([old, next].filter(isOurs)), ignored };
    },
  };
}

export function createCluster(nodeName: string): Cluster {
  const services = new Map<ObjectKey, ServiceRecord>();
  const slices = createSliceIndex();
  const named = createNamed();
  const nodes = new Map<ObjectKey, NodeRecord>();
  const pods = new Map<ObjectKey, PodRecord>();
  const attachments = new Map<ObjectKey, AttachmentRecord>();
  const ownKey = namedKey(undefined, nodeName);

  const setService = (key: ObjectKey, object: Service | undefined): Replaced => {
    const { isSame, ignored } = replace(services, key, object && projectService(object));
    const names = named.setService(key, object);
    return { dirty: isSame ? [] : [`service:${key}`], names, ignored };
  };

  const setSlice = (key: ObjectKey, next: SliceRecord | undefined): Replaced => {
    const { owners, ours, ignored } = slices.set(key, next);
    const known = ours.filter((owner) => services.has(owner));
    return {
      dirty: known.map((owner) => `service:${owner}` as const),
      names: owners.map((owner) => `service:${owner}` as const),
      ignored,
    };
  };

  const setNode = (key: ObjectKey, next: NodeRecord | undefined): Replaced => {
    const { old, isSame, ignored } = replace(nodes, key, next);
    if (isSame) return { dirty: [], names: [], ignored };
    const isMoved = key === ownKey && old?.zone !== next?.zone;
    const all = isMoved ? [...services.keys()].map((service) => `service:${service}` as const) : [];
    // What is a pod's range is not outside, and this node's routes say what is.
    const self = sameRecords(old?.podCIDRs, next?.podCIDRs) ? [] : [`node:${ownKey}` as const];
    return { dirty: [...new Set([`node:${key}` as const, ...self, ...all])], names: [], ignored };
  };

  const setPod = (key: ObjectKey, object: Pod | undefined): Replaced => {
    const next = object && projectPod(object);
    const { old, isSame, ignored } = replace(pods, key, next);
    const isHere = old?.nodeName === nodeName || next?.nodeName === nodeName;
    const names = named.setPod(key, object);
    return { dirty: isSame || !isHere ? [] : [`pod:${key}`], names, ignored };
  };

  const setNamespace = (key: ObjectKey, object: Namespace | undefined): Replaced => {
    return { dirty: [], names: named.setNamespace(key, object), ignored: [] };
  };

  /** Who may get or lose a port of the node with this attachment; and 127.0.0.1 may be one. */
  const concerned = (record: AttachmentRecord | undefined): DirtyKey[] => {
    if (record === undefined || record.hostPorts.length === 0) return [];
    const rivals = [...attachments.values()].filter((other) => competes(record, other));
    return [`node:${ownKey}`, ...rivals.map((other) => `pod:${other.key}` as const)];
  };

  const put = (event: PutEvent, key: ObjectKey): Replaced => {
    switch (event.kind) {
      case 'Service':
        return setService(key, event.object);
      case 'EndpointSlice':
        return setSlice(key, projectSlice(event.object));
      case 'Node':
        return setNode(key, projectNode(event.object));
      case 'Pod':
        return setPod(key, event.object);
      case 'Namespace':
        return setNamespace(key, event.object);
    }
  };

  const drop = ({ kind, key }: DeleteEvent): Replaced => {
    switch (kind) {
      case 'Service':
        return setService(key, undefined);
      case 'EndpointSlice':
        return setSlice(key, undefined);
      case 'Node':
        return setNode(key, undefined);
      case 'Pod':
        return setPod(key, undefined);
      case 'Namespace':
        return setNamespace(key, undefined);
    }
  };

  return {
    apply: (event) => {
      const { kind } = event;
      const key = event.type === 'put' ? objectKey(event.object.metadata) : event.key;
      const { dirty, names, ignored } = event.type === 'put' ? put(event, key) : drop(event);
      return { dirty, names, ignored: ignored.map((what) => ({ kind, key, what })) };
    },
    setAttachment: (key, record) => {
      const old = attachments.get(key);
      if (sameRecords(old, record)) return [];
      if (record === undefined) attachments.delete(key);
      else attachments.set(key, record);
      return [`pod:${key}`, ...concerned(old), ...concerned(record)];
    },
    get place(): Place {
      return { nodeName, zone: nodes.get(ownKey)?.zone };
    },
    services,
    nodes,
    pods,
    attachments,
    named: { ...named, slicesOf: slices.of },
    slicesOf: slices.ours,
    allKeys: () => {
      const local = [...pods.values()].filter((pod) => pod.nodeName === nodeName);
      return [
        ...[...services.keys()].map((key) => `service:${key}` as const),
        ...[...nodes.keys(), ownKey].map((key) => `node:${key}` as const),
        ...local.map((pod) => `pod:${pod.key}` as const),
        ...[...attachments.keys()].map((key) => `pod:${key}` as const),
      ].sort(byText);
    },
  };
}
