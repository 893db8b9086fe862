/**
 * A running server and its upstreams: who is asked, in which order, and what clients are told when
 * nobody replies.
 */
import { createSocket } from 'node:dgram';
import test from 'ava';
import dnsPacket from 'dns-packet';
import { addressReply, replyTo, startDouble } from '../dns/forward/double.js';
import type { Behave, Double } from '../dns/forward/double.js';
import { ask, askUntil, framed, query, sendTcp, sendUdp } from './client.js';
import { metricOf } from './metric.js';
import { OBJECTS, WEB } from './objects.js';
import { serve } from './served.js';

const ALIASES = `${OBJECTS}---
apiVersion: v1
kind: Service
metadata: { name: outside, namespace: default }
spec: { type: ExternalName, externalName: www.example.org }
---
apiVersion: v1
kind: Service
metadata: { name: alias, namespace: default }
spec: { type: ExternalName, externalName: ${WEB} }
`;
const OUTSIDE = 'outside.default.svc.cluster.local';
const METRICS = 'prometheus 127.0.0.1:0';
/** Probes fail fast, so that an upstream that is gone is known to be. */
const PROBES = 'health_check 50ms\n max_fails 1';

const answering =
  (address: string): Behave =>
  (asked, send) =>
    send(addressReply(asked, address));
const at = ({ port }: Double): string => `127.0.0.1:${port}`;
const forwardTo = (doubles: readonly Double[], ...lines: string[]): string =>
  `.:53 {\n${METRICS}\nforward . ${doubles.map(at).join(' ')} {\n${lines.join('\n')}\n}\n}\n`;
