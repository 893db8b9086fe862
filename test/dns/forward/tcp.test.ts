import test from 'ava';
import fc from 'fast-check';
import { setTimeout as delay } from 'node:timers/promises';
import { createDeframer, frame } from '../../../src/dns/forward/frames.js';
import { addressReply, startDouble } from './double.js';
import type { Behave } from './double.js';
import { addresses, ask, forwardTo, query } from './rig.js';

const name = (i: number) => query(`n${i}.example.org`);

test('frames: any split of a stream gives the same messages', (t) => {
  const messages = fc.array(fc.uint8Array({ minLength: 12, maxLength: 700 }), { maxLength: 5 });
  fc.assert(
    fc.property(
      messages,
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      (sent, cuts) => {
        const stream = Buffer.concat(sent.map((message) => frame(message)));
        const got: Uint8Array[] = [];
        const push = createDeframer((message) => got.push(message));
        for (let at = 0, i = 0; at < stream.length; i++) {
          const step = cuts[i % cuts.length] ?? 1;
          t.true(push(stream.subarray(at, at + step)));
          at += step;
        }
        t.deepEqual(got, sent);
      },
    ),
  );
});

test('frames: a length below a header ends the stream, the largest length does not', (t) => {
  const got: number[] = [];
  const deframe = () => createDeframer((message) => got.push(message.length));
  t.false(deframe()(Uint8Array.of(0, 11)));
  t.false(deframe()(Uint8Array.of(0, 0)));
  const push = deframe();
  t.true(push(Uint8Array.of(0xff)));
  t.true(push(Uint8Array.of(0xff)));
  t.true(push(new Uint8Array(0xffff)));
  t.deepEqual(got, [0xffff]);
});

test('tcp: one connection serves query after query', async (t) => {
  const upstream = await startDouble(t);
  const uses: boolean[] = [];
  const forward = forwardTo(t, [upstream], {
    hooks: { onConnection: ({ isReused }) => uses.push(isReused) },
  });
  for (let i = 0; i < 5; i++) await ask(forward, name(i), 'tcp');
  t.is(upstream.connections(), 1);
  t.deepEqual(uses, [false, true, true, true, true]);
});

test('tcp: queries are pipelined, replies in any order find their query (RFC 7766 7) [dns 108]', async (t) => {
  const held: (() => void)[] = [];
  const upstream = await startDouble(t, (asked, send) => {
    const i = Number(/^n(\d+)/.exec(asked.asked)?.[1]);
    held.push(() => send(addressReply(asked, `192.0.2.${i}`)));
    if (held.length === 10) for (const release of held.reverse()) release();
  });
  const forward = forwardTo(t, [upstream]);
  const results = await Promise.all(
    Array.from({ length: 10 }, (_, i) => ask(forward, name(i), 'tcp')),
  );
  t.deepEqual(
    results.map((result) => addresses(t, result)),
    Array.from({ length: 10 }, (_, i) => [`192.0.2.${i}`]),
  );
  t.is(upstream.connections(), 1);
  t.is(
    new Set(upstream.seen.map(({ packet }) => packet.id)).size,
    10,
    'no id twice on a connection',
  );
});

test('tcp: under load more connections are opened, no more than are allowed', async (t) => {
  const upstream = await startDouble(
    t,
    (asked, send) => void delay(300).then(() => send(addressReply(asked))),
  );
  const forward = forwardTo(t, [upstream]);
  const results = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => ask(forward, name(i), 'tcp')),
  );
  t.true(results.every((result) => 'reply' in result));
  t.true(upstream.connections() > 1 && upstream.connections() <= 32, `${upstream.connections()}`);
});

test('tcp: idle connections end after `expire`, old ones after `max_age`', async (t) => {
  const upstream = await startDouble(t);
  const forward = forwardTo(t, [upstream], { expireMs: 60 });
  await ask(forward, name(1), 'tcp');
  t.is(forward.stats().upstreams[0]?.connections, 1);
  await delay(400);
  t.is(forward.stats().upstreams[0]?.connections, 0);
  await ask(forward, name(2), 'tcp');
  t.is(upstream.connections(), 2);

  const aged = forwardTo(t, [upstream], { maxAgeMs: 100 });
  await ask(aged, name(3), 'tcp');
  await delay(120);
  await ask(aged, name(4), 'tcp');
  t.is(upstream.connections(), 4);
});

test('tcp: no more idle connections are kept than `max_idle_conns`', async (t) => {
  const upstream = await startDouble(
    t,
    (asked, send) => void delay(100).then(() => send(addressReply(asked))),
  );
  const forward = forwardTo(t, [upstream], { maxIdleConns: 1 });
  await Promise.all(Array.from({ length: 64 }, (_, i) => ask(forward, name(i), 'tcp')));
  t.true(upstream.connections() > 1);
  await delay(50);
  t.is(forward.stats().upstreams[0]?.connections, 1);
});

test('tcp: a kept connection that the upstream has closed is replaced, and nobody notices', async (t) => {
  const once: Behave = (asked, send, drop) => {
    send(addressReply(asked));
    // As servers do that serve one query a connection, but only after the next one is written.
    if (upstream.seen.length % 2 === 0) drop();
  };
  const upstream = await startDouble(t, once);
  const failures: string[] = [];
  const forward = forwardTo(t, [upstream], {
    hooks: { onAttemptFailure: ({ failure }) => failures.push(failure) },
  });
  await ask(forward, name(1), 'tcp');
  upstream.behave = (asked, send, drop) => {
    if (asked.connection === 1) drop();
    else send(addressReply(asked));
  };
  t.deepEqual(addresses(t, await ask(forward, name(2), 'tcp')), ['192.0.2.1']);
  t.is(upstream.connections(), 2);
  t.deepEqual(failures, []);
});

test('tcp: an upstream that closes every connection unanswered fails, and not for ever', async (t) => {
  const upstream = await startDouble(t, (_asked, _send, drop) => drop());
  const result = await ask(forwardTo(t, [upstream], { maxFails: 0 }), name(1), 'tcp');
  t.like(result, { failure: 'closed', rcode: 2 });
  t.is(upstream.connections(), 2, 'two attempts');
});

test('tcp: a connection with a reply overdue takes no new query', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    if (asked.asked.startsWith('n1.')) return;
    send(addressReply(asked));
  });
  const forward = forwardTo(t, [upstream], {
    times: { readMs: 1_000 },
    maxConnectAttempts: 1,
    maxFails: 0,
  });
  t.like(await ask(forward, name(1), 'tcp'), { failure: 'timeout' });
  t.deepEqual(addresses(t, await ask(forward, name(2), 'tcp')), ['192.0.2.1']);
  t.is(upstream.connections(), 2);
});

test('tcp: bytes that are no messages end the connection', async (t) => {
  const upstream = await startDouble(t, (_asked, send) => send(Buffer.from('HTTP')));
  const forward = forwardTo(t, [upstream], { maxFails: 0 });
  t.like(await ask(forward, name(1), 'tcp'), { failure: 'malformed' });
  t.is(forward.stats().upstreams[0]?.connections, 0);
});
