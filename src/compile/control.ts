/**
 * The control plane as the agent sees it: events in, delta records out. Synchronous and
 * deterministic; the agent brings time, I/O and the lane.
 */
import isEqual from 'fast-deep-equal/es6/index.js';
import type { Address, Cidr, Family } from '../addr.js';
import type { AttachmentRecord } from '../model/attachments.js';
import { createCluster } from '../model/cluster.js';
import type { Cluster, DirtyKey } from '../model/cluster.js';
import type { Kind, SourceEvent } from '../model/events.js';
import type { Algorithm } from '../model/exposure.js';
import type { IgnoredPart } from '../model/ignored.js';
import { byText, namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import type { NameKey, Named } from '../model/named.js';
import type { NodeRecord } from '../model/nodes.js';
import { BARE_SURROUNDINGS, compileKey, ownAddresses, peerWays, serviceScope } from './compile.js';
import type { Surroundings } from './compile.js';
import { createDepartures } from './departures.js';
import { createDesired } from './desired.js';
import { createDirt } from './dirt.js';
import { explainHostPorts } from './explain-host-ports.js';
import { explainIgnored, explainService, explainServices } from './explain.js';
import type { ExplainedService, Explanation } from './explain.js';
import { isExternalIPAllowed } from './frontends.js';
import type { Link, PodLink } from './links.js';
import { healthChecksOf, withoutLocal } from './local-policy.js';
import type { HealthCheck, WithoutLocal } from './local-policy.js';
import type { NodePortEntry } from './node-ports.js';
import { createOurs } from './ours.js';
import type { OursChange } from './ours.js';
import type { Outside } from './outside.js';
import { tunnelSources } from './overlay.js';
import type { OverlayView, PeerWay } from './overlay.js';
import { createPlacement } from './placement.js';
import type { PlacementCapacities } from './placement.js';
import type { PolicyOptions } from './policy.js';
import { acknowledge, flush } from './program.js';
import type { Problem } from './program.js';
import type { Neighbours } from './routes.js';
import { rowKey } from './rows.js';
import type { RowKey } from './rows.js';
import type { DnsHere } from './services.js';
import { createTracker } from './tracker.js';

/** What is left out is as kube-proxy has it, with pods told by their links. */
export interface ControlOptions {
  readonly nodeName: string;
  readonly capacities: PlacementCapacities;
  /** Instead of the InternalIPs of this node's Node object. */
  readonly nodeAddresses?: readonly Address[];
  readonly policy?: Partial<PolicyOptions>;
  /** Service ranges; what is not allocated there is dropped. */
  readonly serviceCIDRs?: readonly Cidr[];
  /** Where node ports are served; empty: on the node's own address of each family. */
  readonly nodePortAddresses?: readonly NodePortEntry[];
  /** The only externalIPs that are taken. */
  readonly allowedExternalIPs?: readonly Cidr[];
  /** Of Services that do not name one. */
  readonly algorithm?: Algorithm;
  readonly overlay?: OverlayView;
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
  /** Addresses that tunnel packets of this node may come from. */
  readonly tunnelSources: readonly Address[];
}

/** The ways to the pods of another node. */
export interface PeerWays {
  readonly name: string;
  readonly ways: readonly PeerWay[];
}

/** Lists it gives are the same objects as long as nothing in them has changed. */
export interface Control {
  /**
   * Take one event in. Nothing is programmed before the first `synced`.
   *
   * @returns what cannot be used of the object, unless it was so before
   */
  apply(event: SourceEvent): readonly IgnoredPart[];
  /** What names are made from. */
  readonly named: Named;
  /** @param touched  called with the names that an event has changed */
  onNames(touched: (keys: readonly NameKey[]) => void): void;
  /** The links there are now, but those of attachments; the first uplink leads to other nodes. */
  setLinks(links: readonly Link[]): void;
  /** An interface a runtime had made, and its link. Again with the same key: in its place. */
  attach(record: AttachmentRecord, link: PodLink): void;
  /** It is gone, or about to go. */
  detach(key: ObjectKey): void;
  /** All addresses that interfaces of this node have now. */
  setLocalAddresses(addresses: readonly Address[]): void;
  /** What is outside the cluster, and how pods go there. */
  setOutside(outside: Outside): void;
  /** This node answers the cluster's DNS from now on, or does not any more. */
  setDns(dns: DnsHere | undefined): void;
  /** MAC addresses of neighbours behind the uplinks, by the text of their addresses. */
  setNeighbours(neighbours: Neighbours): void;
  /** Pods that are to have a link, in the order of their names. */
  podLinks(): readonly PodLinkWish[];
  /** All pods of this node, with a namespace of their own or not. */
  localPods(): readonly LocalPod[];
  peers(): readonly Peer[];
  /** How each of their pod ranges is reached; of each node whose ranges are reached at all. */
  peerWays(): readonly PeerWays[];
  /** What of the overlay only the kernel knows. */
  setOverlay(found: Pick<OverlayView, 'onLink' | 'pathMtus'>): void;
  /** This node's own addresses, the preferred one of each family first. */
  nodeAddresses(): readonly Address[];
  /** Every ClusterIP, whatever its port: what the host has to route at the trunk. */
  serviceAddresses(): readonly Address[];
  /**
   * Addresses of load balancers and externalIPs: the host routes them at the trunk, too, or would
   * ask the wire for addresses that it is meant to answer for.
   */
  externalAddresses(): readonly Address[];
  /**
   * Flows of an earlier agent's may name links that are gone: every flush asks for them, until one
   * is acknowledged.
   */
  forgetStrays(): void;
  /** Delta records that make the tables what they should be; empty when they are. */
  flush(): Uint8Array;
  /** The batch flushed last, back from the core with its result words. @returns what failed */
  acknowledge(batch: Uint8Array): Problem[];
  /**
   * What an attachment has not got in the tables, as of the last flush and what was acknowledged of
   * it: one sentence; undefined: it has all.
   */
  lacking(key: ObjectKey): string | undefined;
  /** What did not fit at the last flush. */
  problems(): readonly Problem[];
  /** Keys of the kernel's `ours` map, as of the last flush: all of them. */
  ours(): Map<string, Uint8Array>;
  /** How they have changed since the last call. */
  oursChange(): OursChange;
  /** Whether the source has said everything it knew at first. */
  isSynced(): boolean;
  /** This node's object. */
  ownNode(): NodeRecord | undefined;
  healthChecks(): HealthCheck[];
  withoutLocal(family: Family): WithoutLocal;
  /** Entries of the allocated tables in use. */
  used(): PlacementCapacities;
  explain(): Explanation;
  /**
   * The same in pieces, for whoever has other things to do meanwhile: the services one after
   * another in the order of their names, in the end everything else.
   */
  explainBySteps(): Generator<readonly ExplainedService[], Omit<Explanation, 'services'>>;
}

function podsHere(cluster: Cluster): LocalPod[] {
  return [...cluster.pods.values()]
    .filter(({ nodeName }) => nodeName === cluster.place.nodeName)
    .map(({ key, addresses }) => ({ pod: key, addresses }))
    .sort((a, b) => byText(a.pod, b.pod));
}

/** How often objects of a kind have changed; what follows from them is worked out once a change. */
function createRevisions() {
  const revisions: Record<Kind, number> = {
    Service: 0,
    EndpointSlice: 0,
    Node: 0,
    Pod: 0,
    Namespace: 0,
  };
  return {
    bump: (kind: Kind): void => {
      revisions[kind]++;
    },
    /** @param compute  a function of the objects of the kind */
    once: <T>(kind: Kind, compute: () => T): (() => T) => {
      let at = -1;
      let value: T | undefined;
      return () => {
        if (value === undefined || at !== revisions[kind]) value = compute();
        at = revisions[kind];
        return value;
      };
    },
  };
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
    .map((node) => ({
      name: node.name,
      addresses: node.internalIPs,
      podCIDRs: node.podCIDRs,
      tunnelSources: tunnelSources(node),
    }))
    .sort((a, b) => byText(a.name, b.name));
}

function surroundingsOf(options: ControlOptions): Surroundings {
  const { nodeName: _, capacities: __, policy, ...given } = options;
  const bare = BARE_SURROUNDINGS;
  return { ...bare, ...given, policy: { ...bare.policy, ...policy } };
}

export function createControl(options: ControlOptions): Control {
  const cluster = createCluster(options.nodeName);
  const revisions = createRevisions();
  const desired = createDesired();
  const ours = createOurs();
  const tracker = createTracker(ours.watch);
  const placement = createPlacement(options.capacities);
  const departures = createDepartures();
  const dirt = createDirt(cluster);
  let around = surroundingsOf(options);
  let ownLinks: readonly Link[] = [];
  const attachedLinks = new Map<ObjectKey, PodLink>();
  let isSynced = false;
  let hasStrays = false;
  /** The batch flushed last asks for them. */
  let asksForStrays = false;
  let problems: readonly Problem[] = [];
  let targets: readonly RowKey[] = [];
  const unfulfilled = new Map<DirtyKey, readonly string[]>();
  let touched: (keys: readonly NameKey[]) => void = () => undefined;

  const surround = (next: Surroundings): void => {
    dirt.surrounded(around, next);
    around = next;
  };

  const surroundLinks = (): void => {
    surround({ ...around, links: [...ownLinks, ...attachedLinks.values()] });
  };

  const compileDirty = (): void => {
    const scope = serviceScope(cluster, around);
    for (const key of dirt.take(scope)) {
      const { rows, presences, problems: lost } = compileKey(cluster, around, key, scope);
      if (lost.length > 0) unfulfilled.set(key, lost);
      else unfulfilled.delete(key);
      const changed = desired.replace(key, rows);
      for (const row of changed) tracker.want(row, desired.get(row));
      departures.note(key, presences);
    }
  };

  const explainRest = (): Omit<Explanation, 'services'> => ({
    synced: isSynced,
    ignored: explainIgnored(cluster, serviceScope(cluster, around)),
    conflicts: desired.conflicts(),
    problems,
    used: placement.used(),
  });

  return {
    apply: (event) => {
      if (event.type === 'synced') {
        isSynced = true;
        return [];
      }
      const { dirty, names, ignored } = cluster.apply(event);
      if (names.length > 0) touched(names);
      if (dirty.length > 0) revisions.bump(event.kind);
      dirt.add(dirty);
      return ignored;
    },
    named: cluster.named,
    onNames: (listener) => {
      touched = listener;
    },
    setLinks: (links) => {
      ownLinks = links;
      surroundLinks();
    },
    attach: (record, link) => {
      attachedLinks.set(record.key, link);
      dirt.add(cluster.setAttachment(record.key, record));
      surroundLinks();
    },
    detach: (key) => {
      attachedLinks.delete(key);
      dirt.add(cluster.setAttachment(key, undefined));
      surroundLinks();
    },
    setLocalAddresses: (localAddresses) => {
      surround({ ...around, localAddresses });
    },
    setOutside: (outside) => {
      surround({ ...around, outside });
    },
    setDns: (dns) => {
      surround({ ...around, dns });
    },
    setNeighbours: (neighbours) => {
      surround({ ...around, neighbours });
    },
    podLinks: revisions.once('Pod', () => wishes(cluster)),
    localPods: revisions.once('Pod', () => podsHere(cluster)),
    peers: revisions.once('Node', () => peersOf(cluster)),
    peerWays: () =>
      [...cluster.nodes.values()]
        .filter(({ name }) => name !== options.nodeName)
        .map((node) => ({ name: node.name, ways: peerWays(cluster, around, node) }))
        .filter(({ ways }) => ways.length > 0)
        .sort((a, b) => byText(a.name, b.name)),
    setOverlay: (found) => {
      const overlay = { ...around.overlay, ...found };
      if (!isEqual(overlay, around.overlay)) surround({ ...around, overlay });
    },
    nodeAddresses: revisions.once('Node', () => ownAddresses(cluster, around)),
    serviceAddresses: revisions.once('Service', () =>
      [...cluster.services.values()].flatMap(({ clusterIPs }) => clusterIPs),
    ),
    externalAddresses: revisions.once('Service', () =>
      [...cluster.services.values()].flatMap(({ externalIPs, loadBalancerIPs }) => [
        ...externalIPs.filter((address) => isExternalIPAllowed(address, around)),
        ...loadBalancerIPs,
      ]),
    ),
    forgetStrays: () => {
      hasStrays = true;
      asksForStrays = false;
    },
    flush: () => {
      if (!isSynced) return new Uint8Array(0);
      compileDirty();
      const flushed = flush(tracker, placement, departures, hasStrays);
      asksForStrays = hasStrays;
      const lost = [...unfulfilled].flatMap(([key, reasons]) =>
        reasons.map((reason) => ({
          key: rowKey('attachment', key.slice(key.indexOf(':') + 1)),
          reason,
        })),
      );
      problems = [...flushed.problems, ...lost];
      ({ targets } = flushed);
      return flushed.records;
    },
    acknowledge: (batch) => {
      if (asksForStrays) hasStrays = false;
      return acknowledge(batch, targets, tracker, placement);
    },
    lacking: (key) => {
      const missing = [...desired.ownedBy(`pod:${key}`)].find((row) => !tracker.isSettled(row));
      return missing && `${missing} is not in the tables`;
    },
    problems: () => problems,
    ours: ours.keys,
    oursChange: ours.takeChange,
    isSynced: () => isSynced,
    ownNode: () => cluster.nodes.get(namedKey(undefined, options.nodeName)),
    healthChecks: () => healthChecksOf(cluster),
    withoutLocal: (family) => withoutLocal(cluster, family),
    used: placement.used,
    explain: () => {
      const scope = serviceScope(cluster, around);
      const services = explainServices(cluster, placement, scope);
      const hostPorts = explainHostPorts(cluster, placement, scope);
      return { ...explainRest(), services: [...services, ...hostPorts] };
    },
    explainBySteps: function* () {
      const scope = serviceScope(cluster, around);
      for (const key of [...cluster.services.keys()].sort()) {
        const service = cluster.services.get(key);
        if (service) yield explainService(service, cluster, placement, scope);
      }
      yield explainHostPorts(cluster, placement, scope);
      return explainRest();
    },
  };
}
