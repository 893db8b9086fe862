/**
 * What a source says about the cluster: the only input of the model.
 */
import type { Namespace, Node, Pod, Service } from 'kubernetes-types/core/v1.js';
import type { EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import type { ObjectKey } from './keys.js';

/** The objects the model reads, by their kind. */
export interface KindMap {
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
  readonly Node: Node;
  readonly Pod: Pod;
  readonly Namespace: Namespace;
}

export type Kind = keyof KindMap;

export const KINDS: readonly Kind[] = ['Service', 'EndpointSlice', 'Node', 'Pod', 'Namespace'];

export type PutEvent = {
  [K in Kind]: { readonly type: 'put'; readonly kind: K; readonly object: KindMap[K] };
}[Kind];

export interface DeleteEvent {
  readonly type: 'delete';
  readonly kind: Kind;
  readonly key: ObjectKey;
}

/** Everything the source knows so far has been said. */
export interface SyncedEvent {
  readonly type: 'synced';
}

export type SourceEvent = PutEvent | DeleteEvent | SyncedEvent;
