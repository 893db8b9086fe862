/**
 * Looks soon after something: what others do about it then, nobody tells us.
 */

/** Distances from the last begin, ms: most is done at once, and a slow plugin takes a second. */
const LOOKS_MS = [20, 50, 100, 150, 200, 300, 400, 1000, 2500] as const;

export interface AfterLooks {
  /** From now on; looks that are still due are due later. */
  begin(): void;
  close(): void;
}

/** @param look  must not throw */
export function createAfterLooks(look: () => void): AfterLooks {
  let timers: NodeJS.Timeout[] = [];
  const close = (): void => {
    for (const timer of timers) clearTimeout(timer);
    timers = [];
  };
  return {
    begin: () => {
      close();
      timers = LOOKS_MS.map((ms) => setTimeout(look, ms).unref());
    },
    close,
  };
}
