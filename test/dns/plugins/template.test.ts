import test from 'ava';
import { readTemplate } from '../../../src/dns/plugins/template/go-template.js';
import { setUpTemplate } from '../../../src/dns/plugins/template/template.js';
import { parseName } from '../../../src/dns/wire/name.js';
import { ask, claimed, contextOf, setUp, told, unexpected, upstream } from './harness.js';

const elsewhere = () => upstream(() => ({ flags: 5 }));

// Corefiles of CoreDNS's plugin/template/README.md.
const IP = `template IN A example {
  match (^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$
  answer "{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
  fallthrough
}`;

test('template: groups of the name become an address', async (t) => {
  const plugin = setUp(setUpTemplate, IP);
  const reply = told(await plugin.handle(ask('Sub.IP-10-95-12-8.example'), unexpected));
  t.deepEqual(reply.answer, ['Sub.IP-10-95-12-8.example 60 A 10.95.12.8']);
  t.true(reply.isAuthoritative);
  t.deepEqual(claimed(plugin), ['example.']);
});

test('template: what does not match falls through, as do other types and zones', async (t) => {
  const plugin = setUp(setUpTemplate, IP);
  for (const asked of [
    { name: 'x.example' },
    { name: 'ip-1-2-3-4.example', type: 'MX' as const },
    { name: 'ip-1-2-3-4.test' },
  ]) {
    t.is((await plugin.handle(ask(asked), elsewhere().next)).plugin, 'upstream');
  }
});

test('template: what does not match is SERVFAIL without fallthrough', async (t) => {
  const plugin = setUp(setUpTemplate, IP.replace('fallthrough', ''));
  const reply = told(await plugin.handle(ask('x.example'), unexpected));
  t.is(reply.rcode, 'SERVFAIL');
  t.truthy(reply.problem);
});

test('template: an address that is none is SERVFAIL', async (t) => {
  const context = contextOf();
  const plugin = setUp(setUpTemplate, IP, context);
  const reply = told(await plugin.handle(ask('ip-300-1-2-3.example'), unexpected));
  t.is(reply.rcode, 'SERVFAIL');
  t.is(context.counts.get('coredns_template_rr_failures_total'), 1);
  t.is(context.counts.get('coredns_template_template_failures_total'), undefined);
  t.regex(reply.problem ?? '', /300\.1\.2\.3/);
});

test('template: everything below a name does not exist, with SOA and extended error', async (t) => {
  const plugin = setUp(
    setUpTemplate,
    `template ANY ANY invalid {
      rcode NXDOMAIN
      authority "invalid. 60 {{ .Class }} SOA ns.invalid. hostmaster.invalid. (1 60 60 60 60)"
      ederror 21 "Blocked according to RFC2606"
    }`,
  );
  const reply = told(
    await plugin.handle(ask({ name: 'a.INVALID', type: 'TXT', edns: [] }), unexpected),
  );
  t.is(reply.rcode, 'NXDOMAIN');
  t.deepEqual(reply.authority, ['INVALID 60 SOA ns.invalid hostmaster.invalid 1 60 60 60 60']);
  t.deepEqual(
    reply.options.map(({ code, data }) => [
      code,
      data.toString('hex', 0, 2),
      data.toString('utf8', 2),
    ]),
    [[15, '0015', 'Blocked according to RFC2606']],
  );
  t.is(
    told(await plugin.handle(ask({ name: 'a.invalid', class: 'CH' }), unexpected)).rcode,
    'NXDOMAIN',
  );
});

test('template: matches by number, several patterns, and all sections', async (t) => {
  const plugin = setUp(
    setUpTemplate,
    `template IN MX example {
      match ^nothing$ "^ip-10-(?P<b>[0-9]*)[.]example[.]$"
      answer "{{ .Name }} 60 IN MX 10 {{ .Name }}" "{{ index .Match 0 }} 60 IN MX {{ .Group.1 }} {{.Zone}}"
      additional "{{ .Name }} 60 IN A 10.0.0.{{ .Group.b }}"
      authority "example. 60 IN NS ns0.example."
    }`,
  );
  const reply = told(await plugin.handle(ask({ name: 'ip-10-7.example', type: 'MX' }), unexpected));
  t.deepEqual(reply.answer, [
    'ip-10-7.example 60 MX 10 ip-10-7.example',
    'ip-10-7.example 60 MX 7 example',
  ]);
  t.deepEqual(reply.authority, ['example 60 NS ns0.example']);
  t.deepEqual(reply.additional, ['ip-10-7.example 60 A 10.0.0.7']);
});

