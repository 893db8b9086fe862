import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { createSyncGate } from '../../src/agent/sync-gate.js';

test('sync gate: the main source is held until every other has said what it knows', (t) => {
  let opened = 0;
  const gate = createSyncGate(['peers', 'etcd'], 60_000, () => opened++);
  t.false(gate.mayPass());
  gate.said('peers');
  gate.said('peers');
  t.false(gate.mayPass());
  t.is(opened, 0);
  gate.said('etcd');
  t.is(opened, 1);
  t.true(gate.mayPass());
  gate.said('etcd');
  t.is(opened, 1);
  gate.close();
});

test('sync gate: nobody is told when nobody was held', (t) => {
  let opened = 0;
  const gate = createSyncGate(['peers'], 60_000, () => opened++);
  gate.said('peers');
  t.true(gate.mayPass());
  t.is(opened, 0);
  gate.close();
});

test('sync gate: a source that stays silent is waited for only so long', async (t) => {
  const opened = new Promise<void>((resolve) => {
    const gate = createSyncGate(['etcd'], 20, resolve);
    t.false(gate.mayPass());
  });
  // The gate's own timer keeps no process alive.
  const alive = setInterval(() => undefined, 10);
  await Promise.race([opened, delay(5_000).then(() => t.fail('never opened'))]);
  clearInterval(alive);
  t.pass();
});
