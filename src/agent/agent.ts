/**
 * The daemon: composition root of everything that runs on a node.
 *
 * Order of start: trunk and tables, lane, hooks, then the source. Nothing of the data plane waits
 * for the source: what an earlier agent left goes on working throughout. On the way out only the
 * lane stops; links, rows and programs stay, and the kernel goes on.
 */
import { join } from 'node:path';
import { createControl } from '../compile/control.js';
import type { Control } from '../compile/control.js';
import type { SluiceConfig } from '../config.js';
import { startLane } from '../core/lane-client.js';
import type { Lane } from '../core/lane-client.js';
import type { PortSpec } from '../core/lane-messages.js';
import { layoutHash } from '../core/regions.js';
import type { Capacities } from '../core/regions.js';
import { messageOf } from '../errors.js';
import { createHooks, releaseLaneSide } from '../kernel/hooks.js';
import type { Hooks } from '../kernel/hooks.js';
import { preparePinDir, requireRoot } from '../kernel/host.js';
import { findLink, listLinks } from '../kernel/link.js';
import { closeMaps, openMaps } from '../kernel/maps.js';
import type { Maps } from '../kernel/maps.js';
import { ownNetns } from '../kernel/netns.js';
import type { Netns } from '../kernel/netns.js';
import { setOomScore } from '../kernel/oom-score.js';
import { createSteering } from '../kernel/steering.js';
import { enableForwarding } from '../kernel/sysctl.js';
import { ensureTrunk } from '../kernel/trunk.js';
import type { Trunk } from '../kernel/trunk.js';
import { resolveUplink } from '../kernel/uplink.js';
import type { Uplink } from '../kernel/uplink.js';
import type { Log } from '../log.js';
import type { SourceEvent } from '../model/events.js';
import type { IgnoredPart } from '../model/ignored.js';
import { ADMIN_SOCKET, adminHandler } from '../ops/admin.js';
import type { AdminOptions } from '../ops/admin.js';
import { listenLocally } from '../ops/http.js';
import type { Standing } from '../ops/http.js';
import { packageVersion } from '../package-root.js';
import { createCounters } from '../sources/counters.js';
import { createEventPoster } from '../sources/kubernetes/events.js';
import type { EventPoster } from '../sources/kubernetes/events.js';
import { connectionOf, openSource } from '../sources/open.js';
import { controlOptions, timeoutsOf } from './options.js';
import { createOperations } from './operations.js';
import { createReconciler } from './reconcile.js';
import type { Outcome } from './reconcile.js';
import { createSchedule } from './schedule.js';
import type { ScheduleTimes } from './schedule.js';
import { createStatusFile } from './status-file.js';

/** Entries of each AF_XDP ring; half of the frames may be posted to one port. */
const RING_SIZE = 2048;
const PACKET_RING_SIZE = 256;
/** A super-frame, its virtio header and room in front of both. */
const PACKET_FRAME_SIZE = 131072;
const PACKET_FRAMES = 1024;
/** Changes that arrive within this time are programmed together. */
const COALESCE_MS = 20;
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
interface Node {
  readonly net: Netns;
  readonly maps: Maps;
  readonly hooks: Hooks;
  readonly trunk: Trunk;
  readonly uplinks: readonly Uplink[];
}

function openNode(config: SluiceConfig, log: Log): Node {
  requireRoot();
  preparePinDir(config.pinDir);
  const net = ownNetns();
  enableForwarding(net.sysctl, () => listLinks(net.rtnl).map(({ name }) => name));
  const uplinks = config.uplinks.map((uplink) => resolveUplink(net, uplink));
  const { kind, name } = config.trunk;
  if (kind === 'packet') releaseLaneSide(config.pinDir, `${name}1`);
  const trunk = ensureTrunk(net, { kind, mtu: config.podMTU, prefix: name });
  const { flows4, flows6, links, frontends, routes } = config.capacities;
  const maps = openMaps(config.pinDir, {
    flows4,
    flows6,
    links,
    ours: frontends + routes,
    layout: layoutHash(),
  });
  for (const warning of maps.warnings) log.warn(warning);
  return { net, maps, hooks: createHooks(maps), trunk, uplinks };
}

interface OpenedPorts {
  readonly ports: readonly PortSpec[];
  /** Number of the port that each XDP uplink has. */
  readonly portOf: ReadonlyMap<string, number>;
}

