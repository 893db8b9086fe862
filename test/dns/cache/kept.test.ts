import test from 'ava';
import { TYPE } from '../core/zone.js';
import { NAME, OPTIONS, a, cname, openCache, reply, soa } from './upstream.js';
import type { Sections } from './upstream.js';

const address = a(NAME, '192.0.2.1');
const zone = soa('example.org');

const CASES: readonly (readonly [string, string, Sections])[] = [
  ['records', 'STORED', { answers: [address] }],
  ['nothing of the type, with SOA', 'STORED', { authorities: [zone] }],
  ['nothing at all', 'STORED', {}],
  ['a delegation', 'STORED', { authorities: [{ type: 'NS', name: 'example.org', data: 'ns.x' }] }],
  ['NXDOMAIN with SOA [dns 77]', 'STORED', { rcode: 3, authorities: [zone] }],
  ['NXDOMAIN without SOA [dns 77]', 'NO_SOA', { rcode: 3 }],
  [
    'NXDOMAIN with the SOA of another zone',
    'NO_SOA',
    { rcode: 3, authorities: [soa('example.net')] },
  ],
  [
    'NXDOMAIN with an answer',
    'NXDOMAIN_WITH_ANSWER',
    { rcode: 3, answers: [address], authorities: [zone] },
  ],
  ['SERVFAIL [dns 79]', 'STORED', { rcode: 2 }],
  ['NOTIMP', 'STORED', { rcode: 4 }],
  ['REFUSED', 'RCODE', { rcode: 5 }],
  ['FORMERR', 'RCODE', { rcode: 1 }],
  ['a truncated one', 'TRUNCATED', { flags: 0x200, answers: [address] }],
  ['another name [dns 76]', 'WRONG_QUESTION', { name: 'spoof.example.org', answers: [address] }],
  ['another type [dns 76]', 'WRONG_QUESTION', { type: 'AAAA', answers: [address] }],
  ['another class [dns 76]', 'WRONG_QUESTION', { class: 'CH' }],
  ['an update', 'MALFORMED', { flags: 0x2800 }],
  ['a CNAME to nowhere [dns 78]', 'UNREACHED', { answers: [cname(NAME, 'web.example.org')] }],
  [
    'a CNAME to nowhere, with SOA [dns 78]',
    'STORED',
    { answers: [cname(NAME, 'web.example.org')], authorities: [zone] },
  ],
  [
    'a CNAME and what it leads to',
    'STORED',
    { answers: [cname(NAME, 'web.x'), a('web.x', '192.0.2.1')] },
  ],
  [
    'a CNAME behind what it leads to',
    'STORED',
    { answers: [a('web.x', '192.0.2.1'), cname(NAME, 'web.x')] },
  ],
  ['a CNAME to itself', 'CHAIN', { answers: [cname(NAME, NAME)] }],
  ['CNAMEs in a circle', 'CHAIN', { answers: [cname(NAME, 'b.x'), cname('b.x', NAME)] }],
  [
    'records of another name',
    'OUTSIDE',
    { answers: [address, a('bank.example.org', '192.0.2.66')] },
  ],
  ['records of another name only', 'OUTSIDE', { answers: [a('bank.example.org', '192.0.2.66')] }],
  [
    'a DNAME and the CNAME made of it',
    'STORED',
    {
      answers: [
        { type: 'DNAME', name: 'example.org', data: 'example.net', ttl: 60 } as never,
        cname(NAME, 'www.example.net'),
        a('www.example.net', '192.0.2.1'),
      ],
    },
  ],
];

for (const [what, result, sections] of CASES) {
  test(`cache: ${what}: ${result === 'STORED' ? 'kept' : 'not kept'}`, (t) => {
    const cache = openCache();
    t.is(cache.put(reply(sections)), result);
    t.is(cache.get() !== undefined, result === 'STORED');
    const { success, denial, DROPS } = cache.caches.counts(cache.id);
    t.is(success + denial, result === 'STORED' ? 1 : 0);
    t.is(DROPS, result === 'WRONG_QUESTION' ? 1n : 0n);
  });
}

for (const links of [10, 11]) {
  test(`cache: ${links} CNAMEs in a row are ${links > 10 ? 'not ' : ''}followed`, (t) => {
    const cache = openCache();
    const at = (i: number): string => (i === 0 ? NAME : `c${i}.example.org`);
    const chain = Array.from({ length: links }, (_, i) => cname(at(i), at(i + 1)));
    const message = reply({ answers: [...chain, a(at(links), '192.0.2.1')] });
    t.is(cache.put(message), links > 10 ? 'CHAIN' : 'STORED');
  });
}

