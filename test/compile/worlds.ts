/**
 * Random small clusters: few names and addresses, so that everything collides with everything.
 */
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import fc from 'fast-check';
import { parseMac } from '../../src/addr.js';
import type { Link } from '../../src/compile/links.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import { namedKey } from '../../src/model/keys.js';
import {
  HERE,
  HTTP,
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

const servicePut = fc
  .record({
    name: pick(...SERVICES),
    clusterIP: pick('10.96.0.1', '10.96.0.2', 'fd00::1', 'None'),
    isDual: fc.boolean(),
    ports: fc.subarray(PORTS, { minLength: 1 }),
    policy: pick('Cluster', 'Local'),
  })
  .map(({ name, clusterIP, isDual, ports, policy }) => {
    const clusterIPs = isDual && clusterIP.startsWith('10.') ? [clusterIP, 'fd00::2'] : [clusterIP];
    const spec = { clusterIP, clusterIPs, ports, internalTrafficPolicy: policy };
    return put('Service', service(name, spec));
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
  })
  .chain(({ name, owner, ips, ports }) =>
    fc
      .array(endpointOf(ips), { maxLength: 5 })
      .map((endpoints) => put('EndpointSlice', slice(name, owner, endpoints, ports))),
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

export function podLink(name: string, ifindex: number): Link {
  const key = namedKey('default', name);
  return { kind: 'pod', pod: key, ifindex, mac: mac(ifindex), ownMac: mac(1), mtu: 1400 };
}

/** Links that come, go, and take each other's ifindex. */
export const anyLinks: fc.Arbitrary<Link[]> = fc
  .tuple(fc.boolean(), fc.shuffledSubarray(PODS), fc.integer({ min: 4, max: 6 }))
  .map(([hasUplink, pods, first]) => [
    TRUNK,
    ...(hasUplink ? [UPLINK] : []),
    ...pods.map((name, i) => podLink(name, first + i)),
  ]);
