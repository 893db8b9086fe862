import test from 'ava';
import type { Reply } from '../../../src/dns/plugin.js';
import { setUpRewrite } from '../../../src/dns/plugins/rewrite/rewrite.js';
import { parseText } from '../../support/corefile.js';
import { ask, claimed, contextOf, setUp, told, unexpected, upstream } from './harness.js';
import type { Asked } from './harness.js';

/** What comes of a query: what the next plugin was asked, and what the client is told. */
async function through(
  rules: string,
  asked: Asked | string,
  answers: Parameters<typeof upstream>[0] = ({ name }) => ({
    answers: [{ type: 'A', name, ttl: 30, data: '192.0.2.1' }],
  }),
) {
  const plugin = setUp(setUpRewrite, rules);
  const chain = upstream(answers);
  const reply = told(await plugin.handle(ask(asked), chain.next));
  return { ...reply, asked: chain.asked, packets: chain.packets };
}

/** Rules and names from CoreDNS's rewrite_test.go, TestRewrite, and what comes of them. */
const REWRITES: readonly (readonly [string, string, string])[] = [
  ['rewrite name from.nl. to.nl.', 'from.nl', 'to.nl IN A'],
  ['rewrite name from.nl. to.nl.', 'a.nl', 'a.nl IN A'],
  ['rewrite name from.nl to.nl', 'FROM.nl', 'to.nl IN A'],
  ['rewrite class HS CH\nrewrite class CH IN', 'x.nl', 'x.nl IN A'],
  ['rewrite name prefix webserver. web.', 'webserver.example.org', 'web.example.org IN A'],
  ['rewrite name suffix .schmoogle.com. .google.com.', 'www.schmoogle.com', 'www.google.com IN A'],
  ['rewrite name suffix .schmoogle.com .google.com', 'www.schmoogle.com', 'www.google.com IN A'],
  [
    'rewrite name substring service.us-west-1.example.org service.us-west-1.consul',
    'ftp.service.us-west-1.example.org',
    'ftp.service.us-west-1.consul IN A',
  ],
  ['rewrite name substring xyz abc', 'xyz.xyz.test', 'abc.abc.test IN A'],
  [
    'rewrite name regex (.*)-(us-west-1)\\.coredns\\.rocks {1}.service.{2}.consul',
    'ftp-us-west-1.coredns.rocks',
    'ftp.service.us-west-1.consul IN A',
  ],
  ['rewrite type A AAAA', 'x.nl', 'x.nl IN AAAA'],
  [
    'rewrite continue name a.test b.test\nrewrite continue name b.test c.test\nrewrite type A TXT',
    'a.test',
    'c.test IN TXT',
  ],
  ['rewrite name a.test b.test\nrewrite name b.test c.test', 'a.test', 'b.test IN A'],
  [
    'rewrite stop {\n name regex (.*)\\.my\\.zone {1}.default.svc.cluster.local answer auto\n}',
    'web.my.zone',
    'web.default.svc.cluster.local IN A',
  ],
];

for (const [rules, name, expected] of REWRITES) {
  test(`rewrite: ${rules.replaceAll('\n', ' | ')} makes of ${name} ${expected}`, async (t) => {
    const reply = await through(rules, name);
    t.deepEqual(reply.asked, [expected]);
    t.is(reply.question, `${name} IN A`);
  });
}

test('[dns 100] rewrite: exact restores question, owner and values of the reply', async (t) => {
  const reply = await through('rewrite name a.test b.test', 'A.test', ({ name }) => ({
    answers: [
      { type: 'CNAME', name, ttl: 5, data: 'c.test' },
      { type: 'CNAME', name: 'c.test', ttl: 5, data: 'b.test' },
    ],
  }));
  t.is(reply.question, 'A.test IN A');
  t.deepEqual(reply.answer, ['A.test 5 CNAME c.test', 'c.test 5 CNAME A.test']);
});

