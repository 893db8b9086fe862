import test from 'ava';
import type { ExecutionContext } from 'ava';
import { parseText } from '../../support/corefile.js';
import { readZoneAddress } from '../../../src/dns/corefile/zone.js';

const token = (text: string) => ({ text, file: 'Corefile', line: 1 });
const read = (text: string) => readZoneAddress(token(text));
const zones = (text: string) => read(text).zones;

function refuses(t: ExecutionContext, text: string, message: string): void {
  const error = t.throws(() => read(text), { code: 'ERR_CONFIG' }, text);
  t.is(error.message, `Corefile:1: ${message}`);
}

test('address: scheme and port are filled in', (t) => {
  t.deepEqual(read('example.org'), { scheme: 'dns', zones: ['example.org.'], port: 53 });
  const ports = { dns: 53, tls: 853, quic: 853, grpc: 443, https: 443, https3: 443 } as const;
  for (const [scheme, port] of Object.entries(ports)) {
    t.deepEqual(read(`${scheme}://example.org`), {
      scheme: scheme as keyof typeof ports,
      zones: ['example.org.'],
      port,
    });
    t.is(read(`${scheme}://.:8053`).port, 8053);
  }
  t.is(read('TLS://.').scheme, 'tls');
  const known = 'dns, tls, quic, grpc, https, https3';
  refuses(t, 'http://a.example', `"http://a.example": unknown scheme; expected one of ${known}`);
});

test('address: the root has several names', (t) => {
  for (const text of ['.', '.:53', ':53', 'dns://:53', 'dns://.', 'dns://']) {
    t.deepEqual(read(text), { scheme: 'dns', zones: ['.'], port: 53 }, text);
  }
});

test('address: zones are lower case and absolute', (t) => {
  t.deepEqual(zones('Example.ORG'), ['example.org.']);
  t.deepEqual(zones('example.org.:53'), ['example.org.']);
  t.deepEqual(zones('_tcp.Example.org'), ['_tcp.example.org.']);
  t.deepEqual(zones('*.example.org'), ['*.example.org.']);
  t.deepEqual(zones('0/25.2.0.192.in-addr.arpa'), ['0/25.2.0.192.in-addr.arpa.'], 'RFC 2317');
});

test('address: the port is the digits behind the last colon', (t) => {
  t.is(read('example.org:0').port, 0);
  t.is(read('example.org:65535').port, 65_535);
  t.is(read('example.org:0053').port, 53);
  refuses(t, 'example.org:65536', '"example.org:65536": the port is above 65535');
  refuses(t, 'example.org:', '"example.org:": expected a port behind the last colon');
  const characters = 'the zone has characters other than a-z, 0-9, -_*/ and .';
  refuses(t, 'example.org:+53', `"example.org:+53": ${characters}`);
  refuses(t, 'example.org:dns', `"example.org:dns": ${characters}`);
  refuses(t, 'a:1:2', `"a:1:2": ${characters}`);
});

test('address: a zone is a legal domain name', (t) => {
  const label = 'a'.repeat(63);
  t.notThrows(() => read(`${label}.${label}.${label}.${'b'.repeat(61)}`));
  t.notThrows(() => read(Array(127).fill('a').join('.')));
  const long = `${label}.${label}.${label}.${'b'.repeat(62)}`;
  refuses(t, long, `"${long.slice(0, 60)}...": the zone has more than 255 octets`);
  refuses(
    t,
    `${label}a.b`,
    `"${label.slice(0, 60)}...": the zone has a label of more than 63 characters`,
  );
  t.throws(() => read(Array(128).fill('a').join('.')), { code: 'ERR_CONFIG' });
  for (const text of ['..', 'a..b', '.a', 'a..']) {
    refuses(t, text, `"${text}": the zone has an empty label`);
  }
  for (const text of [
    'ö.example',
    'ȶ',
    'a,b',
    'a\\.b',
    'a b',
    'a\nb',
    '}',
    'a"b',
    '[::1]:53',
    '\0',
  ]) {
    t.throws(() => read(text), { message: /^Corefile:1: .*: the zone has characters other/ }, text);
  }
});

