/**
 * A Kubernetes API server as a source of events: Services and EndpointSlices that are for a proxy,
 * all Nodes, and the Pods of this node; for names, all Services and slices, and namespaces.
 */
import type { Log } from '../../log.js';
import { KINDS } from '../../model/events.js';
import type { Kind, SourceEvent } from '../../model/events.js';
import { sleep } from './backoff.js';
import { createClient } from './client.js';
import type { Connection } from './connection.js';
import { createCounters } from '../counters.js';
import type { Counters } from '../counters.js';
import { createQueue } from './queue.js';
import { runReflector } from './reflector.js';
import type { Times } from './reflector.js';
import { createSnapshotWriter, readSnapshot, writeSnapshot } from './snapshot.js';
import type { Objects } from './snapshot.js';
import { createStore } from './store.js';
import type { Store } from './store.js';

export interface KubernetesOptions {
  readonly connection: Connection;
  readonly nodeName: string;
  /** Where the last known objects are kept; undefined keeps none. */
  readonly snapshotFile: string | undefined;
  readonly names?: NamesScope | undefined;
  readonly log: Log;
  /** Ends the iteration. */
  readonly signal: AbortSignal;
  readonly times?: Partial<Times & SnapshotTimes>;
  /** Counted into, for whoever shows it. */
  readonly counters?: Counters;
}

/** Names are served: what that takes besides what a proxy needs. */
export interface NamesScope {
  /** Of every node: names of pods are served as far as there are such pods. */
  readonly allPods: boolean;
}

export interface SnapshotTimes {
  /** How long lists may take before the snapshot is served, ms; a failure ends the wait. */
  readonly patienceMs: number;
  /** From a change to the writing of the snapshot, ms. */
  readonly snapshotMs: number;
}

const TIMES: Times & SnapshotTimes = {
  baseMs: 500,
  maxMs: 30_000,
  answerMs: 60_000,
  watchSec: 300,
  patienceMs: 3_000,
  snapshotMs: 5_000,
};

/** Objects with one of these labels are another proxy's, or headless. */
const FOR_PROXY = {
  labelSelector: '!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless',
};

interface Collection {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

/** Namespaces only for names: without them, an agent need not be allowed to list them. */
function collections(nodeName: string, names: NamesScope | undefined): Map<Kind, Collection> {
  const query = names === undefined ? FOR_PROXY : {};
  const ownPods = { fieldSelector: `spec.nodeName=${nodeName}` };
  const places: Record<Kind, Collection> = {
    Service: { path: '/api/v1/services', query },
    EndpointSlice: { path: '/apis/discovery.k8s.io/v1/endpointslices', query },
    Node: { path: '/api/v1/nodes', query: {} },
    Pod: { path: '/api/v1/pods', query: names?.allPods === true ? {} : ownPods },
    Namespace: { path: '/api/v1/namespaces', query: {} },
  };
  const kinds = KINDS.filter((kind) => kind !== 'Namespace' || names !== undefined);
  return new Map(kinds.map((kind) => [kind, places[kind]]));
}

/** What makes a snapshot of one scope useless for another. */
function scopeText(names: NamesScope | undefined): string | undefined {
  if (names === undefined) return undefined;
  return names.allPods ? 'names and all pods' : 'names';
}

/**
 * Every object as a put, then `synced` once all kinds are known; after that, changes. Objects
 * from the snapshot count as known; when lists have replaced them all, `synced` comes again.
 *
 * Whatever the server does is retried for ever; bad objects are logged and left out.
 */
export async function* watchKubernetes(
  options: KubernetesOptions,
): AsyncGenerator<SourceEvent, void> {
  const { connection, nodeName, snapshotFile, log, counters = createCounters() } = options;
  const times = { ...TIMES, ...options.times };
  const { names } = options;
  const owner = { nodeName, server: connection.server.href, scope: scopeText(names) };
  const places = collections(nodeName, names);
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const client = createClient(connection);
  const queue = createQueue<SourceEvent>();

  let isLive = false;
  const stores = new Map<Kind, Store>();
  const everyStore = (holds: (store: Store) => boolean): boolean =>
    [...stores.values()].every(holds);

  const collect = (): Objects | undefined =>
    isLive ? new Map([...stores].map(([kind, store]) => [kind, store.entries()])) : undefined;
  const file = snapshotFile;
  const writer =
    file === undefined
      ? undefined
      : createSnapshotWriter((objects) => writeSnapshot(file, owner, objects), collect, {
          delayMs: times.snapshotMs,
          log,
        });
  const emit = (event: SourceEvent): void => {
    queue.push(event);
    writer?.request();
  };
  for (const kind of places.keys()) {
    stores.set(kind, createStore({ kind, log, counters, emit }));
  }

  const listed = (): void => {
    if (isLive || !everyStore((store) => store.isListed())) return;
    isLive = true;
    log.info(counters, 'everything is listed from the API server');
    emit({ type: 'synced' });
  };

  const isOver = (): boolean => signal.aborted || isLive;
  /** Ends the wait for lists. */
  const impatience = new AbortController();
  const failed = (): void => {
    impatience.abort();
  };
  const serveSnapshot = async (): Promise<void> => {
    if (file === undefined) return;
    await sleep(times.patienceMs, AbortSignal.any([signal, impatience.signal]));
    if (isOver()) return;
    const objects = await readSnapshot(file, owner, log);
    if (objects === undefined || isOver()) return;
    for (const [kind, store] of stores) store.restore(objects.get(kind) ?? new Map());
    log.warn({ file }, 'the API server has not answered yet: the last known objects are served');
    queue.push({ type: 'synced' });
  };

  const running = [
    serveSnapshot(),
    ...[...stores].map(([kind, store]) => {
      const place = places.get(kind) ?? { path: '', query: {} };
      return runReflector({
        client,
        ...place,
        store,
        log,
        counters,
        times,
        signal,
        listed,
        failed,
      });
    }),
  ].map((run) => run.catch(queue.fail));
  try {
    yield* queue.drain(signal);
  } finally {
    over.abort();
    await Promise.all(running);
    await writer?.close();
    client.close();
  }
}
