/**
 * What an agent holds of its node: the kernel's side first, then the lane over it, in the order in
 * which each needs the other.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SluiceConfig } from '../config/config.js';
import { startLane } from '../core/lane-client.js';
import type { Lane } from '../core/lane-client.js';
import type { PortSpec } from '../core/lane-messages.js';
import { LAYOUT_HASH } from '../core/layout-hash.js';
import type { Capacities } from '../core/regions.js';
import { makeFolder } from '../disk.js';
import { createHooks, releaseLaneSide } from '../kernel/hooks.js';
import type { Hooks } from '../kernel/hooks.js';
import { preparePinDir, requireRoot } from '../kernel/host.js';
import { findLink, listLinks } from '../kernel/link.js';
import { openMaps } from '../kernel/maps.js';
import type { Maps } from '../kernel/maps.js';
import { ownNetns } from '../kernel/netns.js';
import type { Netns } from '../kernel/netns.js';
import { enableForwarding } from '../kernel/sysctl.js';
import { RESERVED_PORTS_FILE, reservePorts } from '../kernel/taken-ports.js';
import { ensureTrunk } from '../kernel/trunk.js';
import type { Trunk } from '../kernel/trunk.js';
import { resolveUplink } from '../kernel/uplink.js';
import type { Uplink } from '../kernel/uplink.js';
import type { Log } from '../log.js';
import { mayTunnel, trunkMtu } from './mtu.js';
import { timeoutsOf } from './options.js';

/** Entries of each AF_XDP ring; half of the frames may be posted to one port. */
const RING_SIZE = 2048;
const PACKET_RING_SIZE = 256;
/** A super-frame, its virtio header and room in front of both. */
const PACKET_FRAME_SIZE = 131072;
const PACKET_FRAMES = 1024;
/** The device of what the host sends to itself; the kernel makes it, under this name. */
const LOOPBACK = 'lo';
/** Bytes of rings per port, both kinds; generous, whole pages. */
const RING_BYTES_PER_PORT = 1 << 18;

/** What the core is asked for: frames of a packet trunk are large and few. */
export function coreCapacities(config: SluiceConfig): Capacities {
  const ringBytes = RING_BYTES_PER_PORT * (1 + config.uplinks.length);
  const asked = { ...config.capacities, ringBytes };
  if (config.trunk.kind === 'xdp') return asked;
  return { ...asked, frameSize: PACKET_FRAME_SIZE, frames: PACKET_FRAMES };
}

/** Everything of the kernel's that an agent holds. */
export interface Node {
  readonly net: Netns;
  readonly maps: Maps;
  readonly hooks: Hooks;
  readonly trunk: Trunk;
  readonly uplinks: readonly Uplink[];
}

export function openNode(config: SluiceConfig, log: Log): Node {
  requireRoot();
  preparePinDir(config.pinDir);
  const net = ownNetns();
  enableForwarding(net.sysctl, () => listLinks(net.rtnl).map(({ name }) => name));
  keepPorts(config, net);
  const uplinks = config.uplinks.map((uplink) => resolveUplink(net, uplink));
  const { kind, name } = config.trunk;
  if (kind === 'packet') releaseLaneSide(config.pinDir, `${name}1`);
  const trunk = ensureTrunk(net, { kind, mtu: trunkMtu(config, uplinks), prefix: name });
  const { flows4, flows6, links, frontends, routes } = config.capacities;
  const maps = openMaps(config.pinDir, {
    flows4,
    flows6,
    links,
    ours: frontends + routes,
    layout: LAYOUT_HASH,
  });
  for (const warning of maps.warnings) log.warn(warning);
  return { net, maps, hooks: createHooks(maps), trunk, uplinks };
}

/** Where `sluice cleanup` finds what was reserved before Sluice reserved its own ports. */
function keepPorts({ stateDir }: SluiceConfig, { sysctl }: Netns): void {
  const before = reservePorts(sysctl);
  if (before === undefined) return;
  makeFolder(stateDir);
  writeFileSync(join(stateDir, RESERVED_PORTS_FILE), before);
}

export interface OpenedPorts {
  readonly ports: readonly PortSpec[];
  /** Number of the port that each XDP uplink has. */
  readonly portOf: ReadonlyMap<string, number>;
}

/** Attach the trunk and XDP uplinks: a port's socket goes into the map its program looks in. */
export function openPorts(config: SluiceConfig, node: Node, log: Log): OpenedPorts {
  const { trunk, hooks, uplinks } = node;
  const portOf = new Map<string, number>();
  const trunkMap = hooks.attachTrunk(trunk, config.trunk.kind);
  const loopback = findLink(node.net.rtnl, LOOPBACK);
  if (loopback !== undefined) hooks.attachLoopback(loopback);
  const device = { ...trunk.lane, queue: 0 };
  const ports: PortSpec[] = [
    trunkMap === undefined
      ? { kind: 'packet', link: 0, device, ringSize: PACKET_RING_SIZE }
      : { kind: 'xdp', link: 0, device, xskMap: trunkMap, ringSize: RING_SIZE },
  ];
  for (const uplink of uplinks) {
    const { xskMap, description } = hooks.attachUplink(uplink);
    log.info({ uplink: uplink.name }, description);
    if (xskMap === undefined) continue;
    const queue = { name: uplink.name, ifindex: uplink.ifindex, queue: 0 };
    portOf.set(uplink.name, ports.length);
    ports.push({ kind: 'xdp', link: uplink.ifindex, device: queue, xskMap, ringSize: RING_SIZE });
  }
  return { ports, portOf };
}

export async function openLane(
  config: SluiceConfig,
  node: Node,
  ports: readonly PortSpec[],
  log: Log,
): Promise<Lane> {
  const lane = await startLane({
    capacities: coreCapacities(config),
    maps: node.maps.fds,
    ports,
    offload: config.offload,
    failMode: config.failMode,
    trunkIfindex: node.trunk.host.ifindex,
    tunnel: mayTunnel(config) ? config.overlay : undefined,
    timeoutsMs: timeoutsOf(config),
    pickSeed: config.loadBalancing.seed,
    sampleEvery: config.dns?.sample,
    ...(config.cpu === undefined ? {} : { cpu: config.cpu }),
  });
  for (const port of lane.ports) log.info(`port: ${port}`);
  if (lane.adopted) log.info('flow table of an earlier agent taken over');
  return lane;
}
