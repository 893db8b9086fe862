/**
 * Random small clusters: few names and addresses, so that everything collides with everything.
 */
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import fc from 'fast-check';
import { parseAddress, parseCidr, parseMac } from '../../src/addr.js';
import type { Address } from '../../src/addr.js';
import { BARE_SURROUNDINGS } from '../../src/compile/compile.js';
import type { Surroundings } from '../../src/compile/compile.js';
import type { Control, ControlOptions } from '../../src/compile/control.js';
import type { Link } from '../../src/compile/links.js';
import type { Neighbours } from '../../src/compile/routes.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import { namedKey } from '../../src/model/keys.js';
import {
  HERE,
  HTTP,
  annotated,
  draining,
  drop,
  dying,
  node,
  notReady,
  pod,
  put,
  ready,
  service,
  slice,
} from '../model/objects.js';

const SERVICES = ['a', 'b', 'c'];
const SLICES = ['s1', 's2', 's3', 's4'];
const PODS = ['p1', 'p2', 'p3'];
const NODES = [HERE, 'node-b', 'node-c'];
const PORTS = [
  { name: 'http', port: 80, protocol: 'TCP' },
  { name: 'dns', port: 53, protocol: 'UDP' },
];

const pick = <T>(...values: T[]) => fc.constantFrom(...values);

/** How a Service is seen from outside; the same address may be several things. */
const exposure = fc.record({
  type: pick('ClusterIP', 'NodePort', 'LoadBalancer'),
  externalIPs: fc.subarray(['203.0.113.1', '10.96.0.1', 'fd00:e::1', '198.51.100.1']),
  ingress: fc.subarray(['203.0.113.1', '192.0.2.1', 'fd00:e::1']),
  ranges: fc.subarray(['192.0.2.0/24', ' 198.51.100.0/24', 'fd00::/8', 'nonsense']),
  nodePort: pick(0, 30080, 30081),
  externalTrafficPolicy: pick('Cluster', 'Local'),
  sessionAffinity: pick('None', 'ClientIP'),
  algorithm: pick(undefined, 'random', 'maglev', 'round-robin', 'best'),
});

const servicePut = fc
  .record({
    name: pick(...SERVICES),
    clusterIP: pick('10.96.0.1', '10.96.0.2', 'fd00::1', 'None'),
    isDual: fc.boolean(),
    ports: fc.subarray(PORTS, { minLength: 1 }),
    policy: pick('Cluster', 'Local'),
    outside: exposure,
  })
  .map(({ name, clusterIP, isDual, ports, policy, outside }) => {
    const { algorithm, ingress, nodePort, ranges, ...rest } = outside;
    const clusterIPs = isDual && clusterIP.startsWith('10.') ? [clusterIP, 'fd00::2'] : [clusterIP];
    const spec = {
      ...rest,
      clusterIP,
      clusterIPs,
      ports: ports.map((port) => ({ ...port, nodePort })),
      internalTrafficPolicy: policy,
      loadBalancerSourceRanges: ranges,
    };
    const object = annotated(service(name, spec), {
      ...(algorithm === undefined ? {} : { 'sluice.dev/lb-algorithm': algorithm }),
    });
    const status = { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } };
    return put('Service', { ...object, status });
  });

const endpointOf = (ips: string[]): fc.Arbitrary<Endpoint> =>
  fc
    .tuple(pick(ready, ready, notReady, draining, dying), pick(...ips), pick(HERE, 'node-b'))
    .map(([make, ip, nodeName]) => make(ip, nodeName));

const slicePut = fc
  .record({
    name: pick(...SLICES),
    owner: pick(...SERVICES),
    ips: pick(['10.244.1.1', '10.244.1.2', '10.244.2.1', '10.244.2.2'], ['fd01::1', 'fd01::2']),
    ports: fc.subarray([HTTP, { name: 'dns', port: 5353, protocol: 'UDP' }], { minLength: 1 }),
    weights: pick('', '', '10.244.1.1=3,fd01::1=0', '10.244.1.1=0, 10.244.2.1=100'),
  })
  .chain(({ name, owner, ips, ports, weights }) =>
    fc.array(endpointOf(ips), { maxLength: 5 }).map((endpoints) => {
      const object = slice(name, owner, endpoints, ports);
      return put('EndpointSlice', annotated(object, { 'sluice.dev/weights': weights }));
    }),
  );

