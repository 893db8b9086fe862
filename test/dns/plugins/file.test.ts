import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type dnsPacket from 'dns-packet';
import { setUpFile } from '../../../src/dns/plugins/file/file.js';
import type { Plugin } from '../../../src/dns/plugin.js';
import { ask, contextOf, setUp, told, unexpected, upstream } from './harness.js';

/** The zone of RFC 4592 2.2.1, and names for what it lacks. */
const WILDCARDS = `
$ORIGIN example.
example.                 3600 IN  SOA   ns.example.com. host.example. 7 2 3 4 60
example.                 3600     NS    ns.example.com.
example.                 3600     NS    ns.example.net.
*.example.               3600     TXT   "this is a wildcard"
*.example.               3600     MX    10 host1.example.
sub.*.example.           3600     TXT   "this is not a wildcard"
host1.example.           3600     A     192.0.2.1
_ssh._tcp.host1.example. 3600     SRV   0 0 22 host1.example.
_ssh._tcp.host2.example. 3600     SRV   0 0 22 host2.example.
subdel.example.          3600     NS    ns.example.com.
subdel.example.          3600     NS    ns.example.net.
`;

const ZONE = `
$TTL 1h
@       IN SOA ns admin (
                2024 ; serial
                2h 30m 2w
                5m )
        NS  ns
        MX  10 mail
ns      A   192.0.2.53
mail    A   192.0.2.25
        AAAA 2001:db8::25
www     CNAME web
web  60 A   192.0.2.80
out     CNAME there.test.
gone    CNAME nowhere
loop    CNAME pool
pool    CNAME loop
a\\.b    TXT "a \\"quoted\\" text" second
deep.ent.x A 192.0.2.9
sub     NS  ns.sub
ns.sub  A   192.0.2.54
sub     DS  1 8 2 abcd
old     DNAME new
host.new A  192.0.2.10
*.star  CNAME web
`;

function folderOf(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'zones-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function serve(t: ExecutionContext, files: Readonly<Record<string, string>>, text: string): Plugin {
  const plugin = setUp(setUpFile, text, contextOf({ folder: folderOf(t, files) }));
  t.teardown(() => plugin.close?.());
  return plugin;
}

const SOA = 'example.org 300 SOA ns.example.org admin.example.org 2024 7200 1800 1209600 300';

/** Question, response code, Answer, Authority, Additional. */
const CASES: readonly (readonly [
  string,
  dnsPacket.RecordType,
  string,
  string[],
  string[],
  string[],
])[] = [
  ['WEB.example.org', 'A', 'NOERROR', ['WEB.example.org 60 A 192.0.2.80'], [], []],
  [
    'www.example.org',
    'A',
    'NOERROR',
    ['www.example.org 3600 CNAME web.example.org', 'web.example.org 60 A 192.0.2.80'],
    [],
    [],
  ],
  ['www.example.org', 'CNAME', 'NOERROR', ['www.example.org 3600 CNAME web.example.org'], [], []],
  ['www.example.org', 'AAAA', 'NOERROR', ['www.example.org 3600 CNAME web.example.org'], [SOA], []],
  [
    'gone.example.org',
    'A',
    'NXDOMAIN',
    ['gone.example.org 3600 CNAME nowhere.example.org'],
    [SOA],
    [],
  ],
  ['nope.example.org', 'A', 'NXDOMAIN', [], [SOA], []],
  ['web.example.org', 'TXT', 'NOERROR', [], [SOA], []],
  ['ent.x.example.org', 'A', 'NOERROR', [], [SOA], []],
  ['x.example.org', 'A', 'NOERROR', [], [SOA], []],
  ['other.x.example.org', 'A', 'NXDOMAIN', [], [SOA], []],
  [
    'example.org',
    'MX',
    'NOERROR',
    ['example.org 3600 MX 10 mail.example.org'],
    [],
    ['mail.example.org 3600 A 192.0.2.25', 'mail.example.org 3600 AAAA 2001:db8::25'],
  ],
  [
    'example.org',
    'SOA',
    'NOERROR',
    ['example.org 3600 SOA ns.example.org admin.example.org 2024 7200 1800 1209600 300'],
    [],
    [],
  ],
  [
    'sub.example.org',
    'A',
    'NOERROR',
    [],
    ['sub.example.org 3600 NS ns.sub.example.org'],
    ['ns.sub.example.org 3600 A 192.0.2.54'],
  ],
  [
    'x.y.sub.example.org',
    'A',
    'NOERROR',
    [],
    ['sub.example.org 3600 NS ns.sub.example.org'],
    ['ns.sub.example.org 3600 A 192.0.2.54'],
  ],
  [
    'host.old.example.org',
    'A',
    'NOERROR',
    [
      'old.example.org 3600 DNAME new.example.org',
      'host.old.example.org 3600 CNAME host.new.example.org',
      'host.new.example.org 3600 A 192.0.2.10',
    ],
    [],
    [],
  ],
  [
    'any.star.example.org',
    'A',
    'NOERROR',
    ['any.star.example.org 3600 CNAME web.example.org', 'web.example.org 60 A 192.0.2.80'],
    [],
    [],
  ],
];

