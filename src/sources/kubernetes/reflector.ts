/**
 * One resource of the API server, kept up to date: a list in pages, then a watch from the list's
 * version on, for as long as the signal allows.
 *
 * A stream that ends, breaks or is cut is taken up at the last version seen. A version that the
 * server no longer has (410) means a new list; its difference to what is known is what happened
 * meanwhile.
 *
 * Spec  kubernetes.io, "Kubernetes API Concepts": efficient detection of changes, large result sets
 */
import { messageOf } from '../../errors.js';
import type { Log } from '../../log.js';
import { createBackoff, sleep, withDeadline } from './backoff.js';
import type { BackoffTimes } from './backoff.js';
import { readLines, readText } from './client.js';
import type { Client, Reply } from './client.js';
import type { Counters } from '../counters.js';
import { identityOf, metadataOf } from './read-object.js';
import { isNoLater } from './store.js';
import type { Store } from './store.js';

export interface Times extends BackoffTimes {
  /** For one page of a list, and for the first byte of a watch, ms. */
  readonly answerMs: number;
  /** Length of a watch that we ask for, drawn from one to two times this, s. */
  readonly watchSec: number;
}

export interface ReflectorOptions {
  readonly client: Client;
  /** Path of the collection. */
  readonly path: string;
  /** Selectors. */
  readonly query: Readonly<Record<string, string>>;
  readonly store: Pick<Store, 'beginList' | 'put' | 'remove' | 'complete'>;
  readonly log: Log;
  readonly counters: Counters;
  readonly times: Times;
  readonly signal: AbortSignal;
  /** A list is in force. */
  readonly listed: () => void;
  /** A request failed, or its stream. */
  readonly failed: () => void;
}

const PAGE_LIMIT = 500;
/** The server ends a watch by itself; a connection that died in silence is given up after this. */
const WATCH_GRACE_MS = 30_000;
/** A stream that lived this long worked, though nothing may have happened. */
const STEADY_MS = 5_000;
/** Statuses after which our version is of no more use: unusable, gone, or ahead of the server. */
const RELIST_STATUSES = new Set([400, 404, 410, 504]);

