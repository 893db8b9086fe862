/** Values pushed by callbacks, taken by one iteration. */
export interface Queue<T> {
  push(value: T): void;
  /** The iteration ends with this error after the values before it. */
  fail(error: unknown): void;
  /** Every value until the signal aborts. */
  drain(signal: AbortSignal): AsyncGenerator<T, void>;
}

export function createQueue<T>(): Queue<T> {
  let waiting: T[] = [];
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;

  return {
    push: (value) => {
      waiting.push(value);
      wake?.();
    },
    fail: (error) => {
      failure ??= { error };
      wake?.();
    },
    drain: async function* (signal) {
      const isOver = (): boolean => signal.aborted;
      const stop = (): void => wake?.();
      signal.addEventListener('abort', stop, { once: true });
      while (!isOver()) {
        const values = waiting;
        waiting = [];
        for (const value of values) {
          if (!isOver()) yield value;
        }
        if (values.length > 0) continue;
        if (failure) throw failure.error;
        await new Promise<void>((settle) => {
          wake = settle;
        });
      }
    },
  };
}
