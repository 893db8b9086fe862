/** One piece of work, never twice at a time: soon after it was asked for, and now and then. */

export interface Schedule {
  /** Something changed. */
  request: () => void;
  /** No further runs; settles when the last one is over. */
  stop(): Promise<void>;
}

export interface ScheduleTimes {
  /** From the first request to the run. */
  readonly coalesceMs: number;
  /** From one run to the next without a request. */
  readonly resyncMs: number;
}

/** @param work must not reject: it says itself what went wrong */
export function createSchedule(times: ScheduleTimes, work: () => Promise<void>): Schedule {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isWanted = false;
  let isOver = false;

  const arm = (ms: number): void => {
    clearTimeout(timer);
    if (!isOver) timer = setTimeout(run, ms);
  };
  const run = (): void => {
    isWanted = false;
    timer = undefined;
    running = work().finally(() => {
      running = undefined;
      arm(isWanted ? times.coalesceMs : times.resyncMs);
    });
  };
  return {
    request: () => {
      if (isWanted) return;
      isWanted = true;
      if (!running) arm(times.coalesceMs);
    },
    stop: async () => {
      isOver = true;
      clearTimeout(timer);
      await running;
    },
  };
}
