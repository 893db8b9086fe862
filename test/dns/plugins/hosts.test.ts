import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { setUpHosts } from '../../../src/dns/plugins/hosts/hosts.js';
import { parseName } from '../../../src/dns/wire/name.js';
import { ask, claimed, contextOf, setUp, told, unexpected, upstream } from './harness.js';

const elsewhere = () =>
  upstream(() => ({ answers: [{ type: 'A', name: 'other.test', data: '192.0.2.99' }] }));

function hostsFile(t: ExecutionContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'hosts-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'hosts');
  writeFileSync(file, text);
  return file;
}

const NONE = '/nonexistent/hosts';
const INLINE = `hosts ${NONE} example.org {
  10.0.0.1 example.org www.example.org
  10.0.0.2 WWW.example.org
  ::1 www.example.org
  10.0.0.3 elsewhere.test
  192.168.1.10 *.apps.example.org
  192.168.1.11 a.apps.example.org
  fallthrough
}`;

test('[dns 101] hosts: inline lines add up, in any letter case', async (t) => {
  const plugin = setUp(setUpHosts, INLINE);
  const reply = told(await plugin.handle(ask('WwW.example.org'), unexpected));
  t.deepEqual(reply.answer, ['WwW.example.org 3600 A 10.0.0.1', 'WwW.example.org 3600 A 10.0.0.2']);
  t.true(reply.isAuthoritative);
  t.is(reply.rcode, 'NOERROR');
  const six = told(await plugin.handle(ask({ name: 'www.example.org', type: 'AAAA' }), unexpected));
  t.deepEqual(six.answer, ['www.example.org 3600 AAAA ::1']);
});

test('[dns 101] hosts: a miss falls through to the next plugin', async (t) => {
  const plugin = setUp(setUpHosts, INLINE);
  const { next, asked } = elsewhere();
  t.is((await plugin.handle(ask('nope.example.org'), next)).plugin, 'upstream');
  t.deepEqual(asked, ['nope.example.org IN A']);
});

test('[dns 101] hosts: a miss without fallthrough is SERVFAIL without an SOA', async (t) => {
  const plugin = setUp(setUpHosts, `hosts ${NONE} {\n10.0.0.1 a.test\n}`);
  const reply = told(await plugin.handle(ask('b.test'), unexpected));
  t.is(reply.rcode, 'SERVFAIL');
  t.deepEqual(reply.authority, []);
  t.is(claimed(plugin), 'all');
});

test('[dns 101] hosts: a name that exists has an empty answer for other types', async (t) => {
  const plugin = setUp(setUpHosts, INLINE);
  for (const type of ['TXT', 'AAAA', 'SRV'] as const) {
    const reply = told(await plugin.handle(ask({ name: 'example.org', type }), unexpected));
    t.is(reply.rcode, 'NOERROR', type);
    t.deepEqual([...reply.answer, ...reply.authority], [], type);
    t.true(reply.isAuthoritative);
  }
});

test('hosts: fallthrough_unsupported passes other types of names that exist', async (t) => {
  const plugin = setUp(
    setUpHosts,
    INLINE.replace('fallthrough', 'fallthrough\nfallthrough_unsupported'),
  );
  const { next } = elsewhere();
  t.is((await plugin.handle(ask({ name: 'example.org', type: 'TXT' }), next)).plugin, 'upstream');
  t.is(
    (await plugin.handle(ask({ name: 'example.org', type: 'AAAA' }), unexpected)).plugin,
    'hosts',
  );
});

test('[dns 101] hosts: addresses point back to all their names, outside of the zones as well', async (t) => {
  const plugin = setUp(setUpHosts, INLINE);
  const reply = told(
    await plugin.handle(ask({ name: '1.0.0.10.in-addr.arpa', type: 'PTR' }), unexpected),
  );
  t.deepEqual(reply.answer, [
    '1.0.0.10.in-addr.arpa 3600 PTR example.org',
    '1.0.0.10.in-addr.arpa 3600 PTR www.example.org',
  ]);
  const name = `1.${'0.'.repeat(31)}ip6.arpa`;
  const six = told(await plugin.handle(ask({ name, type: 'PTR' }), unexpected));
  t.deepEqual(six.answer, [`${name} 3600 PTR www.example.org`]);
});

test('hosts: a reverse name without an entry is for the next plugin, fallthrough or not', async (t) => {
  const plugin = setUp(setUpHosts, `hosts ${NONE} {\n10.0.0.1 a.test\n10.0.0.7 *.w.test\n}`);
  for (const name of ['9.0.0.10.in-addr.arpa', '7.0.0.10.in-addr.arpa']) {
    t.is((await plugin.handle(ask({ name, type: 'PTR' }), elsewhere().next)).plugin, 'upstream');
  }
});

test('hosts: no_reverse makes no pointers', async (t) => {
  const plugin = setUp(setUpHosts, `hosts ${NONE} {\n10.0.0.1 a.test\nno_reverse\nfallthrough\n}`);
  const { next } = elsewhere();
  const name = '1.0.0.10.in-addr.arpa';
  t.is((await plugin.handle(ask({ name, type: 'PTR' }), next)).plugin, 'upstream');
  t.deepEqual(claimed(plugin), ['a.test.']);
});