for (const [name, type, rcode, answer, authority, additional] of CASES) {
  test(`file: ${name} ${type} is ${rcode} ${answer.join(', ')}`, async (t) => {
    const plugin = serve(t, { db: ZONE }, 'file db example.org');
    const reply = told(await plugin.handle(ask({ name, type }), unexpected));
    t.is(reply.rcode, rcode);
    t.deepEqual(reply.answer, answer);
    t.deepEqual(reply.authority, authority);
    t.deepEqual(reply.additional, additional);
    t.is(reply.isAuthoritative, !authority.some((line) => line.includes(' NS ')));
  });
}

/** RFC 4592 2.2.1: what is synthesised from a wildcard, and what is not. */
const SYNTHESIS: readonly (readonly [string, dnsPacket.RecordType, string, string[]])[] = [
  ['host3.example', 'MX', 'NOERROR', ['host3.example 3600 MX 10 host1.example']],
  ['host3.example', 'A', 'NOERROR', []],
  ['foo.bar.example', 'TXT', 'NOERROR', ['foo.bar.example 3600 TXT this is a wildcard']],
  ['host1.example', 'MX', 'NOERROR', []],
  ['sub.*.example', 'MX', 'NOERROR', []],
  ['_telnet._tcp.host1.example', 'SRV', 'NXDOMAIN', []],
  ['host.subdel.example', 'A', 'NOERROR', []],
  ['ghost.*.example', 'MX', 'NXDOMAIN', []],
];

for (const [name, type, rcode, answer] of SYNTHESIS) {
  test(`file: ${name} ${type} as RFC 4592 2.2.1 has it`, async (t) => {
    const plugin = serve(t, { db: WILDCARDS }, 'file db example');
    const reply = told(await plugin.handle(ask({ name, type }), unexpected));
    t.is(reply.rcode, rcode);
    t.deepEqual(reply.answer, answer);
    t.is(reply.isAuthoritative, !name.includes('subdel'));
  });
}

test('file: a CNAME out of the zone is followed by what the server finds there', async (t) => {
  const server = upstream(({ name }) => ({
    answers: [{ type: 'A', name, ttl: 9, data: '192.0.2.7' }],
  }));
  const folder = folderOf(t, { db: ZONE });
  const plugin = setUp(setUpFile, 'file db example.org', contextOf({ folder, ask: server.next }));
  t.teardown(() => plugin.close?.());
  const reply = told(await plugin.handle(ask('out.example.org'), unexpected));
  t.deepEqual(reply.answer, ['out.example.org 3600 CNAME there.test', 'there.test 9 A 192.0.2.7']);
  t.deepEqual(server.asked, ['there.test IN A']);
});

test('file: CNAMEs in a circle end where a name comes again, and fail', async (t) => {
  const db = `${ZONE}self CNAME self\n*.round CNAME b.round\nturn DNAME b.turn\n`;
  const plugin = serve(t, { db }, 'file db example.org');
  for (const [name, answer] of [
    [
      'loop',
      [
        'loop.example.org 3600 CNAME pool.example.org',
        'pool.example.org 3600 CNAME loop.example.org',
      ],
    ],
    ['self', ['self.example.org 3600 CNAME self.example.org']],
    [
      'a.round',
      [
        'a.round.example.org 3600 CNAME b.round.example.org',
        'b.round.example.org 3600 CNAME b.round.example.org',
      ],
    ],
  ] as const) {
    const reply = told(await plugin.handle(ask(`${name}.example.org`), unexpected));
    t.deepEqual(reply.answer, [...answer]);
    t.is(reply.rcode, 'SERVFAIL');
    t.is(reply.problem, `${name}.example.org. leads to itself by CNAMEs`);
  }
  const { answer } = told(await plugin.handle(ask('a.turn.example.org'), unexpected));
  t.is(new Set(answer).size, answer.length, 'a DNAME below itself is there once');
});

test("file: the DS of a delegation is the parent's", async (t) => {
  const plugin = serve(t, { db: ZONE }, 'file db example.org');
  const reply = told(await plugin.handle(ask({ name: 'sub.example.org', type: 'DS' }), unexpected));
  t.is(reply.answer.length, 1);
  t.true(reply.isAuthoritative);
});

