/**
 * `sluice dns`: the DNS server by itself. Composition root of the server, the source of objects its
 * names come from, and its HTTP endpoints.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { joinHostPort } from '../addr.js';
import { DNS_CAPACITIES } from '../dns/server/dns-core.js';
import type { DefaultBind } from '../dns/chain/listeners.js';
import { makeFolder } from '../disk.js';
import { DataplaneError, messageOf } from '../errors.js';
import type { Log, LogLevel } from '../log.js';
import { createCluster } from '../model/cluster.js';
import { listenLocally } from '../http-server.js';
import type { Standing } from '../http-server.js';
import { ADMIN_SOCKET, answering } from '../ops/admin.js';
import { dnsHandler } from './admin.js';
import { createServerMetrics } from '../dns/server/metrics.js';
import type { ServerMetrics } from '../dns/server/metrics.js';
import type { Early } from './early/early.js';
import { keepEarlySetup } from './early/setup.js';
import { createEndpoints } from './endpoints.js';
import type { Endpoints } from './endpoints.js';
import { startNameserver } from './nameserver.js';
import type { Nameserver, NameserverOptions } from './nameserver.js';
import { NAME_LOG } from './name-log-format.js';
import { createProgrammingTimes } from './programming-times.js';
import type { ProgrammingTimes } from './programming-times.js';
import { unmetOf, wantsAllPods } from './unmet.js';

export interface ServeOptions {
  /** Undefined: `Corefile` is not there, and whoever asks is told who he is (CoreDNS's default). */
  readonly corefile: string | undefined;
  /** Instead of port 53. */
  readonly port: number | undefined;
  /** Instead of all addresses. */
  readonly hosts: readonly string[];
  /** Undefined: nothing is kept over a restart. */
  readonly stateDir: string | undefined;
  /** Manifests in place of an API server. */
  readonly files: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly logLevel: LogLevel;
  /** One query in so many goes into the sample of `sluice dns top`; 0: none. */
  readonly sampleEvery: number | undefined;
  /** A thread that has been started already. */
  readonly thread?: Worker | undefined;
  /** The command line behind `dns`: who is started with the same one may answer early. */
  readonly words: readonly string[];
  /** Who answers already. */
  readonly early?: Early | undefined;
}

const DNS_PORT = 53;
/** Queries under way are waited for so long. */
const GRACE_MS = 5_000;
const RESOLV_CONF = '/etc/resolv.conf';

function bindOf({ hosts, port }: ServeOptions): DefaultBind {
  return { hosts, ports: port === undefined ? {} : { [DNS_PORT]: port } };
}

/** Say what the command line lacks. @throws DataplaneError ERR_SOURCE */
function explaining<Source>({ files, kubeconfig }: ServeOptions, open: () => Source): Source {
  try {
    return open();
  } catch (cause) {
    if (files !== undefined || kubeconfig !== undefined) throw cause;
    const what = 'no API server: expected --kubeconfig or --files, outside of a pod';
    throw new DataplaneError('ERR_SOURCE', what, { cause });
  }
}

interface Followed {
  readonly server: Nameserver;
  readonly times: ProgrammingTimes;
  readonly cluster: ReturnType<typeof createCluster>;
  readonly log: Log;
  /** Those of the whole cluster, too. */
  readonly allPods: boolean;
}

