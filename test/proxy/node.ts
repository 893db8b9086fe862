/**
 * A node with one Service that can be reached in every way, and three who try: a pod, the node
 * itself, and somebody outside. What becomes of a try is read from the frame that leaves.
 */
import type { Service, ServiceSpec } from 'kubernetes-types/core/v1.js';
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import { Drop, Verdict } from '../../assembly/abi.js';
import { HERE, put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  type Engine,
  type EngineOptions,
  IF,
  NODE4,
  NODE6,
  OUTSIDE4,
  OUTSIDE6,
  REMOTE4,
  openEngine,
} from '../support/engine.js';
import { type PacketSpec, packet } from '../support/frames.js';

export const VIP = '10.96.0.10';
export const VIP6 = 'fd00:10:96::a';
/** A load balancer's address, and one of externalIPs: neither is on any interface. */
export const BALANCER = '203.0.113.7';
export const EXTERNAL = '203.0.113.99';
export const NODE_PORT = 30080;
/** A second pod of the other node. */
export const REMOTE4_TOO = '10.244.2.8';

export interface Sender {
  readonly ifindex: number;
  readonly src: string;
}

export const POD: Sender = { ifindex: IF.POD_A, src: A4 };
export const NODE: Sender = { ifindex: IF.TRUNK, src: NODE4 };
export const OUTSIDE: Sender = { ifindex: IF.UPLINK, src: OUTSIDE4 };
export const POD6: Sender = { ifindex: IF.POD_A, src: A6 };
export const NODE_6: Sender = { ifindex: IF.TRUNK, src: NODE6 };
export const OUTSIDE_6: Sender = { ifindex: IF.UPLINK, src: OUTSIDE6 };

/** An endpoint of this node and one of the other. */
export const here = (address = B4): Endpoint => ready(address, HERE);
export const there = (address = REMOTE4): Endpoint => ready(address, 'node-b');

/** `web`, TCP 80, with a ClusterIP, a node port, a load-balancer address and an external address. */
export function webEverywhere(spec: Partial<ServiceSpec> = {}): Service {
  const web = service('web', {
    type: 'LoadBalancer',
    clusterIP: VIP,
    externalIPs: [EXTERNAL],
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: NODE_PORT }],
    ...spec,
  });
  return { ...web, status: { loadBalancer: { ingress: [{ ip: BALANCER }] } } };
}

export const webSlice = (...endpoints: Endpoint[]) =>
  put('EndpointSlice', slice('web-1', 'web', endpoints));

/** A node with `web` over these endpoints. */
export function nodeWith(
  spec: Partial<ServiceSpec>,
  endpoints: readonly Endpoint[],
  options: EngineOptions = {},
): Engine {
  const engine = openEngine(options);
  engine.apply(put('Service', webEverywhere(spec)), webSlice(...endpoints));
  return engine;
}

/** The ways in: address and port. */
export const WAYS = {
  clusterIP: [VIP, 80],
  nodePort: [NODE4, NODE_PORT],
  balancer: [BALANCER, 80],
  external: [EXTERNAL, 80],
} as const satisfies Record<string, readonly [string, number]>;
export type Way = keyof typeof WAYS;

/** What became of several tries. */
export interface Outcome {
  /** `address:port` of the endpoints that were reached, sorted. */
  readonly reached: readonly string[];
  /** Sources the endpoints saw, other than the sender's. */
  readonly seenAs: readonly string[];
  /** Tries answered by "port unreachable". */
  readonly refused: number;
  /** Names of the reasons for which tries were dropped. */
  readonly dropped: readonly string[];
}

let nextPort = 20000;
/** A source port nobody has used yet. */
export const freshPort = (): number => ++nextPort;

export function tryOnce(
  engine: Engine,
  { ifindex, src }: Sender,
  dst: string,
  dport: number,
  extra: Partial<PacketSpec> = {},
) {
  const spec = { proto: 'tcp', src, dst, sport: freshPort(), dport, flags: 'S' } as const;
  return engine.send(ifindex, packet({ ...spec, ...extra }));
}

/** Try a way in many times, each time as a new flow. */
export function tries(
  engine: Engine,
  from: Sender,
  [dst, dport]: readonly [string, number],
  extra: Partial<PacketSpec> & { readonly count?: number } = {},
): Outcome {
  const { count = 40, ...more } = extra;
  const reached = new Set<string>();
  const seenAs = new Set<string>();
  const dropped = new Set<string>();
  let refused = 0;
  for (let i = 0; i < count; i++) {
    engine.nowMs += 2;
    const { verdict, drop, seen } = tryOnce(engine, from, dst, dport, more);
    const isError = seen.type === 3 || (seen.type === 1 && seen.proto === 58);
    if (verdict === Verdict.DROP) dropped.add(Drop[drop]);
    else if (isError) refused++;
    else {
      reached.add(`${seen.dst ?? ''}:${seen.dport ?? 0}`);
      if (seen.src !== (more.src ?? from.src)) seenAs.add(seen.src ?? '');
    }
  }
  return {
    reached: [...reached].sort(),
    seenAs: [...seenAs].sort(),
    refused,
    dropped: [...dropped].sort(),
  };
}

const at = (...addresses: string[]): string[] => addresses.map((a) => `${a}:8080`).sort();

/** Reached these endpoints (port 8080), all of them, with the sender's own address. */
export const reaches = (...addresses: string[]): Outcome => ({
  reached: at(...addresses),
  seenAs: [],
  refused: 0,
  dropped: [],
});

/** The same, seen as the node. */
export const masqueraded = (...addresses: string[]): Outcome => ({
  ...reaches(...addresses),
  seenAs: [NODE4],
});

export const refused = (count = 40): Outcome => ({
  reached: [],
  seenAs: [],
  refused: count,
  dropped: [],
});

export const dropped = (reason: keyof typeof Drop): Outcome => ({
  reached: [],
  seenAs: [],
  refused: 0,
  dropped: [reason],
});
