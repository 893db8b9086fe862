import test from 'ava';
import type { ExecutionContext } from 'ava';
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { readName } from '../../../src/dns/wire/read-name.js';
import { rcodeOf, walkMessage, wantsDnssec } from '../../../src/dns/wire/message.js';
import type { Malformed, Message } from '../../../src/dns/wire/message.js';
import { formatName } from '../../../src/dns/wire/name.js';
import { emptyReply } from '../../../src/dns/wire/empty-reply.js';
import { rebuild } from '../../../src/dns/wire/rebuild.js';
import { hex } from './hex.js';

/** Question `a. A IN` at 12 to 18; the first record stands at 19. */
const Q = '0161 00 0001 0001';
/** A header: a reply with one question and these counts. */
const reply = (an: string, ns = '0000', ar = '0000') => `1234 8180 0001 ${an} ${ns} ${ar} ${Q}`;
const isSound = (walked: Message | Malformed): walked is Message => !('malformed' in walked);

function sound(t: ExecutionContext, bytes: Uint8Array): Message {
  const walked = walkMessage(bytes);
  if (isSound(walked)) return walked;
  return t.fail(walked.malformed);
}

const ANSWER = dnsPacket.encode({
  type: 'response',
  id: 7,
  flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE,
  questions: [{ name: 'www.example.org', type: 'A', class: 'IN' }],
  answers: [
    { name: 'www.example.org', type: 'CNAME', class: 'IN', ttl: 60, data: 'web.example.org' },
    { name: 'web.example.org', type: 'A', class: 'IN', ttl: 30, data: '192.0.2.7' },
  ],
  authorities: [{ name: 'example.org', type: 'NS', ttl: 9, data: 'ns.example.org' }],
  additionals: [
    { name: 'ns.example.org', type: 'AAAA', ttl: 9, data: '2001:db8::1' },
    {
      name: '_x._tcp.example.org',
      type: 'SRV',
      ttl: 9,
      data: { port: 1, target: 'ns.example.org' },
    },
    { name: 'example.org', type: 'TXT', ttl: 9, data: ['a', 'bc'] },
    {
      name: '.',
      type: 'OPT',
      udpPayloadSize: 4096,
      extendedRcode: 1,
      ednsVersion: 0,
      flags: 0x8000,
      flag_do: true,
      options: [{ code: 8, ip: '192.0.2.0' }],
    },
  ],
});

test('walk: finds what dns-packet encoded', (t) => {
  const message = sound(t, ANSWER);
  t.is(message.id, 7);
  t.is(message.end, ANSWER.length);
  t.is(message.questions.length, 1);
  t.deepEqual(
    message.records.map((r) => [
      r.section,
      formatName(readName(ANSWER, r.nameOff) ?? hex('00')),
      r.type,
    ]),
    [
      ['answer', 'www.example.org.', 5],
      ['answer', 'web.example.org.', 1],
      ['authority', 'example.org.', 2],
      ['additional', 'ns.example.org.', 28],
      ['additional', '_x._tcp.example.org.', 33],
      ['additional', 'example.org.', 16],
      ['additional', '.', 41],
    ],
  );
  t.is(rcodeOf(message), 16);
  t.true(wantsDnssec(message));
});

test('walk: every message cut short is malformed, and nothing is read behind its end', (t) => {
  for (let length = 0; length < ANSWER.length; length++) {
    t.true('malformed' in walkMessage(ANSWER.subarray(0, length)), `${length} octets`);
  }
});

test('walk: octets behind the last record are told by `end`, and no mistake', (t) => {
  const message = sound(t, Uint8Array.from([...ANSWER, 0xff]));
  t.is(message.end, ANSWER.length);
});

