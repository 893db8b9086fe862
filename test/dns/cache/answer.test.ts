import test from 'ava';
import type packet from 'dns-packet';
import { CACHE_DUE_MAX } from '../../../assembly/abi-cache.js';
import * as abi from '../../../assembly/abi-dns.js';
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { createNamesWriter } from '../../../src/core/names-writer.js';
import { cut, query, wire } from '../core/zone.js';
import type { Ask } from '../core/zone.js';
import { NAME, STALE, a, decode, openCache, reply, soa } from './upstream.js';
import type { CacheOptions } from '../../../src/core/wire-cache.js';

/** Where messages of `dnsAnswer` lie: apart from those of the host's face. */
const MESSAGE = SCRATCH_BASE + 0x40000;

/** A cache behind a cut for everything. */
function server(options: Partial<CacheOptions> = {}, cutFlags = 0) {
  const cache = openCache(options);
  const writer = createNamesWriter();
  writer.put(1, 0, wire(''), cut({ cache: cache.id, flags: cutFlags, udpMax: 4096 }));
  if (cache.core.applyNames(writer.take()) !== 1) throw new Error('the cut was refused');
  const { view, exports, words } = cache.core;
  const ask = (name = NAME, wishes: Ask = {}, flags = 0) => {
    const message = query(name, wishes);
    view.set(message, MESSAGE);
    const now = cache.nowMs();
    const result = exports.dnsAnswer(1, MESSAGE, message.length, 65535, flags, now);
    const why: abi.DnsWhy = words.getUint32(abi.DNS_BASE + abi.DNS_WHY_OFF, true);
    const bytes = view.slice(MESSAGE, MESSAGE + Math.max(result, message.length));
    return { result, why, bytes, reply: result > 0 ? decode(bytes) : undefined };
  };
  return { ...cache, ask };
}

test('cache: a miss is the host’s and leaves the message as it is', (t) => {
  const { ask } = server();
  const { result, why, bytes } = ask();
  t.is(result, abi.DNS_HOST);
  t.is(why, abi.DnsWhy.CACHE_MISS);
  t.deepEqual(bytes, query(NAME));
});

test('cache: a hit has AA and the upstream’s RA, and RD, ID and question of the client', (t) => {
  const { ask, put } = server();
  put(reply({ flags: 0x400, answers: [a(NAME, '192.0.2.1')] }));
  const { why, reply: hit } = ask('wWw.eXample.ORG', { id: 0xbeef, flags: 0x0000 });
  t.is(why, abi.DnsWhy.CACHE);
  t.like(hit, {
    id: 0xbeef,
    flag_aa: true,
    flag_ra: true,
    flag_rd: false,
    flag_z: false,
    questions: [{ name: 'wWw.eXample.ORG', type: 'A', class: 'IN' }],
    answers: [{ name: 'wWw.eXample.ORG', data: '192.0.2.1', ttl: 60 }],
  });
  put(reply({ flags: 0, rcode: 3, authorities: [soa('example.org')] }));
  t.like(ask().reply, { flag_aa: true, rcode: 'NXDOMAIN', flag_rd: true });
});

test('cache: OPT is the client’s business, never the upstream’s', (t) => {
  const { ask, put } = server();
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0x8000, options: [] } as never;
  t.is(put(reply({ answers: [a(NAME, '192.0.2.1')], additionals: [opt] })), 'STORED');
  t.deepEqual(ask().reply?.additionals, []);
  t.like(ask(NAME, { edns: 1232 }).reply?.additionals, [
    { type: 'OPT', udpPayloadSize: 1232, flag_do: false },
  ]);
});

const many = Array.from({ length: 60 }, (_, i) => a(NAME, `192.0.2.${i}`));
const addresses = (message: packet.DecodedPacket | undefined): string[] =>
  (message?.answers ?? []).flatMap((rr) => (rr.type === 'A' ? [rr.data] : []));

test('cache: what is too long is cut after whole records, with TC [dns 70]', (t) => {
  const { ask, put } = server();
  put(reply({ answers: many }));
  const limits = [
    [{}, 512, 29],
    [{ edns: 800 }, 800, 47],
    [{ edns: 100 }, 512, 29],
  ] as const;
  for (const [wishes, limit, records] of limits) {
    const { reply: part, result } = ask(NAME, wishes);
    t.true(part?.flag_tc);
    t.true(result <= limit);
    t.deepEqual(addresses(part), addresses(decode(reply({ answers: many }))).slice(0, records));
    t.true(result + 16 > limit);
  }
  for (const [wishes, flags] of [
    [{ edns: 1232 }, 0],
    [{}, abi.DNS_F_TCP],
  ] as const) {
    const { reply: whole } = ask(NAME, wishes, flags);
    t.false(whole?.flag_tc);
    t.is(addresses(whole).length, 60);
  }
});

test('cache: only Additional is cut without TC', (t) => {
  const { ask, put } = server();
  const glue = Array.from({ length: 30 }, (_, i) => a(`ns${i}.example.net`, '192.0.2.7'));
  put(reply({ answers: many.slice(0, 20), additionals: glue }));
  const { reply: part } = ask();
  t.false(part?.flag_tc);
  t.is(part?.answers?.length, 20);
  t.true((part?.additionals?.length ?? 0) > 0);
});

