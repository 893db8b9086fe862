/**
 * The cluster to rows, object by object. Pure: a function of the model, the links and the
 * node's own addresses.
 */
import type { Address } from '../addr.js';
import type { Cluster, DirtyKey } from '../model/cluster.js';
import { namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import { createDesired } from './desired.js';
import type { Link, PodLink, UplinkLink } from './links.js';
import { compilePeer, compilePod, compileSelf } from './routes.js';
import type { Rows } from './rows.js';
import { compileService } from './services.js';

/** What rows depend on besides the cluster. */
export interface Surroundings {
  /** In the order of preference: remote pods are out of the first uplink. */
  readonly links: readonly Link[];
  /** Instead of the InternalIPs of this node's Node object; empty: those. */
  readonly nodeAddresses: readonly Address[];
}

const NOTHING: Rows = new Map();

/** This node's own addresses, the preferred one of each family first. */
export function ownAddresses(
  cluster: Cluster,
  { nodeAddresses }: Surroundings,
): readonly Address[] {
  if (nodeAddresses.length > 0) return nodeAddresses;
  return cluster.nodes.get(namedKey(undefined, cluster.place.nodeName))?.internalIPs ?? [];
}

function compileNode(cluster: Cluster, around: Surroundings, key: ObjectKey): Rows {
  if (key === namedKey(undefined, cluster.place.nodeName)) {
    const links = around.links.filter(({ kind }) => kind !== 'pod');
    return compileSelf(ownAddresses(cluster, around), links);
  }
  const uplink = around.links.find((link): link is UplinkLink => link.kind === 'uplink');
  const node = cluster.nodes.get(key);
  return node ? compilePeer(node, uplink) : NOTHING;
}

function compileLocalPod(cluster: Cluster, around: Surroundings, key: ObjectKey): Rows {
  const pod = cluster.pods.get(key);
  if (pod?.nodeName !== cluster.place.nodeName) return NOTHING;
  const link = around.links.find(
    (candidate): candidate is PodLink => candidate.kind === 'pod' && candidate.pod === key,
  );
  return link ? compilePod(pod, link) : NOTHING;
}

/** Rows of one object; none when it is not there. */
export function compileKey(cluster: Cluster, around: Surroundings, dirty: DirtyKey): Rows {
  const colon = dirty.indexOf(':');
  const key = dirty.slice(colon + 1) as ObjectKey;
  switch (dirty.slice(0, colon)) {
    case 'service': {
      const service = cluster.services.get(key);
      return service ? compileService(service, cluster.slicesOf(key), cluster.place) : NOTHING;
    }
    case 'pod':
      return compileLocalPod(cluster, around, key);
    default:
      return compileNode(cluster, around, key);
  }
}

/** Everything from scratch: what incremental compilation must come to as well. */
export function compileAll(cluster: Cluster, around: Surroundings): Rows {
  const desired = createDesired();
  for (const key of cluster.allKeys()) desired.replace(key, compileKey(cluster, around, key));
  return desired.rows();
}
