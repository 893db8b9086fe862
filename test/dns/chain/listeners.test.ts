/** Where the server blocks of a Corefile listen. */
import test from 'ava';
import type { DefaultBind } from '../../../src/dns/chain/listeners.js';
import { formatName } from '../../../src/dns/wire/name.js';
import { open } from './program-rig.js';

test('settings of a block are those of the listeners that it is on', async (t) => {
  const program = open(
    'tls://. {\n root /certs\n any\n}\ntls://example.org {\n root /certs\n any\n' +
      ' tls a.pem /k.pem ca.pem\n timeouts {\n read 2s\n idle 1m\n write 5s\n max_queries 0\n }\n' +
      ' debug\n pprof :6060 {\n block 1\n }\n multisocket 4\n metadata example.org\n}\n' +
      '. {\n any\n}\n',
  );
  t.deepEqual(
    program.listeners.map(({ scheme, tls, timeouts }) => ({ scheme, tls, timeouts })),
    [
      { scheme: 'dns', tls: undefined, timeouts: undefined },
      {
        scheme: 'tls',
        tls: { cert: '/certs/a.pem', key: '/k.pem', ca: '/certs/ca.pem' },
        timeouts: { readMs: 2000, idleMs: 60_000 },
      },
    ],
  );
  await program.close();
  const nocert = open('tls://. {\n tls a b c {\n client_auth nocert\n }\n}\n');
  t.is(nocert.listeners[0]?.tls?.ca, undefined);
  await nocert.close();
});

test('the main listener is the first one, whatever stands in front of it in the file', async (t) => {
  for (const [others, hosts] of [
    ['tls://. {\n tls a b\n any\n}\na.test:5353 {\n any\n}\n', []],
    ['a.test {\n bind 127.0.0.1\n any\n}\n', []],
  ] as const) {
    const program = open(`${others}. {\n any\n}\n`);
    const [main] = program.listeners;
    t.like(main, { id: 1, scheme: 'dns', port: 53 });
    t.deepEqual(main?.hosts, hosts);
    await program.close();
  }
  const bound = open('.:5353 {\n any\n}\n. {\n bind 127.0.0.1\n any\n}\n');
  t.deepEqual(
    bound.listeners.map(({ port }) => port),
    [53, 5353],
  );
  await bound.close();
});

test('listeners: addresses of the command line and of bind are one listener where they are one', (t) => {
  const blocks = 'a.test {\n bind 127.0.0.1 ::1\n any\n}\nb.test {\n any\n}\n';
  const shownOf = (hosts: readonly string[]) => {
    const { listeners } = open(blocks, undefined, { hosts, ports: {} });
    return listeners.map((each) => [
      each.server,
      each.hosts,
      each.blocks.flatMap(({ zones }) => zones.map(formatName)),
    ]);
  };
  t.deepEqual(shownOf([]), [
    ['dns://:53', [], ['b.test.']],
    ['dns://127.0.0.1:53', ['127.0.0.1', '::1'], ['a.test.']],
  ]);
  t.deepEqual(shownOf(['0:0::1', '192.0.2.1']), [
    ['dns://[::1]:53', ['::1'], ['a.test.', 'b.test.']],
    ['dns://:53', ['192.0.2.1'], ['b.test.']],
    ['dns://127.0.0.1:53', ['127.0.0.1'], ['a.test.']],
  ]);
});

test('listeners: what the command line makes one place is served by one block', (t) => {
  const twice = '. {\n any\n}\n.:5353 {\n any\n}\n';
  t.throws(() => open(twice, undefined, { hosts: [], ports: { 53: 5353 } }), {
    message: 'Corefile:4: zone . is served at the same address already, by Corefile:1',
  });
  t.is(open(twice, undefined, { hosts: [], ports: { 53: 0, 5353: 0 } }).listeners.length, 2);
  const viewed = twice.replace('any', 'view ours {\n expr true\n }\n any');
  const [listener] = open(viewed, undefined, { hosts: [], ports: { 53: 5353 } }).listeners;
  t.is(listener?.blocks.length, 2);
  t.is(listener?.port, 53);
});

test('forward: whether an upstream is this server goes by where it listens', (t) => {
  const to = (upstream: string) => `. {\n forward . ${upstream}\n}\n`;
  const isRefused = (upstream: string, bind: DefaultBind): boolean => {
    try {
      void open(to(upstream), undefined, bind).close();
      return false;
    } catch (error) {
      return /is this DNS server itself/.test(String(error));
    }
  };
  const here: DefaultBind = { hosts: ['127.0.0.1'], ports: { 53: 5353 } };
  t.false(isRefused('127.0.0.53', here));
  t.false(isRefused('127.0.0.1', here));
  t.false(isRefused('127.0.0.2:5353', here));
  t.true(isRefused('127.0.0.1:5353', here));
  t.true(isRefused('127.0.0.2:5353', { ...here, hosts: [] }));
  t.false(isRefused('127.0.0.1', { hosts: [], ports: { 53: 0 } }));
});
