import test from 'ava';
import type { ExecutionContext } from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import type { Forward } from '../../../src/dns/forward/forward.js';
import { addressReply, replyTo, startDouble, withRcode } from './double.js';
import type { Behave, Query } from './double.js';
import { addresses, ask, forwardTo, query } from './rig.js';

const SERVFAIL = 2;
const silent: Behave = () => undefined;
const FAST = { intervalMs: 30, noRec: false, domain: '.' };
const SHORT = { readMs: 400, probeMs: 400 };
const isProbe = ({ asked }: Query) => asked.endsWith(' NS');

async function until(t: ExecutionContext, what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 10) {
    if (holds()) return;
    await delay(10);
  }
  t.fail(`not within 10 s: ${what}`);
}

const downCount = (forward: Forward) =>
  forward.stats().upstreams.filter(({ isDown }) => isDown).length;

test('health: nobody is probed while queries are answered [dns 88]', async (t) => {
  const upstream = await startDouble(t);
  const forward = forwardTo(t, [upstream], { healthCheck: FAST });
  for (let i = 0; i < 5; i++) await ask(forward);
  await delay(100);
  t.is(upstream.seen.filter(isProbe).length, 0);
});

for (const [options, asked, rd] of [
  [{}, '. NS', true],
  [{ noRec: true }, '. NS', false],
  [{ domain: 'example.org' }, 'example.org NS', true],
] as const) {
  test(`health: the probe is ${asked} with RD=${rd ? 1 : 0} for ${JSON.stringify(options)} [dns 88]`, async (t) => {
    const upstream = await startDouble(t, silent);
    const forward = forwardTo(t, [upstream], {
      healthCheck: { ...FAST, ...options },
      times: SHORT,
    });
    await ask(forward);
    await until(t, 'a probe', () => upstream.seen.some(isProbe));
    const probe = upstream.seen.find(isProbe);
    t.is(probe?.packet.questions?.[0]?.type, 'NS');
    t.is(probe?.asked === '. NS' || probe?.asked === ' NS' ? '. NS' : probe?.asked, asked);
    t.is(probe?.packet.flag_rd, rd);
    t.is(probe?.packet.questions?.[0]?.class, 'IN');
  });
}

test('health: after three failed probes an upstream is skipped, after a reply it is back [dns 87]', async (t) => {
  const broken = await startDouble(t, silent);
  const upstream = await startDouble(t, (asked, send) => send(addressReply(asked, '192.0.2.2')));
  const failures: string[] = [];
  const forward = forwardTo(t, [broken, upstream], {
    healthCheck: FAST,
    times: SHORT,
    hooks: { onHealthFailure: (name) => failures.push(name) },
  });
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.2']);
  t.is(downCount(forward), 0, 'one lost query makes nobody down');
  await until(t, 'down', () => downCount(forward) === 1);
  t.true(failures.length >= 3);
  t.deepEqual([...new Set(failures)], [`127.0.0.1:${broken.port}`]);

  const queries = () => broken.seen.filter((asked) => !isProbe(asked)).length;
  const before = queries();
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.2']);
  t.is(queries(), before, 'skipped');

  // Any DNS reply will do, even SERVFAIL.
  broken.behave = (asked, send) =>
    send(isProbe(asked) ? withRcode(replyTo(asked), SERVFAIL) : addressReply(asked));
  await until(t, 'up again', () => downCount(forward) === 0);
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.1']);
  const probes = broken.seen.filter(isProbe).length;
  await delay(150);
  t.is(broken.seen.filter(isProbe).length, probes, 'and is probed no more');
});

test('health: what a probe gets back must be a reply to it', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    if (isProbe(asked)) send(asked.bytes);
  });
  const forward = forwardTo(t, [upstream], { healthCheck: FAST, times: SHORT });
  await ask(forward);
  await until(t, 'down', () => downCount(forward) === 1);
  t.pass();
});

test('health: all down: any is asked all the same, and the hook is told [dns 87]', async (t) => {
  const upstreams = [await startDouble(t, silent), await startDouble(t, silent)];
  let broken = 0;
  const forward = forwardTo(t, upstreams, {
    healthCheck: FAST,
    times: SHORT,
    hooks: { onHealthBroken: () => broken++ },
  });
  await ask(forward);
  await until(t, 'all down', () => downCount(forward) === 2);
  for (const upstream of upstreams) {
    upstream.behave = (asked, send) => {
      if (!isProbe(asked)) send(addressReply(asked));
    };
  }
  t.is(broken, 0);
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.1']);
  t.is(broken, 1);
});

test('health: all down and failfast: SERVFAIL at once, nobody is asked [dns 87]', async (t) => {
  const upstreams = [await startDouble(t, silent), await startDouble(t, silent)];
  const forward = forwardTo(t, upstreams, {
    healthCheck: FAST,
    times: SHORT,
    failfastAllUnhealthy: true,
  });
  await ask(forward);
  await until(t, 'all down', () => downCount(forward) === 2);
  const asked = () => upstreams.flatMap(({ seen }) => seen).filter((one) => !isProbe(one)).length;
  const before = asked();
  t.deepEqual(await ask(forward, query('other.example.org')), {
    failure: 'no-upstream',
    rcode: SERVFAIL,
  });
  t.is(asked(), before);
});

test('health: max_fails 0 probes nobody and skips nobody', async (t) => {
  const upstream = await startDouble(t, silent);
  const forward = forwardTo(t, [upstream], { healthCheck: FAST, times: SHORT, maxFails: 0 });
  for (let i = 0; i < 4; i++) await ask(forward);
  await delay(150);
  t.is(upstream.seen.filter(isProbe).length, 0);
  t.is(downCount(forward), 0);
});

test('health: probes go over the transport of the upstream', async (t) => {
  const upstream = await startDouble(t, silent);
  const forward = forwardTo(t, [upstream], { healthCheck: FAST, times: SHORT, forceTcp: true });
  await ask(forward);
  await until(t, 'probes', () => upstream.seen.filter(isProbe).length >= 2);
  t.deepEqual([...new Set(upstream.seen.map(({ transport }) => transport))], ['tcp']);
});

test('health: closing ends the probes', async (t) => {
  const upstream = await startDouble(t, silent);
  const forward = forwardTo(t, [upstream], { healthCheck: FAST, times: SHORT });
  await ask(forward);
  await until(t, 'a probe', () => upstream.seen.some(isProbe));
  await forward.close();
  await delay(50);
  const { length } = upstream.seen;
  await delay(200);
  t.is(upstream.seen.length, length);
});
