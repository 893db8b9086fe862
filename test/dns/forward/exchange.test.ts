import test from 'ava';
import dnsPacket from 'dns-packet';
import { setTimeout as delay } from 'node:timers/promises';
import { addressReply, replyTo, startDouble } from './double.js';
import type { Behave } from './double.js';
import { OPT, addresses, ask, decoded, forwardTo, query } from './rig.js';

const NOERROR = 0;
const FORMERR = 1;
const SERVFAIL = 2;
const NOTIMP = 4;
const REFUSED = 5;

const silent: Behave = () => undefined;
const answering =
  (address: string): Behave =>
  (asked, send) =>
    send(addressReply(asked, address));

test('forward: a query goes out and its answer comes back with the id and letters of the client', async (t) => {
  const upstream = await startDouble(t);
  const forward = forwardTo(t, [upstream]);
  const sent = query('WwW.ExAmPlE.oRg');
  const result = await ask(forward, sent);
  const reply = decoded(t, result);
  t.is(reply.id, sent.readUInt16BE(0));
  t.is(reply.questions?.[0]?.name, 'WwW.ExAmPlE.oRg');
  t.is(reply.answers?.[0]?.name, 'WwW.ExAmPlE.oRg');
  t.deepEqual(addresses(t, result), ['192.0.2.1']);
  t.like(result, { rcode: NOERROR, upstream: `127.0.0.1:${upstream.port}` });
});

test('forward: the buffer of a query may be used again at once', async (t) => {
  const upstream = await startDouble(t);
  const sent = query('WwW.example.org');
  const id = sent.readUInt16BE(0);
  const pending = ask(forwardTo(t, [upstream]), sent);
  sent.fill(0xff);
  const reply = decoded(t, await pending);
  t.is(reply.id, id);
  t.is(reply.questions?.[0]?.name, 'WwW.example.org');
});

test('forward: UDP for UDP, TCP for TCP; force_tcp wins', async (t) => {
  const upstream = await startDouble(t);
  const forward = forwardTo(t, [upstream]);
  await ask(forward, query(), 'udp');
  await ask(forward, query(), 'tcp');
  await ask(forwardTo(t, [upstream], { forceTcp: true, preferUdp: true }), query(), 'udp');
  await ask(forwardTo(t, [upstream], { preferUdp: true }), query(), 'tcp');
  t.deepEqual(
    upstream.seen.map(({ transport }) => transport),
    ['udp', 'tcp', 'tcp', 'udp'],
  );
});

test('forward: RD, AD, CD and OPT pass, junk of the header does not', async (t) => {
  const upstream = await startDouble(t);
  const forward = forwardTo(t, [upstream]);
  const { AUTHENTIC_DATA, CHECKING_DISABLED, AUTHORITATIVE_ANSWER, RECURSION_AVAILABLE } =
    dnsPacket;
  const flags =
    AUTHENTIC_DATA | CHECKING_DISABLED | AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | 0x43;
  const opt = { ...OPT, udpPayloadSize: 4000, flags: 0x8000, flag_do: true };
  await ask(forward, query('example.org', { flags, additionals: [opt] }));
  const [seen] = upstream.seen;
  t.is(seen?.bytes.readUInt16BE(2), AUTHENTIC_DATA | CHECKING_DISABLED);
  t.like(seen?.packet.additionals?.[0], { type: 'OPT', udpPayloadSize: 4000, flag_do: true });
  await ask(forward, query());
  t.is(upstream.seen[1]?.bytes.readUInt16BE(2), dnsPacket.RECURSION_DESIRED);
  t.deepEqual(upstream.seen[1]?.packet.additionals, []);
});

test('forward: AD and TC of the reply come through', async (t) => {
  const flags = dnsPacket.AUTHENTIC_DATA | dnsPacket.TRUNCATED_RESPONSE;
  const upstream = await startDouble(t, (asked, send) =>
    send(addressReply(asked, '192.0.2.1', { flags })),
  );
  t.like(decoded(t, await ask(forwardTo(t, [upstream]))), { flag_ad: true, flag_tc: true });
});

test('forward: datagrams with another id, or too short, are passed over [dns 92]', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    const forged = addressReply(asked, '203.0.113.66');
    forged.writeUInt16BE((asked.packet.id ?? 0) ^ 1, 0);
    send(Buffer.from('12', 'hex'));
    send(forged.subarray(0, 11));
    send(forged);
    send(addressReply(asked));
  });
  t.deepEqual(addresses(t, await ask(forwardTo(t, [upstream]))), ['192.0.2.1']);
});

