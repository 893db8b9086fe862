/** Waiting for what has no event. */
import { setTimeout as delay } from 'node:timers/promises';

/** Far above what anything here takes, far below the limit of the runner. */
const PATIENCE_MS = 20_000;
const TURN_MS = 2;

/** Wait for a condition. @throws when it never holds */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await delay(TURN_MS);
  }
}
