/**
 * A DNS server with its names: threads that answer, the feed that keeps their names, and the Corefile
 * that both come from, read again when it changes.
 */
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import type { Corefile } from '../dns/corefile/corefile.js';
import type { DefaultBind } from '../dns/chain/listeners.js';
import { SAMPLE_EVERY } from '../core/query-log.js';
import type { QuerySource } from '../core/query-log.js';
import type { DnsCapacities } from '../dns/server/dns-core.js';
import type { Bound, PodsByAddress, ThreadReady } from '../dns/server/messages.js';
import { countedZones, createDnsSeries } from '../dns/server/dns-series.js';
import type { Explained } from '../dns/server/explain.js';
import { startDnsThread } from '../dns/server/thread.js';
import type { DnsThread, Scraped } from '../dns/server/thread.js';
import type { Client } from '../dns/plugin.js';
import { recordsIn } from '../core/names-writer.js';
import { DataplaneError } from '../errors.js';
import type { Log } from '../log.js';
import type { NameKey, Named } from '../model/named.js';
import type { Early } from './early/early.js';
import { openNameLog, readNameLog } from './name-log.js';
import { lookAtCorefile, readCorefile } from './read-corefile.js';
import type { CorefileSource } from './read-corefile.js';
import type { NameSink } from './sink.js';
import { createZoneFeed } from './zone-feed.js';
import type { FedZone, ZoneFeed } from './zone-feed.js';
import { zoneSetup } from './zone-setup.js';

export interface NameserverOptions extends CorefileSource {
  readonly capacities: DnsCapacities;
  readonly bind: DefaultBind;
  /** Where names are kept over a restart; undefined: nowhere. */
  readonly nameLogFile: string | undefined;
  readonly resolvConf: string;
  readonly logLevel: string;
  /** One query in so many goes into the sample, 0 = none; default SAMPLE_EVERY. */
  readonly sampleEvery?: number | undefined;
  readonly log: Log;
  readonly named: Named;
  /** Where this server is reached, for NS records. */
  readonly servers: readonly Address[];
  /** Others who answer from the same names, with the same numbers of listeners. */
  readonly sinks: readonly NameSink[];
  /** Counters of others who answer from the same names. */
  readonly moreCounters?: () => Promise<BigUint64Array>;
  /** Queries that they answer. */
  readonly moreQueries?: QuerySource;
  /** A thread that has been started already: the first one, if it is there. */
  readonly thread?: Worker | undefined;
  /** Who answers until this server does. */
  readonly early?: Early | undefined;
  /** Names that have changed are about to be programmed. @returns  called when they are */
  readonly flushing?: () => () => void;
  /** Called when a thread has ended by itself. */
  readonly failed: (error: Error) => void;
}

export interface Nameserver {
  readonly ready: () => ThreadReady;
  /** Sockets of the first thread. */
  readonly bound: () => readonly Bound[];
  readonly corefile: () => Corefile;
  touched(keys: readonly NameKey[]): void;
  /** The source has said all it knew at first. */
  synced(): void;
  readonly isSynced: () => boolean;
  setPods(pods: PodsByAddress): void;
  /**
   * Read the Corefile again. What has been refused is tried again when its text has changed, or when
   * somebody asks for it.
   *
   * @returns whether another one is served
   * @throws  DataplaneError; the old one goes on
   */
  reload(cause: 'poll' | 'asked'): Promise<boolean>;
  scrape(): Promise<readonly Scraped[]>;
  /**
   * What a client would be answered by the main listener; not counted, and by no limit of UDP.
   *
   * @returns undefined when the server is ending
   */
  explain(message: Uint8Array, client: Client): Promise<Explained | undefined>;
  /** Samples of the queries of all threads. */
  querySources(): readonly QuerySource[];
  /** `NAMESPACE/NAME` of the pod of this node that has an address. */
  podAt(address: Address): string | undefined;
  /** The zones of the cluster as they are configured now. */
  zones(): readonly FedZone[];
  readonly feed: ZoneFeed;
  stop(graceMs: number): Promise<void>;
}

/** Of a thread that another has taken over from. */
const RELOAD_GRACE_MS = 5_000;

