/** The source against a double of the API server, and what it has said so far. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../../src/log.js';
import type { PutEvent, SourceEvent } from '../../../src/model/events.js';
import { objectKey } from '../../../src/model/keys.js';
import type { Connection } from '../../../src/sources/kubernetes/connection.js';
import { createCounters } from '../../../src/sources/counters.js';
import { watchKubernetes } from '../../../src/sources/kubernetes/kubernetes.js';
import type { KubernetesOptions } from '../../../src/sources/kubernetes/kubernetes.js';
import { HERE } from '../../model/objects.js';

export async function temporary(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-kubernetes-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export const QUICK = {
  baseMs: 4,
  maxMs: 16,
  answerMs: 10_000,
  watchSec: 300,
  patienceMs: 10_000,
  snapshotMs: 1,
};

export interface Watched {
  /** Everything said so far. */
  readonly events: SourceEvent[];
  readonly lines: Record<string, unknown>[];
  readonly counters: ReturnType<typeof createCounters>;
  /** What it has put and not deleted, `Kind namespace/name`. */
  known(): string[];
  object(id: string): PutEvent['object'] | undefined;
  synced(): number;
  stop(): Promise<void>;
}

export function watchDouble(
  connection: Connection,
  options: Partial<KubernetesOptions> = {},
  onEvent: (event: SourceEvent) => void = () => undefined,
): Watched {
  const events: SourceEvent[] = [];
  const objects = new Map<string, PutEvent['object']>();
  const lines: Record<string, unknown>[] = [];
  const write = (text: string): void => {
    lines.push(JSON.parse(text) as Record<string, unknown>);
  };
  const counters = createCounters();
  const over = new AbortController();
  const take = (event: SourceEvent): void => {
    events.push(event);
    if (event.type === 'put') {
      objects.set(`${event.kind} ${objectKey(event.object.metadata)}`, event.object);
    } else if (event.type === 'delete') objects.delete(`${event.kind} ${event.key}`);
    onEvent(event);
  };
  const run = async (): Promise<void> => {
    const source = watchKubernetes({
      connection,
      nodeName: HERE,
      snapshotFile: undefined,
      log: createLog('info', { write }),
      signal: over.signal,
      times: QUICK,
      counters,
      ...options,
    });
    for await (const event of source) take(event);
  };
  const running = run();
  return {
    events,
    lines,
    counters,
    known: () => [...objects.keys()].sort(),
    object: (id) => objects.get(id),
    synced: () => events.filter(({ type }) => type === 'synced').length,
    stop: async () => {
      over.abort();
      await running;
    },
  };
}
