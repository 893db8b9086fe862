/**
 * Which endpoints of a service port take traffic on this node, and why.
 *
 * Spec  kube-proxy, pkg/proxy/topology.go; KEP-1669, KEP-2433, KEP-3015
 */
import type { Endpoint } from './slices.js';

/** What selection depends on besides the endpoints. */
export interface Place {
  readonly nodeName: string;
  /** `topology.kubernetes.io/zone` of this node. */
  readonly zone: string | undefined;
}

/** Which of a service's two sets. */
export type SetName = 'cluster' | 'local';

/** What a set was chosen by. */
export type Basis = 'ready' | 'node hints' | 'zone hints' | 'still serving';

export interface Selection {
  /** The Cluster set. */
  readonly cluster: readonly Endpoint[];
  /** The Local set. */
  readonly local: readonly Endpoint[];
  readonly basis: Readonly<Record<SetName, Basis>>;
  /** A usable endpoint exists somewhere: tells "nobody" from "nobody here". */
  readonly hasAny: boolean;
}

interface Chosen {
  readonly members: readonly Endpoint[];
  readonly basis: Basis;
}

/** Hints count only when every ready endpoint has them, and then all of them do. */
function nearest(ready: readonly Endpoint[], { nodeName, zone }: Place): Chosen {
  if (ready.every((e) => e.nodes.length > 0)) {
    const members = ready.filter((e) => e.nodes.includes(nodeName));
    if (members.length > 0) return { members, basis: 'node hints' };
  }
  if (zone !== undefined && zone !== '' && ready.every((e) => e.zones.length > 0)) {
    const members = ready.filter((e) => e.zones.includes(zone));
    if (members.length > 0) return { members, basis: 'zone hints' };
  }
  return { members: ready, basis: 'ready' };
}

function orDraining(chosen: Chosen, all: readonly Endpoint[]): Chosen {
  if (chosen.members.length > 0) return chosen;
  return { members: all.filter((e) => e.serving && e.terminating), basis: 'still serving' };
}

/**
 * Both sets: ready endpoints; without any, those that still serve while they terminate. An
 * endpoint of weight 0 is as good as none.
 *
 * @param endpoints  in the order of their keys; the sets keep it
 */
export function selectEndpoints(endpoints: readonly Endpoint[], place: Place): Selection {
  const willing = endpoints.filter((e) => e.weight > 0);
  const ready = willing.filter((e) => e.ready);
  const here = willing.filter((e) => e.local);
  const hereReady = here.filter((e) => e.ready);
  const cluster = orDraining(nearest(ready, place), willing);
  const local = orDraining({ members: hereReady, basis: 'ready' }, here);
  return {
    cluster: cluster.members,
    local: local.members,
    basis: { cluster: cluster.basis, local: local.basis },
    hasAny: cluster.members.length > 0,
  };
}

/** Why an endpoint is in a set, or not. */
export type Reason =
  | Basis
  | 'weight 0'
  | 'not ready'
  | 'terminating'
  | 'on another node'
  | 'another node by hints'
  | 'another zone by hints'
  | 'too many'
  | 'not used';

export interface Membership {
  readonly isMember: boolean;
  readonly why: Reason;
}

/** Why an endpoint that is not in a set is not there. */
function whyNot(endpoint: Endpoint, set: SetName, basis: Basis): Reason {
  if (endpoint.weight === 0) return 'weight 0';
  if (set === 'local' && !endpoint.local) return 'on another node';
  if (!endpoint.ready) return endpoint.terminating ? 'terminating' : 'not ready';
  if (basis === 'node hints') return 'another node by hints';
  return basis === 'zone hints' ? 'another zone by hints' : 'too many';
}

/** For every endpoint whether it is in a set of a selection, and why. */
export function memberships(
  endpoints: readonly Endpoint[],
  set: SetName,
  selection: Selection,
): Membership[] {
  const members = new Set(selection[set].map(({ key }) => key));
  const basis = selection.basis[set];
  return endpoints.map((endpoint) => {
    const isMember = members.has(endpoint.key);
    return { isMember, why: isMember ? basis : whyNot(endpoint, set, basis) };
  });
}
