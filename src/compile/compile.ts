/**
 * The cluster to rows, object by object. Pure: a function of the model, the links and what the
 * node has.
 */
import { parseCidr } from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import type { Cluster, DirtyKey } from '../model/cluster.js';
import type { Algorithm } from '../model/exposure.js';
import { namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import type { NodeRecord } from '../model/nodes.js';
import type { Presence } from './departures.js';
import { createDesired } from './desired.js';
import type { Link, PodLink, UplinkLink } from './links.js';
import { selectNodePorts } from './node-ports.js';
import type { NodeAddresses, NodePortEntry } from './node-ports.js';
import type { PolicyOptions } from './policy.js';
import { compilePeer, compilePod, compileSelf } from './routes.js';
import type { Neighbours } from './routes.js';
import type { RowKey, Rows } from './rows.js';
import { compileService } from './services.js';
import type { ServiceScope } from './services.js';

/** What rows depend on besides the cluster. */
export interface Surroundings {
  /** In the order of preference: remote pods are out of the first uplink. */
  readonly links: readonly Link[];
  /** Instead of the InternalIPs of this node's Node object; empty: those. */
  readonly nodeAddresses: readonly Address[];
  /** All addresses that interfaces of this node have. */
  readonly localAddresses: readonly Address[];
  readonly neighbours: Neighbours;
  readonly policy: PolicyOptions;
  /** Service ranges; what is not allocated there is dropped. */
  readonly serviceCIDRs: readonly Cidr[];
  readonly nodePortAddresses: readonly NodePortEntry[];
  readonly allowedExternalIPs: readonly Cidr[];
  /** Of Services that do not name one. */
  readonly algorithm: Algorithm;
}

/** A node that knows nothing of itself, and behaves as kube-proxy does with pods told by links. */
export const BARE_SURROUNDINGS: Surroundings = {
  links: [],
  nodeAddresses: [],
  localAddresses: [],
  neighbours: new Map(),
  policy: { pods: { by: 'link' }, masqueradeAll: false, resetRemoved: false, hostAliases: [] },
  serviceCIDRs: [],
  nodePortAddresses: [],
  allowedExternalIPs: [parseCidr('0.0.0.0/0'), parseCidr('::/0')],
  algorithm: 'random',
};

/** What one object comes to. */
export interface Compiled {
  readonly rows: Rows;
  /** Endpoints whose flows stay, by the key of the service row. */
  readonly presences: ReadonlyMap<RowKey, Presence>;
}

const NOTHING: Compiled = { rows: new Map(), presences: new Map() };

const plain = (rows: Rows): Compiled => ({ rows, presences: NOTHING.presences });

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
    nodePorts: selectNodePorts(around.nodePortAddresses, addresses),
    allowedExternalIPs: around.allowedExternalIPs,
    algorithm: around.algorithm,
    resetsTcp: around.policy.resetRemoved,
  };
}

/** The uplink other nodes are behind. */
export function uplinkOf({ links }: Surroundings): UplinkLink | undefined {
  return links.find((link): link is UplinkLink => link.kind === 'uplink');
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
      hasLocalhost: nodePortAddresses.includes('localhost'),
    });
  }
  const node = cluster.nodes.get(key);
  return node ? compilePeer(node, uplinkOf(around), neighbours) : NOTHING.rows;
}

function compileLocalPod(cluster: Cluster, around: Surroundings, key: ObjectKey): Rows {
  const pod = cluster.pods.get(key);
  if (pod?.nodeName !== cluster.place.nodeName) return NOTHING.rows;
  const link = around.links.find(
    (candidate): candidate is PodLink => candidate.kind === 'pod' && candidate.pod === key,
  );
  return link ? compilePod(pod, link, around.policy.pods) : NOTHING.rows;
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
      return service ? compileService(service, cluster.slicesOf(key), scope) : NOTHING;
    }
    case 'pod':
      return plain(compileLocalPod(cluster, around, key));
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
