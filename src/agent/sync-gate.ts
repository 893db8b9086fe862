/**
 * When everything is known that there is at first. Other nodes may come from several sources: before
 * each of them has said what it knows, nobody may conclude from silence that there are none, and take
 * their routes and tunnels away.
 *
 * One that does not answer is not waited for without end: services need it not.
 */

export interface SyncGate {
  /** One source of nodes has said all it knew at first; again: no news. */
  said(source: string): void;
  /** @returns whether the main source's word counts now; if not, `open` is called when it does */
  mayPass(): boolean;
  close(): void;
}

/**
 * @param sources  of nodes, besides the main one
 * @param open     told once, when the main source's word has been held back and now counts
 */
export function createSyncGate(
  sources: readonly string[],
  patienceMs: number,
  open: () => void,
): SyncGate {
  const silent = new Set(sources);
  let isHeld = false;
  const pass = (): void => {
    silent.clear();
    clearTimeout(timer);
    if (isHeld) open();
    isHeld = false;
  };
  const timer = setTimeout(pass, patienceMs);
  timer.unref();
  return {
    said: (source) => {
      if (silent.delete(source) && silent.size === 0) pass();
    },
    mayPass: () => {
      if (silent.size > 0) isHeld = true;
      return silent.size === 0;
    },
    close: () => {
      clearTimeout(timer);
    },
  };
}