test('cache: questions that are not about records are not kept', (t) => {
  const cache = openCache();
  for (const [type, name] of [
    [TYPE.AXFR, 'AXFR'],
    [TYPE.IXFR, 'IXFR'],
    [TYPE.OPT, 'OPT'],
  ] as const) {
    t.is(cache.put(reply({ type: name, authorities: [zone] }), { type }), 'QUERY_EXCLUDED');
  }
  t.is(cache.put(reply({ answers: [address], class: 'ANY' }), { class: 255 }), 'QUERY_EXCLUDED');
});

test('cache: ANY is reached by whatever the name has', (t) => {
  const cache = openCache();
  t.is(cache.put(reply({ type: 'ANY', answers: [address] }), { type: TYPE.ANY }), 'STORED');
  t.is(cache.get({ type: TYPE.ANY })?.answers?.length, 1);
});

test('cache: a denial is kept for 1800 seconds at most [dns 77]', (t) => {
  const cache = openCache();
  cache.put(reply({ rcode: 3, authorities: [soa('example.org', 86400)] }));
  t.is(cache.ttl(), 1800);
  t.is(cache.get()?.rcode, 'NXDOMAIN');
});

test('cache: a CNAME that leads nowhere is a denial when there is an SOA record [dns 78]', (t) => {
  const cache = openCache({ denial: { ...OPTIONS.denial, maxTtlSec: 20 } });
  cache.put(reply({ answers: [cname(NAME, 'web.example.org')], authorities: [zone] }));
  t.is(cache.ttl(), 20);
  t.is(cache.caches.counts(cache.id).denial, 1);
});

test('cache: failures are kept for their time, or not at all [dns 79]', (t) => {
  const cache = openCache();
  cache.put(reply({ rcode: 2 }));
  t.is(cache.get()?.rcode, 'SERVFAIL');
  cache.pass(4.999);
  t.not(cache.get(), undefined);
  cache.pass(0.001);
  t.is(cache.get(), undefined);
  const off = openCache({ servfailSec: 0 });
  t.is(off.put(reply({ rcode: 2 })), 'TTL_ZERO');
  t.is(off.get(), undefined);
});

test('cache: a failure yields to a success that is not over [dns 79]', (t) => {
  const cache = openCache();
  cache.put(reply({ answers: [a(NAME, '192.0.2.1', 60)] }));
  t.is(cache.put(reply({ rcode: 2 })), 'STORED');
  t.is(cache.get()?.rcode, 'NOERROR');
  cache.pass(60);
  t.is(cache.get(), undefined);
  cache.put(reply({ rcode: 2 }));
  t.is(cache.get()?.rcode, 'SERVFAIL');
});

test('cache: a denial goes before a success, and a success that comes later ends it', (t) => {
  const cache = openCache();
  cache.put(reply({ answers: [address] }));
  cache.put(reply({ rcode: 3, authorities: [zone] }));
  t.is(cache.get()?.rcode, 'NXDOMAIN');
  cache.put(reply({ answers: [address] }));
  t.is(cache.get()?.rcode, 'NOERROR');
  t.is(cache.caches.counts(cache.id).denial, 0);
});

test('cache: what is switched off for a zone is not kept there [dns 85]', (t) => {
  const cache = openCache();
  const denied = reply({ rcode: 3, authorities: [zone] });
  const found = reply({ answers: [address] });
  t.is(cache.put(denied, {}, NAME, { isDenialOff: true }), 'SWITCHED_OFF');
  t.is(cache.put(found, {}, NAME, { isSuccessOff: true }), 'SWITCHED_OFF');
  t.is(cache.get(), undefined);
  t.is(cache.put(found, {}, NAME, { isDenialOff: true }), 'STORED');
});

test('cache: caches know nothing of one another, and a closed one nothing at all', (t) => {
  const cache = openCache();
  const other = cache.caches.open(OPTIONS);
  t.not(other, cache.id);
  cache.put(reply({ answers: [address] }));
  const { caches, id } = cache;
  caches.close(other);
  t.is(caches.counts(id).success, 1);
  caches.close(id);
  t.is(cache.get(), undefined);
  t.is(cache.put(reply({ answers: [address] })), 'NO_CACHE');
  t.is(caches.open(OPTIONS), id);
  t.is(cache.get(), undefined);
});

test('cache: there are fifteen caches', (t) => {
  const { caches } = openCache();
  for (let i = 2; i <= 15; i++) t.is(caches.open(OPTIONS), i);
  t.throws(() => caches.open(OPTIONS), { message: /one cache too many: expected at most 15/ });
});
