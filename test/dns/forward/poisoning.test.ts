import test from 'ava';
import dnsPacket from 'dns-packet';
import type { PacketOpt } from 'dns-packet';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CASE_MISMATCH_MAX,
  CASE_SPARED_MS,
  createCaseTrust,
} from '../../../src/dns/forward/case.js';
import { addressReply, replyTo, startDouble } from './double.js';
import type { Behave, Query } from './double.js';
import { OPT, addresses, ask, decoded, forwardTo, query } from './rig.js';

const answersOf = (asked: Query, lines: readonly (readonly [string, 'A' | 'CNAME', string])[]) =>
  replyTo(
    asked,
    lines.map(([name, type, data]) => ({ name, type, class: 'IN', ttl: 30, data })),
  );

/** What is sent for a question and how much of it arrives. */
const CHAINS: readonly (readonly [
  string,
  readonly (readonly [string, 'A' | 'CNAME', string])[],
  readonly string[],
])[] = [
  [
    'a stranger beside the answer',
    [
      ['example.org', 'A', '192.0.2.1'],
      ['bank.test', 'A', '203.0.113.66'],
    ],
    ['192.0.2.1'],
  ],
  [
    'a name below the one asked for',
    [
      ['example.org', 'A', '192.0.2.1'],
      ['www.example.org', 'A', '203.0.113.66'],
    ],
    ['192.0.2.1'],
  ],
  [
    'a chain',
    [
      ['example.org', 'CNAME', 'b.test'],
      ['b.test', 'CNAME', 'c.test'],
      ['c.test', 'A', '192.0.2.3'],
    ],
    ['b.test', 'c.test', '192.0.2.3'],
  ],
  [
    'a chain in reverse order',
    [
      ['c.test', 'A', '192.0.2.3'],
      ['b.test', 'CNAME', 'c.test'],
      ['example.org', 'CNAME', 'b.test'],
    ],
    ['192.0.2.3', 'c.test', 'b.test'],
  ],
  [
    'a chain with a stranger',
    [
      ['example.org', 'CNAME', 'b.test'],
      ['bank.test', 'A', '203.0.113.66'],
      ['b.test', 'A', '192.0.2.3'],
    ],
    ['b.test', '192.0.2.3'],
  ],
  [
    'a CNAME of a stranger',
    [
      ['example.org', 'A', '192.0.2.1'],
      ['bank.test', 'CNAME', 'evil.test'],
    ],
    ['192.0.2.1'],
  ],
  [
    'two CNAMEs at one name',
    [
      ['example.org', 'CNAME', 'b.test'],
      ['example.org', 'CNAME', 'c.test'],
      ['b.test', 'A', '192.0.2.2'],
      ['c.test', 'A', '192.0.2.3'],
    ],
    ['b.test', '192.0.2.2'],
  ],
  ['nothing but strangers', [['bank.test', 'A', '203.0.113.66']], []],
];

for (const [what, sent, kept] of CHAINS) {
  test(`bailiwick: of ${what}, what belongs to the question is given on`, async (t) => {
    const upstream = await startDouble(t, (asked, send) => send(answersOf(asked, sent)));
    const reply = decoded(t, await ask(forwardTo(t, [upstream])));
    t.deepEqual(
      reply.answers?.map((answer) => ('data' in answer ? answer.data : undefined)),
      kept,
    );
  });
}

test('bailiwick: a record that goes takes nothing with it: authority, additional and OPT stay', async (t) => {
  const upstream = await startDouble(t, (asked, send) =>
    send(
      replyTo(
        asked,
        [
          { name: 'bank.test', type: 'A', ttl: 9, data: '203.0.113.66' },
          { name: asked.packet.questions?.[0]?.name ?? '', type: 'A', ttl: 9, data: '192.0.2.1' },
        ],
        {
          authorities: [{ name: 'example.org', type: 'NS', ttl: 9, data: 'ns.bank.test' }],
          additionals: [{ name: 'ns.bank.test', type: 'A', ttl: 9, data: '192.0.2.53' }, OPT],
        },
      ),
    ),
  );
  const reply = decoded(
    t,
    await ask(forwardTo(t, [upstream]), query('example.org', { additionals: [OPT] })),
  );
  t.like(reply.answers, [{ name: 'example.org', data: '192.0.2.1' }]);
  t.like(reply.authorities, [{ name: 'example.org', data: 'ns.bank.test' }]);
  t.like(reply.additionals, [{ name: 'ns.bank.test', data: '192.0.2.53' }, { type: 'OPT' }]);
});

