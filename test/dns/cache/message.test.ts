import test from 'ava';
import type packet from 'dns-packet';
import { CachePut } from '../../../assembly/abi-cache.js';
import { TYPE, query, wire } from '../core/zone.js';
import { NAME, a, cname, decode, openCache, reply } from './upstream.js';
import type { Sections } from './upstream.js';

const SHOUTED = 'WWW.eXaMpLe.ORG';
const QUESTION = [...wire(NAME), 0, 1, 0, 1];
/** Behind header and question of NAME. */
const BODY_OFF = 12 + QUESTION.length;

/** An upstream's reply byte by byte: records as hex, spaces for the eye. */
function raw(an: number, ns: number, ar: number, ...records: string[]): Uint8Array {
  const head = [0x12, 0x34, 0x81, 0x80, 0, 1, an >> 8, an & 255, ns >> 8, ns & 255, 0, ar];
  return Uint8Array.of(
    ...head,
    ...QUESTION,
    ...Buffer.from(records.join('').replaceAll(' ', ''), 'hex'),
  );
}

const hex = (name: string): string => Buffer.from(wire(name)).toString('hex');
const A = '0001 0001 0000003c 0004 c0000201';

test('cache: owners have the case of whoever asks, whoever asked first', (t) => {
  const cache = openCache();
  const answers = [cname(NAME, 'web.example.org'), a('web.example.org', '192.0.2.1')];
  cache.put(reply({ answers }));
  const hit = cache.get({}, SHOUTED);
  t.deepEqual(
    hit?.answers?.map(({ name }) => name),
    [SHOUTED, 'web.example.org'],
  );
  t.is(hit?.questions?.[0]?.name, SHOUTED);
});

test('cache: an owner that is the question’s name is kept as a pointer to it', (t) => {
  const cache = openCache();
  cache.put(reply({ answers: [a(NAME, '192.0.2.1'), a(NAME, '192.0.2.2')] }));
  const hit = cache.get();
  t.is(hit?.reply.length, BODY_OFF + 2 * 16);
  t.deepEqual([...(hit?.reply.subarray(BODY_OFF, BODY_OFF + 2) ?? [])], [0xc0, 0x0c]);
});

test('cache: pointers lead where they led, whatever was shortened in front of them', (t) => {
  const cache = openCache();
  const first = BODY_OFF;
  // The owner in full, then a target below the owner's second label, then names at that target.
  const inOwner = (0xc000 + first + 4).toString(16);
  const targetOff = first + 17 + 10;
  const inTarget = (0xc000 + targetOff).toString(16);
  const message = raw(
    2,
    1,
    1,
    `${hex(NAME)} 0005 0001 0000003c 0006 03776562 ${inOwner}`,
    `${inTarget} ${A}`,
    `${inOwner} 0002 0001 0000003c 0006 036e7331 ${inOwner}`,
    `036e7331 ${inOwner} ${A}`,
  );
  const wanted = decode(message);
  t.deepEqual(
    [wanted.answers, wanted.authorities, wanted.additionals].flatMap((rrs = []) =>
      rrs.map(({ name }) => name),
    ),
    [NAME, 'web.example.org', 'example.org', 'ns1.example.org'],
  );
  t.is(cache.put(message), 'STORED');
  const hit = cache.get();
  t.deepEqual(hit?.answers, wanted.answers);
  t.deepEqual(hit?.authorities, wanted.authorities);
  t.deepEqual(hit?.additionals, wanted.additionals);
  t.is(hit?.reply.length, message.length - 15);
});

test('cache: pointers behind an OPT record in the middle lead where they led', (t) => {
  const cache = openCache();
  const target = (0xc000 + BODY_OFF + 16 + 11).toString(16);
  const message = raw(
    1,
    0,
    3,
    `c00c ${A}`,
    '00 0029 04d0 00000000 0000',
    `${hex('other.test')} ${A}`,
    `${target} ${A}`,
  );
  t.is(cache.put(message), 'STORED');
  t.deepEqual(
    cache.get()?.additionals?.map(({ name }) => name),
    ['other.test', 'other.test'],
  );
});

