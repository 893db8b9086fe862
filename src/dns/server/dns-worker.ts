/**
 * A thread of the DNS server: a core with the names, the sockets, and the chain for what the core does
 * not answer.
 */
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { formatAddress } from '../../addr.js';
import { DataplaneError, codeOf, messageOf } from '../../errors.js';
import { createLog } from '../../log.js';
import type { Log, LogLevel } from '../../log.js';
import { monotonicMs } from '../../native.js';
import type { DefaultBind } from '../chain/listeners.js';
import { createProgram } from '../chain/program.js';
import type { ZoneLabels } from '../chain/setup.js';
import { coreModule } from '../../core/instance.js';
import { readQueryLog } from '../../core/query-log.js';
import type { Client } from '../plugin.js';
import type { Answerer } from './answerer.js';
import { cacheFamilies } from './cache-series.js';
import { openDnsCore } from './dns-core.js';
import { countedZones, createDnsSeries } from './dns-series.js';
import { explain } from './explain.js';
import { createHostLog } from './host-log.js';
import { listenAll } from './listen.js';
import type { Listening } from './listen.js';
import type { Bound, FromThread } from './messages.js';
import type { PodsByAddress, ThreadSpec, ToThread } from './messages.js';
import { createServerMetrics } from './metrics.js';
import { createPending } from './pending.js';
import { refusal } from './refusal.js';
import { createStreamMeter } from './zone-words.js';

type Orders = Exclude<ToThread, { type: 'start' }>;

/** Lines of the chain. A plugin that gives itself a name has that one, and not both. */
function chainLog(level: LogLevel): Log {
  const root = createLog(level);
  return Object.assign(root.child({ component: 'dns' }), { child: root.child.bind(root) });
}

function begin(parent: MessagePort, spec: ThreadSpec): void {
  const say = (message: FromThread, transfer: ArrayBuffer[] = []): void => {
    parent.postMessage(message, transfer);
  };
  const log = chainLog(spec.logLevel as LogLevel);
  const core = openDnsCore(spec.capacities, spec.sampleEvery);
  const hostLog = createHostLog(spec.sampleEvery, Math.random, monotonicMs);
  const metrics = createServerMetrics();
  let pods: PodsByAddress = new Map();
  let zones: readonly (ZoneLabels | undefined)[] = [];
  const meter = createStreamMeter(core.words);
  const { counters: counts } = core;
  const series = createDnsSeries({ counters: counts, zones: () => zones, streamed: meter.words });
  // Plugins may speak before all are there; nobody has asked for the cuts yet.
  let claimsChanged = (): void => undefined;
  const program = createProgram(
    spec.corefile,
    {
      log,
      metrics,
      folder: spec.folder,
      random: Math.random,
      nowMs: monotonicMs,
      resolvConf: spec.resolvConf,
      zoneCore: core,
      wireCache: core.wireCache,
      fail: (message) => {
        say({ type: 'failed', message, code: 'ERR_CONFIG' });
      },
      claimsChanged: () => {
        claimsChanged();
      },
      asked: series.asked,
      replied: (reply) => {
        series.replied(reply);
        hostLog.note(reply);
      },
    },
    networkInterfaces(),
    spec.bind,
  );
  claimsChanged = () => {
    say({ type: 'cuts', cuts: program.cuts() });
  };
  const { answer, counters, enabled, listeners, settings } = program;
  zones = countedZones(counters);
  const withPod = (client: Client): Client => {
    const pod = pods.get(formatAddress(client.address));
    return pod ? { ...client, pod } : client;
  };
  const pending = createPending(
    (listener, message, client) => answer(listener, message, withPod(client)),
    (message) => {
      metrics.count('sluice_dns_refused_pending_total');
      return refusal(message);
    },
  );
  const listener = listeners[0]?.id ?? 0;
  const answerer: Answerer = {
    ...core,
    meter,
    answered: () => {
      for (const { cache, query } of core.wireCache.takeDue()) program.refresh(cache, query);
    },
  };
  let listening: Listening | undefined;

  const listenNow = async (ports: DefaultBind['ports']): Promise<void> => {
    const { isShared, isFirst } = spec;
    try {
      const options = { ports, isShared, hasStreams: isFirst };
      listening = await listenAll(listeners, answerer, pending.ask, options);
      say({ type: 'listening', bound: listening.bound });
    } catch (error) {
      say({ type: 'deaf', message: messageOf(error), code: codeOf(error) });
    }
  };
  const stop = async (graceMs: number, successors: readonly Bound[]): Promise<void> => {
    const done = Promise.all([listening?.stop(successors), pending.empty()]);
    await Promise.race([done, delay(graceMs, undefined, { ref: false })]);
    listening?.close();
    await program.close();
    say({ type: 'stopped' });
    parent.close();
  };
  const hear: { [K in Orders['type']]: (message: Extract<Orders, { type: K }>) => void } = {
    names: ({ id, records }) => {
      core.applyNames(records);
      say({ type: 'applied', id, records }, [records.buffer as ArrayBuffer]);
    },
    pods: (message) => {
      pods = message.pods;
    },
    scrape: ({ id }) => {
      const families = [
        ...metrics.families(),
        ...series.families(),
        ...cacheFamilies(program.caches, core.wireCache.counts),
      ];
      say({ type: 'scraped', id, metrics: families, notReady: program.notReady() });
    },
    ask: ({ id, listener: of, message, client }) => {
      void pending.ask(of, message, client).then((reply) => {
        say({ type: 'asked', id, reply });
      });
    },
    counted: ({ counters }) => {
      core.addCounters(counters);
    },
    explain: ({ id, message, client }) => {
      void explain(core, program, { listener, message, client: withPod(client) }).then(
        (explained) => {
          say({ type: 'explained', id, explained });
        },
      );
    },
    queries: ({ id, part, since }) => {
      const page = part === 'core' ? readQueryLog(core, since) : hostLog.page(since);
      say({ type: 'queried', id, page });
    },
    listen: ({ ports }) => {
      void listenNow(ports);
    },
    stop: ({ graceMs, successors }) => {
      void stop(graceMs, successors);
    },
  };
  parent.on('message', (message: Orders) => {
    (hear[message.type] as (message: Orders) => void)(message);
  });
  say({
    type: 'ready',
    ready: {
      listener,
      zones: program.zones,
      cuts: program.cuts(),
      counters,
      enabled,
      settings,
    },
  });
}

/** Begin when it is said what to be. The module is compiled meanwhile. */
function main(): void {
  const parent = parentPort;
  if (!parent) throw new DataplaneError('ERR_USAGE', 'the DNS server runs in a worker thread');
  parent.once('message', (message: ToThread) => {
    if (message.type === 'start') ending(() => begin(parent, message.spec));
  });
  coreModule();
}

/** Whoever waits for the thread hears what it ends of. */
function ending(task: () => void): void {
  try {
    task();
  } catch (thrown) {
    parentPort?.postMessage({
      type: 'failed',
      message: messageOf(thrown),
      code: codeOf(thrown),
    } satisfies FromThread);
    parentPort?.close();
  }
}

ending(main);
