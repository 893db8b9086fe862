/** The control thread's end of a lane: start it, mail it deltas, stop it. */
import { Worker } from 'node:worker_threads';
import { deferred } from '../deferred.js';
import { DataplaneError } from '../errors.js';
import * as native from '../native.js';
import type { FromLane, LaneSpec, ToLane } from './lane-messages.js';
import type { QueryPage } from './query-log.js';
import type { Traced } from './trace.js';

export interface Lane {
  /** Whether tables of an earlier agent were taken over. */
  readonly adopted: boolean;
  /** One line a port. */
  readonly ports: readonly string[];
  /** Settles when the lane is over: normally after `stop`, rejected when it failed. */
  readonly ended: Promise<void>;
  /** Have records applied between two bursts. @returns the same records with their results */
  apply(records: Uint8Array): Promise<Uint8Array>;
  /** Have name records applied. @returns the same records with their results */
  applyNames(records: Uint8Array): Promise<Uint8Array>;
  /** A copy of DNS COUNTERS. */
  dnsCounters(): Promise<BigUint64Array>;
  /** A sample of the DNS queries it answers. @param since  `written` of the page before */
  queries(since: number | undefined): Promise<QueryPage>;
  /** What would become of a frame from a link; nothing is sent and nothing changes. */
  trace(ifindex: number, frame: Uint8Array): Promise<Traced>;
  stop(): Promise<void>;
}

/** A lane answers within this time, or something is badly wrong. */
const ANSWER_MS = 10_000;

export type LaneOptions = Omit<LaneSpec, 'wakeFd' | 'mailCount'>;

/**
 * Start a lane in its own thread.
 *
 * @throws DataplaneError ERR_LANE with the lane's own words when it cannot begin
 */
export async function startLane(options: LaneOptions): Promise<Lane> {
  const wakeFd = native.eventfd();
  const mailCount = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const counter = new Int32Array(mailCount);
  const workerData: LaneSpec = { ...options, wakeFd, mailCount };
  const worker = new Worker(new URL('./lane-worker.js', import.meta.url), { workerData });
  const waiting = new Map<number, (answer: never) => void>();
  const ready = deferred<{ adopted: boolean; ports: readonly string[] }>();
  const ended = deferred<undefined>();
  let nextId = 1;

  const fail = (message: string, cause?: unknown): void => {
    const error = new DataplaneError('ERR_LANE', `the lane failed: ${message}`, { cause });
    ready.reject(error);
    ended.reject(error);
  };
  const settle = (id: number, answer: unknown): void => {
    waiting.get(id)?.(answer as never);
    waiting.delete(id);
  };
  const hear: { [K in FromLane['type']]: (message: Extract<FromLane, { type: K }>) => void } = {
    ready: ready.resolve,
    applied: ({ id, records }) => {
      settle(id, records);
    },
    named: ({ id, records }) => {
      settle(id, records);
    },
    traced: ({ id, traced }) => {
      settle(id, traced);
    },
    dnsCounted: ({ id, counters }) => {
      settle(id, counters);
    },
    queried: ({ id, page }) => {
      settle(id, page);
    },
    stopped: () => {
      ended.resolve(undefined);
    },
    failed: ({ message }) => {
      fail(message);
    },
  };
  worker.on('message', (message: FromLane) => {
    (hear[message.type] as (message: FromLane) => void)(message);
  });
  worker.on('error', (thrown: Error) => {
    fail(thrown.message, thrown);
  });
  worker.on('exit', (code) => {
    native.closeFd(wakeFd);
    if (code !== 0) fail(`its thread ended with ${String(code)}`);
    ended.resolve(undefined);
  });
  const mail = (message: ToLane, transfer: ArrayBuffer[] = []): void => {
    worker.postMessage(message, transfer);
    Atomics.add(counter, 0, 1);
    native.signal(wakeFd);
  };
  const ask = <T>(message: (id: number) => ToLane, transfer: ArrayBuffer[] = []): Promise<T> => {
    const id = nextId++;
    const answer = new Promise<T>((resolve) => waiting.set(id, resolve));
    mail(message(id), transfer);
    return Promise.race([answer, silence(ended.promise)]);
  };
  ended.promise.catch(() => undefined);
  const { adopted, ports } = await ready.promise;
  return {
    adopted,
    ports,
    ended: ended.promise,
    apply: (records) =>
      ask((id) => ({ type: 'delta', id, records }), [records.buffer as ArrayBuffer]),
    applyNames: (records) =>
      ask((id) => ({ type: 'names', id, records }), [records.buffer as ArrayBuffer]),
    dnsCounters: () => ask((id) => ({ type: 'dnsCounters', id })),
    queries: (since) => ask((id) => ({ type: 'queries', id, since })),
    trace: (ifindex, frame) => ask((id) => ({ type: 'trace', id, ifindex, frame })),
    stop: async () => {
      mail({ type: 'stop' });
      await ended.promise;
      await worker.terminate();
    },
  };
}

/** Rejects when a lane has not answered in time, or is over. */
async function silence(ended: Promise<void>): Promise<never> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ANSWER_MS);
    timer.unref();
  });
  await Promise.race([ended, late]);
  clearTimeout(timer);
  throw new DataplaneError('ERR_LANE', `the lane gave no answer within ${String(ANSWER_MS)} ms`);
}