test('cache: every type of RFC 1035, and later ones, come out as they went in', (t) => {
  const cache = openCache();
  const data = {
    NS: 'ns.example.org',
    PTR: 'host.example.org',
    MX: { preference: 10, exchange: 'mail.example.org' },
    TXT: [Buffer.from('a'), Buffer.from('b c')],
    SRV: { priority: 1, weight: 2, port: 3, target: 'srv.example.org' },
    NAPTR: {
      order: 1,
      preference: 2,
      flags: 'S',
      services: 'SIP+D2U',
      regexp: '',
      replacement: 'x.example.org',
    },
    CAA: { flags: 0, tag: 'issue', value: 'ca.example.net', issuerCritical: false },
    DS: { keyTag: 1, algorithm: 8, digestType: 2, digest: Buffer.alloc(32, 7) },
    AAAA: '2001:db8::1',
    HINFO: { cpu: 'x', os: 'y' },
    RP: { mbox: 'a.example.org', txt: 'b.example.org' },
  };
  const codes = {
    NS: 2,
    PTR: 12,
    MX: 15,
    TXT: 16,
    SRV: 33,
    NAPTR: 35,
    CAA: 257,
    DS: 43,
    AAAA: 28,
    HINFO: 13,
    RP: 17,
  };
  for (const [type, value] of Object.entries(data)) {
    const record = { type, name: NAME, ttl: 60, data: value } as packet.Answer;
    const sections: Sections = {
      type,
      answers: [record, record],
      additionals: [a('x.example.org', '192.0.2.1')],
    };
    const message = reply(sections);
    const wishes = { type: codes[type as keyof typeof codes] };
    t.is(cache.put(message, wishes), 'STORED', type);
    const hit = cache.get(wishes);
    t.deepEqual(hit?.answers, decode(message).answers, type);
    t.deepEqual(hit?.additionals, decode(message).additionals, type);
  }
});

test('cache: names of one label more than ordinary, and the root', (t) => {
  const cache = openCache();
  const long = Array.from({ length: 127 }, () => 'a').join('.');
  for (const name of [long, '']) {
    const message = reply({ name, answers: [a(name, '192.0.2.1')] });
    t.is(cache.put(message, {}, name), 'STORED');
    t.like(cache.get({}, name)?.answers, [{ data: '192.0.2.1' }]);
  }
});

