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
import type { SluiceConfig } from '../config/config.js';
import type { Lane } from '../core/lane-client.js';
import { messageOf } from '../errors.js';
import { closeMaps } from '../kernel/maps.js';
import { retirePodLinks } from '../kernel/pod-retire.js';
import { setOomScore } from '../kernel/oom-score.js';
import { createSteering } from '../kernel/steering.js';
import type { Log } from '../log.js';
import { dnsHandler } from '../nameserver/admin.js';
import type { SourceEvent } from '../model/events.js';
import { ADMIN_SOCKET, adminHandler } from '../ops/admin.js';
import type { AdminOptions } from '../ops/admin.js';
import { listenLocally } from '../http-server.js';
import type { Standing } from '../http-server.js';
import { packageVersion } from '../package-root.js';
import { createCounters } from '../sources/counters.js';
import { createEventPoster } from '../sources/kubernetes/events.js';
import type { EventPoster } from '../sources/kubernetes/events.js';
import { createNodeAnnotator } from '../sources/kubernetes/node-annotations.js';
import type { NodeAnnotator } from '../sources/kubernetes/node-annotations.js';
import { connectionOf, openSource } from '../sources/open.js';
import { createAttachedPods } from './attached-pods.js';
import { openCniState, serveNodeCni } from './cni.js';
import { openNodeDns } from './dns.js';
import { openLane, openNode, openPorts } from './node.js';
import type { Node } from './node.js';
import { controlOptions } from './options.js';
import { createOperations } from './operations.js';
import { createPodHooks } from './pod-links.js';
import { openPeers } from './peers.js';
import { createPublisher } from './publish.js';
import { createReconciler } from './reconcile.js';
import type { Outcome, Reconciler } from './reconcile.js';
import { createSchedule } from './schedule.js';
import type { ScheduleTimes } from './schedule.js';
import { createStatusFile } from './status-file.js';
import { createSyncGate } from './sync-gate.js';
import type { SyncGate } from './sync-gate.js';

