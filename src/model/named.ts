/**
 * What names of the cluster are made from: every Service, namespaces, and pods. The proxy leaves out
 * headless and ExternalName Services and those of another proxy; names have them all.
 */
import type { Namespace, Pod, Service } from 'kubernetes-types/core/v1.js';
import type { ObjectMeta } from 'kubernetes-types/meta/v1.js';
import { canonicalAddress, formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { byText, objectKey } from './keys.js';
import type { ObjectKey } from './keys.js';
import { isSame } from './same.js';
import { protocolOf } from './services.js';
import type { Protocol } from './services.js';
import type { SliceRecord } from './slices.js';

/** What names have to be made anew of. */
export type NameKey = `service:${ObjectKey}` | `namespace:${string}` | `pod:${ObjectKey}`;

interface Labelled {
  readonly key: ObjectKey;
  /** `key=value`, in order. */
  readonly labels: readonly string[];
}

export type NamespaceRecord = Labelled;

export interface NamedPort {
  /** Empty: it has none. */
  readonly portName: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface NamedService extends Labelled {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIPs: readonly Address[];
  readonly isHeadless: boolean;
  /** Only of the type ExternalName. */
  readonly externalName: string | undefined;
  readonly ports: readonly NamedPort[];
}

/** A pod that lives. */
export interface NamedPod extends Labelled {
  readonly namespace: string;
  readonly addresses: readonly Address[];
}

/** What a compiler of names looks at. */
export interface Named {
  readonly namespaces: ReadonlyMap<ObjectKey, NamespaceRecord>;
  readonly services: ReadonlyMap<ObjectKey, NamedService>;
  readonly pods: ReadonlyMap<ObjectKey, NamedPod>;
  /** Whether there is a Namespace, or a Service in it: files may leave namespaces out. */
  hasNamespace(name: string): boolean;
  /** All slices of a Service, whether the Service is known or not. */
  slicesOf(service: ObjectKey): Iterable<SliceRecord>;
  /** Everything there is to make names of. */
  allKeys(): NameKey[];
}

export interface NamedStore extends Omit<Named, 'slicesOf'> {
  /** Each: undefined says that the object is gone. @returns what has changed */
  setNamespace(key: ObjectKey, object: Namespace | undefined): readonly NameKey[];
  setService(key: ObjectKey, object: Service | undefined): readonly NameKey[];
  setPod(key: ObjectKey, object: Pod | undefined): readonly NameKey[];
}

/** Phases of pods that are no more, or of which nobody knows. */
const GONE_PHASES = new Set(['Succeeded', 'Failed', 'Unknown']);

function labelsOf(metadata: ObjectMeta | undefined): string[] {
  return Object.entries(metadata?.labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort(byText);
}

/** Each address once; what is none is left out. */
function addressesOf(texts: readonly (string | undefined)[]): Address[] {
  const known = new Map<string, Address>();
  for (const text of texts) {
    const address = canonicalAddress(text ?? '');
    if (address) known.set(formatAddress(address), address);
  }
  return [...known.values()];
}

function projectService({ metadata, spec }: Service): NamedService {
  const { clusterIP = '', clusterIPs = [], type, ports = [] } = spec ?? {};
  const texts = clusterIPs.length > 0 ? clusterIPs : [clusterIP];
  const isExternal = type === 'ExternalName';
  return {
    key: objectKey(metadata),
    labels: labelsOf(metadata),
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    clusterIPs: isExternal ? [] : addressesOf(texts),
    isHeadless: !isExternal && texts[0] === 'None',
    externalName: isExternal ? (spec?.externalName ?? '') : undefined,
    ports: ports.flatMap(({ name: portName = '', port, protocol: text }) => {
      const protocol = protocolOf(text ?? 'TCP');
      return protocol === undefined ? [] : [{ portName, protocol, port }];
    }),
  };
}

/** @returns undefined for a pod that is over or about to be */
function projectPod({ metadata, status }: Pod): NamedPod | undefined {
  const isLeaving = metadata?.deletionTimestamp !== undefined;
  if (isLeaving || GONE_PHASES.has(status?.phase ?? '')) return undefined;
  const texts = (status?.podIPs ?? []).map(({ ip }) => ip);
  return {
    key: objectKey(metadata),
    labels: labelsOf(metadata),
    namespace: metadata?.namespace ?? '',
    addresses: addressesOf(texts.length > 0 ? texts : [status?.podIP]),
  };
}

/** @returns whether anything has changed */
function store<T>(records: Map<ObjectKey, T>, key: ObjectKey, next: T | undefined): boolean {
  if (isSame(records.get(key), next)) return false;
  if (next === undefined) records.delete(key);
  else records.set(key, next);
  return true;
}

function namespaceOf(key: ObjectKey): string {
  return key.slice(0, Math.max(key.indexOf('/'), 0));
}

export function createNamed(): NamedStore {
  const namespaces = new Map<ObjectKey, NamespaceRecord>();
  const services = new Map<ObjectKey, NamedService>();
  const pods = new Map<ObjectKey, NamedPod>();
  /** Services in each namespace. */
  const populations = new Map<string, number>();

  /** @returns whether the first has come or the last has gone */
  const populate = (namespace: string, change: number): boolean => {
    const before = populations.get(namespace) ?? 0;
    if (before + change === 0) populations.delete(namespace);
    else populations.set(namespace, before + change);
    return before === 0 || before + change === 0;
  };

  return {
    namespaces,
    services,
    pods,
    hasNamespace: (name) => namespaces.has(name as ObjectKey) || populations.has(name),
    allKeys: () => [
      ...new Set(
        [...namespaces.keys(), ...populations.keys()].map((n) => `namespace:${n}` as const),
      ),
      ...[...services.keys()].map((key) => `service:${key}` as const),
      ...[...pods.keys()].map((key) => `pod:${key}` as const),
    ],
    setNamespace: (key, object) => {
      const next = object && { key, labels: labelsOf(object.metadata) };
      return store(namespaces, key, next) ? [`namespace:${key}`] : [];
    },
    setService: (key, object) => {
      const change = Number(object !== undefined) - Number(services.has(key));
      if (!store(services, key, object && projectService(object))) return [];
      const namespace = namespaceOf(key);
      const isOther = change !== 0 && populate(namespace, change);
      return isOther ? [`namespace:${namespace}`, `service:${key}`] : [`service:${key}`];
    },
    setPod: (key, object) => (store(pods, key, object && projectPod(object)) ? [`pod:${key}`] : []),
  };
}