test('hosts: a star stands for one label, and not for names that are there', async (t) => {
  const plugin = setUp(setUpHosts, INLINE);
  const answerOf = async (name: string) =>
    told(await plugin.handle(ask(name), elsewhere().next)).answer;
  t.deepEqual(await answerOf('x.apps.example.org'), ['x.apps.example.org 3600 A 192.168.1.10']);
  t.deepEqual(await answerOf('a.apps.example.org'), ['a.apps.example.org 3600 A 192.168.1.11']);
  t.deepEqual(await answerOf('y.x.apps.example.org'), ['other.test 0 A 192.0.2.99']);
  t.deepEqual(await answerOf('apps.example.org'), ['other.test 0 A 192.0.2.99']);
});

test('hosts: names outside of the zones are left out', async (t) => {
  const plugin = setUp(setUpHosts, INLINE);
  t.is((await plugin.handle(ask('elsewhere.test'), elsewhere().next)).plugin, 'upstream');
});

test('hosts: claims are its names and pointers, or its zones where misses end', (t) => {
  t.deepEqual(claimed(setUp(setUpHosts, INLINE)), [
    `1.${'0.'.repeat(31)}ip6.arpa.`,
    '1.0.0.10.in-addr.arpa.',
    '11.1.168.192.in-addr.arpa.',
    '2.0.0.10.in-addr.arpa.',
    'example.org.',
  ]);
  const two = `hosts ${NONE} a.test b.test {\n10.0.0.1 x.a.test\nno_reverse\nfallthrough a.test\n}`;
  t.deepEqual(claimed(setUp(setUpHosts, two)), ['a.test.', 'b.test.']);
  const ours = `hosts ${NONE} a.test b.test {\n10.0.0.1 x.a.test\nno_reverse\nfallthrough a.test b.test\n}`;
  t.deepEqual(claimed(setUp(setUpHosts, ours)), ['x.a.test.']);
});

test('hosts: a file is read, inline lines come behind it, and a change is picked up', async (t) => {
  const file = hostsFile(
    t,
    '# comment\n10.1.0.1\ta.test # b.test\nnonsense c.test\nfe80::1%lo0 a.test\n',
  );
  // The plugin's own timer keeps no process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => {
    clearInterval(alive);
  });
  let changes = 0;
  const seen = new Promise<void>((resolve) => {
    const context = contextOf({
      claimsChanged: () => {
        changes++;
        resolve();
      },
    });
    const plugin = setUp(
      setUpHosts,
      `hosts ${file} {\n10.0.0.1 a.test\nttl 60\nreload 20ms\nfallthrough\n}`,
      context,
    );
    t.teardown(() => plugin.close?.());
    t.is(context.counts.get('coredns_hosts_entries'), 6);
    void plugin.handle(ask('a.test'), unexpected).then((reply) => {
      t.deepEqual(told(reply).answer, ['a.test 60 A 10.1.0.1', 'a.test 60 A 10.0.0.1']);
      appendFileSync(file, '10.1.0.2 new.test\n');
    });
    t.context = plugin;
  });
  await seen;
  const plugin = t.context as ReturnType<typeof setUp>;
  const reply = told(await plugin.handle(ask('new.test'), unexpected));
  t.deepEqual(reply.answer, ['new.test 60 A 10.1.0.2']);
  t.is(changes, 1);
  rmSync(file);
  t.deepEqual(told(await plugin.handle(ask('new.test'), unexpected)).answer, reply.answer);
});

test('hosts: zones of the server block are those of a plugin that names none', async (t) => {
  const context = contextOf({ zones: [parseName('a.test')] });
  const plugin = setUp(setUpHosts, `hosts ${NONE} {\n10.0.0.1 x.a.test x.b.test\n}`, context);
  t.is((await plugin.handle(ask('x.b.test'), elsewhere().next)).plugin, 'upstream');
  t.is((await plugin.handle(ask('x.a.test'), unexpected)).plugin, 'hosts');
});

for (const [lines, message] of [
  ['ttl -1', 'Corefile:3: hosts ttl: "-1": expected a TTL of 1 to 65535'],
  ['ttl', 'Corefile:3: hosts ttl: expected a TTL of 1 to 65535'],
  ['reload 5', 'Corefile:3: hosts reload: "5": expected a period such as 500ms or 1h30m'],
  ['10.0.0.256 a.test', 'Corefile:3: hosts: unknown property "10.0.0.256"'],
  ['no_reverse now', 'Corefile:3: hosts no_reverse: "now": unexpected argument'],
  [
    'fallthrough_unsupported',
    'Corefile:2: hosts: "/x": fallthrough_unsupported needs fallthrough beside it',
  ],
] as const) {
  test(`hosts: ${lines} is refused with file, line and word`, (t) => {
    t.throws(() => setUp(setUpHosts, `hosts /x {\n${lines}\n}`), { message });
  });
}