/** From one look at the paths to other nodes to the next, and as much more for each of them. */
const WATCH_MS = 2_000;
const WATCH_PEER_MS = 2;
/** Other sources of nodes have said what they know within this time, or are not waited for. */
const PEERS_MS = 15_000;
/** Changes that arrive within this time are programmed together. */
const COALESCE_MS = 20;
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
  const publisher = createPublisher({
    ...{ config, control, log, annotator: openAnnotator(config) },
    again: () => {
      schedule.request();
    },
  });
  const status = createStatusFile({ config, lane, control, log, overlay: publisher.status });
  const source = createCounters();
  const operations = createOperations({
    config,
    control,
    log,
    version: packageVersion(),
    source,
    post: (event) => events?.post(event),
  });
  const podHooks = createPodHooks(node.hooks);
  const cniState = config.cni && (await openCniState({ dataDir: config.cni.dataDir, log }));
  const retirement = retirePodLinks(
    node.net,
    (problem) => {
      log.error(messageOf(problem));
    },
    node.hooks.dropAside,
  );
  const attached = createAttachedPods({
    net: node.net,
    control,
    hooks: podHooks,
    log,
    fromXdp: node.uplinks.some(({ mode }) => mode === 'xdp'),
    programmed: () => schedule.now(),
    again: () => {
      schedule.request();
    },
    retirement,
  });
  if (cniState) attached.restore(cniState.attached);
  control.forgetStrays();
  const reconciler = createReconciler({
    config,
    control,
    lane,
    log,
    net: node.net,
    hooks: node.hooks,
    podHooks,
    retire: retirement.retire,
    attached,
    trunk: node.trunk,
    uplinks: node.uplinks.map((uplink) => ({ uplink, ioPort: portOf.get(uplink.name) })),
    steering: createSteering(node.maps),
    publisher,
    again: () => {
      schedule.request();
    },
  });
  const schedule = createSchedule(scheduleTimes(config), async (cause) => {
    const pass = (): Promise<Outcome> => reconciler.reconcile({ isFull: cause === 'resync' });
    const outcome = await operations.observe(pass);
    status.update(outcome);
    return outcome;
  });
  // Before anything is waited for: what ends the agent may come at any time from here on.
  const over = new AbortController();
  const stop = (): void => {
    over.abort();
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  lane.ended.catch(stop);
  const stopWatching = watchPaths(reconciler, control);
  const cni =
    cniState &&
    (await serveNodeCni({
      config,
      control,
      log,
      state: cniState,
      attached,
      mtu: reconciler.mtu,
      isProgrammed: reconciler.isProgrammed,
      registry: operations.registry,
      signal: over.signal,
    }));
  let died: Error | undefined;
  const dns = await openNodeDns({
    ...{ config, control, lane, log, node },
    failed: (error) => {
      died = error;
      over.abort();
    },
  });
  const admin = await openAdmin(config, log, {
    explain: control.explain,
    links: reconciler.links,
    trace: lane.trace,
    desk: cni?.desk,
    dns: dns && dnsHandler(dns.server),
  });
  let gate: SyncGate | undefined;
  try {
    const others = Object.entries(openPeers(config, node.uplinks, log, over.signal));
    const take = (event: SourceEvent): void => {
      dns?.noticed(event);
      operations.noticed(event, control.apply(event));
      dns?.look();
      schedule.request();
    };
    gate = createSyncGate(
      others.map(([kind]) => kind),
      PEERS_MS,
      () => {
        take({ type: 'synced' });
      },
    );
    const { said, mayPass } = gate;
    for (const [kind, peers] of others) {
      void consume(peers, over.signal, (event) => {
        if (event.type === 'synced') said(kind);
        else control.apply(event);
        schedule.request();
      }).catch((error: unknown) => {
        log.error(`overlay.${kind}: ${messageOf(error)}`);
      });
    }
    const changes = openSource({
      ...config,
      ...(dns ? { names: dns.scope } : {}),
      ...{ log, signal: over.signal, counters: source },
    });
    await consume(changes, over.signal, (event) => {
      if (event.type !== 'synced' || mayPass()) take(event);
    });
  } finally {
    gate?.close();
    await dns?.close();
    await cni?.close();
    attached.close();
    await retirement.close();
    stopWatching();
    await schedule.stop();
    await admin?.close();
    await operations.close();
    await events?.close();
    publisher.close();
    await status.close();
    await closeAll(lane, node, signal.aborted || died !== undefined);
  }
  if (died) throw died;
}

/**
 * Paths to other nodes become narrower, and tunnels vanish, without anybody saying so.
 *
 * @returns stops it
 */
function watchPaths(reconciler: Reconciler, control: Control): () => void {
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    const pauseMs = WATCH_MS + WATCH_PEER_MS * control.peers().length;
    timer = setTimeout(look, pauseMs);
  };
  const look = (): void => {
    reconciler.watch();
    arm();
  };
  arm();
  return () => {
    clearTimeout(timer);
  };
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

/** Annotations go there, too, if anybody is to read them. */
function openAnnotator({ source, nodeName, overlay }: SluiceConfig): NodeAnnotator | undefined {
  if (source.kubernetes === undefined || !overlay.flannel) return undefined;
  return createNodeAnnotator(connectionOf(source.kubernetes), nodeName);
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

/** Hand on what a source says until it or the agent is over. */
async function consume(
  events: AsyncIterable<SourceEvent>,
  signal: AbortSignal,
  take: (event: SourceEvent) => void,
): Promise<void> {
  try {
    for await (const event of events) take(event);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** @throws what the lane died of, when nobody asked it to stop */
async function closeAll(lane: Lane, node: Node, isAsked: boolean): Promise<void> {
  try {
    if (isAsked) await lane.stop();
    else await lane.ended;
  } finally {
    node.hooks.close();
    closeMaps(node.maps);
    node.net.close();
  }
}
