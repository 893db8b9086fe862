/**
 * EndpointSlices, projected, and the endpoints of a service port across all its slices.
 *
 * Spec  kube-proxy, pkg/proxy: what its change trackers accept
 */
import type { Endpoint as SliceEndpoint, EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import { canonicalAddress, formatAddress, formatAddressPort } from '../addr.js';
import type { Address, Family } from '../addr.js';
import { byText, namedKey, objectKey } from './keys.js';
import type { ObjectKey } from './keys.js';
import { isForeign, protocolOf } from './services.js';
import type { Protocol } from './services.js';

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/**
 * Annotation of an EndpointSlice: `10.0.0.1=3,10.0.0.2=0`. A Maglev table has slots in proportion;
 * an endpoint of weight 0 takes no new flows, whatever the algorithm.
 */
export const WEIGHTS_ANNOTATION = 'sluice.dev/weights';
export const WEIGHT_DEFAULT = 1;
const WEIGHT_MAX = 100;

/** An endpoint as a slice tells it; conditions have their defaults. */
export interface SliceEndpointRecord {
  readonly address: Address;
  /** Further addresses, for names: traffic goes to the first only, as kube-proxy's does. */
  readonly moreAddresses: readonly Address[];
  readonly nodeName: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Hints; empty when the endpoint has none. */
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
  /** 0 to 100; 0 = no new flows. */
  readonly weight: number;
  /** A label below the Service's name, of the endpoint's own choice. */
  readonly hostname: string | undefined;
  /** Name of the object behind it: of the pod. */
  readonly targetName: string | undefined;
  /** Where it runs: a topology zone. */
  readonly zone: string | undefined;
}

export interface SlicePortRecord {
  readonly portName: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface SliceRecord {
  readonly key: ObjectKey;
  readonly service: ObjectKey;
  readonly family: Family;
  /** Of a headless Service, or another proxy's: for names only. */
  readonly isForeign: boolean;
  readonly ports: readonly SlicePortRecord[];
  readonly endpoints: readonly SliceEndpointRecord[];
  readonly ignored: readonly string[];
}

/** An endpoint of one service port on this node's terms. */
export interface Endpoint {
  /** `ip:port`, what endpoints are told apart and sorted by. */
  readonly key: string;
  readonly address: Address;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly local: boolean;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
  readonly weight: number;
}

/** Hints as newer API versions have them (KEP-3015). */
interface NewerHints {
  readonly forZones?: readonly { readonly name: string }[];
  readonly forNodes?: readonly { readonly name: string }[];
}

/** Weights by the text of their addresses. */
function projectWeights({ metadata }: EndpointSlice, ignored: string[]): Map<string, number> {
  const weights = new Map<string, number>();
  const text = metadata?.annotations?.[WEIGHTS_ANNOTATION] ?? '';
  for (const part of text.split(',').map((piece) => piece.trim())) {
    if (part === '') continue;
    const match = /^(\S+?)\s*=\s*(\d{1,3})$/.exec(part);
    const address = canonicalAddress(match?.[1] ?? '');
    const weight = Number(match?.[2]);
    if (address && weight <= WEIGHT_MAX) weights.set(formatAddress(address), weight);
    else {
      const expected = `expected ADDRESS=WEIGHT, 0 to ${WEIGHT_MAX}`;
      ignored.push(`${WEIGHTS_ANNOTATION} ${JSON.stringify(part)}: ${expected}`);
    }
  }
  return weights;
}

/** Most endpoints have one address. */
const NO_ADDRESSES: readonly Address[] = [];

function moreAddressesOf({ addresses }: SliceEndpoint, family: Family): readonly Address[] {
  if (addresses.length < 2) return NO_ADDRESSES;
  const more = addresses.slice(1).flatMap((text) => canonicalAddress(text) ?? []);
  return more.filter((address) => address.family === family);
}

function projectEndpoint(
  endpoint: SliceEndpoint,
  address: Address,
  weight: number,
): SliceEndpointRecord {
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  const hints: NewerHints = endpoint.hints ?? {};
  return {
    address,
    moreAddresses: moreAddressesOf(endpoint, address.family),
    nodeName: endpoint.nodeName,
    ready: ready ?? true,
    serving: serving ?? true,
    terminating: terminating ?? false,
    zones: (hints.forZones ?? []).map((zone) => zone.name),
    nodes: (hints.forNodes ?? []).map((node) => node.name),
    weight,
    hostname: endpoint.hostname,
    targetName: endpoint.targetRef?.name,
    zone: endpoint.zone,
  };
}

function projectSlicePorts(slice: EndpointSlice, ignored: string[]): SlicePortRecord[] {
  return (slice.ports ?? []).flatMap(({ name: portName, port, protocol: text }) => {
    const protocol = protocolOf(text);
    const isNil = portName == null || !port;
    if (!isNil && protocol !== undefined) return [{ portName, protocol, port }];
    ignored.push(`port ${String(portName)}: ${String(port)}/${String(text)}`);
    return [];
  });
}

/** @returns undefined for a slice without a Service, or of names */
export function projectSlice(slice: EndpointSlice): SliceRecord | undefined {
  const owner = slice.metadata?.labels?.[SERVICE_NAME_LABEL];
  const { addressType } = slice;
  if (owner === undefined || owner === '') return undefined;
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return undefined;
  const family: Family = addressType === 'IPv4' ? 4 : 6;
  const ignored: string[] = [];
  const weights = projectWeights(slice, ignored);
  const endpoints = slice.endpoints.flatMap((endpoint) => {
    const [text] = endpoint.addresses;
    if (text === undefined) return [];
    const address = canonicalAddress(text);
    if (address?.family === family) {
      const weight = weights.get(formatAddress(address)) ?? WEIGHT_DEFAULT;
      return [projectEndpoint(endpoint, address, weight)];
    }
    ignored.push(`endpoint ${JSON.stringify(text)}: no ${addressType} address`);
    return [];
  });
  return {
    key: objectKey(slice.metadata),
    service: namedKey(slice.metadata?.namespace, owner),
    family,
    isForeign: isForeign(slice.metadata),
    ports: projectSlicePorts(slice, ignored),
    endpoints,
    ignored,
  };
}

/** An endpoint of this node that is ready, and that no slice tells of. */
export function readyHere(address: Address, port: number): Endpoint {
  return {
    key: formatAddressPort(address, port),
    address,
    port,
    ready: true,
    serving: true,
    terminating: false,
    local: true,
    zones: [],
    nodes: [],
    weight: WEIGHT_DEFAULT,
  };
}

/** How much a copy of an endpoint is to be believed: more is better, terminating is worst. */
function standing(endpoint: Pick<Endpoint, 'terminating' | 'ready' | 'serving' | 'local'>): number {
  const { terminating, ready, serving, local } = endpoint;
  return (terminating ? 0 : 8) + (ready ? 4 : 0) + (serving ? 2 : 0) + (local ? 1 : 0);
}

/**
 * The endpoints of a service port: all slices together, each `ip:port` once, sorted by it.
 *
 * Of copies in several slices the one that is not terminating wins, then the ready, serving,
 * local one; the order of slices never counts, because `slices` is taken in the order of keys.
 */
export function mergeEndpoints(
  slices: Iterable<SliceRecord>,
  port: { readonly portName: string; readonly protocol: Protocol },
  family: Family,
  nodeName: string,
): Endpoint[] {
  const merged = new Map<string, Endpoint>();
  const add = (slice: SliceRecord, own: number): void => {
    for (const endpoint of slice.endpoints) {
      const { address, ready, serving, terminating, zones, nodes, weight } = endpoint;
      const key = formatAddressPort(address, own);
      const state = { ready, serving, terminating, local: endpoint.nodeName === nodeName };
      const known = merged.get(key);
      if (known && standing(state) <= standing(known)) continue;
      merged.set(key, { key, address, port: own, ...state, zones, nodes, weight });
    }
  };
  for (const slice of [...slices].sort((a, b) => byText(a.key, b.key))) {
    if (slice.family !== family) continue;
    for (const own of slice.ports) {
      if (own.portName === port.portName && own.protocol === port.protocol) add(slice, own.port);
    }
  }
  return [...merged.values()].sort((a, b) => byText(a.key, b.key));
}
