/**
 * The cluster to rows, object by object. Pure: a function of the model, the links and what the
 * node has.
 */
import { parseCidr } from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import type { AttachmentRecord } from '../model/attachments.js';
import type { Cluster, DirtyKey } from '../model/cluster.js';
import type { Algorithm } from '../model/exposure.js';
import { namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import type { NodeRecord } from '../model/nodes.js';
import type { PodRecord } from '../model/pods.js';
import type { Presence } from './departures.js';
import { createDesired } from './desired.js';
import type { Link, PodLink, TunnelLink, UplinkLink } from './links.js';
import { hostPortPresence, hostPortRows, hostPortsOf, usesLocalhost } from './host-ports.js';
import { selectNodePorts } from './node-ports.js';
import type { NodeAddresses, NodePortEntry } from './node-ports.js';
import { NO_OUTSIDE } from './outside.js';
import type { Outside } from './outside.js';
import { PLAIN_OVERLAY, waysTo } from './overlay.js';
import type { OverlayView, PeerWay } from './overlay.js';
import type { PolicyOptions } from './policy.js';
import { compilePeer, compilePod, compileSelf } from './routes.js';
import type { Neighbours } from './routes.js';
import type { RowKey, Rows } from './rows.js';
import { compileService } from './services.js';
import type { DnsHere, ServiceScope } from './services.js';

/** What rows depend on besides the cluster. */
export interface Surroundings {
  /** In the order of preference: remote pods are out of the first uplink. */
  readonly links: readonly Link[];
  /** Instead of the InternalIPs of this node's Node object; empty: those. */
  readonly nodeAddresses: readonly Address[];
  /** All addresses that interfaces of this node have. */
  readonly localAddresses: readonly Address[];
  readonly neighbours: Neighbours;
  readonly overlay: OverlayView;
  readonly policy: PolicyOptions;
  /** Service ranges; what is not allocated there is dropped. */
  readonly serviceCIDRs: readonly Cidr[];
  readonly nodePortAddresses: readonly NodePortEntry[];
  readonly allowedExternalIPs: readonly Cidr[];
  /** Of Services that do not name one. */
  readonly algorithm: Algorithm;
  readonly outside: Outside;
  /** The cluster's DNS, where this node is it. */
  readonly dns: DnsHere | undefined;
}

/** A node that knows nothing of itself, and behaves as kube-proxy does with pods told by links. */
export const BARE_SURROUNDINGS: Surroundings = {
  links: [],
  nodeAddresses: [],
  localAddresses: [],
  neighbours: new Map(),
  overlay: PLAIN_OVERLAY,
  policy: { pods: { by: 'link' }, masqueradeAll: false, resetRemoved: false, hostAliases: [] },
  serviceCIDRs: [],
  nodePortAddresses: [],
  allowedExternalIPs: [parseCidr('0.0.0.0/0'), parseCidr('::/0')],
  algorithm: 'random',
  outside: NO_OUTSIDE,
  dns: undefined,
};

/** What one object comes to. */
export interface Compiled {
  readonly rows: Rows;
  /** Endpoints whose flows stay, by the key of the service row. */
  readonly presences: ReadonlyMap<RowKey, Presence>;
  /** What cannot be had, a sentence each. */
  readonly problems: readonly string[];
}

const NOTHING: Compiled = { rows: new Map(), presences: new Map(), problems: [] };

const plain = (rows: Rows): Compiled => ({ ...NOTHING, rows });

function ownNode({ nodes, place }: Cluster): NodeRecord | undefined {
  return nodes.get(namedKey(undefined, place.nodeName));
}

/** This node's own addresses, the preferred one of each family first. */
export function ownAddresses(
  cluster: Cluster,
  { nodeAddresses }: Surroundings,
): readonly Address[] {
  return nodeAddresses.length > 0 ? nodeAddresses : (ownNode(cluster)?.internalIPs ?? []);
}

function addressesOf(cluster: Cluster, around: Surroundings): NodeAddresses {
  return { own: ownAddresses(cluster, around), local: around.localAddresses };
}

/** What the rows of Services stand on besides their own objects. */
export function serviceScope(cluster: Cluster, around: Surroundings): ServiceScope {
  const addresses = addressesOf(cluster, around);
  return {
    place: cluster.place,
    nodeAddresses: addresses.own,
    globalAddresses: selectNodePorts(['all'], addresses),
    nodePorts: selectNodePorts(around.nodePortAddresses, addresses),
    allowedExternalIPs: around.allowedExternalIPs,
    algorithm: around.algorithm,
    resetsTcp: around.policy.resetRemoved,
    dns: around.dns,
  };
}

/** The uplink other nodes are behind. */
export function uplinkOf({ links }: Surroundings): UplinkLink | undefined {
  return links.find((link): link is UplinkLink => link.kind === 'uplink');
}

/** Devices that put packets into others. */
export function tunnelsOf({ links }: Surroundings): readonly TunnelLink[] {
  return links.filter((link): link is TunnelLink => link.kind === 'tunnel');
}

/** How the pods of another node are reached. */
export function peerWays(
  cluster: Cluster,
  around: Surroundings,
  node: NodeRecord,
): readonly PeerWay[] {
  const families = new Set(ownAddresses(cluster, around).map(({ family }) => family));
  return waysTo(node, families, around.overlay);
}

function compileNode(cluster: Cluster, around: Surroundings, key: ObjectKey): Rows {
  const { policy, serviceCIDRs, nodePortAddresses, neighbours } = around;
  if (key === namedKey(undefined, cluster.place.nodeName)) {
    return compileSelf({
      addresses: addressesOf(cluster, around),
      links: around.links.filter(({ kind }) => kind !== 'pod'),
      policy,
      podCIDRs: ownNode(cluster)?.podCIDRs ?? [],
      serviceCIDRs,
      hasLocalhost:
        nodePortAddresses.includes('localhost') ||
        [...cluster.attachments.values()].some(usesLocalhost),
      outside: around.outside,
      servers: around.dns?.addresses ?? [],
      clusterCIDRs: [...cluster.nodes.values()].flatMap(({ podCIDRs }) => podCIDRs),
    });
  }
  const node = cluster.nodes.get(key);
  if (node === undefined) return NOTHING.rows;
  return compilePeer(node, peerWays(cluster, around, node), {
    uplink: uplinkOf(around),
    tunnels: tunnelsOf(around),
    neighbours,
  });
}

/** A pod of this node: what a runtime has attached, or what an object says. */
function localPod(cluster: Cluster, key: ObjectKey): AttachmentRecord | PodRecord | undefined {
  const attached = cluster.attachments.get(key);
  if (attached) return attached;
  const pod = cluster.pods.get(key);
  return pod?.nodeName === cluster.place.nodeName ? pod : undefined;
}

function compileLocalPod(
  cluster: Cluster,
  around: Surroundings,
  key: ObjectKey,
  scope: ServiceScope,
): Compiled {
  const pod = localPod(cluster, key);
  if (pod === undefined) return NOTHING;
  const link = around.links.find(
    (candidate): candidate is PodLink => candidate.kind === 'pod' && candidate.pod === key,
  );
  if (link === undefined) return NOTHING;
  const isShaped = link.isShaped === true || ('isShaped' in pod && pod.isShaped);
  const rows = compilePod(pod, { ...link, isShaped }, around.policy.pods);
  return 'hostPorts' in pod ? withHostPorts(rows, pod, cluster, scope) : plain(rows);
}

/** Attachments in the order they came. */
function* before({ attachments }: Cluster, key: ObjectKey): Generator<AttachmentRecord> {
  for (const [other, record] of attachments) {
    if (other === key) return;
    yield record;
  }
}

function withHostPorts(
  rows: Rows,
  record: AttachmentRecord,
  cluster: Cluster,
  scope: ServiceScope,
): Compiled {
  const { ports, problems } = hostPortsOf(record, before(cluster, record.key), scope);
  if (ports.length === 0) return { ...plain(rows), problems };
  const presences = ports.flatMap((port) => {
    const presence = hostPortPresence(port, scope);
    return presence ? [[port.key, presence] as const] : [];
  });
  return {
    rows: new Map([...rows, ...ports.flatMap((port) => [...hostPortRows(port)])]),
    presences: new Map(presences),
    problems,
  };
}

/**
 * What one object comes to; nothing when it is not there.
 *
 * @param scope  `serviceScope` of the same cluster and surroundings
 */
export function compileKey(
  cluster: Cluster,
  around: Surroundings,
  dirty: DirtyKey,
  scope: ServiceScope,
): Compiled {
  const colon = dirty.indexOf(':');
  const key = dirty.slice(colon + 1) as ObjectKey;
  switch (dirty.slice(0, colon)) {
    case 'service': {
      const service = cluster.services.get(key);
      if (service === undefined) return NOTHING;
      return { ...compileService(service, cluster.slicesOf(key), scope), problems: [] };
    }
    case 'pod':
      return compileLocalPod(cluster, around, key, scope);
    default:
      return plain(compileNode(cluster, around, key));
  }
}

/** Everything from scratch: what incremental compilation must come to as well. */
export function compileAll(cluster: Cluster, around: Surroundings): Rows {
  const desired = createDesired();
  const scope = serviceScope(cluster, around);
  for (const key of cluster.allKeys()) {
    desired.replace(key, compileKey(cluster, around, key, scope).rows);
  }
  return desired.rows();
}