test('file: names that do not exist fall through, other zones are passed on', async (t) => {
  const plugin = serve(t, { db: ZONE }, 'file db example.org {\nfallthrough x.example.org\n}');
  const { next } = upstream(() => ({}));
  t.is((await plugin.handle(ask('other.x.example.org'), next)).plugin, 'upstream');
  t.is((await plugin.handle(ask('ent.x.example.org'), unexpected)).plugin, 'file');
  t.is((await plugin.handle(ask('nope.example.org'), unexpected)).plugin, 'file');
  t.is((await plugin.handle(ask('example.com'), next)).plugin, 'upstream');
});

test('file: $INCLUDE reads a file below another origin, and forgets what that sets', async (t) => {
  const db = `${ZONE}\n$INCLUDE part inc\nback A 192.0.2.2\n`;
  const plugin = serve(t, { db, part: '$ORIGIN further\nx A 192.0.2.1\n' }, 'file db example.org');
  const further = told(await plugin.handle(ask('x.further.inc.example.org'), unexpected));
  t.deepEqual(further.answer, ['x.further.inc.example.org 3600 A 192.0.2.1']);
  t.is(told(await plugin.handle(ask('back.example.org'), unexpected)).answer.length, 1);
  const plain = serve(t, { db, part: 'x A 192.0.2.1\n' }, 'file db example.org');
  const reply = told(await plain.handle(ask('x.inc.example.org'), unexpected));
  t.deepEqual(reply.answer, ['x.inc.example.org 3600 A 192.0.2.1']);
  t.is(told(await plain.handle(ask('back.example.org'), unexpected)).answer.length, 1);
});

test('file: a change is read, a mistake leaves what was there', async (t) => {
  const folder = folderOf(t, { db: ZONE });
  const lines: string[] = [];
  const log = { warn: (_: unknown, message: string) => void lines.push(message) } as never;
  const plugin = setUp(
    setUpFile,
    'file db example.org {\nreload 20ms\n}',
    contextOf({ folder, log }),
  );
  t.teardown(() => plugin.close?.());
  const answerOf = async () => told(await plugin.handle(ask('web.example.org'), unexpected)).answer;
  const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
    for (let i = 0; i < 250 && !(await holds()); i++)
      await new Promise((done) => setTimeout(done, 20));
  };
  writeFileSync(join(folder, 'db'), `${ZONE}\nweb A 192.0.2.81\n`);
  await until(async () => (await answerOf()).length === 2);
  t.is((await answerOf()).length, 2);
  writeFileSync(join(folder, 'db'), `${ZONE}\nweb NOPE 192.0.2.81 and more\n`);
  await until(() => lines.length > 0);
  t.regex(lines[0] ?? '', /^\/.*db:27: .*"NOPE"/);
  t.is((await answerOf()).length, 2);
});

test('file: a file that is missing is waited for, and fails until then', async (t) => {
  const plugin = serve(t, {}, 'file db example.org');
  const reply = told(await plugin.handle(ask('web.example.org'), unexpected));
  t.is(reply.rcode, 'SERVFAIL');
  t.regex(reply.problem ?? '', /db is not read yet$/);
});

for (const [text, db, message] of [
  ['file', ZONE, /^Corefile:2: file: expected a file$/],
  ['file db {\nreload 5\n}', ZONE, /^Corefile:3: file reload: "5": expected a period/],
  ['file db {\nnope\n}', ZONE, /^Corefile:3: file: unknown property "nope"$/],
  [
    'file db example.org',
    'www A 192.0.2.1\n',
    /^Corefile:2: file: zone example\.org\.: expected one SOA record, got 0$/,
  ],
  [
    'file db example.org',
    `${ZONE}\nx.test. A 192.0.2.1\n`,
    /^Corefile:2: file: zone example\.org\.: x\.test\. is not in it$/,
  ],
  [
    'file db example.org',
    `${ZONE}\nwww A 192.0.2.1\n`,
    /www\.example\.org\. has a CNAME and other records$/,
  ],
  ['file db example.org', `${ZONE}\nwww CNAME b\n`, /www\.example\.org\. has two CNAMEs$/],
  [
    'file db example.org',
    `${ZONE}\nq A 192.0.2.256\n`,
    /db:27: "192\.0\.2\.256": expected an IPv4 address$/,
  ],
  [
    'file db example.org',
    `${ZONE}\n$INCLUDE db\n`,
    /\$INCLUDE db: more than 8 files in each other$/,
  ],
] as const) {
  test(`file: ${text.replaceAll('\n', ' ')}: ${message.source}`, (t) => {
    const context = contextOf({ folder: folderOf(t, { db }) });
    const error = t.throws(() => setUp(setUpFile, text, context));
    t.regex(error.message, message);
    t.notRegex(error.message, /\n/);
  });
}
