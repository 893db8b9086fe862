import test from 'ava';
import dnsPacket from 'dns-packet';
import { parseAddress } from '../../../src/addr.js';
import type { CacheHit } from '../../../src/dns/chain/wire-cache.js';
import type { ChainPlugin, Setup, SetupContext } from '../../../src/dns/chain/setup.js';
import { queryOf } from '../../../src/dns/message/decode.js';
import type { ResourceRecord } from '../../../src/dns/message/message.js';
import type { Client, Query, Reply } from '../../../src/dns/plugin.js';
import { setUpAutopath } from '../../../src/dns/plugins/autopath.js';
import { setUpCache } from '../../../src/dns/plugins/cache.js';
import { readCache } from '../../../src/dns/plugins/cache-options.js';
import { balance } from '../../../src/dns/plugins/loadbalance.js';
import { parseName } from '../../../src/dns/wire/name.js';
import { createLog } from '../../../src/log.js';
import { parseText } from '../../support/corefile.js';

const CLIENT: Client = {
  address: parseAddress('192.0.2.1'),
  port: 4242,
  transport: 'udp',
  server: { address: parseAddress('192.0.2.53'), port: 53 },
  pod: { namespace: 'podns', name: 'web' },
};

const ask = (name: string, client = CLIENT): Query => {
  const query = queryOf(
    dnsPacket.encode({ type: 'query', id: 7, questions: [{ type: 'A', name }] }),
    client,
  );
  if (query === undefined) throw new Error('no query');
  return query;
};

const linesOf = (text: string) => parseText(`. {\n${text}\n}\n`).blocks[0]?.directives ?? [];

/** A plugin of the first kind of line, in a block of all of them. */
const setUp = (setup: Setup, text: string, over: Partial<SetupContext> = {}): ChainPlugin => {
  const block = linesOf(text);
  const [first] = block;
  const context: SetupContext = {
    log: createLog('fatal'),
    metrics: { count: () => undefined, set: () => undefined, observe: () => undefined },
    folder: '/',
    random: () => 0.5,
    nowMs: () => 0,
    resolvConf: '/dev/null',
    zoneCore: { answer: () => ({ kind: 'drop' }) },
    wireCache: {
      open: () => 1,
      close: () => undefined,
      get: () => undefined,
      put: (_cache, _query, reply) => reply,
    },
    fail: () => undefined,
    claimsChanged: () => undefined,
    replied: () => undefined,
    zones: [parseName('.')],
    block,
    server: 'dns://.:53',
    ownAddresses: [],
    ask: () => Promise.reject(new Error('not asked')),
    openZones: (options) => ({ options, space: 32, listener: 2 }),
    ...over,
  };
  const plugin = first && setup([first], context);
  if (plugin === undefined) throw new Error('no plugin');
  return plugin;
};

/** What those behind answer: addresses of names that exist, NXDOMAIN for others. */
const behind = (names: Readonly<Record<string, string>>, asked: string[]) => (query: Query) => {
  const [question] = dnsPacket.decode(Buffer.from(query.message)).questions ?? [];
  const name = question?.name ?? '';
  asked.push(name);
  const data = names[name];
  const message = dnsPacket.encode({
    type: 'response',
    id: 7,
    flags: data === undefined ? 3 : 0,
    questions: [{ type: 'A', name }],
    answers: data === undefined ? [] : [{ type: 'A', name, ttl: 9, data }],
  });
  return Promise.resolve<Reply>({ message, plugin: 'behind' });
};

const record = (type: number, last: number): ResourceRecord => ({
  owner: parseName('a.example.org'),
  type,
  class: 1,
  ttl: 5,
  rdata: Uint8Array.of(192, 0, 2, last),
});

test('[dns 97] loadbalance: CNAME first, others as they were, all kept, the list untouched', (t) => {
  const records = [1, 1, 15, 16, 5, 1, 15].map((type, i) => record(type, i));
  const before = [...records];
  const balanced = balance(records, () => 0);
  t.deepEqual(records, before);
  t.deepEqual(
    balanced.map(({ type }) => type),
    [5, 16, 1, 1, 1, 15, 15],
  );
  t.true(records.every((each) => balanced.includes(each)) && balanced.length === records.length);
  t.not(balanced[2], records[0]);
});

const AUTOPATH = 'autopath @kubernetes\nkubernetes cluster.local';

