import test from 'ava';
import { CachePut } from '../../../assembly/abi-cache.js';
import { TYPE, query } from '../core/zone.js';
import { NAME, OPTIONS, a, cname, decode, openCache, reply, soa, ttlsOf } from './upstream.js';

test('cache: the longest TTL is that of the options, a shorter one stays [dns 72]', (t) => {
  const cache = openCache({ success: { ...OPTIONS.success, maxTtlSec: 10 } });
  cache.put(reply({ answers: [a(NAME, '192.0.2.1', 60)] }));
  t.is(cache.ttl(), 10);
  cache.put(reply({ answers: [a(NAME, '192.0.2.1', 5)] }));
  t.is(cache.ttl(), 5);
});

test('cache: every record has the least TTL of all, in the first reply too', (t) => {
  const cache = openCache();
  const message = reply({
    answers: [cname(NAME, 'web.example.net', 300), a('web.example.net', '192.0.2.1', 77)],
    authorities: [{ type: 'NS', name: 'example.net', ttl: 40, data: 'ns.example.net' }],
    additionals: [a('ns.example.net', '192.0.2.53', 50)],
  });
  const kept = cache.caches.keep(cache.id, query(NAME), message);
  t.is(kept.result, CachePut.STORED);
  t.deepEqual(ttlsOf(decode(kept.reply)), [40, 40, 40, 40]);
  cache.pass(3);
  const hit = cache.get();
  t.deepEqual(hit && ttlsOf(hit), [37, 37, 37, 37]);
});

test('cache: TTLs go down with whole seconds, and at 0 the reply is gone [dns 73]', (t) => {
  const cache = openCache();
  cache.put(reply({ answers: [a(NAME, '192.0.2.1', 60)] }));
  t.is(cache.ttl(), 60);
  cache.pass(0.999);
  t.is(cache.ttl(), 60);
  cache.pass(0.001);
  t.is(cache.ttl(), 59);
  cache.pass(58.999);
  t.is(cache.ttl(), 1);
  cache.pass(0.001);
  t.is(cache.get(), undefined);
});

test('cache: a clock that goes back makes no TTL longer', (t) => {
  const cache = openCache();
  cache.put(reply({ answers: [a(NAME, '192.0.2.1', 60)] }));
  cache.pass(-100);
  t.is(cache.ttl(), 60);
});

test('cache: DO and CD have replies of their own [dns 73]', (t) => {
  const cache = openCache();
  cache.put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  t.is(cache.get({ edns: 1232, do: true }), undefined);
  t.is(cache.get({ flags: 0x0110 }), undefined);
  t.not(cache.get({ edns: 1232 }), undefined);
  cache.put(reply({ answers: [a(NAME, '192.0.2.2')] }), { edns: 1232, do: true });
  t.like(cache.get({ edns: 1232, do: true })?.answers, [{ data: '192.0.2.2' }]);
  t.like(cache.get()?.answers, [{ data: '192.0.2.1' }]);
});

test('cache: TTL 0 is raised to the shortest, and not kept when that is 0 [dns 80]', (t) => {
  const cache = openCache();
  t.is(cache.put(reply({ answers: [a(NAME, '192.0.2.1', 0)] })), 'STORED');
  t.is(cache.ttl(), 5);
  const none = openCache({ success: { capacity: 9984, maxTtlSec: 30, minTtlSec: 0 } });
  t.is(none.put(reply({ answers: [a(NAME, '192.0.2.1', 0)] })), 'TTL_ZERO');
  t.is(none.get(), undefined);
});

test('cache: a TTL with its top bit set is 0', (t) => {
  const cache = openCache();
  const message = reply({ answers: [a(NAME, '192.0.2.1', 0x80000001)] });
  t.is(cache.put(message), 'STORED');
  t.is(cache.ttl(), 5);
});

test('cache: denials go by the TTL of the SOA record, not by its MINIMUM', (t) => {
  const cache = openCache();
  cache.put(reply({ rcode: 3, authorities: [soa('example.org', 60, 7)] }));
  t.is(cache.ttl(), 60);
});

test('cache: with keepttl TTLs stay as they were [dns 85]', (t) => {
  const cache = openCache({ isTtlKept: true });
  cache.put(reply({ answers: [a(NAME, '192.0.2.1', 60)] }));
  cache.pass(40);
  t.is(cache.ttl(), 60);
  cache.pass(20);
  t.is(cache.get(), undefined);
});

test('cache: classes have replies of their own [dns 75]', (t) => {
  const cache = openCache();
  cache.put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  t.is(cache.get({ class: 3 }), undefined);
  const chaos = reply({
    type: 'TXT',
    class: 'CH',
    answers: [{ type: 'TXT', name: NAME, class: 'CH', ttl: 60, data: 'x' }],
  });
  t.is(cache.put(chaos, { class: 3, type: TYPE.TXT }), 'STORED');
  t.is(cache.get({ type: TYPE.TXT }), undefined);
  t.is(cache.get({ class: 3, type: TYPE.TXT })?.answers?.length, 1);
});

test('cache: AD is given to whoever understands it and splits nothing [dns 74]', (t) => {
  const cache = openCache();
  cache.put(reply({ flags: 0x20, answers: [a(NAME, '192.0.2.1')] }));
  t.false(cache.get()?.flag_ad);
  t.true(cache.get({ flags: 0x0120 })?.flag_ad);
  cache.put(reply({ flags: 0x20, answers: [a(NAME, '192.0.2.1')] }), { edns: 1232, do: true });
  t.true(cache.get({ edns: 1232, do: true })?.flag_ad);
  cache.put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  t.false(cache.get({ flags: 0x0120 })?.flag_ad);
});
