/** The wire cache: replies of upstream servers kept, given with less TTL, and gone. */
import { CachePut } from '../../../assembly/abi-cache.js';
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { createWireCache } from '../../../src/core/wire-cache.js';
import { NAME, OPTIONS, a, cname, decode, reply, soa, ttlsOf } from '../../dns/cache/upstream.js';
import { TYPE, query } from '../../dns/core/zone.js';
import type { Ask } from '../../dns/core/zone.js';
import { expectSame } from '../frames.js';
import type { Topic } from '../frames.js';
import { createRecorder } from '../recorder.js';

const AT = SCRATCH_BASE;
const START_MS = 5_000_000;
const OTHER = 'no.example.org';

export const cache: Topic = {
  name: 'cache',
  record: () => {
    const rec = createRecorder();
    rec.core.start({ offload: false, nowMs: 1, sampleEvery: 0 });
    let nowMs = START_MS;
    const caches = createWireCache(rec.core, AT, () => nowMs);
    const id = caches.open(OPTIONS);
    const keep = (message: Uint8Array, ask: Ask = {}, name = NAME): string | undefined =>
      CachePut[caches.keep(id, query(name, ask), message).result];
    /** @returns TTLs of the records of the hit; undefined: there is none */
    const get = (ask: Ask = {}, name = NAME): number[] | undefined => {
      const hit = caches.get(id, query(name, ask));
      if (hit === undefined) return undefined;
      rec.read(AT, hit.reply.length);
      expectSame('ID', decode(hit.reply).id, ask.id ?? 0x1234);
      return ttlsOf(decode(hit.reply));
    };

    rec.add('miss', 'nothing is kept yet', () => {
      expectSame('hit', get(), undefined);
    });
    rec.add('keep', 'a reply with two records, the least TTL of which is 60', () => {
      const answers = [cname(NAME, 'web.example.net', 300), a('web.example.net', '192.0.2.1')];
      expectSame('result', keep(reply({ answers })), 'STORED');
    });
    rec.add('hit', 'at once: with the TTL it came with, and the ID of who asks', () => {
      expectSame('TTLs', get({ id: 0xbeef }), [60, 60]);
    });
    rec.add('hit-in-capitals', 'names are the same whatever their case (RFC 4343)', () => {
      expectSame('TTLs', get({}, NAME.toUpperCase()), [60, 60]);
    });
    rec.add('other-type', 'an AAAA query is another question', () => {
      expectSame('hit', get({ type: TYPE.AAAA }), undefined);
    });
    rec.add('hit-after-41-seconds', 'the TTL has gone down', () => {
      nowMs += 41_000;
      expectSame('TTLs', get(), [19, 19]);
    });
    rec.add('expired', 'at 0 it is gone', () => {
      nowMs += 19_000;
      expectSame('hit', get(), undefined);
    });
    rec.add('denial', 'NXDOMAIN is kept as long as its SOA record (RFC 2308 5)', () => {
      const denied = reply({ name: OTHER, rcode: 3, authorities: [soa('example.org', 7)] });
      expectSame('result', keep(denied, {}, OTHER), 'STORED');
      expectSame('TTLs', get({}, OTHER), [7]);
      nowMs += 7000;
      expectSame('hit', get({}, OTHER), undefined);
    });
    rec.add('truncated', 'a reply that says TC is not kept (RFC 2181 9)', () => {
      expectSame(
        'stored',
        keep(reply({ answers: [a(NAME, '192.0.2.1')], flags: 0x200 })) === 'STORED',
        false,
      );
      expectSame('hit', get(), undefined);
    });
    rec.add('closed', 'a cache that is closed gives nothing', () => {
      expectSame('result', keep(reply({ answers: [a(NAME, '192.0.2.1')] })), 'STORED');
      caches.close(id);
      expectSame('hit', get(), undefined);
    });
    return rec.file(
      'cache',
      'cacheOpen, cachePut, cacheGet, cacheClose: replies by question, their TTLs going down',
    );
  },
};