test('template: a fallthrough goes to the next template first', async (t) => {
  const plugin = setUp(
    setUpTemplate,
    `template IN A a.test {\n match ^x\nanswer "{{ .Name }} A 192.0.2.1"\nfallthrough\n}
     template IN A test {\n answer "{{ .Name }} A 192.0.2.2"\n}`,
  );
  const answerOf = async (name: string) => told(await plugin.handle(ask(name), unexpected)).answer;
  t.deepEqual(await answerOf('x.a.test'), ['x.a.test 3600 A 192.0.2.1']);
  t.deepEqual(await answerOf('y.a.test'), ['y.a.test 3600 A 192.0.2.2']);
});

test('template: a CNAME for an address is followed by what its target has', async (t) => {
  const server = upstream(({ name }) => ({
    answers: [{ type: 'A', name, ttl: 9, data: '192.0.2.7' }],
  }));
  const context = contextOf({ ask: server.next });
  const plugin = setUp(
    setUpTemplate,
    'template IN ANY foogle.com {\nmatch "^foogle\\.com\\.$"\nanswer "foogle.com 60 IN CNAME google.com"\n}',
    context,
  );
  const reply = told(await plugin.handle(ask('foogle.com'), unexpected));
  t.deepEqual(reply.answer, ['foogle.com 60 CNAME google.com', 'google.com 9 A 192.0.2.7']);
  const cname = told(await plugin.handle(ask({ name: 'foogle.com', type: 'CNAME' }), unexpected));
  t.deepEqual(cname.answer, ['foogle.com 60 CNAME google.com']);
  t.deepEqual(server.asked, ['google.com IN A']);
});

test('template: a CNAME to itself ends', async (t) => {
  let asked = 0;
  const context = contextOf({
    ask: (query) => {
      asked++;
      return plugin.handle(query, unexpected);
    },
  });
  const plugin = setUp(
    setUpTemplate,
    'template IN A test {\nanswer "{{ .Name }} CNAME a.{{ .Name }}"\n}',
    context,
  );
  t.is(told(await plugin.handle(ask('a.test'), unexpected)).answer.length, 11);
  t.is(asked, 10);
});

test('template: zones of the server block are those of a template that names none', (t) => {
  const context = contextOf({ zones: [parseName('a.test')] });
  t.deepEqual(claimed(setUp(setUpTemplate, 'template IN A {\nrcode NXDOMAIN\n}', context)), [
    'a.test.',
  ]);
  t.is(claimed(setUp(setUpTemplate, 'template IN A {\nrcode NXDOMAIN\n}')), 'all');
});

const VALUES = {
  Zone: 'zone.',
  Name: 'name.zone.',
  Class: 'IN',
  Type: 'A',
  Remote: '192.0.2.9',
  Match: ['whole', 'first'],
  Group: { a: '0a', 1: 'first' },
  'Question.Name': 'Name.zone.',
  'Question.Qtype': '1',
  'Question.Qclass': '1',
  'Message.Id': '4711',
  Meta: (label: string) => `<${label}>`,
};

/** Source, and what Go's text/template makes of it. */
const TEMPLATES: readonly (readonly [string, string])[] = [
  ['{{ .Name }} {{.Class}} {{ .Type }} {{ .Remote }}', 'name.zone. IN A 192.0.2.9'],
  ['{{ index .Match 1 }}{{ index .Match 0 }}', 'firstwhole'],
  ['{{ index .Group "a" }}', '0a'],
  ['[{{ .Group.none }}]', '[]'],
  ['{{ .Question.Name }} {{ .Question.Qtype }} {{ .Question.Qclass }}', 'Name.zone. 1 1'],
  ['{{ .Message.Id }}', '4711'],
  ['{{ parseInt .Group.a 16 8 }}', '10'],
  ['{{ .Meta "kubernetes/client-namespace" }}', '<kubernetes/client-namespace>'],
  ['a {{- .Type -}} b', 'aAb'],
  ['a{{/* }} no */}}b', 'ab'],
  ['{{ "}}" }}{{ `x` }}', '}}x'],
  ['no braces { } }}', 'no braces { } }}'],
];