/** Messages that break one rule each, with the twin that keeps it. */
const CASES: readonly (readonly [title: string, bad: string, good?: string])[] = [
  ['header of 11 octets', '1234 8180 0000 0000 0000 00', '1234 8180 0000 0000 0000 0000'],
  [
    'question without a class',
    '1234 8180 0001 0000 0000 0000 0161 00 0001 00',
    `1234 8180 0001 0000 0000 0000 ${Q}`,
  ],
  ['pointer in the first name', '1234 8180 0001 0000 0000 0000 c00c 0001 0001'],
  [
    'pointer into the header',
    `${reply('0001')} c004 0001 0001 00000005 0004 01020304`,
    `${reply('0001')} c00c 0001 0001 00000005 0004 01020304`,
  ],
  ['owner pointer forward', `${reply('0001')} c01f 0001 0001 00000005 0004 01610000`],
  ['owner pointer to itself', `${reply('0001')} c013 0001 0001 00000005 0004 01020304`],
  ['owner pointer past the end', `${reply('0001')} ffff 0001 0001 00000005 0004 01020304`],
  [
    'label then a pointer to its own start',
    `${reply('0001')} 0162 c013 0001 0001 00000005 0004 01020304`,
    `${reply('0001')} 0162 c00c 0001 0001 00000005 0004 01020304`,
  ],
  [
    'CNAME target pointer to itself',
    `${reply('0001')} c00c 0005 0001 00000005 0002 c01f`,
    `${reply('0001')} c00c 0005 0001 00000005 0002 c00c`,
  ],
  [
    'CNAME target two pointers in a circle',
    `${reply('0001')} c00c 0005 0001 00000005 0004 c021 c01f`,
  ],
  ['label type 01', `${reply('0001')} 4162 00 0001 0001 00000005 0004 01020304`],
  ['label type 10', `${reply('0001')} 8062 00 0001 0001 00000005 0004 01020304`],
  ['record header cut', `${reply('0001')} c00c 0001 0001 0000`],
  ['RDLEN past the end', `${reply('0001')} c00c 0001 0001 00000005 0005 01020304`],
  ['ancount 65535 with one record', `${reply('ffff')} c00c 0001 0001 00000005 0004 01020304`],
  ['A with 3 octets', `${reply('0001')} c00c 0001 0001 00000005 0003 010203`],
  [
    'A with 5 octets',
    `${reply('0001')} c00c 0001 0001 00000005 0005 0102030405`,
    `${reply('0001')} c00c 0001 0003 00000005 0005 0102030405`,
  ],
  ['AAAA with 4 octets', `${reply('0001')} c00c 001c 0001 00000005 0004 01020304`],
  ['CNAME with an octet behind its name', `${reply('0001')} c00c 0005 0001 00000005 0003 c00c 00`],
  [
    'CNAME whose name ends behind its data',
    `${reply('0001')} c00c 0005 0001 00000005 0001 01 6100`,
    `${reply('0001')} c00c 0005 0001 00000005 0003 01 6100`,
  ],
  ['CNAME without data', `${reply('0001')} c00c 0005 0001 00000005 0000`],
  [
    'SOA with 19 octets of numbers',
    `${reply('0000', '0001')} c00c 0006 0001 00000005 0017 c00c c00c 00x19`,
    `${reply('0000', '0001')} c00c 0006 0001 00000005 0018 c00c c00c 00x20`,
  ],
  [
    'compressed DNAME, which RFC 6672 forbids',
    `${reply('0001')} c00c 0027 0001 00000005 0002 c00c`,
    `${reply('0001')} c00c 0021 0001 00000005 0008 000000000000 c00c`,
  ],
  [
    'two OPT',
    `${reply('0000', '0000', '0002')} 00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000`,
    `${reply('0000', '0000', '0001')} 00 0029 04d0 00000000 0000`,
  ],
  ['OPT owner not the root', `${reply('0000', '0000', '0001')} 0178 00 0029 04d0 00000000 0000`],
  ['OPT in Answer', `${reply('0001')} 00 0029 04d0 00000000 0000`],
  ['OPT option header cut', `${reply('0000', '0000', '0001')} 00 0029 04d0 00000000 0003 000a00`],
  [
    'OPT option too long',
    `${reply('0000', '0000', '0001')} 00 0029 04d0 00000000 0006 000a0010 4142`,
    `${reply('0000', '0000', '0001')} 00 0029 04d0 00000000 0006 000a0002 4142`,
  ],
];

for (const [title, bad, good] of CASES) {
  test(`walk: ${title} is malformed`, (t) => {
    t.true('malformed' in walkMessage(hex(bad)));
    if (good !== undefined) t.true(isSound(walkMessage(hex(good))), 'its twin is sound');
  });
}

test('walk: 127 labels and 255 octets are allowed, one more is not [dns 110]', (t) => {
  const header = '1234 0100 0001 0000 0000 0000';
  const tail = '0001 0001';
  const labels = (count: number) => '0161'.repeat(count);
  t.true(isSound(walkMessage(hex(`${header} ${labels(127)} 00 ${tail}`))));
  t.true('malformed' in walkMessage(hex(`${header} ${labels(128)} 00 ${tail}`)));
});

test('walk: length counts through pointers [dns 110]', (t) => {
  const question = '0161'.repeat(100);
  // 100 labels in the question, 27 before a pointer to it are 127, 28 are too many.
  const owned = (count: number) =>
    hex(
      `1234 8180 0001 0001 0000 0000 ${question} 00 0001 0001 ${'0161'.repeat(count)} c00c 0001 0001 00000005 0004 01020304`,
    );
  t.true(isSound(walkMessage(owned(27))));
  t.true('malformed' in walkMessage(owned(28)));
});

