/** Plugins of a few lines: chaos, whoami, local, header, nsid, cancel, erratic. */
import { hostname } from 'node:os';
import test from 'ava';
import type { Setup } from '../../../src/dns/chain/setup.js';
import type { Reply } from '../../../src/dns/plugin.js';
import { setUpCancel } from '../../../src/dns/plugins/cancel.js';
import { setUpChaos } from '../../../src/dns/plugins/chaos.js';
import { setUpErratic } from '../../../src/dns/plugins/erratic.js';
import { setUpHeader } from '../../../src/dns/plugins/header.js';
import { setUpLocal } from '../../../src/dns/plugins/local.js';
import { setUpNsid } from '../../../src/dns/plugins/nsid.js';
import { setUpWhoami } from '../../../src/dns/plugins/whoami.js';
import { ask, claimed, contextOf, setUp, told, unexpected, upstream } from './harness.js';

const ok = () =>
  upstream(({ name }) => ({ answers: [{ type: 'A', name, ttl: 5, data: '192.0.2.1' }] }));

test('[dns 106] chaos: version, authors and host name in class CH', async (t) => {
  const plugin = setUp(setUpChaos, 'chaos Server-1.0 "Ann <a@x>" Bob');
  const of = async (name: string) => {
    const query = ask({ name, type: 'TXT', class: 'CH' });
    const { answer } = told(await plugin.handle(query, unexpected));
    return answer.map((line) => line.split(' TXT ')[1]);
  };
  t.deepEqual(await of('version.bind'), ['Server-1.0']);
  t.deepEqual(await of('VERSION.server'), ['Server-1.0']);
  t.deepEqual(await of('authors.bind'), ['Ann <a@x>', 'Bob']);
  t.deepEqual(await of('hostname.bind'), [hostname()]);
  t.deepEqual(await of('id.server'), [hostname()]);
});

test('[dns 106] chaos: other names, types and classes are for the next plugin', async (t) => {
  const plugin = setUp(setUpChaos, 'chaos');
  for (const asked of [
    { name: 'version.bind', type: 'TXT' as const },
    { name: 'version.bind', class: 'CH' as const },
    { name: 'x.bind', type: 'TXT' as const, class: 'CH' as const },
  ]) {
    t.is((await plugin.handle(ask(asked), ok().next)).plugin, 'upstream');
  }
  t.deepEqual(claimed(plugin), [
    'authors.bind.',
    'hostname.bind.',
    'id.server.',
    'version.bind.',
    'version.server.',
  ]);
});

test('whoami: the client in Additional, its port in SRV', async (t) => {
  const plugin = setUp(setUpWhoami, 'whoami');
  const four = told(await plugin.handle(ask('Example.org'), unexpected));
  t.true(four.isAuthoritative);
  t.deepEqual(four.answer, []);
  t.deepEqual(four.additional, ['Example.org 0 A 10.0.0.9', '_udp.Example.org 0 SRV 0 0 53000 .']);
  const six = told(
    await plugin.handle(ask({ name: '.', client: '2001:db8::1', transport: 'tcp' }), unexpected),
  );
  t.deepEqual(six.additional, ['. 0 AAAA 2001:db8::1', '_tcp 0 SRV 0 0 53000 .']);
});

const LOCAL: readonly (readonly [
  string,
  'A' | 'AAAA' | 'PTR' | 'MX' | 'NS',
  string[],
  string[],
])[] = [
  ['localhost', 'A', ['localhost 86400 A 127.0.0.1'], []],
  ['LocalHost', 'AAAA', ['LocalHost 86400 AAAA ::1'], []],
  ['a.b.localhost', 'A', ['a.b.localhost 86400 A 127.0.0.1'], []],
  ['localhost.default.svc', 'AAAA', ['localhost.default.svc 86400 AAAA ::1'], []],
  ['localhost', 'MX', [], ['localhost 86400 SOA localhost root.localhost 1 0 0 0 86400']],
  ['localhost', 'NS', ['localhost 86400 NS localhost'], []],
  ['1.0.0.127.in-addr.arpa', 'PTR', ['1.0.0.127.in-addr.arpa 86400 PTR localhost'], []],
  [
    '9.9.9.127.in-addr.arpa',
    'PTR',
    [],
    ['127.in-addr.arpa 86400 SOA localhost root.localhost 1 0 0 0 86400'],
  ],
  [
    '255.in-addr.arpa',
    'A',
    [],
    ['255.in-addr.arpa 86400 SOA localhost root.localhost 1 0 0 0 86400'],
  ],
];

for (const [name, type, answer, authority] of LOCAL) {
  test(`local: ${name} ${type}`, async (t) => {
    const reply = told(await setUp(setUpLocal, 'local').handle(ask({ name, type }), unexpected));
    t.is(reply.rcode, 'NOERROR');
    t.true(reply.isAuthoritative);
    t.deepEqual(reply.answer, answer);
    t.deepEqual(reply.authority, authority);
  });
}