test('[dns 100] rewrite: ttl 30-300 clamps all sections', async (t) => {
  const answers = (ttl: number) => () => ({
    answers: [{ type: 'A' as const, name: 'x.test', ttl, data: '192.0.2.1' }],
    authorities: [{ type: 'NS' as const, name: 'test', ttl, data: 'ns.test' }],
    additionals: [{ type: 'A' as const, name: 'ns.test', ttl, data: '192.0.2.2' }],
  });
  const ttlOf = async (range: string, ttl: number): Promise<Set<string | undefined>> => {
    const rule = `rewrite ttl suffix .test ${range}`;
    const { answer, authority, additional } = await through(rule, 'x.test', answers(ttl));
    return new Set([...answer, ...authority, ...additional].map((line) => line.split(' ')[1]));
  };
  t.deepEqual(await ttlOf('30-300', 5), new Set(['30']));
  t.deepEqual(await ttlOf('30-300', 60), new Set(['60']));
  t.deepEqual(await ttlOf('30-300', 900), new Set(['300']));
  t.deepEqual(await ttlOf('15', 900), new Set(['15']));
  t.deepEqual(await ttlOf('-15', 900), new Set(['15']));
  t.deepEqual(await ttlOf('15-', 1), new Set(['15']));
});

test('rewrite: without an answer rule a regex leaves owners as they came', async (t) => {
  const { answer, question } = await through('rewrite name regex (.*)\\.a {1}.b', 'x.a');
  t.is(question, 'x.a IN A');
  t.deepEqual(answer, ['x.b 30 A 192.0.2.1']);
});

test('rewrite: answer name is about owners and answer value about data, in all sections', async (t) => {
  const rules = `rewrite stop {
    name regex (.*)\\.a\\. {1}.b.
    answer name (.*)\\.b\\. {1}.a.
    answer value (.*)\\.b\\. {1}.c.
  }`;
  const reply = await through(rules, { name: 'x.a', type: 'SRV' }, ({ name }) => ({
    answers: [
      { type: 'SRV', name, ttl: 1, data: { priority: 0, weight: 1, port: 80, target: 't.b' } },
    ],
    authorities: [
      {
        type: 'SOA',
        name: 'z.b',
        ttl: 1,
        data: {
          mname: 'ns.b',
          rname: 'root.b',
          serial: 1,
          refresh: 2,
          retry: 3,
          expire: 4,
          minimum: 5,
        },
      },
    ],
    additionals: [{ type: 'A', name: 't.b', ttl: 1, data: '192.0.2.1' }],
  }));
  t.deepEqual(reply.answer, ['x.a 1 SRV 0 1 80 t.c']);
  t.deepEqual(reply.authority, ['z.a 1 SOA ns.c root.b 1 2 3 4 5']);
  t.deepEqual(reply.additional, ['t.a 1 A 192.0.2.1']);
});

test('rewrite: a suffix is put back with answer auto, in values as well', async (t) => {
  const rules = 'rewrite name suffix .a. .b. answer auto';
  const reply = await through(rules, { name: 'x.a', type: 'MX' }, ({ name }) => ({
    answers: [{ type: 'MX', name, ttl: 1, data: { preference: 10, exchange: 'mail.b' } }],
  }));
  t.deepEqual(reply.answer, ['x.a 1 MX 10 mail.a']);
});

test('rewrite: replies are rewritten in the opposite order of queries', async (t) => {
  const rules = 'rewrite continue name a.test b.test\nrewrite name b.test c.test';
  const { answer, asked } = await through(rules, 'a.test');
  t.deepEqual(asked, ['c.test IN A']);
  t.deepEqual(answer, ['a.test 30 A 192.0.2.1']);
});

test('rewrite: a name that comes out wrong is SERVFAIL, and nobody is asked', async (t) => {
  const long = 'y'.repeat(60);
  const plugin = setUp(setUpRewrite, `rewrite name regex (.*)\\.a\\. {1}${long}.b.`);
  const reply = told(await plugin.handle(ask('xxxxxxxx.a'), unexpected));
  t.is(reply.rcode, 'SERVFAIL');
  t.regex(reply.problem ?? '', /^invalid name after rewrite: /);
  const dots = setUp(setUpRewrite, 'rewrite name regex (.*)a\\. {1}..b.');
  t.is(told(await dots.handle(ask('a'), unexpected)).rcode, 'SERVFAIL');
});

test('rewrite: rcode turns one response code into another', async (t) => {
  const nx = () => ({ flags: 3 });
  const rule = 'rewrite rcode regex .*\\.test\\. NXDOMAIN NOERROR';
  t.is((await through(rule, 'x.test', nx)).rcode, 'NOERROR');
  t.is((await through(rule, 'x.other', nx)).rcode, 'NXDOMAIN');
  t.is((await through('rewrite rcode x.test 2 0', 'x.test', nx)).rcode, 'NXDOMAIN');
});