for (const [source, expected] of TEMPLATES) {
  test(`template: ${source} is ${expected}`, (t) => {
    t.is(readTemplate(source)(VALUES), expected);
  });
}

test('template: a match that is not there and a number that is none fail when they are used', (t) => {
  t.throws(() => readTemplate('{{ index .Match 2 }}')(VALUES), { message: /no match 2/ });
  t.throws(() => readTemplate('{{ parseInt .Group.a 10 8 }}')(VALUES), {
    message: /"0a" is no number/,
  });
  t.throws(() => readTemplate('{{ parseInt "ffff" 16 8 }}')(VALUES), {
    message: /more than 8 bits/,
  });
});

for (const [line, message] of [
  ['match (', /^Corefile:3: template match: pattern "\(": /],
  ['answer "{{ .Nope }}"', /^Corefile:3: template answer: template: "\.Nope" is not supported$/],
  [
    'answer "{{ if .Name }}x{{ end }}"',
    /^Corefile:3: template answer: template: "if \.Name" is not supported$/,
  ],
  ['answer "{{ .Name"', /"\{\{" is never closed/],
  ['answer', /^Corefile:3: template answer: expected a record$/],
  ['rcode NOPE', /^Corefile:3: template rcode: "NOPE": expected a response code/],
  [
    'ederror 99999',
    /^Corefile:3: template ederror: "99999": expected an extended error of 0 to 65535/,
  ],
  ['bogus', /^Corefile:3: template: unknown property "bogus"$/],
  [
    'additional "x A 192.0.2.1"',
    /^Corefile:2: template: expected an answer, an authority or an rcode$/,
  ],
] as const) {
  test(`template: ${line} is refused with file, line and word`, (t) => {
    const error = t.throws(() => setUp(setUpTemplate, `template IN A {\n${line}\n}`));
    t.regex(error.message, message);
  });
}
test('template: the question and the ID are as they were sent', async (t) => {
  const text = `template IN TXT example {
    answer "{{ .Name }} 60 IN TXT {{ .Question.Name }} {{ .Question.Qtype }} {{ .Question.Qclass }} {{ .Message.Id }} {{ .Remote }}"
  }`;
  const query = ask({ name: 'A.Example', type: 'TXT' });
  const { message } = await setUp(setUpTemplate, text).handle(query, unexpected);
  const strings = ['A.Example.', '16', '1', '4711', '10.0.0.9'];
  for (const each of strings) {
    const octets = Buffer.from([each.length, ...Buffer.from(each)]);
    t.true(Buffer.from(message).includes(octets), each);
  }
});

test('template: conditions have to hold, all of them', async (t) => {
  const text = `template IN A example {
    expr incidr(client_ip(), '10.0.0.0/8')
    expr name() startsWith 'a'
    answer "{{ .Name }} 60 IN A 192.0.2.1"
    fallthrough
  }`;
  const plugin = setUp(setUpTemplate, text);
  for (const [name, client, by] of [
    ['a.example', '10.1.2.3', 'template'],
    ['b.example', '10.1.2.3', 'upstream'],
    ['a.example', '192.0.2.1', 'upstream'],
  ] as const) {
    t.is((await plugin.handle(ask({ name, client }), elsewhere().next)).plugin, by);
  }
  t.throws(() => setUp(setUpTemplate, text.replace('name()', 'nope()')), {
    message: /^Corefile:4: template expr: "nope\(\) startsWith 'a'": "nope" is no function/,
  });
});

test('template: class and type are checked', (t) => {
  t.throws(() => setUp(setUpTemplate, 'template XX A {\nrcode NXDOMAIN\n}'), {
    message: /^Corefile:2: template: "XX": expected a class/,
  });
  t.throws(() => setUp(setUpTemplate, 'template IN XX {\nrcode NXDOMAIN\n}'), {
    message: /^Corefile:2: template: "XX": expected a record type/,
  });
});