test('local: other names are for the next plugin, and searches for localhost are counted', async (t) => {
  const context = contextOf();
  const plugin = setUp(setUpLocal, 'local', context);
  for (const name of ['example.org', 'xlocalhost', 'localhosts.test', '1.in-addr.arpa']) {
    t.is((await plugin.handle(ask(name), ok().next)).plugin, 'upstream', name);
  }
  await plugin.handle(ask('localhost'), unexpected);
  t.is(context.counts.size, 0);
  await plugin.handle(ask('localhost.test'), unexpected);
  t.is(context.counts.get('coredns_local_localhost_requests_total'), 1);
});

test('header: bits of replies and of queries are set and cleared', async (t) => {
  const plugin = setUp(
    setUpHeader,
    'header {\nset aa ra\nquery clear rd\nresponse clear rd\nset rd\n}',
  );
  const { next, packets } = upstream(() => ({ flags: 0x0100 }));
  const reply = await plugin.handle(ask('x.test'), next);
  t.is(packets[0]?.flag_rd, false);
  t.is(reply.message[2], 0x80 | 0x04 | 0x01);
  t.is(reply.message[3], 0x80);
});

test('nsid: those who ask for it are told, others are not', async (t) => {
  const plugin = setUp(setUpNsid, 'nsid node 7');
  const asked = ask({ name: 'x.test', edns: [{ code: 3, data: Buffer.alloc(0) }] });
  const { options, answer } = told(await plugin.handle(asked, ok().next));
  t.deepEqual(
    options.map(({ code, data }) => [code, data.toString()]),
    [[3, 'node 7']],
  );
  t.is(answer.length, 1);
  const silent = told(await plugin.handle(ask({ name: 'x.test', edns: [] }), ok().next));
  t.deepEqual(silent.options, []);
});

test('cancel: what takes too long is SERVFAIL, what does not is itself', async (t) => {
  const plugin = setUp(setUpCancel, 'cancel 20ms');
  const late = told(await plugin.handle(ask('x.test'), () => new Promise<Reply>(() => undefined)));
  t.is(late.rcode, 'SERVFAIL');
  t.is(late.problem, 'no answer within 20 ms');
  t.is((await plugin.handle(ask('x.test'), ok().next)).plugin, 'upstream');
});

test('erratic: every second query is dropped, the first one among them', async (t) => {
  const plugin = setUp(setUpErratic, 'erratic');
  const lengths: number[] = [];
  for (let i = 0; i < 4; i++) {
    const { message } = await plugin.handle(ask('x.test'), unexpected);
    lengths.push(message.length);
  }
  t.deepEqual(
    lengths.map((length) => length > 0),
    [false, true, false, true],
  );
});

test('erratic: one in three is truncated, none is dropped, and only addresses are known', async (t) => {
  const plugin = setUp(setUpErratic, 'erratic {\ntruncate 3\n}');
  const told3 = [];
  for (const type of ['A', 'AAAA', 'TXT'] as const) {
    told3.push(told(await plugin.handle(ask({ name: 'x.test', type }), unexpected)));
  }
  t.deepEqual(
    told3.map(({ isTruncated }) => isTruncated),
    [true, false, false],
  );
  t.deepEqual(
    told3.map(({ answer }) => answer),
    [['x.test 0 A 192.0.2.53'], ['x.test 0 AAAA 2001:db8::53'], []],
  );
  t.is(told3[2]?.rcode, 'SERVFAIL');
});

test('erratic: a delay is waited for', async (t) => {
  const plugin = setUp(setUpErratic, 'erratic {\ndelay 1 30ms\n}');
  const start = performance.now();
  await plugin.handle(ask('x.test'), unexpected);
  t.true(performance.now() - start >= 29);
});

const BAD: readonly (readonly [Setup, string, RegExp])[] = [
  [setUpWhoami, 'whoami me', /^Corefile:2: whoami: "me": unexpected argument$/],
  [setUpLocal, 'local {\n}', /^Corefile:2: local: expected no braces$/],
  [setUpCancel, 'cancel 5', /^Corefile:2: cancel: "5": expected a timeout such as/],
  [setUpCancel, 'cancel 0', /^Corefile:2: cancel: "0": expected a timeout above 0$/],
  [
    setUpHeader,
    'header {\nset xx\n}',
    /^Corefile:3: header set: "xx": expected one of aa, ra, rd$/,
  ],
  [setUpHeader, 'header {\nset\n}', /^Corefile:3: header set: expected one of aa, ra, rd$/],
  [
    setUpHeader,
    'header {\nquery drop aa\n}',
    /^Corefile:3: header query: "drop": expected one of set, clear$/,
  ],
  [setUpHeader, 'header {\ntoggle aa\n}', /^Corefile:3: header: unknown property "toggle"$/],
  [
    setUpErratic,
    'erratic {\ndrop -1\n}',
    /^Corefile:3: erratic drop: "-1": expected an amount of 0/,
  ],
  [setUpErratic, 'erratic {\nlarge\n}', /^Corefile:3: erratic: unknown property "large"$/],
];

for (const [setup, text, message] of BAD) {
  test(`${text.replaceAll('\n', ' ')} is refused with file, line and word`, (t) => {
    t.regex(t.throws(() => setUp(setup, text)).message, message);
  });
}
