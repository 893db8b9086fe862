/** So many at once, so many more in a queue, and no more. */
export interface Gate {
  /** Wait for a place. @returns whether it was given; then `leave` has to follow */
  enter(): Promise<'entered' | 'full' | 'closed'>;
  leave(): void;
  /** Turn away all that wait and all that come. Resolves when everybody inside has left. */
  close(): Promise<void>;
}

export function createGate(insideMax: number, waitingMax: number): Gate {
  const waiting: ((how: 'entered' | 'closed') => void)[] = [];
  const leavers: (() => void)[] = [];
  let inside = 0;
  let isClosed = false;
  return {
    enter: async () => {
      if (isClosed) return 'closed';
      if (inside < insideMax) {
        inside++;
        return 'entered';
      }
      if (waiting.length >= waitingMax) return 'full';
      return new Promise((resolve) => waiting.push(resolve));
    },
    leave: () => {
      const next = waiting.shift();
      // The place changes hands.
      if (next !== undefined) {
        next('entered');
        return;
      }
      inside--;
      if (inside === 0) for (const left of leavers.splice(0)) left();
    },
    close: () => {
      isClosed = true;
      for (const wait of waiting.splice(0)) wait('closed');
      if (inside === 0) return Promise.resolve();
      return new Promise((resolve) => leavers.push(resolve));
    },
  };
}
