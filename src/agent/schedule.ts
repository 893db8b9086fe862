/** One piece of work, never twice at a time: soon after it was asked for, and now and then. */

export interface Schedule<T = void> {
  /** Something changed. */
  request: () => void;
  /**
   * Somebody waits. Settles after a run that began after this call, with what it came to, or with
   * the schedule's end: undefined.
   */
  now: () => Promise<T | undefined>;
  /** No further runs; settles when the last one is over. */
  stop(): Promise<void>;
}

export interface ScheduleTimes {
  /** From the first request to the run. */
  readonly coalesceMs: number;
  /** From the end of one run to the next at least; 0 when absent. */
  readonly leastMs?: number;
  /** From one look at everything to the next. */
  readonly resyncMs: number;
}

/** Why a run is made: something changed, or it is time to look at everything. */
export type Cause = 'request' | 'resync';

/** @param work must not reject: it says itself what went wrong */
export function createSchedule<T>(
  times: ScheduleTimes,
  work: (cause: Cause) => Promise<T>,
): Schedule<T> {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> | undefined;
  let isWanted = false;
  let isOver = false;
  let endedMs = -Infinity;
  /** Those who wait for the next run to be over. */
  let waiting: ((outcome: T | undefined) => void)[] = [];

  /** Milliseconds to the next run, now that one is wanted. */
  const soon = (): number =>
    Math.max(times.coalesceMs, (times.leastMs ?? 0) - (performance.now() - endedMs));
  const arm = (ms: number): void => {
    clearTimeout(timer);
    if (!isOver) timer = setTimeout(run, ms);
  };
  let resyncAtMs = 0;
  const run = (): void => {
    const served = waiting;
    waiting = [];
    isWanted = false;
    timer = undefined;
    // Also where something changes all the time.
    const cause: Cause = performance.now() >= resyncAtMs ? 'resync' : 'request';
    if (cause === 'resync') resyncAtMs = performance.now() + times.resyncMs;
    running = work(cause).then((outcome) => {
      running = undefined;
      endedMs = performance.now();
      if (waiting.length > 0) arm(0);
      else arm(isWanted ? soon() : Math.max(0, resyncAtMs - performance.now()));
      for (const done of served) done(outcome);
    });
  };
  return {
    request: () => {
      if (isWanted) return;
      isWanted = true;
      if (!running) arm(soon());
    },
    now: () =>
      new Promise((done) => {
        if (isOver) {
          done(undefined);
          return;
        }
        waiting.push(done);
        // Those who come in the same turn share a run.
        if (!running && waiting.length === 1) arm(0);
      }),
    stop: async () => {
      isOver = true;
      clearTimeout(timer);
      await running;
      for (const done of waiting) done(undefined);
    },
  };
}