test('address: a prefix at a label is one reverse zone', (t) => {
  t.deepEqual(zones('10.0.0.0/8'), ['10.in-addr.arpa.']);
  t.deepEqual(read('10.0.0.0/8:5353'), { scheme: 'dns', zones: ['10.in-addr.arpa.'], port: 5353 });
  t.deepEqual(zones('192.0.2.0/24'), ['2.0.192.in-addr.arpa.']);
  t.deepEqual(zones('192.0.2.7/32'), ['7.2.0.192.in-addr.arpa.']);
  t.deepEqual(zones('0.0.0.0/0'), ['in-addr.arpa.']);
  t.deepEqual(zones('2001:db8::/32'), ['8.b.d.0.1.0.0.2.ip6.arpa.']);
  t.deepEqual(read('2001:DB8::/32:53').zones, ['8.b.d.0.1.0.0.2.ip6.arpa.']);
  t.is(zones('2001:db8::1/128')[0]?.length, 'ip6.arpa.'.length + 64);
  t.deepEqual(zones('10.1.2.3/16'), ['1.10.in-addr.arpa.'], 'bits behind the length do not count');
});

test('address: 10.0.0.0/15 is two zones [dns 66]', (t) => {
  t.deepEqual(zones('10.0.0.0/15'), ['0.10.in-addr.arpa.', '1.10.in-addr.arpa.']);
  const { blocks } = parseText('10.0.0.0/15:5353 {\n whoami\n}');
  t.deepEqual(
    blocks[0]?.addresses.map(({ zone, port, token: written }) => [zone, port, written.text]),
    [
      ['0.10.in-addr.arpa.', 5353, '10.0.0.0/15:5353'],
      ['1.10.in-addr.arpa.', 5353, '10.0.0.0/15:5353'],
    ],
  );
});

test('address: 192.168.1.0/25 is 128 zones, 0 to 127 [dns 67]', (t) => {
  t.deepEqual(
    zones('192.168.1.0/25'),
    Array.from({ length: 128 }, (_, i) => `${i}.1.168.192.in-addr.arpa.`),
  );
  t.deepEqual(zones('192.168.1.128/25').at(-1), '255.1.168.192.in-addr.arpa.');
});

test('address: other prefixes are all zones of the next length', (t) => {
  t.deepEqual(
    zones('10.9.3.0/18'),
    Array.from({ length: 64 }, (_, i) => `${i}.9.10.in-addr.arpa.`),
  );
  t.deepEqual(
    zones('2001:db8::/29'),
    Array.from('89abcdef', (digit) => `${digit}.b.d.0.1.0.0.2.ip6.arpa.`),
  );
  t.deepEqual(
    zones('2001:db8::/30'),
    Array.from('89ab', (digit) => `${digit}.b.d.0.1.0.0.2.ip6.arpa.`),
  );
  const low = `${'0.'.repeat(20)}8.b.d.0.1.0.0.2.ip6.arpa.`;
  t.deepEqual(zones('2001:db8::/112'), [low]);
  t.deepEqual(
    zones('2001:db8::/113'),
    Array.from('01234567', (digit) => `${digit}.${low}`),
  );
  t.deepEqual(zones('2001:db8::/115'), [`0.${low}`, `1.${low}`]);
  t.deepEqual(zones('2000::/3'), ['2.ip6.arpa.', '3.ip6.arpa.']);
});