/** Hand what the source says to the names, until it is over. */
async function follow(
  options: ServeOptions,
  { server, cluster, times, log, allPods }: Followed,
  signal: AbortSignal,
): Promise<void> {
  const { files, kubeconfig } = options;
  const isFed = server.ready().zones.length > 0;
  const source = !isFed
    ? { files: undefined, kubernetes: undefined }
    : files === undefined
      ? { files: undefined, kubernetes: { kubeconfig } }
      : { files, kubernetes: undefined };
  try {
    // YAML and schemas take long to load, and what is kept on disk is answered meanwhile.
    const { openSource } = await import('../sources/open.js');
    // Names are kept by themselves: objects of a snapshot would pass for what the API server says.
    const events = explaining(options, () =>
      openSource({
        ...{ source, nodeName: '', stateDir: undefined, log, signal },
        names: { allPods },
      }),
    );
    for await (const event of events) {
      times.noticed(event);
      if (event.type === 'synced') server.synced();
      else {
        const { names } = cluster.apply(event);
        times.touched(names);
        server.touched(names);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

interface Watching {
  readonly server: Nameserver;
  /** It has been read again. */
  readonly reloaded?: () => void;
  readonly endpoints: Endpoints;
  readonly metrics: ServerMetrics;
  readonly log: Log;
}

/** Read the Corefile again every now and then, as `reload` says, and on SIGUSR1. */
export function watchCorefile({ server, endpoints, metrics, log, reloaded }: Watching): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const look = async (cause: 'poll' | 'asked'): Promise<void> => {
    try {
      if (!(await server.reload(cause))) return;
      log.info(`Corefile read again: ${server.corefile().hash}`);
      reloaded?.();
      await endpoints.follow(server.ready().settings);
    } catch (error) {
      metrics.count('coredns_reload_failed_total');
      log.error(`Corefile refused, the old one goes on: ${messageOf(error)}`);
    }
  };
  const arm = (): void => {
    clearTimeout(timer);
    const { intervalMs = 0, jitterMs = 0 } = server.ready().settings.reload ?? {};
    if (intervalMs === 0 || isOver) return;
    const pauseMs = intervalMs + (2 * Math.random() - 1) * jitterMs;
    timer = setTimeout(poll, pauseMs);
    timer.unref();
  };
  function poll(): void {
    void look('poll').then(arm);
  }
  const asked = (): void => {
    void look('asked').then(arm);
  };
  process.on('SIGUSR1', asked);
  // It may have been changed, and the signal sent, while the server was being started.
  poll();
  return () => {
    isOver = true;
    clearTimeout(timer);
    process.off('SIGUSR1', asked);
  };
}

/** What lets the next server answer early. This one answers without it. */
function keepEarly(options: ServeOptions, server: Nameserver, log: Log): void {
  const { stateDir, words, port } = options;
  if (stateDir === undefined) return;
  const bound = server.bound();
  const isChosen = port === 0 || bound.some(({ namedPort }) => namedPort === 0);
  try {
    keepEarlySetup(stateDir, { words, corefile: server.corefile(), bound, isChosen });
  } catch (error) {
    log.warn(`${stateDir}: ${messageOf(error)}: the next start takes longer`);
  }
}

/** The state directory, if it can be one: a server answers without it, too. */
function readyFolder(stateDir: string | undefined, log: Log): string | undefined {
  if (stateDir === undefined) return undefined;
  try {
    makeFolder(stateDir);
    return stateDir;
  } catch (error) {
    const what = 'nothing is kept over a restart, sluice dns query and top find nobody';
    log.warn(`--state-dir ${stateDir}: ${messageOf(error)}: ${what}`);
    return undefined;
  }
}

/** The command line's socket. A server answers without it, too. */
async function openAdmin(
  { stateDir }: ServeOptions,
  server: Nameserver,
  log: Log,
): Promise<Standing | undefined> {
  if (stateDir === undefined) return undefined;
  const socket = join(stateDir, ADMIN_SOCKET);
  try {
    return await listenLocally(socket, answering(dnsHandler(server)));
  } catch (error) {
    log.warn(`${socket}: ${messageOf(error)}: sluice dns query and top find nobody`);
    return undefined;
  }
}

/** Who answers early does not outlive a server that cannot be. */
async function startOrClose(
  { early }: ServeOptions,
  options: NameserverOptions,
): Promise<Nameserver> {
  try {
    return await startNameserver(options);
  } catch (error) {
    early?.close();
    throw error;
  }
}

/**
 * Serve until the signal aborts.
 *
 * @throws DataplaneError ERR_CONFIG, ERR_SOURCE; Error with a code of the system
 */
export async function serveDns(given: ServeOptions, log: Log, signal: AbortSignal): Promise<void> {
  const options = { ...given, stateDir: readyFolder(given.stateDir, log) };
  const cluster = createCluster('');
  const over = new AbortController();
  const failed: Error[] = [];
  const metrics = createServerMetrics();
  const times = createProgrammingTimes(cluster.named, metrics, Date.now);
  const server = await startOrClose(options, {
    corefile: options.corefile,
    capacities: DNS_CAPACITIES,
    bind: bindOf(options),
    nameLogFile: options.stateDir === undefined ? undefined : join(options.stateDir, NAME_LOG),
    resolvConf: RESOLV_CONF,
    logLevel: options.logLevel,
    sampleEvery: options.sampleEvery,
    thread: options.thread,
    early: options.early,
    log,
    named: cluster.named,
    servers: [],
    sinks: [],
    flushing: times.flushing,
    failed: (error) => {
      failed.push(error);
      over.abort();
    },
  });
  for (const { scheme, host, port, transport } of server.bound()) {
    log.info(`${scheme}://${joinHostPort(host, port)} (${transport})`);
  }
  const endpoints = createEndpoints({ server, metrics, log });
  const admin = await openAdmin(options, server, log);
  const allPods = wantsAllPods(server);
  const settled = (): void => {
    for (const each of unmetOf(server, { askers: false, allPods })) log.warn(each);
    keepEarly(options, server, log);
  };
  settled();
  const stopWatching = watchCorefile({ server, endpoints, metrics, log, reloaded: settled });
  const ended = AbortSignal.any([signal, over.signal]);
  try {
    await endpoints.follow(server.ready().settings);
    const following = follow(options, { server, cluster, times, log, allPods }, ended);
    if (!ended.aborted) await Promise.race([following, once(ended, 'abort')]);
    endpoints.beginLameduck();
    const { health } = server.ready().settings;
    const lameduckMs = Math.max(0, ...health.map((each) => each.lameduckMs));
    if (lameduckMs > 0 && failed.length === 0) {
      log.info(`answering for another ${lameduckMs / 1000} s`);
      await delay(lameduckMs);
    }
  } finally {
    over.abort();
    stopWatching();
    await admin?.close();
    await server.stop(GRACE_MS);
    await endpoints.close();
  }
  const [error] = failed;
  if (error) throw error;
}
