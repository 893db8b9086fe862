/**
 * Random clusters: what is said of them is kept in a shape of its own, from which Kubernetes objects
 * are written (manifests.ts) and names are worked out (model.ts), each without the other.
 */
import type { Random } from '../../fuzz/frames.js';

export interface Port {
  /** Empty: it has none. */
  readonly name: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

export interface Endpoint {
  readonly addresses: readonly string[];
  readonly hostname: string | undefined;
  /** undefined: it is not told. */
  readonly ready: boolean | undefined;
}

export interface Slice {
  readonly family: 4 | 6;
  readonly ports: readonly Port[];
  readonly endpoints: readonly Endpoint[];
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly kind: 'cluster' | 'headless' | 'external';
  /** ClusterIPs. */
  readonly addresses: readonly string[];
  readonly ports: readonly Port[];
  readonly externalName: string;
  readonly slices: readonly Slice[];
}

export interface Cluster {
  readonly domain: string;
  /** Seconds. */
  readonly ttl: number;
  readonly pods: 'disabled' | 'insecure';
  readonly namespaces: readonly string[];
  readonly services: readonly Service[];
}

const NAMESPACES = ['default', 'kube-system', 'shop', 'a', 'n-1', 'x'.repeat(63)];
const NAMES = ['web', 'db', 'kubernetes', '1st', 'a', 'svc', 'pod', 'y'.repeat(63), 'w-e-b'];
const PORT_NAMES = ['http', 'https', 'dns', 'a', 'metrics-port', ''];
const HOSTNAMES = ['web-0', 'web-1', 'db-0', 'z'.repeat(63)];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;
const PORT_MAX = 65_536;

/** Of a list, one. */
export function pick<T>(random: Random, list: readonly T[]): T {
  if (list.length === 0) throw new Error('the list is empty');
  return list[random(list.length)] as T;
}

/** True in one of `n` cases. */
export const chance = (random: Random, n: number): boolean => random(n) === 0;

const hex = (n: number): string => n.toString(16);

/** Addresses that nobody else in the cluster has. */
function createAddresses(random: Random) {
  let count = 0;
  const next = (): [number, number] => {
    count += 1;
    return [count >> 8, count & 0xff];
  };
  return {
    service: (family: 4 | 6): string => {
      const [high, low] = next();
      return family === 4 ? `10.96.${high}.${low}` : `fd00:10:96::${hex(high)}:${hex(low + 1)}`;
    },
    endpoint: (family: 4 | 6): string => {
      const [high, low] = next();
      if (family === 4) return `172.${16 + random(16)}.${high}.${low}`;
      // Zeros in the middle, at the end and nowhere.
      const [a, b] = [hex(high + 1), hex(low + 1)];
      return pick(random, [
        `2001:db8:${b}::${a}`,
        `2001:db8:${a}:${b}::`,
        `2001:db8:1:${a}:5:6:7:${b}`,
      ]);
    },
  };
}

type Addresses = ReturnType<typeof createAddresses>;

function randomPorts(random: Random, max: number): Port[] {
  const ports: Port[] = [];
  const count = random(max + 1);
  for (let i = 0; i < count; i += 1) {
    const port = {
      name: pick(random, PORT_NAMES),
      protocol: pick(random, PROTOCOLS),
      port: 1 + random(PORT_MAX - 1),
    };
    // Only a single port may be without a name.
    const isTaken = ports.some((other) => other.name === port.name || port.name === '');
    if (ports.length === 0 || !isTaken) ports.push(port);
    if (port.name === '') break;
  }
  return ports;
}

function randomSlice(random: Random, addresses: Addresses, sizeMax: number): Slice {
  const family = chance(random, 3) ? 6 : 4;
  const endpoints = Array.from({ length: random(sizeMax + 1) }, (): Endpoint => ({
    addresses: Array.from({ length: chance(random, 5) ? 2 : 1 }, () => addresses.endpoint(family)),
    hostname: chance(random, 3) ? pick(random, HOSTNAMES) : undefined,
    ready: pick(random, [true, true, true, undefined, false]),
  }));
  return { family, ports: randomPorts(random, 3), endpoints };
}

function clusterIPsOf(random: Random, addresses: Addresses): string[] {
  const families = pick(random, [[4], [6], [4, 6], [6, 4]] as const);
  return families.map((family) => addresses.service(family));
}

function randomService(
  random: Random,
  addresses: Addresses,
  at: Pick<Service, 'namespace' | 'name'>,
  domain: string,
): Service {
  const kind = pick(random, ['cluster', 'cluster', 'headless', 'headless', 'external'] as const);
  if (kind === 'external') {
    const inside = `${pick(random, NAMES)}.${pick(random, NAMESPACES)}.svc.${domain}`;
    const targets = ['www.interwebs.test', 'nosuch.interwebs.test', '192.0.2.1', inside, inside];
    const externalName = pick(random, targets);
    return { ...at, kind, addresses: [], ports: [], externalName, slices: [] };
  }
  // One that does not fit into a datagram now and then.
  const sizeMax = chance(random, 12) ? 120 : 5;
  const count = random(4);
  return {
    ...at,
    kind,
    addresses: kind === 'cluster' ? clusterIPsOf(random, addresses) : [],
    ports: randomPorts(random, 4),
    externalName: '',
    slices: Array.from({ length: count }, () => randomSlice(random, addresses, sizeMax)),
  };
}

/** A cluster that the seed determines. */
export function randomCluster(random: Random): Cluster {
  const domain = pick(random, ['cluster.local', 'cluster.local', 'k8s.example.org']);
  const addresses = createAddresses(random);
  const namespaces = NAMESPACES.filter(() => !chance(random, 3));
  const services = namespaces.flatMap((namespace) =>
    NAMES.filter(() => chance(random, 2)).map((name) =>
      randomService(random, addresses, { namespace, name }, domain),
    ),
  );
  const ttl = pick(random, [0, 5, 30, 3600]);
  return { domain, ttl, pods: pick(random, ['disabled', 'insecure']), namespaces, services };
}