/** How an attempt ended: go on at once, after a while, or with a new list after a while. */
interface Outcome {
  readonly version: string | undefined;
  /** Undefined when nothing failed. */
  readonly failure: string | undefined;
  readonly retryAfterMs: number;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** What a Status object says of itself. */
function statusText(code: unknown, message: unknown): string {
  const shown = typeof message === 'string' ? message.slice(0, 200) : '';
  return `${typeof code === 'number' ? code : 'error'} ${shown}`.trim();
}

async function refusal({ status, body }: Reply): Promise<string> {
  const text = await readText(body);
  try {
    return statusText(status, fieldOf(JSON.parse(text), 'message'));
  } catch {
    return `${status} ${text.slice(0, 200)}`;
  }
}

export async function runReflector(options: ReflectorOptions): Promise<void> {
  const { client, path, query, store, log, counters, times, signal } = options;
  const backoff = createBackoff(times);
  let lastFailure = '';

  const address = (more: Readonly<Record<string, string>>): string =>
    `${path}?${new URLSearchParams({ ...query, ...more }).toString()}`;

  const failure = (text: string, version: string | undefined, retryAfterMs = 0): Outcome => ({
    version,
    failure: text,
    retryAfterMs,
  });

  /** @returns the page, or the answer that was none */
  const getPage = (more: Readonly<Record<string, string>>) =>
    withDeadline(signal, times.answerMs, async (limited) => {
      const reply = await client.get(address(more), limited);
      const { status, retryAfterMs } = reply;
      if (status !== 200) return { status, retryAfterMs, refused: await refusal(reply) };
      return { status, page: JSON.parse(await readText(reply.body)) as unknown };
    });

  const list = async (limit: number | undefined): Promise<Outcome> => {
    const replacement = store.beginList();
    let next = '';
    do {
      const answer = await getPage({
        ...(limit === undefined ? {} : { limit: String(limit) }),
        ...(next === '' ? {} : { continue: next }),
      });
      if (answer.page === undefined) {
        // The list took longer than the server keeps its pages: all of it in one answer then.
        if (answer.status === 410 && limit !== undefined) return await list(undefined);
        return failure(`list: ${answer.refused ?? ''}`, undefined, answer.retryAfterMs);
      }
      const items = fieldOf(answer.page, 'items') ?? [];
      const metadata = metadataOf(answer.page);
      const version = metadata['resourceVersion'];
      if (!Array.isArray(items) || typeof version !== 'string') {
        return failure('list: the answer is no list', undefined);
      }
      for (const item of items) replacement.add(item);
      next = typeof metadata['continue'] === 'string' ? metadata['continue'] : '';
      if (next !== '') continue;
      replacement.commit(version);
      counters.lists++;
      options.listed();
      return { version, failure: undefined, retryAfterMs: 0 };
    } while (!signal.aborted);
    return failure('list: stopped', undefined);
  };

  /** Take in one line of a watch. @returns the version after it, or why the watch is over */
  const takeEvent = (line: string, version: string): string | Outcome => {
    const event: unknown = JSON.parse(line);
    const object = fieldOf(event, 'object');
    const seen = identityOf(object).version;
    switch (fieldOf(event, 'type')) {
      case 'ADDED':
      case 'MODIFIED':
        store.put(object);
        break;
      case 'DELETED':
        store.remove(object);
        break;
      case 'BOOKMARK':
        store.complete(seen);
        break;
      case 'ERROR': {
        const code = fieldOf(object, 'code');
        const isUseless = RELIST_STATUSES.has(Number(code));
        const text = statusText(code, fieldOf(object, 'message'));
        return failure(`watch: ${text}`, isUseless ? undefined : version);
      }
      default:
        return failure('watch: an event of an unknown type', version);
    }
    return seen === '' || isNoLater(seen, version) ? version : seen;
  };

  const watch = async (start: string): Promise<Outcome> => {
    const seconds = Math.ceil(times.watchSec * (1 + Math.random()));
    const since = performance.now();
    let version = start;
    const follow = async (limited: AbortSignal): Promise<Outcome> => {
      const more = {
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(seconds),
        resourceVersion: start,
      };
      const { reply, refused } = await withDeadline(limited, times.answerMs, (first) =>
        openWatch(client, address(more), first, limited),
      );
      if (refused !== undefined) {
        const kept = RELIST_STATUSES.has(reply.status) ? undefined : start;
        return failure(`watch: ${refused}`, kept, reply.retryAfterMs);
      }
      counters.watches++;
      lastFailure = '';
      for await (const line of readLines(reply.body)) {
        const taken = takeEvent(line, version);
        if (typeof taken !== 'string') return taken;
        version = taken;
        backoff.reset();
      }
      return { version, failure: undefined, retryAfterMs: 0 };
    };
    try {
      return await withDeadline(signal, seconds * 1000 + WATCH_GRACE_MS, follow);
    } catch (error) {
      return failure(`watch: ${messageOf(error)}`, version);
    } finally {
      if (performance.now() - since > STEADY_MS) backoff.reset();
    }
  };

  const attempt = async (version: string | undefined): Promise<Outcome> => {
    try {
      return version === undefined ? await list(PAGE_LIMIT) : await watch(version);
    } catch (error) {
      return failure(`list: ${messageOf(error)}`, version);
    }
  };

  const report = (text: string): void => {
    counters.failures++;
    options.failed();
    if (text !== lastFailure) log.warn({ path }, `${path}: ${text}`);
    lastFailure = text;
  };

  const isOver = (): boolean => signal.aborted;
  let version: string | undefined;
  while (!isOver()) {
    const before = version;
    const outcome = await attempt(before);
    if (isOver()) return;
    version = outcome.version;
    const isList = before === undefined;
    if (!isList && version === undefined) counters.expired++;
    if (outcome.failure !== undefined) report(outcome.failure);
    // A list is followed by its watch at once; a watch that brought nothing is no reason to hurry.
    if (isList && outcome.failure === undefined) lastFailure = '';
    else if (outcome.failure !== undefined || version === before) {
      await sleep(backoff.next(outcome.retryAfterMs), signal);
    }
  }
}

/** Open a stream: `first` bounds the wait for the answer, `whole` the stream. */
async function openWatch(
  client: Client,
  address: string,
  first: AbortSignal,
  whole: AbortSignal,
): Promise<{ reply: Reply; refused: string | undefined }> {
  let isOpen = false;
  const inner = new AbortController();
  const stopFirst = (): void => {
    if (!isOpen) inner.abort(first.reason);
  };
  const stopWhole = (): void => {
    inner.abort(whole.reason);
  };
  first.addEventListener('abort', stopFirst, { once: true });
  whole.addEventListener('abort', stopWhole, { once: true });
  try {
    const reply = await client.get(address, inner.signal);
    const refused = reply.status === 200 ? undefined : await refusal(reply);
    isOpen = true;
    return { reply, refused };
  } catch (error) {
    whole.removeEventListener('abort', stopWhole);
    throw error;
  }
}
