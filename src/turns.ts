/** Turns: work on the same thing, one after the other. */

export interface Turns {
  /** Run when all that was given before under the same key is done, whatever became of it. */
  take<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Whether something runs or waits under a key. */
  isTaken(key: string): boolean;
}

/** Nothing is kept of a key that is done. */
export function createTurns(): Turns {
  const tails = new Map<string, Promise<unknown>>();
  return {
    take: (key, work) => {
      const before = tails.get(key) ?? Promise.resolve();
      const turn = before.then(work).finally(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      const tail = turn.then(
        () => undefined,
        () => undefined,
      );
      tails.set(key, tail);
      return turn;
    },
    isTaken: (key) => tails.has(key),
  };
}
