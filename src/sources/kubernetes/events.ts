/**
 * Events of this agent in the API: what an operator sees in `kubectl describe service`. Posted in
 * the background, as client-go does it: the same event not twice in a while, few in a row, retried
 * when the server is away, given up when it refuses. An event that is lost was logged, too.
 *
 * Spec  events.k8s.io/v1; client-go, tools/events (recorder, broadcaster), tools/record (spam filter)
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../errors.js';
import type { Log } from '../../log.js';
import { createBackoff, sleep, withDeadline } from './backoff.js';
import type { BackoffTimes } from './backoff.js';
import { createClient } from './client.js';
import type { Client } from './client.js';
import type { Connection } from './connection.js';

export interface ClusterEvent {
  readonly regarding: {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
  };
  /** CamelCase: why. */
  readonly reason: string;
  /** CamelCase: what was attempted. */
  readonly action: string;
  /** One sentence. */
  readonly note: string;
}

export interface EventPoster {
  /** Post a warning soon, or never; returns at once. */
  post(event: ClusterEvent): void;
  close(): Promise<void>;
}

export interface EventTimes extends BackoffTimes {
  /** One request, ms. */
  readonly answerMs: number;
  /** The same event is not posted again within this time, ms. */
  readonly repeatMs: number;
  /** One more event may be posted each of these, ms. */
  readonly refillMs: number;
}

export interface EventOptions {
  readonly connection: Connection;
  /** Who says it: a node's name. */
  readonly nodeName: string;
  readonly log: Log;
  readonly times?: Partial<EventTimes>;
  /** Milliseconds of Unix time. */
  readonly now?: () => number;
}

/** client-go: series end after 6 min; 25 events in a row, then one each 5 min; 12 tries. */
const TIMES: EventTimes = {
  baseMs: 500,
  maxMs: 30_000,
  answerMs: 10_000,
  repeatMs: 360_000,
  refillMs: 300_000,
};
const BURST = 25;
const TRIES = 12;
const CONTROLLER = 'sluice';
/** Longest note of events.k8s.io/v1, bytes. */
const NOTE_MAX = 1024;

/** Name as client-go makes it: the object's, and the time in hexadecimal nanoseconds. */
function objectOf(event: ClusterEvent, nodeName: string, nowMs: number): object {
  const { regarding, reason, action, note } = event;
  const stamp = (BigInt(Math.floor(nowMs)) * 1_000_000n).toString(16);
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: regarding.namespace, name: `${regarding.name}.${stamp}` },
    // MicroTime: six digits of the second.
    eventTime: new Date(nowMs).toISOString().replace('Z', '000Z'),
    reportingController: CONTROLLER,
    reportingInstance: nodeName,
    regarding: { apiVersion: 'v1', ...regarding },
    action,
    reason,
    note: note.slice(0, NOTE_MAX),
    type: 'Warning',
  };
}

/** A refusal that another try would not change. */
function isFinal(status: number): boolean {
  return status < 500 && status !== 408 && status !== 429;
}

/** Tokens that come back with time. */
function createBucket(refillMs: number, now: () => number): () => boolean {
  let tokens = BURST;
  let filledMs = now();
  return () => {
    const more = Math.floor((now() - filledMs) / refillMs);
    tokens = Math.min(BURST, tokens + more);
    filledMs += more * refillMs;
    if (tokens === 0) return false;
    tokens--;
    return true;
  };
}

/** @returns why it was not taken; undefined when it was */
async function postOne(
  client: Client,
  posting: { readonly path: string; readonly object: object },
  times: EventTimes,
  signal: AbortSignal,
): Promise<string | undefined> {
  const backoff = createBackoff(times);
  let failure = '';
  for (let tries = 0; tries < TRIES; tries++) {
    let leastMs = 0;
    try {
      const reply = await withDeadline(signal, times.answerMs, (inner) =>
        client.post(posting.path, posting.object, inner),
      );
      reply.body.destroy();
      if (reply.status < 300) return undefined;
      failure = `the API server answered ${reply.status}`;
      if (isFinal(reply.status)) return failure;
      leastMs = reply.retryAfterMs;
    } catch (error) {
      failure = messageOf(error);
    }
    await sleep(backoff.next(leastMs), signal);
    if (signal.aborted) return failure;
  }
  return failure;
}

export function createEventPoster(options: EventOptions): EventPoster {
  const { connection, nodeName, log, now = Date.now } = options;
  const times = { ...TIMES, ...options.times };
  const client = createClient(connection);
  const over = new AbortController();
  const mayPost = createBucket(times.refillMs, now);
  const posted = new Map<string, number>();
  let last: Promise<void> = Promise.resolve();

  /** Whether this was said lately; forgets what was not. */
  const isRepeated = (key: string): boolean => {
    for (const [known, at] of posted) if (now() - at >= times.repeatMs) posted.delete(known);
    if (posted.has(key)) return true;
    posted.set(key, now());
    return false;
  };

  return {
    post: (event) => {
      if (over.signal.aborted || isRepeated(JSON.stringify(event)) || !mayPost()) return;
      const { namespace } = event.regarding;
      const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`;
      const object = objectOf(event, nodeName, now());
      last = last.then(async () => {
        const failure = await postOne(client, { path, object }, times, over.signal);
        if (failure === undefined || over.signal.aborted) return;
        log.warn({ reason: event.reason, regarding: event.regarding }, `event lost: ${failure}`);
      });
    },
    close: async () => {
      over.abort();
      await Promise.race([last, delay(times.answerMs, undefined, { ref: false })]);
      client.close();
    },
  };
}