for (const [what, links, isEndless] of [
  [
    'a to b to a',
    [
      ['example.org', 'b.test'],
      ['b.test', 'example.org'],
    ],
    true,
  ],
  ['a to itself', [['example.org', 'Example.ORG']], true],
  [
    'ten links',
    Array.from({ length: 10 }, (_, i) => [i === 0 ? 'example.org' : `${i}.test`, `${i + 1}.test`]),
    false,
  ],
  [
    'eleven links',
    Array.from({ length: 11 }, (_, i) => [i === 0 ? 'example.org' : `${i}.test`, `${i + 1}.test`]),
    true,
  ],
] as const) {
  test(`bailiwick: CNAMEs ${what} ${isEndless ? 'are SERVFAIL' : 'are an answer'}`, async (t) => {
    const upstream = await startDouble(t, (asked, send) =>
      send(
        answersOf(
          asked,
          links.map(([from = '', to = '']) => [from, 'CNAME', to] as const),
        ),
      ),
    );
    const result = await ask(forwardTo(t, [upstream]));
    if (isEndless) t.like(result, { failure: 'endless-chain', rcode: 2 });
    else t.is(decoded(t, result).answers?.length, links.length);
    t.is(upstream.seen.length, 1);
  });
}

test('reply: a TTL with its top bit set is 0, others stay', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    const name = asked.packet.questions?.[0]?.name ?? '';
    send(
      replyTo(
        asked,
        [
          { name, type: 'A', ttl: 0x80000001, data: '192.0.2.1' },
          { name, type: 'A', ttl: 0x7fffffff, data: '192.0.2.2' },
        ],
        { additionals: [{ ...OPT, extendedRcode: 0x80 }] },
      ),
    );
  });
  const reply = decoded(
    t,
    await ask(forwardTo(t, [upstream]), query('example.org', { additionals: [OPT] })),
  );
  t.deepEqual(
    reply.answers?.map((answer) => ('ttl' in answer ? answer.ttl : -1)),
    [0, 0x7fffffff],
  );
  t.like(reply.additionals?.[0], { extendedRcode: 0x80 }, 'what stands there in an OPT is no TTL');
});

test('reply: no OPT for a client that sent none, no octets behind the last record', async (t) => {
  const upstream = await startDouble(t, (asked, send) =>
    send(
      Buffer.concat([
        addressReply(asked, '192.0.2.1', { additionals: [OPT] }),
        Buffer.from('junk'),
      ]),
    ),
  );
  const result = await ask(forwardTo(t, [upstream]));
  t.deepEqual(decoded(t, result).additionals, []);
  t.deepEqual(addresses(t, result), ['192.0.2.1']);
  t.false('reply' in result && Buffer.from(result.reply).includes('junk'));
});

test.serial('ports and ids: over a thousand of each, in no order', async (t) => {
  const upstream = await startDouble(t);
  const forward = forwardTo(t, [upstream]);
  for (let i = 0; i < 1200; i += 20) {
    await Promise.all(
      Array.from({ length: 20 }, (_, j) => ask(forward, query(`n${i + j}.example.org`))),
    );
  }
  const ports = upstream.seen.map(({ sourcePort }) => sourcePort);
  const ids = upstream.seen.map(({ packet }) => packet.id ?? 0);
  t.is(ports.length, 1200);
  // Of 1200 draws from 28 232 ports about 25 are repeats; of 65 536 ids about 11.
  t.true(new Set(ports).size >= 1024, `${new Set(ports).size} ports`);
  t.true(new Set(ids).size >= 1150, `${new Set(ids).size} ids`);
  const rises = (values: number[]) =>
    values.filter((v, i) => i > 0 && v > (values[i - 1] ?? 0)).length;
  // Half of the steps go up; standard deviation about 10.
  t.true(Math.abs(rises(ports) - 600) < 90, `${rises(ports)} ports rise`);
  t.true(Math.abs(rises(ids) - 600) < 90, `${rises(ids)} ids rise`);
  const { sourcePort: first } = upstream.seen[0] ?? { sourcePort: 0 };
  t.true(ports.slice(1, 50).some((port) => Math.abs(port - first) > 1000));
});

