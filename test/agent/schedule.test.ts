import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { createSchedule } from '../../src/agent/schedule.js';

test('schedule: runs are at least the least time apart, and the first one waits for nobody', async (t) => {
  const startedMs = performance.now();
  const runsMs: number[] = [];
  const schedule = createSchedule({ coalesceMs: 1, leastMs: 200, resyncMs: 60_000 }, async () => {
    runsMs.push(performance.now() - startedMs);
    await Promise.resolve();
  });
  schedule.request();
  while (runsMs.length === 0) await delay(1);
  schedule.request();
  schedule.request();
  while (runsMs.length === 1) await delay(1);
  await schedule.stop();
  const [first = 0, second = 0, ...more] = runsMs;
  t.true(first < 200);
  t.true(second - first >= 195);
  t.deepEqual(more, []);
});
