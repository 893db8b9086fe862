/** The control thread's end of a lane: start it, mail it deltas, stop it. */
import { Worker } from 'node:worker_threads';
import { DataplaneError } from '../errors.js';
import * as native from '../native.js';
import type { FromLane, LaneSpec, ToLane } from './lane-messages.js';
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
  const waiting = new Map<number, (records: Uint8Array) => void>();
  const traces = new Map<number, (traced: Traced) => void>();
  const ready = deferred<{ adopted: boolean; ports: readonly string[] }>();
  const ended = deferred<undefined>();
  let nextId = 1;

  const fail = (message: string, cause?: unknown): void => {
    const error = new DataplaneError('ERR_LANE', `the lane failed: ${message}`, { cause });
    ready.reject(error);
    ended.reject(error);
  };
  const hear: { [K in FromLane['type']]: (message: Extract<FromLane, { type: K }>) => void } = {
    ready: ready.resolve,
    applied: ({ id, records }) => {
      waiting.get(id)?.(records);
      waiting.delete(id);
    },
    traced: ({ id, traced }) => {
      traces.get(id)?.(traced);
      traces.delete(id);
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
  ended.promise.catch(() => undefined);
  const { adopted, ports } = await ready.promise;
  return {
    adopted,
    ports,
    ended: ended.promise,
    apply: (records) => {
      const id = nextId++;
      const answer = new Promise<Uint8Array>((resolve) => waiting.set(id, resolve));
      mail({ type: 'delta', id, records }, [records.buffer as ArrayBuffer]);
      return Promise.race([answer, silence(ended.promise)]);
    },
    trace: (ifindex, frame) => {
      const id = nextId++;
      const answer = new Promise<Traced>((resolve) => traces.set(id, resolve));
      mail({ type: 'trace', id, ifindex, frame });
      return Promise.race([answer, silence(ended.promise)]);
    },
    stop: async () => {
      mail({ type: 'stop' });
      await ended.promise;
      await worker.terminate();
    },
  };
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: Error) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
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