test('a reply from another address or port is not read', async (t) => {
  const elsewhere = await startDouble(t);
  const upstream = await startDouble(t, (asked, send) => {
    // The very reply, but from the socket of somebody else.
    elsewhere.inject(addressReply(asked, '203.0.113.66'), asked.sourcePort);
    void delay(100).then(() => send(addressReply(asked)));
  });
  t.deepEqual(addresses(t, await ask(forwardTo(t, [upstream]))), ['192.0.2.1']);
});

test('0x20: letters go out in random case, and each query in its own', async (t) => {
  const upstream = await startDouble(t);
  const name = 'abcdefghijklmnopqrstuvwxyz.example.org';
  const forward = forwardTo(t, [upstream]);
  for (let i = 0; i < 8; i++) {
    t.is(decoded(t, await ask(forward, query(name))).questions?.[0]?.name, name);
  }
  const names = upstream.seen.map(({ packet }) => packet.questions?.[0]?.name ?? '');
  t.is(new Set(names).size, 8);
  t.deepEqual([...new Set(names.map((sent) => sent.toLowerCase()))], [name]);
  const plain = forwardTo(t, [upstream], { randomizeCase: false });
  await ask(plain, query('WwW.example.org'));
  t.is(upstream.seen.at(-1)?.packet.questions?.[0]?.name, 'WwW.example.org');
  await ask(forward, query('WwW.example.org'), 'tcp');
  t.is(upstream.seen.at(-1)?.packet.questions?.[0]?.name, 'WwW.example.org', 'TCP needs none');
});

test('0x20: names in the reply get the letters of the client, whether compressed or not', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    const name = asked.packet.questions?.[0]?.name ?? '';
    send(
      replyTo(asked, [{ name, type: 'A', ttl: 5, data: '192.0.2.1' }], {
        authorities: [{ name: name.slice(4), type: 'NS', ttl: 5, data: 'ns.example.net' }],
      }),
    );
  });
  const reply = decoded(t, await ask(forwardTo(t, [upstream]), query('WwW.ExAmple.org')));
  t.is(reply.answers?.[0]?.name, 'WwW.ExAmple.org');
  t.is(reply.authorities?.[0]?.name, 'ExAmple.org');
});

test('0x20: a forged reply in the wrong case is not believed, the question is put again', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    const forged = addressReply(asked, '203.0.113.66');
    const isFirst = upstream.seen.length === 1;
    // Flip one letter of the question: what a forger has to guess.
    if (isFirst) forged.writeUInt8(forged.readUInt8(13) ^ 0x20, 13);
    send(isFirst ? forged : addressReply(asked));
  });
  const mismatches: string[] = [];
  const forward = forwardTo(t, [upstream], {
    hooks: { onCaseMismatch: (name) => mismatches.push(name) },
  });
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.1']);
  t.is(mismatches.length, 1);
  const [first, second] = upstream.seen;
  t.not(first?.packet.id, second?.packet.id);
  t.not(first?.sourcePort, second?.sourcePort);
});

test('0x20: an upstream that changes case is found out, and spared after three replies', async (t) => {
  const lower: Behave = (asked, send) => {
    const reply = addressReply(asked);
    const { length } = asked.packet.questions?.[0]?.name ?? '';
    for (let at = 12; at < 14 + length; at++) {
      const octet = reply.readUInt8(at);
      if (octet >= 0x41 && octet <= 0x5a) reply.writeUInt8(octet | 0x20, at);
    }
    send(reply);
  };
  const upstream = await startDouble(t, lower);
  const forward = forwardTo(t, [upstream]);
  const name = 'abcdefghijklmnopqrstuvwxyz.Example.org';
  for (let i = 0; i < CASE_MISMATCH_MAX; i++) {
    const result = await ask(forward, query(name));
    t.deepEqual(addresses(t, result), ['192.0.2.1'], 'every client gets its answer');
    t.is(decoded(t, result).questions?.[0]?.name, name);
  }
  t.is(upstream.seen.length, 2 * CASE_MISMATCH_MAX);
  t.false(forward.stats().upstreams[0]?.isCaseTrusted);
  await ask(forward, query(name));
  t.is(upstream.seen.length, 2 * CASE_MISMATCH_MAX + 1, 'asked once');
  t.is(upstream.seen.at(-1)?.packet.questions?.[0]?.name, name, 'in the letters of the client');
});

