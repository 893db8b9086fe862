import test from 'ava';
import type dnsPacket from 'dns-packet';
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { createCore } from '../../../src/core/instance.js';
import { SMALL_CAPACITIES } from '../../../src/core/regions.js';
import { createWireCache } from '../../../src/core/wire-cache.js';
import { setUpCache } from '../../../src/dns/plugins/cache.js';
import type { Reply } from '../../../src/dns/plugin.js';
import { a, cname, soa } from '../cache/upstream.js';
import { ask, contextOf, setUp, told, upstream } from './harness.js';

const NAME = 'www.example.org';

/** The cache of a core, as the server has it. */
function realCache() {
  const core = createCore({ ...SMALL_CAPACITIES, cache: 16384, replyBytes: 1 << 22 });
  core.start({ offload: false, nowMs: 1 });
  return createWireCache(core, SCRATCH_BASE, () => 5_000_000);
}

/** TTLs of all records of the first reply, and what is asked behind for two queries. */
async function missed(text: string, packet: Partial<dnsPacket.Packet>, name = NAME) {
  const plugin = setUp(setUpCache, text, contextOf({ wireCache: realCache() }));
  const { next, asked } = upstream(() => packet);
  const { answer, authority, additional } = told(await plugin.handle(ask(name), next));
  await plugin.handle(ask(name), next);
  const ttls = [...answer, ...authority, ...additional].map((line) => Number(line.split(' ')[1]));
  return { ttls, asked: asked.length };
}

const NXDOMAIN = 3;
const LONG_TXT: dnsPacket.Answer = {
  type: 'TXT',
  name: NAME,
  ttl: 600,
  data: Array.from({ length: 200 }, () => Buffer.alloc(255, 0x61)),
};

type Case = readonly [string, string, Partial<dnsPacket.Packet>, number[], number];

const CASES: readonly Case[] = [
  ['that is kept', 'cache 30', { answers: [a(NAME, '192.0.2.1', 600)] }, [30], 1],
  [
    'of a zone of which nothing is kept that exists',
    'cache 30 {\ndisable success example.org\n}',
    { answers: [a(NAME, '192.0.2.1', 600), a(NAME, '192.0.2.2', 700)] },
    [30, 30],
    2,
  ],
  [
    'of a zone of which nothing is kept at all',
    'cache 30 {\ndisable success example.org\ndisable denial example.org\n}',
    { answers: [a(NAME, '192.0.2.1', 600)] },
    [30],
    2,
  ],
  [
    'that is a CNAME to nowhere',
    'cache 30',
    { answers: [cname(NAME, 'web.example.org', 600)] },
    [30],
    2,
  ],
  [
    'that is longer than what is kept',
    'cache 30',
    { answers: [LONG_TXT], additionals: [a('ns.example.org', '192.0.2.1', 700)] },
    [30, 30],
    2,
  ],
  [
    'that does not exist by the SOA of another zone',
    'cache {\ndenial 1024 20\n}',
    { flags: NXDOMAIN, authorities: [soa('example.net', 600)] },
    [20],
    2,
  ],
  [
    'that is shorter than any that is kept',
    'cache 30 {\ndisable success\n}',
    { answers: [a(NAME, '192.0.2.1', 0)] },
    [5],
    2,
  ],
];

for (const [what, text, packet, ttls, count] of CASES) {
  test(`cache: a reply ${what} has the one TTL that the cache gives it`, async (t) => {
    t.deepEqual(await missed(text, packet), { ttls, asked: count });
  });
}

test('cache: other zones, and names of the cluster, are left as they are', async (t) => {
  const context = contextOf({ wireCache: realCache() });
  const plugin = setUp(setUpCache, 'cache 30 example.org', context);
  const { next } = upstream(({ name }) => ({ answers: [a(name, '192.0.2.1', 600)] }));
  const outside = await plugin.handle(ask('www.example.net'), next);
  t.deepEqual(told(outside).answer, ['www.example.net 600 A 192.0.2.1']);
  const ofCluster = async (): Promise<Reply> => ({
    ...(await next(ask(NAME))),
    plugin: 'kubernetes',
  });
  t.deepEqual(told(await plugin.handle(ask(NAME), ofCluster)).answer, [`${NAME} 600 A 192.0.2.1`]);
});