test('walk: a chain of 8192 pointers is refused without a deep stack [dns 110]', (t) => {
  const chained = (count: number) => {
    const hops = Array.from({ length: count }, (_, i) =>
      (0xc000 | (i === 0 ? 12 : 31 + 2 * (i - 1))).toString(16),
    );
    // The pointers lie in the data of a TXT record; a CNAME starts at the last of them.
    const data = hops.join('');
    const rdlen = (count * 2).toString(16).padStart(4, '0');
    const last = (0xc000 | (31 + 2 * (count - 1))).toString(16);
    return hex(
      `${reply('0002')} c00c 0010 0001 00000005 ${rdlen} ${data} c00c 0005 0001 00000005 0002 ${last}`,
    );
  };
  t.true(isSound(walkMessage(chained(100))));
  t.true('malformed' in walkMessage(chained(8000)));
});

test('walk: a pointer to the root octet of a name is the root, without another dot [dns 110]', (t) => {
  const bytes = hex(`${reply('0001')} c00c 0002 0001 00000005 0002 c00e`);
  const [record] = sound(t, bytes).records;
  t.deepEqual(readName(bytes, record?.rdataOff ?? 0), hex('00'));
});

test('walk: replies of real servers are sound', (t) => {
  const lines = readFileSync(new URL('replies.hex', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  t.true(lines.length > 5);
  for (const line of lines) t.true(isSound(walkMessage(hex(line))), line);
});

test('walk: never throws, whatever the octets', (t) => {
  const flipped = fc.tuple(fc.nat(ANSWER.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(flipped, { minLength: 1, maxLength: 8 }), (flips) => {
      const bytes = Uint8Array.from(ANSWER);
      for (const [at, octet] of flips) bytes[at] = octet;
      const walked = walkMessage(bytes);
      if (!isSound(walked)) return;
      for (const { nameOff, end } of walked.records) {
        t.true(end <= bytes.length);
        t.not(readName(bytes, nameOff), undefined);
      }
      t.notThrows(() => rebuild(walked, { keep: () => true }));
    }),
    { numRuns: 2000 },
  );
});

/** What dns-packet reads in a message, without what compression changes. */
function meaning(bytes: Uint8Array) {
  const decoded = dnsPacket.decode(Buffer.from(bytes));
  const { id, flags, questions, answers, authorities, additionals } = decoded;
  return { id, flags, questions, answers, authorities, additionals };
}

test('rebuild: all records kept are the same message to dns-packet, and shorter', (t) => {
  const again = rebuild(sound(t, ANSWER), { keep: () => true });
  t.deepEqual(meaning(again ?? hex('')), meaning(ANSWER));
  t.true((again?.length ?? Infinity) < ANSWER.length);
});

test('rebuild: a record goes although others point into it', (t) => {
  // b.c. A, and an MX for a. whose exchange points into the owner before it.
  const bytes = hex(
    `${reply('0002')} 0162 0163 00 0001 0001 00000005 0004 01020304 c00c 000f 0001 00000005 0006 000a 0164 c015`,
  );
  const message = sound(t, bytes);
  const without = rebuild(message, { keep: ({ type }) => type !== 1 });
  t.deepEqual(dnsPacket.decode(Buffer.from(without ?? hex(''))).answers, [
    {
      name: 'a',
      type: 'MX',
      ttl: 5,
      class: 'IN',
      flush: false,
      data: { preference: 10, exchange: 'd.c' },
    },
  ]);
});

test('rebuild: the options of OPT can be left out, its flags stay', (t) => {
  const bare = rebuild(sound(t, ANSWER), { keep: () => true, hasBareOpt: true });
  const opt = dnsPacket
    .decode(Buffer.from(bare ?? hex('')))
    .additionals?.find((r) => r.type === 'OPT');
  t.like(opt, { options: [], flag_do: true, extendedRcode: 1, udpPayloadSize: 4096 });
});

test('empty reply: question octet by octet, one OPT for one OPT, extended rcode', (t) => {
  const query = dnsPacket.encode({
    type: 'query',
    id: 99,
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.CHECKING_DISABLED,
    questions: [{ name: 'WwW.example.org', type: 'A' }],
    additionals: [
      {
        name: '.',
        type: 'OPT',
        udpPayloadSize: 512,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0x8000,
        flag_do: true,
        options: [],
      },
    ],
  });
  const bytes = emptyReply(sound(t, query), 16);
  const decoded = dnsPacket.decode(Buffer.from(bytes));
  t.like(decoded, {
    id: 99,
    type: 'response',
    rcode: 'NOERROR',
    flag_rd: true,
    flag_cd: true,
    flag_tc: false,
  });
  t.is(decoded.questions?.[0]?.name, 'WwW.example.org');
  t.like(decoded.additionals?.[0], {
    udpPayloadSize: 1232,
    extendedRcode: 1,
    flag_do: true,
    options: [],
  });
  t.is(decoded.additionals?.length, 1);
});
