import test from 'ava';
import { query } from '../core/zone.js';
import { NAME, STALE, TTL_SEC, a, openCache, reply, soa } from './upstream.js';
import type { CacheOptions } from '../../../src/core/wire-cache.js';

const found = (data = '192.0.2.1'): Uint8Array => reply({ answers: [a(NAME, data, TTL_SEC)] });
const denied = reply({ rcode: 3, authorities: [soa('example.org', TTL_SEC)] });
const failed = reply({ rcode: 2 });

const stale = (options: Partial<NonNullable<CacheOptions['stale']>> = {}) =>
  openCache({ stale: { ...STALE, ...options } });

test('cache: what is over is given with TTL 0 and asked for once [dns 81]', (t) => {
  const cache = stale();
  cache.put(found());
  cache.pass(TTL_SEC + 1);
  t.like(cache.get(), { isStale: true, isPrefetchDue: true, ttlSec: 0, rcode: 'NOERROR' });
  for (let i = 0; i < 100; i++) t.like(cache.get(), { isStale: true, isPrefetchDue: false });
  cache.pass(5);
  t.like(cache.get(), { isStale: true, isPrefetchDue: true });
  t.is(cache.caches.counts(cache.id).DUE, 2n);
  t.is(cache.caches.counts(cache.id).SERVED_STALE, 102n);
});

test('cache: after an hour what is over is of no use [dns 81]', (t) => {
  const cache = stale();
  cache.put(found());
  cache.pass(TTL_SEC + 3599.999);
  t.true(cache.get()?.isStale);
  cache.pass(0.001);
  t.is(cache.get(), undefined);
});

test('cache: a fresh reply takes the place of a stale one', (t) => {
  const cache = stale();
  cache.put(found());
  cache.pass(TTL_SEC + 1);
  t.true(cache.get()?.isPrefetchDue);
  cache.put(found('192.0.2.2'));
  const hit = cache.get();
  t.like(hit, { isStale: false, isPrefetchDue: false, ttlSec: TTL_SEC });
  t.like(hit?.answers, [{ data: '192.0.2.2' }]);
});

test('cache: whoever verifies is told to ask each time, and has the stale one at hand [dns 82]', (t) => {
  const cache = stale({ mode: 'verify' });
  cache.put(found());
  cache.pass(TTL_SEC + 1);
  for (let i = 0; i < 3; i++) t.like(cache.get(), { isStale: true, isPrefetchDue: true });
});

test('cache: stale replies have the TTL of the options [dns 83]', (t) => {
  const cache = stale({ ttlSec: 30 });
  cache.put(found());
  cache.pass(TTL_SEC);
  const hit = cache.get();
  t.is(hit?.ttlSec, 30);
  t.like(hit?.answers, [{ ttl: 30 }]);
});

for (const mode of ['immediate', 'verify'] as const) {
  test(`cache: after a failure nobody asks for a while: ${mode} [dns 83]`, (t) => {
    const cache = stale({ mode, recheckMs: 10_000 });
    cache.put(found());
    cache.pass(TTL_SEC + 1);
    t.true(cache.get()?.isPrefetchDue);
    cache.caches.failed(cache.id, query(NAME));
    cache.pass(9.999);
    t.like(cache.get(), { isStale: true, isPrefetchDue: false });
    cache.pass(0.001);
    t.like(cache.get(), { isStale: true, isPrefetchDue: true });
    cache.put(failed);
    cache.pass(9.999);
    t.like(cache.get(), { isStale: true, isPrefetchDue: false, rcode: 'NOERROR' });
    cache.pass(0.001);
    t.true(cache.get()?.isPrefetchDue);
  });
}

test('cache: a stale reply goes before a failure, which is never stale itself', (t) => {
  const cache = stale();
  cache.put(failed);
  t.is(cache.get()?.rcode, 'SERVFAIL');
  cache.pass(6);
  t.is(cache.get(), undefined);
  cache.put(denied);
  cache.pass(TTL_SEC + 1);
  t.is(cache.put(failed), 'BETTER_KEPT');
  t.like(cache.get(), { rcode: 'NXDOMAIN', isStale: true });
});

test('cache: of two replies that are over the later one is given', (t) => {
  const cache = stale();
  cache.put(found());
  cache.pass(10);
  cache.put(denied);
  cache.pass(TTL_SEC);
  t.is(cache.get()?.rcode, 'NXDOMAIN');
});

test('cache: prefer_positive keeps the last good reply as long as it is of use', (t) => {
  const cache = stale({ isPositivePreferred: true });
  cache.put(found());
  cache.pass(TTL_SEC + 1);
  t.is(cache.put(denied), 'BETTER_KEPT');
  t.is(cache.put(failed), 'BETTER_KEPT');
  t.like(cache.get(), { rcode: 'NOERROR', isStale: true });
  cache.pass(3600);
  t.is(cache.put(denied), 'STORED');
  t.is(cache.get()?.rcode, 'NXDOMAIN');
});

const PREFETCH = { hits: 1, gapMs: 10_000, percent: 50 };

test('cache: a popular reply is due once in the last part of its TTL [dns 84]', (t) => {
  const cache = openCache({ prefetch: PREFETCH });
  cache.put(found());
  cache.pass(29.999);
  t.false(cache.get()?.isPrefetchDue);
  cache.pass(0.001);
  let due = 0;
  for (let i = 0; i < 100; i++) if (cache.get()?.isPrefetchDue === true) due++;
  t.is(due, 1);
  cache.put(found('192.0.2.2'));
  t.like(cache.get(), { isPrefetchDue: false, ttlSec: TTL_SEC });
});

test('cache: the part of a TTL is rounded up to a second', (t) => {
  const cache = openCache({ prefetch: { hits: 1, gapMs: 60_000, percent: 10 } });
  cache.put(reply({ answers: [a(NAME, '192.0.2.1', 15)] }));
  cache.pass(12);
  t.like(cache.get(), { ttlSec: 3, isPrefetchDue: false });
  cache.pass(1);
  t.like(cache.get(), { ttlSec: 2, isPrefetchDue: true });
});

test('cache: hits count as long as there is no pause between them', (t) => {
  const cache = openCache({ prefetch: { hits: 3, gapMs: 10_000, percent: 50 } });
  cache.put(found());
  cache.pass(30);
  t.false(cache.get()?.isPrefetchDue);
  t.false(cache.get()?.isPrefetchDue);
  cache.pass(10.001);
  t.false(cache.get()?.isPrefetchDue);
  t.false(cache.get()?.isPrefetchDue);
  cache.pass(10);
  t.true(cache.get()?.isPrefetchDue);
});