/** Sockets of a Corefile: `multisocket [N]`. */
function threadCount({ blocks }: Corefile): number {
  const counts = blocks.flatMap(({ directives }) =>
    directives
      .filter(({ name }) => name.text === 'multisocket')
      .map(({ args }) => Number(args[0]?.text ?? availableParallelism())),
  );
  return Math.max(1, ...counts.filter((count) => Number.isInteger(count)));
}

function warnOf({ warnings }: Corefile, log: Log): void {
  for (const warning of warnings) log.warn(warning);
}

/** @throws DataplaneError ERR_CONFIG; Error with a code of the system when a socket is not to be had */
export async function startNameserver(options: NameserverOptions): Promise<Nameserver> {
  const { log, named, servers } = options;
  let corefile = readCorefile(options);
  warnOf(corefile, log);
  let threads: readonly DnsThread[] = [];
  let isSynced = false;
  let isStopping = false;
  let pods: PodsByAddress = new Map();
  let reloading = Promise.resolve(false);
  /** Identity of the Corefile that was refused last. */
  let refused: string | undefined;
  const { nameLogFile } = options;
  const nameLog = nameLogFile === undefined ? undefined : openNameLog(nameLogFile, log);
  const readLog = async (identity: string): Promise<readonly Uint8Array[]> =>
    nameLogFile === undefined ? [] : readNameLog(nameLogFile, identity);

  const feed = createZoneFeed({
    sinks: [
      {
        applyNames: async (records) => {
          const [first = records] = await Promise.all(
            threads.map((thread) => thread.applyNames(Uint8Array.from(records))),
          );
          return first;
        },
      },
      ...options.sinks,
    ],
    log,
    nameLog,
    nowSec: () => Math.floor(Date.now() / 1000),
    flushing: options.flushing,
  });

  const setupsOf = ({ zones }: ThreadReady): FedZone[] =>
    zones.map((zone) => zoneSetup(zone, named, servers));
  const firstThread = (): DnsThread => {
    const [first] = threads;
    if (!first) throw new DataplaneError('ERR_STATE', 'no DNS thread is there');
    return first;
  };
  const program = (): void => {
    const first = firstThread();
    feed.setProgram(setupsOf(first.ready), first.cuts());
  };

  const readyOf = ([first]: readonly DnsThread[]): ThreadReady => (first ?? firstThread()).ready;
  const start = async (file: Corefile, bind: DefaultBind, spare?: Worker): Promise<DnsThread[]> => {
    const count = threadCount(file);
    const started: DnsThread[] = [];
    try {
      for (let i = 0; i < count; i++) {
        const thread = await startDnsThread(
          {
            corefile: file,
            bind,
            capacities: options.capacities,
            logLevel: options.logLevel,
            isFirst: i === 0,
            isShared: true,
            resolvConf: options.resolvConf,
            folder: options.corefile === undefined ? '.' : dirname(options.corefile),
            sampleEvery: options.sampleEvery ?? SAMPLE_EVERY,
          },
          () => {
            // Of another than the first, or of one whose turn is still to come, nobody asks.
            if (i === 0 && threads === started) program();
          },
          i === 0 ? spare : undefined,
        );
        started.push(thread);
        thread.setPods(pods);
        thread.ended.catch((error: unknown) => {
          const isCurrent = threads.includes(thread) && !isStopping;
          if (isCurrent) options.failed(error instanceof Error ? error : new Error(String(error)));
        });
      }
    } catch (error) {
      await Promise.all(started.map((thread) => thread.stop(0)));
      throw error;
    }
    return started;
  };
  /** Let threads have all names, and nobody else any more. */
  const adopt = async (
    fresh: readonly DnsThread[],
    file: Corefile,
    known: readonly Uint8Array[],
  ): Promise<void> => {
    threads = fresh;
    corefile = file;
    feed.restart(file.hash, known);
    program();
    await feed.settled();
  };
  const listen = async (all: readonly DnsThread[], wanted: DefaultBind['ports']): Promise<void> => {
    let ports = wanted;
    for (const thread of all) {
      const bound = await thread.listen(ports);
      // A port that the kernel has chosen is chosen for good.
      const chosen = bound.map(({ namedPort, port }) => [namedPort, port] as const);
      ports = { ...ports, ...Object.fromEntries(chosen) };
    }
  };
  /** Ports that are open, whoever chose them. */
  const presentPorts = (): DefaultBind['ports'] => {
    const chosen = threads.flatMap((thread) =>
      thread.bound().map(({ namedPort, port }) => [namedPort, port] as const),
    );
    return { ...options.bind.ports, ...Object.fromEntries(chosen) };
  };

  const replace = async (next: Corefile): Promise<void> => {
    const [old, oldFile] = [threads, corefile];
    const bind = { ...options.bind, ports: presentPorts() };
    const fresh = await start(next, bind);
    await nameLog?.written();
    const known = await readLog(oldFile.hash);
    try {
      // What the API server has not said yet is only in the log; of zones that are as before it is right.
      const before = new Set(setupsOf(firstThread().ready).map(({ key }) => key));
      const same = setupsOf(readyOf(fresh)).filter(({ key }) => before.has(key));
      const spaces = new Set(same.map(({ space }) => space));
      const kept = isSynced ? [] : known.map((batch) => recordsIn(batch, spaces));
      for (const records of kept) {
        await Promise.all(fresh.map((thread) => thread.applyNames(Uint8Array.from(records))));
      }
      await adopt(fresh, next, isSynced ? known : kept);
      await listen(fresh, bind.ports);
    } catch (error) {
      await adopt(old, oldFile, known);
      await Promise.all(fresh.map((thread) => thread.stop(0)));
      throw error;
    }
    const successors = fresh.flatMap((thread) => thread.bound());
    await Promise.all(old.map((thread) => thread.stop(RELOAD_GRACE_MS, successors)));
  };
  const reload = async (cause: 'poll' | 'asked'): Promise<boolean> => {
    const next = lookAtCorefile(options);
    const isKnown = next.identity === corefile.hash;
    if (isKnown) refused = undefined;
    if (isKnown || (cause === 'poll' && next.identity === refused)) return false;
    refused = next.identity;
    const file = next.corefile();
    warnOf(file, log);
    await replace(file);
    refused = undefined;
    return true;
  };

  const scrapeOthers = async (): Promise<Scraped[]> => {
    if (!options.moreCounters) return [];
    const counters = await options.moreCounters();
    const zones = countedZones(firstThread().ready.counters);
    const series = createDnsSeries({ counters: () => counters, zones: () => zones });
    return [{ metrics: series.families(), notReady: [] }];
  };

  const [started, known] = await Promise.all([
    start(corefile, options.bind, options.thread),
    readLog(corefile.hash),
  ]);
  threads = started;
  try {
    await feed.restore(corefile.hash, known);
    program();
    await feed.settled();
    await listen(threads, options.bind.ports);
    options.early?.handOver(firstThread());
  } catch (error) {
    isStopping = true;
    await Promise.all(threads.map((thread) => thread.stop(0)));
    await nameLog?.close();
    throw error;
  }

  return {
    ready: () => firstThread().ready,
    bound: () => firstThread().bound(),
    corefile: () => corefile,
    touched: feed.touched,
    synced: () => {
      isSynced = true;
      feed.synced();
    },
    isSynced: () => isSynced,
    setPods: (next) => {
      pods = next;
      for (const thread of threads) thread.setPods(pods);
    },
    reload: (cause) => {
      reloading = reloading.catch(() => false).then(() => reload(cause));
      return reloading;
    },
    scrape: async () => {
      const [others, ...scraped] = await Promise.all([
        scrapeOthers(),
        ...threads.map((thread) => thread.scrape()),
      ]);
      return [...scraped, ...others];
    },
    explain: async (message, client) => threads[0]?.explain(message, client),
    querySources: () => [
      ...threads.flatMap((thread) =>
        (['core', 'chain'] as const).map(
          (part): QuerySource =>
            (since) =>
              thread.queries(part, since),
        ),
      ),
      ...(options.moreQueries ? [options.moreQueries] : []),
    ],
    podAt: (address) => {
      const pod = pods.get(formatAddress(address));
      return pod && `${pod.namespace}/${pod.name}`;
    },
    zones: () => firstThread().ready.zones.map((zone) => zoneSetup(zone, named, servers)),
    feed,
    stop: async (graceMs) => {
      await reloading.catch(() => false);
      isStopping = true;
      // One that has failed has ended already; its reason is known.
      await Promise.allSettled(threads.map((thread) => thread.stop(graceMs)));
      await feed.settled();
      await nameLog?.close();
    },
  };
}