const OPT = '00 0029 04d0 00000000 0000';
const VECTORS: readonly (readonly [string, string, Uint8Array])[] = [
  ['a record that ends in its head', 'MALFORMED', raw(1, 0, 0, 'c00c 0001 0001 0000')],
  ['RDLENGTH past the end', 'MALFORMED', raw(1, 0, 0, 'c00c 0001 0001 0000003c 0004 c00002')],
  ['an A record of 3 octets', 'MALFORMED', raw(1, 0, 0, 'c00c 0001 0001 0000003c 0003 c00002')],
  ['an A record of 5 octets', 'MALFORMED', raw(1, 0, 0, 'c00c 0001 0001 0000003c 0005 c000020101')],
  [
    'a target that points to itself',
    'MALFORMED',
    raw(1, 0, 0, `c00c 0005 0001 0000003c 0002 ${(0xc000 + BODY_OFF + 12).toString(16)}`),
  ],
  [
    'an owner that points ahead',
    'MALFORMED',
    raw(2, 0, 0, `${(0xc000 + BODY_OFF + 16).toString(16)} ${A}`, `c00c ${A}`),
  ],
  ['an owner that points into the header', 'MALFORMED', raw(1, 0, 0, `c002 ${A}`)],
  ['an owner that points into a label', 'MALFORMED', raw(1, 0, 0, `c00d ${A}`)],
  [
    'an owner that points into a TTL',
    'MALFORMED',
    raw(2, 0, 0, `c00c ${A}`, `${(0xc000 + BODY_OFF + 6).toString(16)} ${A}`),
  ],
  [
    'an owner that points to the OPT record',
    'MALFORMED',
    raw(0, 0, 2, OPT, `${(0xc000 + BODY_OFF).toString(16)} ${A}`),
  ],
  ['65535 records that are one', 'MALFORMED', raw(65535, 0, 0, `c00c ${A}`)],
  ['a label of type 10', 'MALFORMED', raw(1, 0, 0, `80 ${A}`)],
  ['two OPT records', 'MALFORMED', raw(0, 0, 2, OPT, OPT)],
  ['OPT in Answer', 'MALFORMED', raw(1, 0, 0, OPT)],
  ['OPT of a name', 'MALFORMED', raw(0, 0, 1, `c00c ${OPT.slice(2)}`)],
  ['an option that leads out', 'MALFORMED', raw(0, 0, 1, '00 0029 04d0 00000000 0003 000a00')],
  ['BADVERS', 'RCODE', raw(0, 0, 1, '00 0029 04d0 01000000 0000')],
  ['a record of another class', 'MALFORMED', raw(1, 0, 0, 'c00c 0001 0003 0000003c 0004 c0000201')],
  [
    'an SOA record that is too long',
    'MALFORMED',
    raw(0, 1, 0, `c00c 0006 0001 0000003c 0017 00 00 ${'00'.repeat(21)}`),
  ],
  [
    'a pointer in a name that has none (RFC 3597 4)',
    'MALFORMED',
    raw(1, 0, 0, 'c00c 0027 0001 0000003c 0002 c010'),
  ],
  ['a transaction signature', 'SIGNED', raw(1, 0, 1, `c00c ${A}`, '00 00fa 00ff 00000000 0000')],
  ['a header alone', 'WRONG_QUESTION', raw(0, 0, 0).subarray(0, 12)],
  ['less than a header', 'MALFORMED', raw(0, 0, 0).subarray(0, 11)],
  ['octets behind the last record', 'STORED', raw(1, 0, 0, `c00c ${A}`, 'ffff')],
  ['a TTL of 2^31 and more', 'STORED', raw(1, 0, 0, 'c00c 0001 0001 ffffffff 0004 c0000201')],
];

for (const [what, result, message] of VECTORS) {
  test(`cache: upstream: ${what}: ${result}`, (t) => {
    const cache = openCache();
    t.is(cache.put(message), result);
    const hit = cache.get();
    t.is(hit !== undefined, result === 'STORED');
    if (hit) t.is(hit.reply.length, BODY_OFF + 16);
  });
}

test('cache: a query, two questions and half a question are no replies', (t) => {
  const cache = openCache();
  const message = raw(1, 0, 0, `c00c ${A}`);
  const asQuery = message.slice();
  asQuery[2] = 0x01;
  t.is(cache.put(asQuery), 'MALFORMED');
  const twice = message.slice();
  twice[5] = 2;
  t.is(cache.put(twice), 'WRONG_QUESTION');
  for (let n = 12; n < BODY_OFF; n++) t.is(cache.put(message.subarray(0, n)), 'WRONG_QUESTION');
  for (let n = BODY_OFF; n < message.length; n++)
    t.is(cache.put(message.subarray(0, n)), 'MALFORMED');
});

test('cache: what no pointer reaches is not kept', (t) => {
  const cache = openCache();
  const records = (n: number) => Array.from({ length: n }, () => a(NAME, '192.0.2.1'));
  t.is(cache.put(reply({ answers: records(500) })), 'STORED');
  t.is(cache.get()?.answers?.length, 500);
  t.is(cache.put(reply({ answers: records(600) })), 'TOO_LONG');
});

test('cache: a malformed query finds and keeps nothing', (t) => {
  const { caches, id, put } = openCache();
  put(reply({ answers: [a(NAME, '192.0.2.1')] }));
  const asked = query(NAME, { type: TYPE.A });
  for (let n = 0; n < asked.length; n++) {
    const part = asked.subarray(0, n);
    t.is(caches.get(id, part), undefined);
    const { result } = caches.keep(id, part, reply({ answers: [a(NAME, '192.0.2.1')] }));
    t.is(result, CachePut.QUERY_MALFORMED);
  }
});
