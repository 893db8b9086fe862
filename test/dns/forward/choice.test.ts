/** Which upstream is asked, when the next one is, and when nobody is any more. */
import test from 'ava';
import { replyTo, startDouble, withRcode } from './double.js';
import type { Behave } from './double.js';
import { OPT, addresses, ask, decoded, forwardTo, query } from './rig.js';

const SERVFAIL = 2;
const NXDOMAIN = 3;
const REFUSED = 5;

const silent: Behave = () => undefined;

test('forward: policy sequential asks the first, round_robin rotates, random draws [dns 86]', async (t) => {
  const upstreams = [await startDouble(t), await startDouble(t), await startDouble(t)];
  const counts = async (policy: 'sequential' | 'round_robin' | 'random', rounds: number) => {
    const forward = forwardTo(t, upstreams, { policy });
    const order: string[] = [];
    for (let i = 0; i < rounds; i++) {
      const result = await ask(forward);
      order.push('upstream' in result ? (result.upstream ?? '') : '');
    }
    return order.map((name) => upstreams.findIndex(({ port }) => name.endsWith(`:${port}`)));
  };
  t.deepEqual(await counts('sequential', 4), [0, 0, 0, 0]);
  t.deepEqual(await counts('round_robin', 5), [0, 1, 2, 0, 1]);
  // That one of three is missed in 60 draws happens once in 10^10 runs.
  t.deepEqual([...new Set(await counts('random', 60))].sort(), [0, 1, 2]);
});

test.serial('forward: a refused port fails over at once', async (t) => {
  const gone = await startDouble(t);
  await gone.close();
  const upstream = await startDouble(t);
  for (const transport of ['udp', 'tcp'] as const) {
    const failures: string[] = [];
    const hooks = {
      onAttemptFailure: ({ failure }: { failure: string }) => failures.push(failure),
    };
    const started = performance.now();
    const result = await ask(forwardTo(t, [gone, upstream], { hooks }), query(), transport);
    t.deepEqual(addresses(t, result), ['192.0.2.1']);
    t.true(performance.now() - started < 1000, 'far below the time a reply is waited for');
    t.deepEqual(failures, ['refused']);
  }
});

test.serial(
  'forward: a silent upstream is given up after the read time, then the next is asked',
  async (t) => {
    const upstreams = [await startDouble(t, silent), await startDouble(t)];
    const forward = forwardTo(t, upstreams, { times: { readMs: 1_000 } });
    const started = performance.now();
    t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.1']);
    t.true(performance.now() - started >= 995);
  },
);

for (const transport of ['udp', 'tcp'] as const) {
  test.serial(
    `forward: SERVFAIL in bounded time when nobody replies over ${transport}`,
    async (t) => {
      const upstream = await startDouble(t, silent);
      const forward = forwardTo(t, [upstream], {
        times: { readMs: 300, deadlineMs: 700 },
        maxConnectAttempts: 0,
      });
      const started = performance.now();
      const result = await ask(forward, query(), transport);
      const ms = performance.now() - started;
      t.like(result, { failure: 'timeout', rcode: SERVFAIL });
      t.true(ms >= 690 && ms < 3000, `${ms} ms`);
    },
  );
}

test('forward: at most twice as many attempts as upstreams; other bounds can be given [dns 89]', async (t) => {
  const upstreams = [await startDouble(t), await startDouble(t), await startDouble(t)];
  for (const upstream of upstreams) await upstream.close();
  for (const [maxConnectAttempts, count] of [
    [undefined, 6],
    [1, 1],
    [4, 4],
  ] as const) {
    let attempts = 0;
    const hooks = { onAttemptFailure: () => attempts++ };
    const limit = maxConnectAttempts === undefined ? {} : { maxConnectAttempts };
    const result = await ask(forwardTo(t, upstreams, { hooks, maxFails: 0, ...limit }));
    t.like(result, { failure: 'refused', rcode: SERVFAIL });
    t.is(attempts, count);
  }
});

test.serial(
  'forward: without a bound of attempts refusals are not asked for in a busy loop',
  async (t) => {
    const upstream = await startDouble(t);
    await upstream.close();
    let attempts = 0;
    const forward = forwardTo(t, [upstream], {
      hooks: { onAttemptFailure: () => attempts++ },
      maxConnectAttempts: 0,
      maxFails: 0,
      times: { deadlineMs: 1000 },
    });
    t.like(await ask(forward), { failure: 'refused', rcode: SERVFAIL });
    // 20, 40, 80 ... 500 ms between rounds.
    t.true(attempts >= 3 && attempts <= 8, `${attempts} attempts`);
  },
);

test('forward: failover on an rcode asks the next; when all say so, the last reply counts [dns 91]', async (t) => {
  const failing: Behave = (asked, send) => send(withRcode(replyTo(asked), SERVFAIL));
  const upstreams = [await startDouble(t, failing), await startDouble(t)];
  const forward = forwardTo(t, upstreams, { failover: [SERVFAIL, REFUSED] });
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.1']);
  for (const upstream of upstreams) upstream.behave = failing;
  const result = await ask(forward);
  t.like(result, { rcode: SERVFAIL, upstream: `127.0.0.1:${upstreams[1]?.port ?? 0}` });
  t.is(decoded(t, result).questions?.[0]?.name, 'example.org');
  t.deepEqual(
    upstreams.map(({ seen }) => seen.length),
    [2, 2],
  );
});

test('forward: without failover any rcode is an answer, also an extended one', async (t) => {
  const opt = { ...OPT, extendedRcode: 1 };
  const upstreams = [
    await startDouble(t, (asked, send) => send(withRcode(replyTo(asked), NXDOMAIN))),
    await startDouble(t),
  ];
  t.like(await ask(forwardTo(t, upstreams)), { rcode: NXDOMAIN });
  const extended = await startDouble(t, (asked, send) =>
    send(replyTo(asked, [], { additionals: [opt] })),
  );
  const result = await ask(forwardTo(t, [extended]), query('example.org', { additionals: [OPT] }));
  t.is(result.rcode, 16);
});