const MISMATCHES: Readonly<Record<string, (reply: Buffer, asked: { name: string }) => Buffer>> = {
  'another name': (reply) => {
    reply.write('exbmple', 13);
    return reply;
  },
  'another type': (reply) => {
    reply.writeUInt16BE(28, 25);
    return reply;
  },
  'another class': (reply) => {
    reply.writeUInt16BE(3, 27);
    return reply;
  },
  'QR=0': (reply) => {
    reply.writeUInt8(reply.readUInt8(2) & 0x7f, 2);
    return reply;
  },
  'opcode NOTIFY': (reply) => {
    reply.writeUInt8(reply.readUInt8(2) | 0x20, 2);
    return reply;
  },
  'no question': (reply) => {
    reply.writeUInt16BE(0, 4);
    return reply.subarray(0, 12);
  },
  'two questions': (reply) => {
    reply.writeUInt16BE(2, 4);
    return Buffer.concat([reply, reply.subarray(12)]);
  },
};

for (const [what, change] of Object.entries(MISMATCHES)) {
  for (const transport of ['udp', 'tcp'] as const) {
    test(`forward: a reply with ${what} over ${transport} is FORMERR to the client [dns 76]`, async (t) => {
      const other = await startDouble(t);
      const upstream = await startDouble(t, (asked, send) =>
        send(change(replyTo(asked), { name: asked.asked })),
      );
      const result = await ask(forwardTo(t, [upstream, other]), query(), transport);
      t.like(result, { failure: 'question-mismatch', rcode: FORMERR });
      t.is(other.seen.length, 0, 'nobody else is asked');
    });
  }
}

test('forward: a query that is none is FORMERR, and nothing is sent [dns 89]', async (t) => {
  const upstream = await startDouble(t);
  const forward = forwardTo(t, [upstream]);
  const good = query();
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(good);
    change(bytes);
    return bytes;
  };
  for (const bad of [
    Buffer.alloc(0),
    good.subarray(0, 11),
    good.subarray(0, good.length - 1),
    changed((b) => b.writeUInt16BE(0, 4)),
    changed((b) => b.writeUInt16BE(2, 4)),
    changed((b) => b.writeUInt16BE(1, 6)),
    changed((b) => b.writeUInt8(0x81, 2)),
    changed((b) => b.writeUInt8(64, 12)),
  ]) {
    t.deepEqual(await ask(forward, bad), { failure: 'bad-query', rcode: FORMERR });
  }
  const notify = changed((b) => b.writeUInt8(0x21, 2));
  t.deepEqual(await ask(forward, notify), { failure: 'bad-query', rcode: NOTIMP });
  t.is(upstream.seen.length, 0);
});

test('forward: max_concurrent 1 with one outstanding refuses the second [dns 90]', async (t) => {
  const upstream = await startDouble(
    t,
    (asked, send) => void delay(200).then(() => send(addressReply(asked))),
  );
  let rejects = 0;
  const forward = forwardTo(t, [upstream], {
    maxConcurrent: 1,
    hooks: { onConcurrencyReject: () => rejects++ },
  });
  const first = ask(forward);
  t.deepEqual(await ask(forward, query('other.example.org')), {
    failure: 'refused-concurrency',
    rcode: REFUSED,
  });
  t.is(rejects, 1);
  t.deepEqual(addresses(t, await first), ['192.0.2.1']);
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.1'], 'room again');
});

test('forward: without max_concurrent the table of pending queries still has an end', async (t) => {
  const upstream = await startDouble(t, silent);
  const forward = forwardTo(t, [upstream], { times: { deadlineMs: 10_000, readMs: 10_000 } });
  // One question: many clients, one socket.
  const pending = Array.from({ length: 4096 }, () => ask(forward));
  t.is(forward.stats().inFlight, 4096);
  t.is(forward.stats().flights, 1);
  t.deepEqual(await ask(forward), { failure: 'overflow', rcode: SERVFAIL });
  await forward.close();
  for (const result of await Promise.all(pending)) t.like(result, { failure: 'stopped' });
});

test('forward: prefer_udp asks again over TCP when the reply is truncated [dns 94]', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    const flags = asked.transport === 'udp' ? dnsPacket.TRUNCATED_RESPONSE : 0;
    send(addressReply(asked, asked.transport === 'udp' ? '192.0.2.66' : '192.0.2.1', { flags }));
  });
  const result = await ask(forwardTo(t, [upstream], { preferUdp: true }), query(), 'tcp');
  t.deepEqual(addresses(t, result), ['192.0.2.1']);
  t.deepEqual(
    upstream.seen.map(({ transport }) => transport),
    ['udp', 'tcp'],
  );
});

