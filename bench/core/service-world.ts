/** A core with one pod and many services of endpoints elsewhere: what first packets are decided by. */
import { parseMac } from '../../src/addr.js';
import { SMALL_CAPACITIES, type Capacities } from '../../src/core/regions.js';
import { namedKey } from '../../src/model/keys.js';
import { compileCluster, NAMESPACE, type ServiceSpec } from './cluster.js';
import { applyRecords, createWorld, type World } from './world.js';

export interface ServiceWorldSpec {
  readonly protocol: 'TCP' | 'UDP';
  readonly services: number;
  /** Rows of the IPv4 flow table. */
  readonly flows4: number;
  readonly frames: number;
  /** By Maglev: the same backend for the same packet, whoever chooses. */
  readonly isMaglev?: boolean;
}

export const SERVICE_PORT = 53;
export const POD_ADDR = 0x0af40005;
export const POD_IFINDEX = 5;
/** 10.96.0.0: service i has the address i + 1. */
export const SERVICE_NET = 0x0a600000;
const POD = { name: 'client', address: '10.244.0.5', netns: '/none' };
/** Endpoints of each service. */
export const ENDPOINTS = 3;
/** 10.128.0.0/9, the other node's pods. */
const ENDPOINT_NET = 0x0a800000;

/** Address of one of a service's endpoints. */
export function endpointAddr(service: number, k: number): number {
  return ENDPOINT_NET + 1 + ENDPOINTS * service + k;
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

function serviceSpec(i: number, protocol: 'TCP' | 'UDP'): ServiceSpec {
  return {
    name: `service-${i}`,
    clusterIP: dotted(SERVICE_NET + i + 1),
    protocol,
    port: SERVICE_PORT,
    targetPort: 5353,
    endpoints: Array.from({ length: ENDPOINTS }, (_, k) => dotted(endpointAddr(i, k))),
  };
}

/** @throws Error when the core refuses a record */
export function createServiceWorld(spec: ServiceWorldSpec): World {
  const { protocol, services, flows4, frames } = spec;
  const capacities: Capacities = {
    ...SMALL_CAPACITIES,
    ...{ flows4, services, frames },
    frontends: 2 * services,
    backends: ENDPOINTS * services,
    setEntries: 2 * ENDPOINTS * services,
    // A set of three has a table of 509 slots.
    maglevEntries: 512 * services,
    frameSize: 2048,
  };
  const world = createWorld(capacities);
  const ownMac = parseMac('02:53:00:00:00:01');
  const { records } = compileCluster({
    capacities,
    services: Array.from({ length: services }, (_, i) => serviceSpec(i, protocol)),
    pods: [POD],
    links: [
      {
        kind: 'pod',
        pod: namedKey(NAMESPACE, POD.name),
        ifindex: POD_IFINDEX,
        mac: parseMac('02:00:00:00:00:05'),
        ownMac,
        mtu: 1500,
      },
      { kind: 'uplink', name: 'up', ifindex: 2, ownMac, mtu: 1500 },
    ],
    remotePods: '10.128.0.0/9',
    ...(spec.isMaglev ? { algorithm: 'maglev' as const } : {}),
  });
  applyRecords(world.core, records);
  return world;
}
