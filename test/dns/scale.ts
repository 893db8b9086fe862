/** Large clusters of names, and a core that is as large as it has to be for them. */
import { DIRECTORY_BASE, DIR_ENTRY_SIZE, DIR_USED_OFF, RegionId } from '../../assembly/abi.js';
import { SPACE_FIRST } from '../../assembly/abi-dns.js';
import { ZONE_DEFAULTS } from '../../src/compile/dns/options.js';
import { createZone } from '../../src/compile/dns/zone.js';
import type { Zone } from '../../src/compile/dns/zone.js';
import { createCore } from '../../src/core/instance.js';
import type { Core } from '../../src/core/core.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { createCluster } from '../../src/model/cluster.js';
import type { Cluster } from '../../src/model/cluster.js';
import type { PutEvent } from '../../src/model/events.js';
import { HERE, put, ready, slice } from '../model/objects.js';

export interface NamesScale {
  readonly services: number;
  /** Of each Service; every one is an address of its own. */
  readonly endpoints: number;
  /** One Service in so many is headless. */
  readonly headlessEvery: number;
}

const PER_NAMESPACE = 100;
const PORTS = [{ name: 'http', port: 80, protocol: 'TCP' }];
/** Endpoints of a slice, as the controller has it. */
const PER_SLICE = 100;

const octets = (first: number, n: number): string =>
  `${first}.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;

function within<T extends { metadata?: object }>(object: T, namespace: string): T {
  return { ...object, metadata: { ...object.metadata, namespace } };
}

/** The slice of a Service that has its `from`th endpoint. */
export function sliceEvent({ endpoints }: NamesScale, i: number, from: number): PutEvent {
  const addresses = Array.from({ length: Math.min(PER_SLICE, endpoints - from) }, (_, k) =>
    ready(octets(11, i * endpoints + from + k)),
  );
  const namespace = `namespace-${Math.floor(i / PER_NAMESPACE)}`;
  const name = `service-${i}`;
  return put('EndpointSlice', within(slice(`${name}-${from}`, name, addresses), namespace));
}

export function namesEvents(scale: NamesScale): PutEvent[] {
  return Array.from({ length: scale.services }, (_, i) => {
    const isHeadless = i % scale.headlessEvery === 0;
    const metadata = {
      namespace: `namespace-${Math.floor(i / PER_NAMESPACE)}`,
      name: `service-${i}`,
    };
    const clusterIP = isHeadless ? 'None' : octets(10, i + 1);
    const slices: PutEvent[] = [];
    for (let from = 0; from < scale.endpoints; from += PER_SLICE) {
      slices.push(sliceEvent(scale, i, from));
    }
    return [put('Service', { metadata, spec: { clusterIP, ports: PORTS } }), ...slices];
  }).flat();
}

export interface NamesLoad {
  readonly zone: Zone;
  readonly cluster: Cluster;
  readonly core: Core;
  /** Everything that is to be said, into the core. @returns bytes of records */
  flush(): number;
  /** Bytes in use: rows of the names that are there, and entries. */
  used(): { readonly names: number; readonly rrsetBytes: number };
  /** Bytes that both tables take in linear memory. */
  tableBytes(): number;
}

/** @param names  how many there is room for. @param rrsetBytes  for their entries */
export function namesLoad(names: number, rrsetBytes: number): NamesLoad {
  const core = createCore({ ...SMALL_CAPACITIES, names, rrsetBytes });
  core.start({ offload: false, nowMs: 1 });
  const cluster = createCluster(HERE);
  const zone = createZone({
    space: SPACE_FIRST,
    zones: ['cluster.local', 'in-addr.arpa', 'ip6.arpa'],
    options: { ...ZONE_DEFAULTS, ttl: 30, pods: 'insecure' },
    named: cluster.named,
  });
  const usedOf = (id: RegionId): number =>
    core.words.getUint32(DIRECTORY_BASE + id * DIR_ENTRY_SIZE + DIR_USED_OFF, true);
  return {
    zone,
    cluster,
    core,
    flush: () => {
      let bytes = 0;
      for (;;) {
        const records = zone.flush(1);
        if (records.length === 0) return bytes;
        core.applyNames(records);
        zone.acknowledge(records);
        bytes += records.length;
      }
    },
    used: () => ({ names: usedOf(RegionId.NAMES), rrsetBytes: usedOf(RegionId.RRSETS) }),
    tableBytes: () =>
      [RegionId.NAMES, RegionId.RRSETS]
        .map((id) => core.region(id))
        .reduce((sum, { capacity, rowSize }) => sum + capacity * rowSize, 0),
  };
}
