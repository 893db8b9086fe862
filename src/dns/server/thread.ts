/** The starting thread's end of a DNS thread. */
import { Worker } from 'node:worker_threads';
import { deferred } from '../../deferred.js';
import { DataplaneError } from '../../errors.js';
import type { ErrorCode } from '../../errors.js';
import type { Cut } from '../chain/cuts.js';
import type { DefaultBind } from '../chain/listeners.js';
import type { QueryPage } from '../../core/query-log.js';
import type { Client } from '../plugin.js';
import type { AskHost } from './answerer.js';
import type { Explained } from './explain.js';
import type { Bound, FromThread, LogPart, PodsByAddress } from './messages.js';
import type { ThreadReady, ThreadSpec, ToThread } from './messages.js';
import type { Family } from './series.js';

/** Beside this file, or beside the bundle that it is in. */
const WORKER = import.meta.url.endsWith('.cjs') ? './dns-worker.cjs' : './dns-worker.js';

export interface Scraped {
  readonly metrics: readonly Family[];
  readonly notReady: readonly string[];
}

export interface DnsThread {
  readonly ready: ThreadReady;
  /** As claims are now. */
  cuts(): readonly Cut[];
  /**
   * Open its sockets.
   *
   * @param ports  instead of those of the Corefile
   * @throws DataplaneError ERR_CONFIG, or the system's error; it has none then
   */
  listen(ports: DefaultBind['ports']): Promise<readonly Bound[]>;
  /** Its sockets. */
  bound(): readonly Bound[];
  /** Settles when it is over: after `stop`, or rejected with what it died of. */
  readonly ended: Promise<void>;
  applyNames(records: Uint8Array): Promise<Uint8Array>;
  setPods(pods: PodsByAddress): void;
  scrape(): Promise<Scraped>;
  /** Answer a query that another has received. @returns  what is sent; empty: nothing */
  readonly ask: AskHost;
  /** Add what another has counted: words of a core. */
  addCounters(counters: BigUint64Array): void;
  /** What would be answered to a query. @returns undefined when the thread has ended */
  explain(message: Uint8Array, client: Client): Promise<Explained | undefined>;
  /** A sample of its queries. @param since  `written` of the page before */
  queries(part: LogPart, since: number | undefined): Promise<QueryPage>;
  /** @param successors  sockets at the same addresses, for late replies */
  stop(graceMs: number, successors?: readonly Bound[]): Promise<void>;
}

/** Errors of sockets keep their code: callers tell EADDRINUSE from a wrong Corefile. */
function errorOf(message: string, code: string | undefined): Error {
  if (code?.startsWith('ERR_') === true) return new DataplaneError(code as ErrorCode, message);
  return Object.assign(new Error(message), { code });
}

/**
 * Start a thread, and wait until it is set up.
 *
 * @param cutsChanged  called when claims have changed
 * @param spare        a thread that nobody has told yet what it is to be
 * @throws DataplaneError ERR_CONFIG; Error with a code of the system
 */
export async function startDnsThread(
  spec: ThreadSpec,
  cutsChanged: () => void,
  spare?: Worker,
): Promise<DnsThread> {
  const worker = spare ?? new Worker(new URL(WORKER, import.meta.url));
  worker.ref();
  /** Questions that the thread has been asked, by their numbers: who waits for the answer. */
  const asked = new Map<number, (answer: unknown) => void>();
  const begun = deferred<ThreadReady>();
  const over = deferred<undefined>();
  over.promise.catch(() => undefined);
  let nextId = 1;
  let cuts: readonly Cut[] = [];
  let bound: readonly Bound[] = [];
  let opening = deferred<readonly Bound[]>();

  const fail = (error: Error): void => {
    begun.reject(error);
    over.reject(error);
  };
  const answered = (id: number, answer: unknown): void => {
    asked.get(id)?.(answer);
    asked.delete(id);
  };
  const hear: { [K in FromThread['type']]: (message: Extract<FromThread, { type: K }>) => void } = {
    ready: ({ ready }) => {
      cuts = ready.cuts;
      begun.resolve(ready);
    },
    cuts: (message) => {
      cuts = message.cuts;
      cutsChanged();
    },
    listening: (message) => {
      bound = message.bound;
      opening.resolve(bound);
    },
    deaf: ({ message, code }) => {
      opening.reject(errorOf(message, code));
    },
    applied: ({ id, records }) => {
      answered(id, records);
    },
    scraped: ({ id, metrics, notReady }) => {
      answered(id, { metrics, notReady } satisfies Scraped);
    },
    asked: ({ id, reply }) => {
      answered(id, reply);
    },
    explained: ({ id, explained }) => {
      answered(id, explained);
    },
    queried: ({ id, page }) => {
      answered(id, page);
    },
    stopped: () => {
      over.resolve(undefined);
    },
    failed: ({ message, code }) => {
      fail(errorOf(message, code));
    },
  };
  worker.on('message', (message: FromThread) => {
    (hear[message.type] as (message: FromThread) => void)(message);
  });
  worker.on('error', (error: Error) => {
    fail(error);
  });
  worker.on('exit', () => {
    fail(new DataplaneError('ERR_STATE', 'the DNS thread ended'));
  });
  const say = (message: ToThread, transfer: ArrayBuffer[] = []): void => {
    worker.postMessage(message, transfer);
  };
  /** @param ifOver  the answer of a thread that has ended */
  const ask = <Answer>(
    question: (id: number) => ToThread,
    ifOver: Answer,
    transfer: ArrayBuffer[] = [],
  ): Promise<Answer> => {
    const id = nextId++;
    const answer = new Promise<Answer>((resolve) => {
      asked.set(id, resolve as (answer: unknown) => void);
    });
    say(question(id), transfer);
    return Promise.race([answer, over.promise.then(() => ifOver)]);
  };
  say({ type: 'start', spec });
  const ready = await begun.promise;
  return {
    ready,
    ended: over.promise,
    cuts: () => cuts,
    bound: () => bound,
    listen: (ports) => {
      opening = deferred();
      say({ type: 'listen', ports });
      return Promise.race([opening.promise, over.promise.then(() => bound)]);
    },
    applyNames: (records) =>
      ask((id) => ({ type: 'names', id, records }), records, [records.buffer as ArrayBuffer]),
    setPods: (pods) => {
      say({ type: 'pods', pods });
    },
    scrape: () =>
      ask<Scraped>((id) => ({ type: 'scrape', id }), {
        metrics: [],
        notReady: ['the thread has ended'],
      }),
    ask: (listener, message, client) =>
      ask<Uint8Array>((id) => ({ type: 'ask', id, listener, message, client }), new Uint8Array()),
    addCounters: (counters) => {
      say({ type: 'counted', counters });
    },
    explain: (message, client) =>
      ask<Explained | undefined>((id) => ({ type: 'explain', id, message, client }), undefined),
    queries: (part, since) =>
      ask<QueryPage>((id) => ({ type: 'queries', id, part, since }), {
        every: 0,
        written: since ?? 0,
        lost: 0,
        queries: [],
      }),
    stop: async (graceMs, successors = []) => {
      say({ type: 'stop', graceMs, successors });
      try {
        await over.promise;
      } finally {
        await worker.terminate();
      }
    },
  };
}
