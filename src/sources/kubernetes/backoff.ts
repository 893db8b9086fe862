/**
 * How long to wait after a failure: a random share of a bound that doubles (full jitter), so that
 * nodes that lost the same server do not come back together.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffTimes {
  /** Bound of the first wait, ms. */
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface Backoff {
  /** Bound and draw of the next wait. @param leastMs  what the server asked for */
  next(leastMs?: number): number;
  /** Something worked. */
  reset(): void;
}

/** @param random  uniform in 0 to 1 */
export function createBackoff({ baseMs, maxMs }: BackoffTimes, random = Math.random): Backoff {
  let bound = baseMs;
  return {
    next: (leastMs = 0) => {
      const wait = Math.max(Math.min(leastMs, maxMs), random() * bound);
      bound = Math.min(maxMs, bound * 2);
      return wait;
    },
    reset: () => {
      bound = baseMs;
    },
  };
}

/** Wait; returns early, without an error, when the signal aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Run something under a signal that aborts with the outer one or when the time is over. */
export async function withDeadline<T>(
  outer: AbortSignal,
  ms: number,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const inner = new AbortController();
  const stop = (): void => {
    inner.abort(outer.reason);
  };
  const timer = setTimeout(() => {
    inner.abort(new Error(`no answer within ${ms} ms`));
  }, ms);
  outer.addEventListener('abort', stop, { once: true });
  try {
    return await run(inner.signal);
  } catch (error) {
    // Node wraps the reason; what the operator wants to read is the reason itself.
    inner.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', stop);
  }
}