test('rewrite: cname cuts the answer behind the CNAME, leads it elsewhere and asks there', async (t) => {
  const server = upstream(({ name }) => ({
    answers: [{ type: 'A', name, ttl: 9, data: '192.0.2.7' }],
  }));
  const context = contextOf({ ask: server.next });
  const plugin = setUp(setUpRewrite, 'rewrite cname exact old.test new.test', context);
  const { next } = upstream(({ name }) => ({
    answers: [
      { type: 'CNAME', name, ttl: 5, data: 'old.test' },
      { type: 'A', name: 'old.test', ttl: 5, data: '192.0.2.1' },
    ],
  }));
  const reply = told(await plugin.handle(ask('x.test'), next));
  t.deepEqual(server.asked, ['new.test IN A']);
  t.deepEqual(reply.answer, ['x.test 5 CNAME new.test', 'new.test 9 A 192.0.2.7']);
  t.is(reply.question, 'x.test IN A');
});

test('rewrite: cname rules that lead in a circle end', async (t) => {
  let asked = 0;
  const { next } = upstream(({ name }) => ({
    answers: [{ type: 'CNAME', name, ttl: 5, data: 'again.test' }],
  }));
  const context = contextOf({
    ask: (query): Promise<Reply> => {
      asked++;
      return plugin.handle(query, next);
    },
  });
  const plugin = setUp(setUpRewrite, 'rewrite cname again.test again.test', context);
  const reply = told(await plugin.handle(ask('x.test'), next));
  t.is(asked, 10);
  t.is(reply.rcode, 'SERVFAIL');
});

const code = 0xffee;
const optionsOf = (packet: { additionals?: unknown[] | undefined } | undefined) =>
  (
    (packet?.additionals?.[0] as { options?: { code: number; data: Buffer }[] } | undefined)
      ?.options ?? []
  ).map((option) => `${option.code} ${option.data.toString('hex')}`);

/** Rule, options of the query, options that the next plugin sees; TestRewriteEDNS0Local and others. */
const OPTIONS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['local set 0xffee 0xabcdef', [], ['65518 abcdef']],
  ['local set 0xffee abcd', ['00'], ['65518 61626364']],
  ['local append 65518 abcd', ['00'], ['65518 00']],
  ['local append 0xffee abcd', [], ['65518 61626364']],
  ['local replace 0xffee abcd', [], []],
  ['local replace 0xffee abcd', ['00'], ['65518 61626364']],
  ['local unset 0xffee', ['00'], []],
  ['local set 0xffee {qname}', [], [`65518 ${Buffer.from('x.test.').toString('hex')}`]],
  ['local set 0xffee {qtype}', [], ['65518 0001']],
  ['local set 0xffee {client_ip}', [], ['65518 0a000009']],
  ['local set 0xffee {client_port}', [], ['65518 cf08']],
  ['local set 0xffee {protocol}', [], ['65518 756470']],
  ['local set 0xffee {server_ip}', [], ['65518 0a60000a']],
  ['local set 0xffee {server_port}', [], ['65518 0035']],
  ['local set 0xffee {kubernetes/client-namespace}', [], []],
  ['local set 0xffee {forward/upstream}', ['00'], ['65518 00']],
];

for (const [rule, before, after] of OPTIONS) {
  test(`rewrite: edns0 ${rule} makes of [${before.join()}] [${after.join()}]`, async (t) => {
    const edns = before.map((hex) => ({ code, data: Buffer.from(hex, 'hex') }));
    const { packets } = await through(`rewrite edns0 ${rule}`, { name: 'x.test', edns });
    t.deepEqual(optionsOf(packets[0]), after);
  });
}

test('rewrite: edns0 takes metadata by its label', async (t) => {
  const text = 'rewrite edns0 local set 0xffee {kubernetes/service}';
  const block = parseText('test {\nkubernetes test\n}\n').blocks[0]?.directives ?? [];
  const plugin = setUp(setUpRewrite, text, contextOf({ block }));
  const { next, packets } = upstream(() => ({}));
  await plugin.handle(ask({ name: 'web.shop.svc.test', edns: [] }), next);
  t.deepEqual(optionsOf(packets[0]), [`65518 ${Buffer.from('web').toString('hex')}`]);
});

test('rewrite: edns0 subnet is family, prefix and the octets of it (RFC 7871 6)', async (t) => {
  const rule = 'rewrite edns0 subnet set 20 56';
  const of = async (client: string) => {
    const { packets } = await through(rule, { name: 'x.test', client, edns: [] });
    const opt = packets[0]?.additionals?.[0] as unknown as
      { options: { code: number; data: Buffer }[] } | undefined;
    return `${opt?.options[0]?.code} ${opt?.options[0]?.data.toString('hex')}`;
  };
  t.is(await of('10.240.255.7'), '8 000114000af0f0');
  t.is(await of('2001:db8:1:2::7'), '8 0002380020010db8000100');
});

