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

test('schedule: who waits gets a run of its own time, before the least time is over, shared with others', async (t) => {
  let runs = 0;
  const schedule = createSchedule({ coalesceMs: 1, leastMs: 5_000, resyncMs: 60_000 }, async () => {
    runs++;
    await delay(20);
  });
  await schedule.now();
  t.is(runs, 1);
  await Promise.all([schedule.now(), schedule.now(), schedule.now()]);
  t.is(runs, 2);
  const first = schedule.now();
  await delay(10);
  // The third run is under way: it may have looked before this one had anything to say.
  await schedule.now();
  t.is(runs, 4);
  await first;
  await schedule.stop();
  await schedule.now();
  t.is(runs, 4);
});