/** Until it is so; for ever if it never is, which is what the test's own timeout is for. */
async function eventuallyTrue(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Names that were asked of an upstream; probes are for NS. */
const namesAsked = ({ seen }: Double): string[] =>
  seen.map(({ asked }) => asked).filter((asked) => asked.endsWith(' A'));

test.serial(
  'externalName: the client gets the CNAME and what it leads to, from whoever has it [dns 8]',
  async (t) => {
    const upstream = await startDouble(t, answering('192.0.2.7'));
    const server = await serve(t, {
      corefile: `.:53 {\nkubernetes cluster.local\nforward . ${at(upstream)}\n}\n`,
      objects: ALIASES,
    });
    await askUntil(server, OUTSIDE, ({ rcode }) => rcode === 'NOERROR');
    const told = await ask(server, OUTSIDE);
    t.deepEqual(told.answers, ['CNAME www.example.org', 'A 192.0.2.7']);
    t.deepEqual([...new Set(namesAsked(upstream))], ['www.example.org A']);
    // Of the cluster itself: nobody outside hears of it.
    const inside = await ask(server, 'alias.default.svc.cluster.local');
    t.deepEqual(inside.answers, ['CNAME web.default.svc.cluster.local', 'A 10.96.0.1']);
    t.deepEqual([...new Set(namesAsked(upstream))], ['www.example.org A']);
    const only = await ask(server, OUTSIDE, 'CNAME');
    t.deepEqual(only.answers, ['CNAME www.example.org']);
  },
);

test.serial('forward: round_robin asks each upstream in turn', async (t) => {
  const doubles = await Promise.all(
    [1, 2, 3].map((n) => startDouble(t, answering(`192.0.2.${n}`))),
  );
  const server = await serve(t, { corefile: forwardTo(doubles, 'policy round_robin') });
  const answers: string[] = [];
  for (let i = 0; i < 9; i++) answers.push(...(await ask(server, `n${i}.example.org`)).answers);
  const turn = ['A 192.0.2.1', 'A 192.0.2.2', 'A 192.0.2.3'];
  t.deepEqual(answers, [...turn, ...turn, ...turn]);
});

test.serial('forward: random asks all upstreams, about as often each', async (t) => {
  const doubles = await Promise.all([1, 2].map((n) => startDouble(t, answering(`192.0.2.${n}`))));
  const server = await serve(t, { corefile: forwardTo(doubles, 'policy random') });
  for (let i = 0; i < 64; i++) await ask(server, `n${i}.example.org`);
  const [first = 0, second = 0] = doubles.map((each) => namesAsked(each).length);
  t.is(first + second, 64);
  // Outside of 10 to 54 once in 10^8 runs (binomial, n = 64, p = 1/2).
  t.true(first >= 10 && second >= 10, `${first} and ${second}`);
});

test.serial(
  'forward: sequential asks the first, and the second when the first has died',
  async (t) => {
    const first = await startDouble(t, answering('192.0.2.1'));
    const second = await startDouble(t, answering('192.0.2.2'));
    const server = await serve(t, {
      corefile: forwardTo([first, second], 'policy sequential', PROBES),
    });
    for (let i = 0; i < 4; i++) {
      t.deepEqual((await ask(server, `n${i}.example.org`)).answers, ['A 192.0.2.1']);
    }
    t.deepEqual(namesAsked(second), []);
    await first.close();
    // Not one query fails meanwhile.
    for (let i = 4; i < 8; i++) {
      t.deepEqual((await ask(server, `n${i}.example.org`)).answers, ['A 192.0.2.2']);
    }
    const failures = `coredns_proxy_healthcheck_failures_total{proxy_name="forward",to="${at(first)}"}`;
    t.true((await metricOf(server, failures, (count) => count >= 2)) >= 2);
    // What is known to be down is not asked before the other.
    t.deepEqual((await ask(server, 'n9.example.org')).answers, ['A 192.0.2.2']);
  },
);

test.serial('forward: all upstreams are gone: SERVFAIL, and counted', async (t) => {
  const upstream = await startDouble(t);
  const lines = ['failfast_all_unhealthy_upstreams', PROBES];
  const server = await serve(t, { corefile: forwardTo([upstream], ...lines) });
  t.is((await ask(server, 'a.example.org')).rcode, 'NOERROR');
  await upstream.close();
  t.is((await ask(server, 'b.example.org')).rcode, 'SERVFAIL');
  const broken = 'coredns_forward_healthcheck_broken_total';
  await metricOf(server, 'coredns_proxy_healthcheck_failures_total', (count) => count >= 3);
  t.is((await ask(server, 'c.example.org')).rcode, 'SERVFAIL');
  t.true((await metricOf(server, broken, (count) => count >= 1)) >= 1);
});

test.serial('forward: more than max_concurrent at a time are refused, and counted', async (t) => {
  const held: (() => void)[] = [];
  const upstream = await startDouble(t, (asked, send) => {
    if (asked.asked.endsWith(' A')) held.push(() => send(addressReply(asked)));
    else send(addressReply(asked));
  });
  const server = await serve(t, { corefile: forwardTo([upstream], 'max_concurrent 2') });
  const asking = ['a', 'b'].map((name) => ask(server, `${name}.example.org`));
  await eventuallyTrue(() => held.length === 2);
  t.is((await ask(server, 'c.example.org')).rcode, 'REFUSED');
  t.is((await ask(server, 'd.example.org')).rcode, 'REFUSED');
  for (const reply of held.splice(0)) reply();
  t.deepEqual(
    (await Promise.all(asking)).map(({ rcode }) => rcode),
    ['NOERROR', 'NOERROR'],
  );
  const rejects = 'coredns_forward_max_concurrent_rejects_total';
  t.is(await metricOf(server, rejects, (count) => count >= 2), 2);
});

test.serial(
  'forward: a truncated reply is given on to a UDP client, who asks again over TCP',
  async (t) => {
    const many = Array.from({ length: 60 }, (_, i) => ({
      ...{ name: 'big.example.org', type: 'A' as const, class: 'IN' as const, ttl: 30 },
      data: `192.0.2.${i}`,
    }));
    const upstream = await startDouble(t, (asked, send) => {
      if (asked.transport === 'tcp') send(replyTo(asked, many));
      else send(replyTo(asked, [], { flags: dnsPacket.TRUNCATED_RESPONSE }));
    });
    const server = await serve(t, { corefile: forwardTo([upstream]) });
    const short = dnsPacket.decode((await sendUdp(query('big.example.org'), server)) as Buffer);
    t.true(short.flag_tc);
    t.deepEqual(short.answers, []);
    const [whole] = await sendTcp(framed(query('big.example.org')), 1, server);
    t.is(dnsPacket.decode(whole as Buffer).answers?.length, 60);
    t.deepEqual(
      upstream.seen.map(({ transport }) => transport),
      ['udp', 'tcp'],
    );
  },
);

test.serial(
  'forward: prefer_udp asks over UDP for a TCP client, and over TCP what was truncated',
  async (t) => {
    const upstream = await startDouble(t, (asked, send) => {
      if (asked.transport === 'tcp') send(addressReply(asked, '192.0.2.6'));
      else send(replyTo(asked, [], { flags: dnsPacket.TRUNCATED_RESPONSE }));
    });
    const server = await serve(t, { corefile: forwardTo([upstream], 'prefer_udp') });
    const [reply] = await sendTcp(framed(query('big.example.org')), 1, server);
    t.is(dnsPacket.decode(reply as Buffer).answers?.length, 1);
    t.deepEqual(
      upstream.seen.map(({ transport }) => transport),
      ['udp', 'tcp'],
    );
  },
);

test.serial(
  'forward: a stub domain has upstreams of its own, by a server block or by a zone',
  async (t) => {
    const [main, corp, lab] = await Promise.all(
      [1, 2, 3].map((n) => startDouble(t, answering(`192.0.2.${n}`))),
    );
    if (!main || !corp || !lab) throw new Error('no doubles');
    const server = await serve(t, {
      corefile: `corp.example:53 {\nforward . ${at(corp)}\n}
.:53 {\nforward lab.example ${at(lab)}\nforward . ${at(main)} {\nexcept secret.example\n}\n}\n`,
    });
    for (const [name, expected] of [
      ['www.corp.example', 'A 192.0.2.2'],
      ['corp.example', 'A 192.0.2.2'],
      ['x.lab.example', 'A 192.0.2.3'],
      ['xlab.example', 'A 192.0.2.1'],
      ['www.example.org', 'A 192.0.2.1'],
    ] as const) {
      t.deepEqual((await ask(server, name)).answers, [expected], name);
    }
    t.is((await ask(server, 'a.secret.example')).rcode, 'SERVFAIL');
    t.deepEqual(namesAsked(main), ['xlab.example A', 'www.example.org A']);
  },
);

test.serial(
  'server: of one client 256 queries wait at a time; more are SERVFAIL at once',
  async (t) => {
    const upstream = await startDouble(t, () => undefined);
    const server = await serve(t, { corefile: forwardTo([upstream], 'max_fails 0') });
    const socket = createSocket('udp4');
    t.teardown(() => socket.close());
    const rcodes: number[] = [];
    socket.on('message', (reply) => rcodes.push((reply[3] ?? 0) & 0xf));
    for (let i = 0; i < 300; i++) {
      socket.send(query(`n${i}.example.org`), server.port, '127.0.0.1');
    }
    const refused = await metricOf(server, 'sluice_dns_refused_pending_total', (n) => n >= 44);
    t.is(refused, 44);
    await eventuallyTrue(() => rcodes.length >= 44);
    t.deepEqual(rcodes.slice(0, 44), Array<number>(44).fill(2));
    // They wait no longer than the forwarder's deadline, and then there is room again.
    upstream.behave = answering('192.0.2.5');
    await eventuallyTrue(() => rcodes.length === 300);
    t.deepEqual((await ask(server, 'after.example.org')).answers, ['A 192.0.2.5']);
  },
);
