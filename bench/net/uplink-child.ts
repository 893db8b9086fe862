/**
 * A node that is all uplink: the real lane, tables and XDP programs on the two devices of
 * wire.ts, with one service and no pods. Runs inside the node's namespace.
 *
 *   uplink-child.ts JSON     JSON: UplinkSpec of uplink.ts
 *
 * Says "ready", then obeys lines: "on" attaches the programs, "off" takes them off; each is
 * answered by the number of packets the lane has received so far. Pins lie in a BPF file system
 * of this process's own mount namespace and go with it.
 */
import { createInterface } from 'node:readline';
import {
  Action,
  COUNTERS_BYTES,
  COUNTER_LANE_BASE,
  LaneCounter,
  Op,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  ROUTE_DST_MAC_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_PREFIX_LEN_OFF,
  ROUTE_SIZE,
  ROUTE_SRC_MAC_OFF,
  TableId,
} from '../../assembly/abi.js';
import { parseAddress, parseMac } from '../../src/addr.js';
import type { DnsHere } from '../../src/compile/services.js';
import { createDeltaWriter, refusedDeltas } from '../../src/core/delta-writer.js';
import type { Lane } from '../../src/core/lane-client.js';
import type { PortSpec } from '../../src/core/lane-messages.js';
import { LAYOUT_HASH } from '../../src/core/layout-hash.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { preparePinDir } from '../../src/kernel/host.js';
import { createDeviceMap, createXskMap, openMaps } from '../../src/kernel/maps.js';
import { loadProgram } from '../../src/kernel/programs.js';
import { createSteering } from '../../src/kernel/steering.js';
import { closeFd, linkCreate, mapLookup } from '../../src/native.js';
import { namedKey } from '../../src/model/keys.js';
import { compileCluster, NAMESPACE } from '../core/cluster.js';
import { applyNames, LISTENER, NAME_CAPACITIES } from '../dns/names.js';
import { importLaneClient } from './sluice.js';
import type { UplinkDevice, UplinkSpec } from './uplink.js';

const PIN_DIR = '/sys/fs/bpf/sluice-bench';
const RING_SIZE = 2048;
const CAPACITIES = {
  ...SMALL_CAPACITIES,
  ...NAME_CAPACITIES,
  flows4: 1 << 18,
  frames: 16_384,
  frameSize: 2048,
};
// linux/bpf.h, linux/if_link.h
const BPF_XDP = 37;
const XDP_FLAGS_DRV_MODE = 4;
const HOST_PREFIX_LEN = 128;
const MTU = 1500;

/** Routes to the servers with their MACs, as a resolved neighbour would give them. */
function serverRoutes(spec: UplinkSpec): Uint8Array {
  const writer = createDeltaWriter();
  for (const address of spec.service.endpoints) {
    const row = new Uint8Array(ROUTE_SIZE);
    const view = new DataView(row.buffer);
    view.setUint8(ROUTE_ACTION_OFF, Action.UPLINK);
    row.set(parseAddress(address).bytes, ROUTE_ADDR_OFF);
    view.setUint32(ROUTE_PREFIX_LEN_OFF, HOST_PREFIX_LEN, true);
    view.setUint32(ROUTE_IFINDEX_OFF, spec.far.ifindex, true);
    row.set(parseMac(spec.serverMac), ROUTE_DST_MAC_OFF);
    row.set(parseMac(spec.far.mac), ROUTE_SRC_MAC_OFF);
    writer.keyed(Op.PUT, TableId.ROUTE, row);
  }
  return writer.take();
}

async function applyAll(lane: Lane, records: Uint8Array): Promise<void> {
  const [refused] = refusedDeltas(await lane.apply(records));
  if (refused) throw new Error(`record ${refused.record} refused: ${refused.error}`);
}

function portOn(device: UplinkDevice, xskMap: number): PortSpec {
  const { name, ifindex } = device;
  return {
    kind: 'xdp',
    link: ifindex,
    device: { name, ifindex, queue: 0 },
    xskMap,
    ringSize: RING_SIZE,
  };
}

/** The service as the cluster's DNS; what the lane leaves goes to the node itself. */
function dnsHere({ service, nodeAddress }: UplinkSpec): DnsHere {
  return {
    service: namedKey(NAMESPACE, service.name),
    listener: LISTENER,
    addresses: [parseAddress(nodeAddress)],
    port: service.port,
  };
}

interface Node {
  on(): void;
  off(): void;
  /** Packets the lane has received. */
  climbed(): bigint;
}

function readLaneCounter(countersFd: number, counter: LaneCounter): bigint {
  const words = mapLookup(countersFd, new Uint8Array(4), COUNTERS_BYTES);
  if (!words) throw new Error('map counters is empty');
  const view = new DataView(words.buffer, words.byteOffset);
  return view.getBigUint64(8 * (COUNTER_LANE_BASE + counter), true);
}

async function startNode(spec: UplinkSpec): Promise<Node> {
  preparePinDir(PIN_DIR);
  const { flows4, flows6, links } = CAPACITIES;
  const maps = openMaps(PIN_DIR, { flows4, flows6, links, ours: 1024, layout: LAYOUT_HASH });
  const isOneLink = spec.near.ifindex === spec.far.ifindex;
  const devices = (isOneLink ? [spec.near] : [spec.near, spec.far]).map((device) => {
    const xsks = createXskMap(1);
    const fds = { ...maps.fds, xsks, device: createDeviceMap() };
    return { device, xsks, program: loadProgram('uplink_xdp', fds) };
  });
  const { startLane } = await importLaneClient();
  const lane = await startLane({
    capacities: { ...CAPACITIES, ringBytes: 1 << 20 },
    maps: maps.fds,
    ports: devices.map(({ device, xsks }) => portOn(device, xsks)),
    offload: spec.offload,
    failMode: 'open',
    trunkIfindex: 0,
    cpu: spec.laneCpu,
  });
  lane.ended.catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
  const cluster = compileCluster({
    capacities: CAPACITIES,
    services: [spec.service],
    pods: [],
    links: devices.map(({ device }, ioPort) => ({
      kind: 'uplink',
      name: device.name,
      ifindex: device.ifindex,
      ownMac: parseMac(device.mac),
      mtu: MTU,
      ioPort,
    })),
    remotePods: spec.remotePods,
    nodeAddress: spec.nodeAddress,
    ...(spec.isDns === true ? { dns: dnsHere(spec) } : {}),
  });
  if (spec.isDns === true) await applyNames(lane.applyNames);
  await applyAll(lane, cluster.records);
  await applyAll(lane, serverRoutes(spec));
  createSteering(maps).setOurs(cluster.ours);
  let attached: number[] = [];
  return {
    on: () => {
      attached = devices.map(({ device, program }) =>
        linkCreate(program, device.ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE),
      );
    },
    off: () => {
      for (const link of attached) closeFd(link);
      attached = [];
    },
    climbed: () => readLaneCounter(maps.fds.counters, LaneCounter.RX_PACKETS),
  };
}

const node = await startNode(JSON.parse(process.argv[2] ?? '{}') as UplinkSpec);
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'on') node.on();
  else node.off();
  console.log(String(node.climbed()));
}
process.exit(0);