test('cache: addresses change places where the cut says so, and all of them are there', (t) => {
  const five = reply({ answers: many.slice(0, 5) });
  const shuffled = server({}, abi.CUT_F_SHUFFLE);
  shuffled.put(five);
  const firsts = new Set<string | undefined>();
  const all = addresses(decode(five));
  for (let i = 0; i < 200; i++) {
    const order = addresses(shuffled.ask().reply);
    t.deepEqual([...order].sort(), all);
    firsts.add(order[0]);
  }
  t.is(firsts.size, 5);
  const still = server();
  still.put(five);
  for (let i = 0; i < 10; i++) t.deepEqual(addresses(still.ask().reply), all);
});

test('cache: every address is seen by somebody when not all fit', (t) => {
  const shuffled = server({}, abi.CUT_F_SHUFFLE);
  shuffled.put(reply({ answers: many }));
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const part = addresses(shuffled.ask().reply);
    t.is(new Set(part).size, 29);
    for (const address of part) seen.add(address);
  }
  t.is(seen.size, 60);
});

test('cache: what is due comes out of the ring once, as a query to ask again with [dns 81]', (t) => {
  const { ask, put, pass, caches, id } = server({ stale: STALE });
  put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  put(reply({ answers: [a(NAME, '192.0.2.1')] }), { edns: 4096, do: true, flags: 0x0110 });
  t.deepEqual(caches.takeDue(), []);
  pass(61);
  for (let i = 0; i < 100; i++) t.like(ask(NAME.toUpperCase()).reply?.answers, [{ ttl: 0 }]);
  t.true(ask(NAME, { edns: 1232, do: true, flags: 0x0110 }).result > 0);
  const due = caches.takeDue();
  t.deepEqual(
    due.map(({ cache }) => cache),
    [id, id],
  );
  const [plain, secure] = due.map(({ query: bytes }) => decode(bytes));
  const question = [{ name: NAME, type: 'A', class: 'IN' }];
  t.like(plain, { type: 'query', questions: question, additionals: [], flag_cd: false });
  t.like(secure, {
    type: 'query',
    questions: question,
    flag_rd: true,
    flag_ad: true,
    flag_cd: true,
  });
  t.like(secure?.additionals, [{ type: 'OPT', flag_do: true }]);
  t.deepEqual(caches.takeDue(), []);
  t.is(caches.counts(id).DUE, 2n);
  const [, { query: again } = { query: new Uint8Array() }] = due;
  const fresh = reply({ answers: [a(NAME, '192.0.2.9')] });
  t.not(caches.put(id, again, fresh), fresh);
  t.like(ask(NAME, { edns: 1232, do: true, flags: 0x0110 }).reply?.answers, [
    { data: '192.0.2.9', ttl: 60 },
  ]);
});

test('cache: a popular reply is due by the ring too [dns 84]', (t) => {
  const { ask, put, pass, caches } = server({ prefetch: { hits: 1, gapMs: 10_000, percent: 50 } });
  put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  pass(30);
  for (let i = 0; i < 100; i++) ask();
  t.is(caches.takeDue().length, 1);
});

test('cache: a full ring forgets nothing: another hit makes it due', (t) => {
  const { ask, put, pass, caches } = server({ stale: STALE });
  const name = (i: number): string => `n${i}.example.org`;
  for (let i = 0; i < 200; i++) {
    put(reply({ name: name(i), answers: [a(name(i), '192.0.2.1')] }), {}, name(i));
  }
  pass(61);
  for (let i = 0; i < 200; i++) t.true(ask(name(i)).result > 0);
  t.is(caches.takeDue().length, CACHE_DUE_MAX);
  for (let i = 0; i < 200; i++) t.true(ask(name(i)).result > 0);
  t.is(caches.takeDue().length, 200 - CACHE_DUE_MAX);
});

test('cache: where stale replies are verified, the host asks first [dns 82]', (t) => {
  const { ask, put, pass, caches, id } = server({
    stale: { ...STALE, mode: 'verify', recheckMs: 10_000 },
  });
  put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  pass(61);
  t.is(ask().why, abi.DnsWhy.CACHE_MISS);
  caches.failed(id, query(NAME));
  t.like(ask().reply?.answers, [{ ttl: 0 }]);
  pass(10);
  t.is(ask().why, abi.DnsWhy.CACHE_MISS);
  t.deepEqual(caches.takeDue(), []);
});

test('cache: looks that are not to be counted leave no traces', (t) => {
  const { ask, put, pass, caches, id } = server({ stale: STALE });
  put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  pass(61);
  t.true(ask(NAME, {}, abi.DNS_F_UNCOUNTED).result > 0);
  t.deepEqual(caches.takeDue(), []);
  t.like(caches.counts(id), { HITS_SUCCESS: 0n, SERVED_STALE: 0n, DUE: 0n, MISSES: 0n });
});