test('rewrite: a query without an OPT record gets one, and nsid is empty in it', async (t) => {
  const { packets } = await through('rewrite edns0 nsid set', 'x.test');
  t.deepEqual(optionsOf(packets[0]), ['3 ']);
});

test('rewrite: revert gives the reply the option that the client has sent', async (t) => {
  const echo = (): object => ({
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        flags: 0,
        options: [{ code, data: Buffer.from('ff') }],
      },
    ],
  });
  const rule = 'rewrite edns0 local set 0xffee 0xff revert';
  const none = await through(rule, { name: 'x.test', edns: [] }, echo);
  t.deepEqual(none.options, []);
  const own = { code, data: Buffer.from('own') };
  const kept = await through(rule, { name: 'x.test', edns: [own] }, echo);
  t.deepEqual(
    kept.options.map(({ data }) => data.toString()),
    ['own'],
  );
});

test('rewrite: a query that no rule is about is passed on as it came', async (t) => {
  const plugin = setUp(setUpRewrite, 'rewrite name a.test b.test');
  const query = ask('x.test');
  await plugin.handle(query, (passed) => {
    t.is(passed, query);
    return upstream(() => ({})).next(passed);
  });
});

test('rewrite: claims are as narrow as the names of its rules', (t) => {
  const of = (rules: string) => claimed(setUp(setUpRewrite, rules));
  t.deepEqual(of('rewrite name A.test b.test\nrewrite continue ttl c.test 5'), [
    'a.test.',
    'c.test.',
  ]);
  t.deepEqual(of('rewrite name suffix .a.test .b.test'), ['a.test.']);
  t.deepEqual(of('rewrite name suffix oogle.com other.com'), ['com.']);
  for (const rule of [
    'name regex a b',
    'name prefix a b',
    'name substring a b',
    'type A AAAA',
    'class CH IN',
    'edns0 nsid set',
    'cname a b',
    'name suffix com org',
  ]) {
    t.is(of(`rewrite ${rule}`), 'all', rule);
  }
});

for (const [rule, message] of [
  ['', /^Corefile:2: rewrite: expected one of name, /],
  ['nmae a b', /^Corefile:2: rewrite: "nmae": expected one of name, /],
  ['name a', /^Corefile:2: rewrite: "a": expected a name$/],
  ['name a b c', /^Corefile:2: rewrite: "c": expected answer$/],
  ['name regex (a b', /^Corefile:2: rewrite: "\(a": pattern "\(a": missing closing \): `\(a`$/],
  [
    'name regex (.*)a {1}{2}',
    /^Corefile:2: rewrite: "\{1\}\{2\}": the pattern has no group \{2\}: it has 1$/,
  ],
  ['name suffix a b answer auto answer name c d', /answer auto stands for itself/],
  ['name a b answer nope', /"nope": expected one of auto, name, value/],
  ['answer name a b', /an answer rule belongs behind a name rule/],
  ['type A NOPE', /^Corefile:2: rewrite: "NOPE": expected a record type$/],
  ['class IN', /expected a class/],
  ['ttl a.test 30-20', /"30-20": expected a TTL or a range/],
  ['ttl a.test -', /"-": expected a TTL or a range/],
  ['ttl a.test 99999999999', /expected a TTL or a range/],
  ['rcode a.test NXDOMAIN NOPE', /"NOPE": expected a response code/],
  ['edns0 local set 0x1ffff abc', /"0x1ffff": expected an option code up to 65535/],
  ['edns0 local set 0xffee 0xabc', /"0xabc": expected pairs of hex digits/],
  ['edns0 local set 0xffee {nope}', /"\{nope\}": expected one of \{qname\}/],
  ['edns0 subnet set 33 56', /"33": expected a prefix length of 0 to 32/],
  ['edns0 subnet set 24', /expected a prefix length of 0 to 128/],
  ['edns0 nsid set abc', /"abc": expected revert/],
  ['edns0 nope set', /"nope": expected one of local, nsid, subnet/],
] as const) {
  test(`rewrite: "${rule}" is refused with file, line and word`, (t) => {
    const error = t.throws(() => setUp(setUpRewrite, `rewrite ${rule}`));
    t.regex(error.message, message);
    t.notRegex(error.message, /\n/);
  });
}