test('address: prefixes that mean nothing, or two things, are refused', (t) => {
  const expected = 'no reverse zone; expected a prefix such as 10.0.0.0/8 or 2001:db8::/32';
  const wrong = ['::/0', '::ffff:b:f/115', '::1/128', '0:1::/32', '00::/8', '0abc::/16'];
  for (const text of [
    ...wrong,
    '10.0.0.0/33',
    '10.0.0.0/',
    '010.0.0.0/8',
    '10.0/16',
    '2001:db8::/129',
    'a:b/c',
  ]) {
    refuses(t, text, `"${text}": ${expected}`);
  }
  refuses(t, '2001:db8::1', '"2001:db8::1": an address is no zone; expected 2001:db8::1/128');
});

test('address: an IPv4 address is a name, and that is probably not meant', (t) => {
  const { blocks, warnings } = parseText('127.0.0.1:9153 {\n}');
  t.is(blocks[0]?.addresses[0]?.zone, '127.0.0.1.');
  t.deepEqual(warnings, [
    'Corefile:1: "127.0.0.1:9153" serves the name 127.0.0.1.; expected "bind 127.0.0.1" in the block, or a prefix for the reverse zone',
  ]);
});

/** A block for each text: address, then what stands in it. */
const inBlocks = (...texts: readonly [string, string?][]): string =>
  texts.map(([address, body = '']) => `${address} {\n${body}\n}\n`).join('');

function clashes(t: ExecutionContext, text: string, message: string): void {
  t.is(t.throws(() => parseText(text), { code: 'ERR_CONFIG' }).message, message);
}

test('address: one zone on one port has one block [dns 109]', (t) => {
  const already = 'is served already, by Corefile:1';
  clashes(t, inBlocks(['.'], ['.:53']), `Corefile:4: ".:53": zone . at dns port 53 ${already}`);
  clashes(t, inBlocks(['a A']), `Corefile:1: "A": zone a. at dns port 53 ${already}`);
  clashes(
    t,
    inBlocks(['10.0.0.0/15'], ['1.10.in-addr.arpa']),
    `Corefile:4: "1.10.in-addr.arpa": zone 1.10.in-addr.arpa. at dns port 53 ${already}`,
  );
  t.notThrows(() => parseText(inBlocks(['.'], ['.:54'], ['tls://.'], ['tls://.:53'], ['a'])));
});

test('address: blocks with an address of their own do not clash', (t) => {
  t.notThrows(() => parseText(inBlocks(['.', 'bind 127.0.0.1'], ['.', 'bind 127.0.0.2 ::1'])));
  clashes(
    t,
    inBlocks(['.', 'bind 127.0.0.1'], ['.:54'], ['.', 'bind 127.0.0.2\nbind 127.0.0.1']),
    'Corefile:7: ".": zone . at dns port 53 on 127.0.0.1 is served already, by Corefile:1',
  );
  clashes(
    t,
    inBlocks(['.', 'bind ::1'], ['.', 'bind 0:0::0:1']),
    'Corefile:4: ".": zone . at dns port 53 on ::1 is served already, by Corefile:1',
  );
  t.notThrows(() => parseText(inBlocks(['.', 'bind lo lo'], ['.', 'bind eth0'])));
});

test('address: every address clashes with each', (t) => {
  const every = 'zone . at dns port 53';
  clashes(
    t,
    inBlocks(['.'], ['.', 'bind 127.0.0.1']),
    `Corefile:4: ".": ${every} on 127.0.0.1 is served already, by Corefile:1`,
  );
  clashes(
    t,
    inBlocks(['.', 'bind 127.0.0.1'], ['.']),
    `Corefile:4: ".": ${every} is served already, by Corefile:1`,
  );
});

test('address: a view shares its place with blocks that come after it', (t) => {
  const view = 'view one {\n expr true\n}';
  t.notThrows(() => parseText(inBlocks(['.', view], ['.', view], ['.'])));
  t.throws(() => parseText(inBlocks(['.', view], ['.'], ['.'])), { code: 'ERR_CONFIG' });
  t.throws(() => parseText(inBlocks(['.'], ['.', view])), { code: 'ERR_CONFIG' });
});