test('[dns 95] autopath: one query finds the outside name behind the search list', async (t) => {
  const asked: string[] = [];
  const next = behind({ 'www.example.com': '192.0.2.80' }, asked);
  const query = ask('www.example.com.podns.svc.cluster.local');
  const { message } = await setUp(setUpAutopath, AUTOPATH).handle(query, next);
  const packet = dnsPacket.decode(Buffer.from(message));
  t.deepEqual(asked, [
    'www.example.com.podns.svc.cluster.local',
    'www.example.com.svc.cluster.local',
    'www.example.com.cluster.local',
    'www.example.com',
  ]);
  t.is(packet.questions?.[0]?.name, 'www.example.com.podns.svc.cluster.local');
  t.deepEqual(
    packet.answers?.map((answer) => 'data' in answer && [answer.name, answer.type, answer.data]),
    [
      ['www.example.com.podns.svc.cluster.local', 'CNAME', 'www.example.com'],
      ['www.example.com', 'A', '192.0.2.80'],
    ],
  );
});

test('[dns 96] autopath: NXDOMAIN everywhere is the first reply; others are left alone', async (t) => {
  const plugin = setUp(setUpAutopath, AUTOPATH);
  const asked: string[] = [];
  const first = ask('x.podns.svc.cluster.local');
  const reply = await plugin.handle(first, behind({}, asked));
  t.is(asked.length, 4);
  const [question] = dnsPacket.decode(Buffer.from(reply.message)).questions ?? [];
  t.is(question?.name, 'x.podns.svc.cluster.local');
  const { pod: _pod, ...unknown } = CLIENT;
  for (const query of [
    ask('x.svc.cluster.local'),
    ask('podns.svc.cluster.local'),
    ask('x.podns.svc.cluster.local', unknown),
  ]) {
    const once: string[] = [];
    await plugin.handle(query, behind({}, once));
    t.is(once.length, 1);
  }
});

test('cache: sizes, times and zones are read as CoreDNS reads them', (t) => {
  const [directive] = linesOf(
    'cache 900 example.org {\nsuccess 5000 60 0\ndenial 9984 30\nprefetch 3 2m 20%\nserve_stale 2h verify 100ms 30s 5s\nserve_stale_policy prefer_positive\nservfail 0\ndisable denial sub.example.org\nkeepttl\n}',
  );
  const plan = directive && readCache(directive, []);
  t.deepEqual(plan, {
    zones: [parseName('example.org')],
    withoutSuccess: [],
    withoutDenial: [parseName('sub.example.org')],
    cache: {
      success: { capacity: 4864, maxTtlSec: 60, minTtlSec: 0 },
      denial: { capacity: 9984, maxTtlSec: 30, minTtlSec: 5 },
      servfailSec: 0,
      isTtlKept: true,
      prefetch: { hits: 3, gapMs: 120_000, percent: 20 },
      stale: {
        keepMs: 7_200_000,
        mode: 'verify',
        verifyMs: 100,
        ttlSec: 30,
        recheckMs: 5000,
        isPositivePreferred: true,
      },
    },
  });
});

const withHit = (hit: Omit<CacheHit, 'reply'>, puts: Uint8Array[]): Partial<SetupContext> => ({
  wireCache: {
    open: () => 1,
    close: () => undefined,
    get: () => ({ reply: Uint8Array.of(1), ...hit }),
    put: (_cache, _query, reply) => {
      puts.push(reply);
      return reply;
    },
  },
});

test('[dns 84] cache: 100 hits at once ask for a fresh reply once', async (t) => {
  const puts: Uint8Array[] = [];
  const hit = withHit({ isStale: false, isPrefetchDue: true }, puts);
  const plugin = setUp(setUpCache, 'cache {\nprefetch 1 10s 50%\n}', hit);
  const asked: string[] = [];
  const next = behind({ 'example.org': '192.0.2.1' }, asked);
  await Promise.all(Array.from({ length: 100 }, () => plugin.handle(ask('example.org'), next)));
  t.is(asked.length, 1);
  t.is(puts.length, 1);
});

test('[dns 82] cache: what has expired is served when a fresh reply does not come in time', async (t) => {
  const hit = withHit({ isStale: true, isPrefetchDue: false }, []);
  const plugin = setUp(setUpCache, 'cache {\nserve_stale 1h verify 20ms\n}', hit);
  const never = () => new Promise<Reply>(() => undefined);
  t.deepEqual((await plugin.handle(ask('a.example.org'), never)).message, Uint8Array.of(1));
  const fresh = behind({ 'example.org': '192.0.2.1' }, []);
  t.is((await plugin.handle(ask('example.org'), fresh)).plugin, 'behind');
});