test('forward: a reply over UDP that cannot be read is an empty TC=1 reply to the client [dns 93]', async (t) => {
  // Larger than 512 octets without EDNS, and cut in the middle of a record.
  const upstream = await startDouble(t, (asked, send) => {
    const [name = '.'] = [asked.packet.questions?.[0]?.name];
    const many = Array.from(
      { length: 60 },
      (_, i) => ({ name, type: 'A', ttl: 5, data: `192.0.2.${i}` }) as const,
    );
    const whole = replyTo(asked, many);
    send(asked.transport === 'udp' ? whole.subarray(0, 605) : whole);
  });
  const forward = forwardTo(t, [upstream]);
  const sent = query('WwW.example.org', { additionals: [OPT] });
  const reply = decoded(t, await ask(forward, sent));
  t.like(reply, {
    id: sent.readUInt16BE(0),
    flag_tc: true,
    flag_qr: true,
    flag_rd: true,
    answers: [],
  });
  t.is(reply.questions?.[0]?.name, 'WwW.example.org');
  t.is(reply.additionals?.length, 1);
  t.is(addresses(t, await ask(forward, query(), 'tcp')).length, 60, 'TCP has the whole');
  const both = forwardTo(t, [upstream], { preferUdp: true });
  t.is(addresses(t, await ask(both, query(), 'tcp')).length, 60, 'prefer_udp finds out itself');
});

test('forward: a reply over TCP that cannot be read counts as a failed upstream', async (t) => {
  const broken = await startDouble(t, (asked, send) => send(addressReply(asked).subarray(0, 40)));
  const upstream = await startDouble(t);
  t.deepEqual(addresses(t, await ask(forwardTo(t, [broken, upstream]), query(), 'tcp')), [
    '192.0.2.1',
  ]);
  t.like(await ask(forwardTo(t, [broken]), query(), 'tcp'), {
    failure: 'malformed',
    rcode: SERVFAIL,
  });
});

test('forward: a stub domain and a reverse name go to the server they are given to [dns 61]', async (t) => {
  const stub = await startDouble(t, answering('1.1.1.1'));
  const forward = forwardTo(t, [stub]);
  t.deepEqual(addresses(t, await ask(forward, query('abc.acme.local'))), ['1.1.1.1']);
  stub.behave = (asked, send) =>
    send(
      replyTo(asked, [
        { name: '123.2.0.192.in-addr.arpa', type: 'PTR', ttl: 5, data: 'host.acme.local' },
      ]),
    );
  const ptr = query('', { questions: [{ name: '123.2.0.192.in-addr.arpa', type: 'PTR' }] });
  t.like(decoded(t, await ask(forward, ptr)).answers?.[0], {
    type: 'PTR',
    data: 'host.acme.local',
  });
});

test('forward: empty answers, CNAMEs alone and truncation come through as they are [dns 39] [dns 40] [dns 41]', async (t) => {
  const upstream = await startDouble(t, (asked, send) => send(replyTo(asked)));
  const forward = forwardTo(t, [upstream]);
  t.like(decoded(t, await ask(forward, query('ext.interwebs.test'))), { answers: [] });
  upstream.behave = (asked, send) =>
    send(
      replyTo(asked, [
        { name: 'ext.interwebs.test', type: 'CNAME', ttl: 5, data: 'far.interwebs.test' },
      ]),
    );
  const cname = query('', { questions: [{ name: 'ext.interwebs.test', type: 'CNAME' }] });
  t.like(decoded(t, await ask(forward, cname)).answers, [
    { type: 'CNAME', data: 'far.interwebs.test' },
  ]);
  upstream.behave = (asked, send) =>
    send(addressReply(asked, '1.2.3.4', { flags: dnsPacket.TRUNCATED_RESPONSE }));
  t.like(decoded(t, await ask(forward, query('ext.interwebs.test'))), { flag_tc: true });
});

test('forward: closing ends what is under way, and what comes after', async (t) => {
  const upstream = await startDouble(t, silent);
  const forward = forwardTo(t, [upstream]);
  const pending = [
    ask(forward, query('a.example.org')),
    ask(forward, query('b.example.org'), 'tcp'),
  ];
  await forward.close();
  for (const result of await Promise.all(pending))
    t.like(result, { failure: 'stopped', rcode: SERVFAIL });
  t.like(await ask(forward), { failure: 'stopped' });
  t.like(forward.stats(), { inFlight: 0, flights: 0 });
});