test('0x20: an upstream is spared for ten minutes, then one mistake is enough; a good reply forgives', (t) => {
  const trust = createCaseTrust();
  for (let i = 0; i < CASE_MISMATCH_MAX - 1; i++) trust.changed(0);
  t.true(trust.isTrusted(0));
  trust.kept();
  trust.changed(0);
  t.true(trust.isTrusted(0), 'not in a row');
  for (let i = 0; i < CASE_MISMATCH_MAX; i++) trust.changed(1000);
  t.false(trust.isTrusted(1000 + CASE_SPARED_MS - 1));
  t.true(trust.isTrusted(1000 + CASE_SPARED_MS));
  trust.changed(2 * CASE_SPARED_MS);
  t.false(trust.isTrusted(2 * CASE_SPARED_MS));
});

const slowly: Behave = (asked, send) => void delay(150).then(() => send(addressReply(asked)));

test('coalescing: one question from many clients is one query, each reply has its own id and case', async (t) => {
  const upstream = await startDouble(t, slowly);
  const forward = forwardTo(t, [upstream]);
  const names = ['example.org', 'EXAMPLE.org', 'eXample.ORG', 'example.org'];
  const sent = names.map((name) => query(name));
  const replies = (await Promise.all(sent.map((bytes) => ask(forward, bytes)))).map((r) =>
    decoded(t, r),
  );
  t.is(upstream.seen.length, 1);
  t.deepEqual(
    replies.map(({ id }) => id),
    sent.map((bytes) => bytes.readUInt16BE(0)),
  );
  t.deepEqual(
    replies.map(({ questions }) => questions?.[0]?.name),
    names,
  );
  t.deepEqual(
    replies.map(({ answers }) => answers?.[0]?.name),
    names,
  );
  await ask(forward);
  t.is(upstream.seen.length, 2, 'nothing is kept');
});

test('coalescing: other names, types, classes, wishes and transports are other questions', async (t) => {
  // dns-packet cannot write a label with a dot in it: the query itself with QR set is an empty reply.
  const upstream = await startDouble(t, ({ bytes }, send) => {
    const reply = Buffer.from(bytes);
    reply.writeUInt8(reply.readUInt8(2) | 0x80, 2);
    void delay(150).then(() => send(reply));
  });
  const forward = forwardTo(t, [upstream]);
  const dnssec = { ...OPT, flags: 0x8000, flag_do: true };
  const different = [
    query(),
    query('example.net'),
    // Not the same name: one label with a dot in it.
    Buffer.from(
      query('exampleXorg').toString('latin1').replace('exampleXorg', 'example.org'),
      'latin1',
    ),
    query('', { questions: [{ name: 'example.org', type: 'AAAA' }] }),
    query('', { questions: [{ name: 'example.org', type: 'A', class: 'CH' }] }),
    query('example.org', { flags: dnsPacket.RECURSION_DESIRED | dnsPacket.CHECKING_DISABLED }),
    query('example.org', { flags: 0 }),
    query('example.org', { additionals: [OPT] }),
    query('example.org', { additionals: [dnssec] }),
  ];
  const all = different.map((bytes) => ask(forward, bytes));
  all.push(ask(forward, query(), 'tcp'));
  for (const result of await Promise.all(all)) decoded(t, result);
  t.is(upstream.seen.length, different.length + 1);
});

test('coalescing: EDNS options make no second query, and nobody gets those of another', async (t) => {
  const cookie = (text: string) => ({
    ...OPT,
    options: [{ code: 10, data: Buffer.from(text) } as unknown as PacketOpt],
  });
  const upstream = await startDouble(t, (asked, send) => {
    const { additionals = [] } = asked.packet;
    void delay(150).then(() => send(addressReply(asked, '192.0.2.1', { additionals })));
  });
  const forward = forwardTo(t, [upstream]);
  const [first, second, third] = await Promise.all(
    ['cookie-1', 'cookie-2', 'cookie-1'].map((text) =>
      ask(forward, query('example.org', { additionals: [cookie(text)] })),
    ),
  );
  t.is(upstream.seen.length, 1);
  const options = (result: typeof first) =>
    decoded(t, result ?? { failure: 'internal', rcode: 2 }).additionals?.flatMap((record) =>
      record.type === 'OPT' ? record.options.map(({ code }) => code) : [],
    );
  t.deepEqual(options(first), [10]);
  t.deepEqual(options(second), []);
  t.deepEqual(options(third), [10]);
});
