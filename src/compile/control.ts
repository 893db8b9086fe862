/**
 * The control plane as the agent sees it: events in, delta records out. Synchronous and
 * deterministic; the agent brings time, I/O and the lane.
 */
import type { Address, Cidr, Family } from '../addr.js';
import { createCluster } from '../model/cluster.js';
import type { Cluster, DirtyKey } from '../model/cluster.js';
import type { SourceEvent } from '../model/events.js';
import { byText, namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import type { NodeRecord } from '../model/nodes.js';
import { compileKey, ownAddresses } from './compile.js';
import type { Surroundings } from './compile.js';
import { createDesired } from './desired.js';
import { explainIgnored, explainServices } from './explain.js';
import type { Explanation } from './explain.js';
import type { Link } from './links.js';
import { healthChecksOf, withoutLocal } from './local-policy.js';
import type { HealthCheck, WithoutLocal } from './local-policy.js';
import { oursKeys } from './ours.js';
import { createPlacement } from './placement.js';
import type { PlacementCapacities } from './placement.js';
import { acknowledge, flush } from './program.js';
import type { Problem } from './program.js';
import type { RowKey } from './rows.js';
import { createTracker } from './tracker.js';

export interface ControlOptions {
  readonly nodeName: string;
  readonly capacities: PlacementCapacities;
  /** Instead of the InternalIPs of this node's Node object. */
  readonly nodeAddresses?: readonly Address[];
}

/** A pod of this node. */
export interface LocalPod {
  readonly pod: ObjectKey;
  readonly addresses: readonly Address[];
}

/** A pod of this node that is to have a link. */
export interface PodLinkWish extends LocalPod {
  readonly netns: string;
}

/** Another node: its pods are behind its addresses. */
export interface Peer {
  readonly name: string;
  readonly addresses: readonly Address[];
  readonly podCIDRs: readonly Cidr[];
}

export interface Control {
  /** Take one event in. Nothing is programmed before the first `synced`. */
  apply(event: SourceEvent): void;
  /** The links there are now, all of them; the first uplink leads to other nodes. */
  setLinks(links: readonly Link[]): void;
  /** Pods that are to have a link, in the order of their names. */
  podLinks(): PodLinkWish[];
  /** All pods of this node, with a namespace of their own or not. */
  localPods(): LocalPod[];
  peers(): Peer[];
  /** This node's own addresses, the preferred one of each family first. */
  nodeAddresses(): readonly Address[];
  /** Every ClusterIP, whatever its port: what the host has to route at the trunk. */
  serviceAddresses(): Address[];
  /** Delta records that make the tables what they should be; empty when they are. */
  flush(): Uint8Array;
  /** The batch flushed last, back from the core with its result words. @returns what failed */
  acknowledge(batch: Uint8Array): Problem[];
  /** What did not fit at the last flush. */
  problems(): readonly Problem[];
  /** Keys of the kernel's `ours` map, as of the last flush. */
  ours(): Map<RowKey, Uint8Array>;
  /** Whether the source has said everything it knew at first. */
  isSynced(): boolean;
  /** This node's object. */
  ownNode(): NodeRecord | undefined;
  healthChecks(): HealthCheck[];
  withoutLocal(family: Family): WithoutLocal;
  /** Entries of the allocated tables in use. */
  used(): PlacementCapacities;
  explain(): Explanation;
}

function wishes(cluster: Cluster): PodLinkWish[] {
  return [...cluster.pods.values()]
    .filter(({ nodeName }) => nodeName === cluster.place.nodeName)
    .flatMap(({ key, netns, addresses }) => (netns ? [{ pod: key, netns, addresses }] : []))
    .sort((a, b) => byText(a.pod, b.pod));
}

function peersOf(cluster: Cluster): Peer[] {
  return [...cluster.nodes.values()]
    .filter(({ name }) => name !== cluster.place.nodeName)
    .map(({ name, internalIPs, podCIDRs }) => ({ name, addresses: internalIPs, podCIDRs }))
    .sort((a, b) => byText(a.name, b.name));
}

export function createControl(options: ControlOptions): Control {
  const cluster = createCluster(options.nodeName);
  const desired = createDesired();
  const tracker = createTracker();
  const placement = createPlacement(options.capacities);
  const dirty = new Set<DirtyKey>([`node:${namedKey(undefined, options.nodeName)}`]);
  let around: Surroundings = { links: [], nodeAddresses: options.nodeAddresses ?? [] };
  let isSynced = false;
  let problems: readonly Problem[] = [];
  let targets: readonly RowKey[] = [];

  const compileDirty = (): void => {
    for (const key of dirty) {
      const changed = desired.replace(key, compileKey(cluster, around, key));
      for (const rowKey of changed) tracker.want(rowKey, desired.get(rowKey));
    }
    dirty.clear();
  };

  return {
    apply: (event) => {
      if (event.type === 'synced') isSynced = true;
      else for (const key of cluster.apply(event)) dirty.add(key);
    },
    setLinks: (links) => {
      around = { ...around, links };
      for (const key of cluster.allKeys()) if (!key.startsWith('service:')) dirty.add(key);
    },
    podLinks: () => wishes(cluster),
    localPods: () =>
      [...cluster.pods.values()]
        .filter(({ nodeName }) => nodeName === options.nodeName)
        .map(({ key, addresses }) => ({ pod: key, addresses }))
        .sort((a, b) => byText(a.pod, b.pod)),
    peers: () => peersOf(cluster),
    nodeAddresses: () => ownAddresses(cluster, around),
    serviceAddresses: () => [...cluster.services.values()].flatMap(({ clusterIPs }) => clusterIPs),
    flush: () => {
      if (!isSynced) return new Uint8Array(0);
      compileDirty();
      const flushed = flush(tracker, placement);
      ({ problems, targets } = flushed);
      return flushed.records;
    },
    acknowledge: (batch) => acknowledge(batch, targets, tracker, placement),
    problems: () => problems,
    ours: () => oursKeys(tracker),
    isSynced: () => isSynced,
    ownNode: () => cluster.nodes.get(namedKey(undefined, options.nodeName)),
    healthChecks: () => healthChecksOf(cluster),
    withoutLocal: (family) => withoutLocal(cluster, family),
    used: placement.used,
    explain: () => ({
      synced: isSynced,
      services: explainServices(cluster, placement),
      ignored: explainIgnored(cluster),
      conflicts: desired.conflicts(),
      problems,
      used: placement.used(),
    }),
  };
}
