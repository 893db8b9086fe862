/** The source that the configuration asks for. */
import { once } from 'node:events';
import { join } from 'node:path';
import type { KubernetesConfig, SourceConfig } from '../config/config.js';
import type { Log } from '../log.js';
import type { SourceEvent } from '../model/events.js';
import { watchFiles } from './files.js';
import { inClusterConnection } from './kubernetes/connection.js';
import type { Connection } from './kubernetes/connection.js';
import { createCounters } from './counters.js';
import type { Counters } from './counters.js';
import { readKubeconfig } from './kubernetes/kubeconfig.js';
import { watchKubernetes } from './kubernetes/kubernetes.js';
import type { NamesScope } from './kubernetes/kubernetes.js';

export const SNAPSHOT_FILE = 'cluster.jsonl';

export interface OpenOptions {
  readonly source: SourceConfig;
  readonly nodeName: string;
  /** Where the last known objects are kept; undefined keeps none. */
  readonly stateDir: string | undefined;
  /** Left out: names are not served. */
  readonly names?: NamesScope | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Counted into, for whoever shows it. */
  readonly counters?: Counters;
}

/** @throws DataplaneError ERR_SOURCE, ERR_YAML */
export function connectionOf({ kubeconfig }: KubernetesConfig): Connection {
  return kubeconfig === undefined ? inClusterConnection(process.env) : readKubeconfig(kubeconfig);
}

/** A node by itself: there is nothing to hear of. */
async function* nothing(signal: AbortSignal): AsyncGenerator<SourceEvent, void> {
  yield { type: 'synced' };
  if (!signal.aborted) await once(signal, 'abort');
}

/** @throws DataplaneError ERR_SOURCE, ERR_YAML  when the source cannot be opened at all */
export function openSource(options: OpenOptions): AsyncGenerator<SourceEvent, void> {
  const { source, nodeName, stateDir, log, signal } = options;
  const counters = options.counters ?? createCounters();
  if (source.files !== undefined) return watchFiles({ dir: source.files, log, signal, counters });
  if (source.kubernetes === undefined) return nothing(signal);
  return watchKubernetes({
    connection: connectionOf(source.kubernetes),
    nodeName,
    snapshotFile: stateDir === undefined ? undefined : join(stateDir, SNAPSHOT_FILE),
    names: options.names,
    log,
    signal,
    counters,
  });
}
