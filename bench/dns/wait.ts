/** A server that has just been started. */
import type { Netns } from '../net/netns.js';
import { delay, run } from '../net/sh.js';
import { NAMED_SERVICES, nameOf } from './zone.js';

const START_MS = 60_000;
const PAUSE_MS = 200;

/**
 * Wait until it answers as it should.
 *
 * @param ask  asks once; what it throws is no answer yet
 * @throws Error when it does not in time
 */
export async function untilAnswers(name: string, ask: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + START_MS;
  let last: unknown;
  while (performance.now() < end) {
    try {
      if (await ask()) return;
    } catch (error) {
      last = error;
    }
    await delay(PAUSE_MS);
  }
  throw new Error(`${name} does not answer`, { cause: last });
}

/** Wait until a client gets the address of the first service. */
export async function untilServes(
  name: string,
  netns: Netns,
  server: string,
  [first] = NAMED_SERVICES,
): Promise<void> {
  if (!first) throw new Error('there is nothing to ask for');
  await untilAnswers(name, async () => {
    const how = `@${server} +short +timeout=1 +retry=0 ${nameOf(first)} A`.split(' ');
    return (await run({ netns }, 'kdig', ...how)).trim() === first.address;
  });
}
