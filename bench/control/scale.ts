/**
 * Large clusters for the control plane: the objects of thousands of services, and a control plane
 * with a core that takes what it says, in one process. No kernel, no lane, no clock but ours.
 */
import { DELTA_SIZE } from '../../assembly/abi.js';
import { parseMac } from '../../src/addr.js';
import { createControl, type Control } from '../../src/compile/control.js';
import { maglevSize } from '../../src/compile/maglev.js';
import { createCore } from '../../src/core/instance.js';
import type { Core } from '../../src/core/core.js';
import { SMALL_CAPACITIES, type Capacities } from '../../src/core/regions.js';
import type { PutEvent } from '../../src/model/events.js';
import { namedKey } from '../../src/model/keys.js';
import { NAMESPACE, NODE_NAME, nodeEvent, podEvent, serviceEvents } from '../core/cluster.js';
import type { ServiceSpec } from '../core/cluster.js';

export interface Scale {
  readonly services: number;
  /** Of each service; every one is a backend of its own. */
  readonly endpoints: number;
}

export const TEN_THOUSAND: Scale = { services: 10_000, endpoints: 10 };
export const QUARTER_MILLION: Scale = { services: 5_000, endpoints: 50 };

/** 10.96.0.0/12 */
const SERVICE_NET = 0x0a600000;
/** 10.128.0.0/9: pods of the other node. */
const REMOTE_NET = 0x0a800000;
export const REMOTE_PODS = '10.128.0.0/9';
const PORT = 80;
const TARGET_PORT = 8080;
const MTU = 1500;
const POD = { name: 'client', address: '10.244.0.5', netns: '/none' };

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** The i-th service of a cluster. */
export function serviceSpec({ endpoints }: Scale, i: number): ServiceSpec {
  return {
    name: `service-${i}`,
    clusterIP: dotted(SERVICE_NET + i + 1),
    protocol: 'TCP',
    port: PORT,
    targetPort: TARGET_PORT,
    endpoints: Array.from({ length: endpoints }, (_, k) =>
      dotted(REMOTE_NET + 1 + endpoints * i + k),
    ),
  };
}

export function serviceSpecs(scale: Scale): ServiceSpec[] {
  return Array.from({ length: scale.services }, (_, i) => serviceSpec(scale, i));
}

/** Everything a source would say, as it would: nodes and pods first, then service by service. */
export function clusterEvents(scale: Scale): PutEvent[] {
  return [
    nodeEvent(NODE_NAME, '192.168.0.1', '10.244.0.0/24'),
    nodeEvent('node-b', '192.168.0.2', REMOTE_PODS),
    podEvent(POD),
    ...serviceSpecs(scale).flatMap(serviceEvents),
  ];
}

/** Tables that hold the cluster, with room for the second set that a change needs. */
export function capacitiesFor({ services, endpoints }: Scale): Capacities {
  const backends = services * endpoints + services;
  return {
    ...SMALL_CAPACITIES,
    frontends: 2 * services + 64,
    services: services + 64,
    backends,
    setEntries: 2 * backends,
    maglevEntries: Math.ceil(1.1 * services) * maglevSize(endpoints + 1),
  };
}

/** A control plane and its core, empty, with the links of a node. */
export interface Plane {
  readonly control: Control;
  readonly core: Core;
}

export function createPlane(scale: Scale): Plane {
  const capacities = capacitiesFor(scale);
  const control = createControl({ nodeName: NODE_NAME, capacities });
  const ownMac = parseMac('02:53:00:00:00:01');
  control.setLinks([
    { kind: 'host', ifindex: 3, ownMac, mtu: MTU },
    { kind: 'uplink', name: 'up', ifindex: 2, ownMac, mtu: MTU },
    {
      kind: 'pod',
      pod: namedKey(NAMESPACE, POD.name),
      ifindex: 5,
      mac: parseMac('02:00:00:00:00:05'),
      ownMac,
      mtu: MTU,
    },
  ]);
  const core = createCore(capacities);
  core.start({ offload: true, nowMs: 0 });
  return { control, core };
}

/** Seconds that each step of a load took. */
export interface LoadTimes {
  readonly total: number;
  /** Objects to records of the model. */
  readonly model: number;
  /** Records to rows to places to delta records. */
  readonly compile: number;
  /** Delta records to tables. */
  readonly core: number;
}

/**
 * Compile what has been said and have the core apply it.
 *
 * @returns      records applied
 * @throws Error when a row found no room or the core refused a record
 */
export function program({ control, core }: Plane, records: Uint8Array): number {
  const applied = core.apply(records);
  const refused = control.acknowledge(records);
  const [problem] = [...control.problems(), ...refused];
  if (problem) throw new Error(`${problem.key}: ${problem.reason}`);
  return applied;
}

/** Load a cluster into an empty plane. @throws Error when it does not fit */
export function load(plane: Plane, events: readonly PutEvent[]): LoadTimes {
  const begin = performance.now();
  for (const event of events) plane.control.apply(event);
  plane.control.apply({ type: 'synced' });
  const modelled = performance.now();
  const records = plane.control.flush();
  const compiled = performance.now();
  const applied = program(plane, records);
  const end = performance.now();
  if (applied !== records.length / DELTA_SIZE) throw new Error(`${applied} records applied`);
  return {
    total: (end - begin) / 1e3,
    model: (modelled - begin) / 1e3,
    compile: (compiled - modelled) / 1e3,
    core: (end - compiled) / 1e3,
  };
}

/** A plane that knows the cluster; what the load has left behind is collected. */
export function createLoadedPlane(scale: Scale): Plane {
  const plane = createPlane(scale);
  load(plane, clusterEvents(scale));
  collectGarbage();
  return plane;
}

/** A full collection; `npm run bench` exposes it. */
export function collectGarbage(): void {
  globalThis.gc?.();
}

/** A prime, so that successive changes are far apart. */
const STRIDE = 7919;
/** 10.64.0.0/16: pods that changes bring. */
const FRESH_NET = 0x0a400000;

/** The n-th change: one endpoint of one service, in its slice, is replaced by another. */
export function changeEvent(scale: Scale, n: number): PutEvent {
  const spec = serviceSpec(scale, (n * STRIDE) % scale.services);
  const endpoints = [...spec.endpoints.slice(1), dotted(FRESH_NET + n)];
  const [, slice] = serviceEvents({ ...spec, endpoints });
  if (!slice) throw new Error('a service without a slice');
  return slice;
}