const nodePut = fc
  .tuple(
    pick(...NODES),
    pick('10.244.1.0/24', '10.244.2.0/24', 'fd01::/64'),
    pick('192.0.2.1', '192.0.2.2'),
  )
  .map(([name, cidr, ip]) => put('Node', node(name, [cidr], [ip])));

const podPut = fc
  .tuple(pick(...PODS), fc.subarray(['10.244.1.1', '10.244.1.2', 'fd01::1']), pick(HERE, 'node-b'))
  .map(([name, ips, nodeName]) => put('Pod', pod(name, ips, nodeName)));

const dropping = fc.oneof(
  pick(...SERVICES).map((name) => drop('Service', name)),
  pick(...SLICES).map((name) => drop('EndpointSlice', name)),
  pick(...NODES).map((name) => drop('Node', name)),
  pick(...PODS).map((name) => drop('Pod', name)),
);

export const anyPut: fc.Arbitrary<PutEvent> = fc.oneof(
  servicePut,
  slicePut,
  slicePut,
  nodePut,
  podPut,
);
export const anyEvent: fc.Arbitrary<PutEvent | DeleteEvent> = fc.oneof(
  { weight: 4, arbitrary: anyPut },
  { weight: 1, arbitrary: dropping },
);

const mac = (n: number) => parseMac(`02:00:00:00:00:0${n}`);

export const TRUNK: Link = { kind: 'host', ifindex: 2, ownMac: mac(2), mtu: 1500 };
export const UPLINK: Link = { kind: 'uplink', name: 'eth0', ifindex: 3, ownMac: mac(3), mtu: 1500 };
const PORTED: Link = { ...UPLINK, ioPort: 1 };

export function podLink(name: string, ifindex: number): Link {
  const key = namedKey('default', name);
  return { kind: 'pod', pod: key, ifindex, mac: mac(ifindex), ownMac: mac(1), mtu: 1400 };
}

/** Links that come, go, and take each other's ifindex. */
export const anyLinks: fc.Arbitrary<Link[]> = fc
  .tuple(pick([], [UPLINK], [PORTED]), fc.shuffledSubarray(PODS), fc.integer({ min: 4, max: 6 }))
  .map(([uplinks, pods, first]) => [
    TRUNK,
    ...uplinks,
    ...pods.map((name, i) => podLink(name, first + i)),
  ]);

/** What the node has, besides objects. */
export interface Ground {
  readonly links: readonly Link[];
  readonly localAddresses: readonly Address[];
  readonly neighbours: Neighbours;
}

export const anyGround: fc.Arbitrary<Ground> = fc.record({
  links: anyLinks,
  localAddresses: fc
    .subarray(['192.0.2.1', '198.51.100.1', 'fd00:192::1', '127.0.0.1', 'fe80::1'])
    .map((texts) => texts.map(parseAddress)),
  neighbours: pick<Neighbours>(new Map(), new Map([['192.0.2.2', mac(9)]])),
});

/** Options under which everything that depends on the node does something. */
export const FULL_OPTIONS: Omit<ControlOptions, 'nodeName' | 'capacities'> = {
  serviceCIDRs: [parseCidr('10.96.0.0/16')],
  nodePortAddresses: ['primary', 'localhost', parseCidr('198.51.100.0/24'), parseCidr('::/0')],
  allowedExternalIPs: [parseCidr('203.0.113.0/24'), parseCidr('10.96.0.0/16'), parseCidr('::/0')],
  policy: { pods: { by: 'node' }, resetRemoved: true },
};

/** What `compileAll` needs to come to the same as a Control with FULL_OPTIONS. */
export function surroundings(ground: Partial<Ground>): Surroundings {
  const policy = { ...BARE_SURROUNDINGS.policy, ...FULL_OPTIONS.policy };
  return { ...BARE_SURROUNDINGS, ...FULL_OPTIONS, policy, ...ground };
}

export function setGround(control: Control, ground: Ground): void {
  control.setLinks(ground.links);
  control.setLocalAddresses(ground.localAddresses);
  control.setNeighbours(ground.neighbours);
}
