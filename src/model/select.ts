/**
 * Which endpoints of a service port take traffic on this node.
 *
 * Spec  kube-proxy, pkg/proxy/topology.go; KEP-1669, KEP-2433
 */
import type { Endpoint } from './slices.js';

/** What selection depends on besides the endpoints. */
export interface Place {
  readonly nodeName: string;
  /** `topology.kubernetes.io/zone` of this node. */
  readonly zone: string | undefined;
}

export interface Selection {
  /** The Cluster set. */
  readonly cluster: readonly Endpoint[];
  /** The Local set. */
  readonly local: readonly Endpoint[];
  /** A usable endpoint exists somewhere: tells "nobody" from "nobody here". */
  readonly hasAny: boolean;
}

/** Hints count only when every ready endpoint has them, and then all of them do. */
function nearest(ready: readonly Endpoint[], place: Place): readonly Endpoint[] {
  if (ready.every((e) => e.nodes.length > 0)) {
    const onNode = ready.filter((e) => e.nodes.includes(place.nodeName));
    if (onNode.length > 0) return onNode;
  }
  const { zone } = place;
  if (zone !== undefined && zone !== '' && ready.every((e) => e.zones.length > 0)) {
    const inZone = ready.filter((e) => e.zones.includes(zone));
    if (inZone.length > 0) return inZone;
  }
  return ready;
}

function orDraining(ready: readonly Endpoint[], all: readonly Endpoint[]): readonly Endpoint[] {
  return ready.length > 0 ? ready : all.filter((e) => e.serving && e.terminating);
}

/**
 * Both sets: ready endpoints; without any, those that still serve while they terminate.
 *
 * @param endpoints  in the order of their keys; the sets keep it
 */
export function selectEndpoints(endpoints: readonly Endpoint[], place: Place): Selection {
  const ready = endpoints.filter((e) => e.ready);
  const here = endpoints.filter((e) => e.local);
  const hereReady = here.filter((e) => e.ready);
  return {
    cluster: orDraining(nearest(ready, place), endpoints),
    local: orDraining(hereReady, here),
    hasAny: orDraining(ready, endpoints).length > 0,
  };
}