/** Attach the trunk and XDP uplinks: a port's socket goes into the map its program looks in. */
function openPorts(config: SluiceConfig, node: Node, log: Log): OpenedPorts {
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

async function openLane(config: SluiceConfig, node: Node, ports: readonly PortSpec[], log: Log) {
  const lane = await startLane({
    capacities: coreCapacities(config),
    maps: node.maps.fds,
    ports,
    offload: config.offload,
    failMode: config.failMode,
    trunkIfindex: node.trunk.host.ifindex,
    timeoutsMs: timeoutsOf(config),
    pickSeed: config.loadBalancing.seed,
    ...(config.cpu === undefined ? {} : { cpu: config.cpu }),
  });
  for (const port of lane.ports) log.info(`port: ${port}`);
  if (lane.adopted) log.info('flow table of an earlier agent taken over');
  return lane;
}

/**
 * Run until the signal aborts or the lane fails.
 *
 * @throws DataplaneError when the node cannot be set up, or the lane ends by itself
 */
export async function runAgent(config: SluiceConfig, log: Log, signal: AbortSignal): Promise<void> {
  applyToProcess(config, log);
  const events = openEvents(config, log);
  const node = openNode(config, log);
  const { ports, portOf } = openPorts(config, node, log);
  const lane = await openLane(config, node, ports, log);
  const control = createControl(controlOptions(config));
  const status = createStatusFile({ config, lane, control, log });
  const source = createCounters();
  const operations = createOperations({
    config,
    control,
    log,
    version: packageVersion(),
    source,
    post: (event) => events?.post(event),
  });
  const reconciler = createReconciler({
    config,
    control,
    lane,
    log,
    net: node.net,
    hooks: node.hooks,
    trunk: node.trunk,
    uplinks: node.uplinks.map((uplink) => ({ uplink, ioPort: portOf.get(uplink.name) })),
    steering: createSteering(node.maps),
    again: () => {
      schedule.request();
    },
  });
  const schedule = createSchedule(scheduleTimes(config), async (cause) => {
    const pass = (): Promise<Outcome> => reconciler.reconcile({ isFull: cause === 'resync' });
    status.update(await operations.observe(pass));
  });
  const admin = await openAdmin(config, log, {
    explain: control.explain,
    links: reconciler.links,
    trace: lane.trace,
  });
  const over = new AbortController();
  const stop = (): void => {
    over.abort();
  };
  signal.addEventListener('abort', stop, { once: true });
  lane.ended.catch(stop);
  try {
    const changes = openSource({ ...config, log, signal: over.signal, counters: source });
    await consume(changes, over.signal, control, (event, ignored) => {
      operations.noticed(event, ignored);
      schedule.request();
    });
  } finally {
    await schedule.stop();
    await admin?.close();
    await operations.close();
    await events?.close();
    await status.close();
    await closeAll(lane, node, signal);
  }
}

/** A pass without a cause brings back what the kernel lost meanwhile. */
function scheduleTimes({ sync }: SluiceConfig): ScheduleTimes {
  return { coalesceMs: COALESCE_MS, leastMs: sync.minPeriodMs, resyncMs: sync.periodMs };
}

/** What the configuration says of this process rather than of the network. */
function applyToProcess({ warnings, oomScoreAdj }: SluiceConfig, log: Log): void {
  for (const warning of warnings) log.warn(warning);
  const failed = oomScoreAdj === undefined ? undefined : setOomScore(oomScoreAdj);
  if (failed !== undefined) log.warn(failed);
}

/** Events go to the API server that the objects come from. */
function openEvents({ source, nodeName }: SluiceConfig, log: Log): EventPoster | undefined {
  if (source.kubernetes === undefined) return undefined;
  return createEventPoster({ connection: connectionOf(source.kubernetes), nodeName, log });
}

/** The command line's socket. An agent does its work without it, too. */
async function openAdmin(
  { stateDir }: SluiceConfig,
  log: Log,
  options: AdminOptions,
): Promise<Standing | undefined> {
  const socket = join(stateDir, ADMIN_SOCKET);
  try {
    return await listenLocally(socket, adminHandler(options));
  } catch (error) {
    log.warn({ socket }, `no admin socket: ${messageOf(error)}`);
    return undefined;
  }
}

/** Feed the control plane until the source or the agent is over. */
async function consume(
  events: AsyncIterable<SourceEvent>,
  signal: AbortSignal,
  control: Control,
  changed: (event: SourceEvent, ignored: readonly IgnoredPart[]) => void,
): Promise<void> {
  try {
    for await (const event of events) {
      const ignored = control.apply(event);
      changed(event, ignored);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** @throws what the lane died of, when nobody asked it to stop */
async function closeAll(lane: Lane, node: Node, signal: AbortSignal): Promise<void> {
  try {
    if (signal.aborted) await lane.stop();
    else await lane.ended;
  } finally {
    node.hooks.close();
    closeMaps(node.maps);
    node.net.close();
  }
}
