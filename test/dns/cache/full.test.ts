/** Caches that are full, of rows or of bytes. */
import test from 'ava';
import type { Answer } from 'dns-packet';
import { DIRECTORY_BASE, DIR_ENTRY_SIZE, DIR_USED_OFF, RegionId } from '../../../assembly/abi.js';
import { OPTIONS, a, openCache, reply, soa } from './upstream.js';

const name = (i: number): string => `n${i}.example.org`;
const found = (i: number, ttl = 60): Uint8Array =>
  reply({ name: name(i), answers: [a(name(i), `192.0.2.${i & 255}`, ttl)] });
const denied = (i: number): Uint8Array =>
  reply({ name: name(i), rcode: 3, authorities: [soa('example.org')] });

const small = (capacity: number) =>
  openCache({
    success: { ...OPTIONS.success, capacity },
    denial: { ...OPTIONS.denial, capacity: 10 },
  });

test('cache: never more replies than its capacity, and what was put last is there', (t) => {
  const cache = small(100);
  for (let i = 0; i < 2000; i++) {
    t.is(cache.put(found(i), {}, name(i)), 'STORED');
    t.like(cache.get({}, name(i))?.answers, [{ name: name(i), data: `192.0.2.${i & 255}` }]);
    const { success } = cache.caches.counts(cache.id);
    t.is(success, Math.min(i + 1, 100));
  }
  const { EVICTIONS_SUCCESS, EVICTIONS_DENIAL } = cache.caches.counts(cache.id);
  t.deepEqual([EVICTIONS_SUCCESS, EVICTIONS_DENIAL], [1900n, 0n]);
});

test('cache: the sides have capacities of their own', (t) => {
  const cache = small(100);
  for (let i = 0; i < 50; i++) cache.put(found(i), {}, name(i));
  for (let i = 100; i < 200; i++) cache.put(denied(i), {}, name(i));
  const counts = cache.caches.counts(cache.id);
  t.deepEqual([counts.success, counts.denial, counts.EVICTIONS_SUCCESS], [50, 10, 0n]);
  for (let i = 0; i < 50; i++) t.not(cache.get({}, name(i)), undefined);
});

test('cache: what is asked for stays, what nobody asks for goes', (t) => {
  const cache = small(100);
  for (let i = 0; i < 100; i++) cache.put(found(i), {}, name(i));
  for (let i = 100; i < 600; i++) {
    for (let wanted = 0; wanted < 10; wanted++) cache.get({}, name(wanted));
    cache.put(found(i), {}, name(i));
  }
  for (let wanted = 0; wanted < 10; wanted++) t.not(cache.get({}, name(wanted)), undefined);
});

test('cache: a full table and full memory make room, and a longer reply than all memory is refused', (t) => {
  const cache = openCache({}, { cache: 64, replyBytes: 16384 });
  for (let i = 0; i < 1000; i++) {
    const answers = Array.from({ length: (i * 7) % 60 }, () => a(name(i), '192.0.2.1'));
    const message = reply({ name: name(i), answers: [...answers, a(name(i), '192.0.2.1')] });
    t.is(cache.put(message, {}, name(i)), 'STORED');
    t.is(cache.get({}, name(i))?.answers?.length, answers.length + 1);
    t.true(cache.caches.counts(cache.id).success <= 64);
  }
  const text: Answer = { type: 'TXT', name: name(0), ttl: 60, data: ['x'.repeat(250)] };
  const long = reply({ name: name(0), type: 'TXT', answers: Array<Answer>(59).fill(text) });
  t.is(cache.put(long, { type: 16 }, name(0)), 'FULL');
  t.is(cache.put(found(1), {}, name(1)), 'STORED');
});

test('cache: a cache over no memory at all keeps nothing', (t) => {
  const cache = openCache({}, { cache: 0, replyBytes: 0 });
  t.is(cache.put(found(1), {}, name(1)), 'FULL');
  t.is(cache.get({}, name(1)), undefined);
});

test('cache: whatever was in it, a closed cache leaves all memory free', (t) => {
  const { core, caches, put, id } = openCache();
  const before = used(core.words, RegionId.REPLIES);
  for (let i = 0; i < 300; i++) {
    put(i % 3 === 0 ? denied(i) : found(i), {}, name(i));
    put(found(i), {}, name(i));
  }
  t.true(used(core.words, RegionId.REPLIES) > before);
  caches.close(id);
  t.is(used(core.words, RegionId.REPLIES), before);
  t.is(used(core.words, RegionId.CACHE), 0);
});

test('cache: a reply that is kept again and again takes room once', (t) => {
  const { core, put } = openCache();
  put(found(1), {}, name(1));
  const once = used(core.words, RegionId.REPLIES);
  for (let i = 0; i < 1000; i++) put(found(1), {}, name(1));
  t.is(used(core.words, RegionId.REPLIES), once);
  t.is(used(core.words, RegionId.CACHE), 1);
});

function used(words: DataView, region: RegionId): number {
  return words.getUint32(DIRECTORY_BASE + region * DIR_ENTRY_SIZE + DIR_USED_OFF, true);
}
