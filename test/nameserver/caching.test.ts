/** The cache of a running server, as its clients and its upstreams see it. */
import test from 'ava';
import { addressReply, startDouble, withRcode } from '../dns/forward/double.js';
import type { Double } from '../dns/forward/double.js';
import { ask, askUntil } from './client.js';
import { metricOf } from './metric.js';
import { serve } from './served.js';
import type { Served } from './served.js';

const METRICS = 'prometheus 127.0.0.1:0';
const NAME = 'www.example.org';
const at = ({ port }: Double): string => `127.0.0.1:${port}`;
/** TTLs of a second and more are kept as they are. */
const cachedBy = (upstream: Double, ...lines: string[]): string =>
  `.:53 {\n${METRICS}\ncache {\nsuccess 2048 3600 1\n${lines.join('\n')}\n}\nforward . ${at(upstream)} {\nmax_fails 0\n}\n}\n`;

/** Ask until an expired reply was given. */
async function untilStale(server: Served): Promise<number> {
  return metricOf(server, 'coredns_cache_served_stale_total', (count) => {
    void ask(server, NAME);
    return count >= 1;
  });
}

const lived = (address: string, ttl: number) => ({
  answers: [{ name: NAME, type: 'A' as const, class: 'IN' as const, ttl, data: address }],
});

test.serial(
  'prefetch: what is asked for often is renewed before it ends; nobody waits',
  async (t) => {
    let asked = 0;
    let release = (): void => undefined;
    const upstream = await startDouble(t, (question, send) => {
      asked++;
      if (asked === 1) send(addressReply(question, '', lived('192.0.2.1', 6)));
      else release = () => send(addressReply(question, '', lived('192.0.2.2', 60)));
    });
    const server = await serve(t, { corefile: cachedBy(upstream, 'prefetch 2 1m 90%') });
    const ttlOf = ({ packet }: Awaited<ReturnType<typeof ask>>): number => {
      const [answer] = packet.answers ?? [];
      return answer !== undefined && 'ttl' in answer ? (answer.ttl ?? 0) : 0;
    };
    // The upstream holds its second reply back: who asks meanwhile has the first one, and time left.
    const told = await askUntil(server, NAME, () => asked === 2);
    t.deepEqual(told.answers, ['A 192.0.2.1']);
    t.true(ttlOf(told) >= 1, 'it has not ended');
    for (let i = 0; i < 3; i++) t.deepEqual((await ask(server, NAME)).answers, ['A 192.0.2.1']);
    release();
    const isNew = ({ answers }: { answers: readonly string[] }) => answers[0] === 'A 192.0.2.2';
    t.true(isNew(await askUntil(server, NAME, isNew)));
    t.is(await metricOf(server, 'coredns_cache_misses_total'), 1);
    t.is(await metricOf(server, 'coredns_cache_prefetch_total'), 1);
  },
);

test.serial('prefetch: what is asked for seldom is not renewed', async (t) => {
  const upstream = await startDouble(t, (question, send) =>
    send(addressReply(question, '', lived('192.0.2.1', 2))),
  );
  const server = await serve(t, { corefile: cachedBy(upstream, 'prefetch 100000 1m 90%') });
  await ask(server, NAME);
  await askUntil(server, NAME, () => upstream.seen.length === 2);
  t.is(await metricOf(server, 'coredns_cache_prefetch_total'), 0);
  t.is(await metricOf(server, 'coredns_cache_misses_total'), 2);
});

test.serial(
  'serve_stale: while the upstream is gone what it said last is given, and renewed when it is back',
  async (t) => {
    let isGone = false;
    let address = '192.0.2.1';
    const upstream = await startDouble(t, (question, send) => {
      if (!isGone) send(addressReply(question, '', lived(address, 1)));
      else send(withRcode(addressReply(question, '', { answers: [] }), 2));
    });
    const server = await serve(t, { corefile: cachedBy(upstream, 'serve_stale 1h immediate') });
    t.deepEqual((await ask(server, NAME)).answers, ['A 192.0.2.1']);
    isGone = true;
    const stale = await untilStale(server);
    t.true(stale >= 1);
    const told = await ask(server, NAME);
    t.deepEqual(told.answers, ['A 192.0.2.1']);
    t.is(told.rcode, 'NOERROR');
    // What was never asked for cannot be stale.
    t.is((await ask(server, 'other.example.org')).rcode, 'SERVFAIL');
    isGone = false;
    address = '192.0.2.2';
    const isNew = ({ answers }: { answers: readonly string[] }) => answers[0] === 'A 192.0.2.2';
    t.true(isNew(await askUntil(server, NAME, isNew)));
  },
);

test.serial(
  'serve_stale verify: a fresh reply is waited for, and a stale one given only for want of it',
  async (t) => {
    let isGone = false;
    let count = 0;
    const upstream = await startDouble(t, (question, send) => {
      if (isGone) return;
      send(addressReply(question, '', lived(`192.0.2.${++count}`, 1)));
    });
    const server = await serve(t, { corefile: cachedBy(upstream, 'serve_stale 1h verify 200ms') });
    t.deepEqual((await ask(server, NAME)).answers, ['A 192.0.2.1']);
    // It ends: whoever asks then has the fresh one at once, not the old one first.
    const next = await askUntil(server, NAME, ({ answers }) => answers[0] !== 'A 192.0.2.1');
    t.deepEqual(next.answers, ['A 192.0.2.2']);
    t.is(await metricOf(server, 'coredns_cache_served_stale_total'), 1);
    isGone = true;
    t.true((await untilStale(server)) >= 1);
    t.deepEqual((await ask(server, NAME)).answers, [`A 192.0.2.${count}`]);
  },
);
