import test, { type ExecutionContext } from 'ava';
import { Action, Drop, LaneCounter, TALLY_SIZE, Verdict } from '../../assembly/abi.js';
import { put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  IF,
  NODE4,
  OUTSIDE4,
  OUTSIDE6,
  REMOTE4,
  REMOTE6,
  openEngine,
} from '../support/engine.js';
import { type PacketSpec, hexOf, packet } from '../support/frames.js';
import { type ErrorSpec, icmpError, l3 } from '../support/pieces.js';

const VIP = '10.96.0.10';
const VIP6 = 'fd00:10:96::a';
const ROUTER4 = '203.0.113.1';
const ROUTER6 = '2001:db8:ffff::1';
const PORTS = [
  { name: 't', port: 80, protocol: 'TCP' },
  { name: 'u', port: 80, protocol: 'UDP' },
];
const TARGETS = PORTS.map((port) => ({ ...port, port: 8080 }));

function nodeWith(clusterIP: string, backend: string): Engine {
  const engine = openEngine();
  engine.apply(
    put('Service', service('web', { clusterIP, ports: PORTS })),
    put('EndpointSlice', slice('web-1', 'web', [ready(backend)], TARGETS)),
  );
  return engine;
}

/** What the quoted packets are made of, in both protocols. */
const QUOTES: readonly [string, Partial<PacketSpec> & Pick<PacketSpec, 'proto'>][] = [
  ['a UDP datagram', { proto: 'udp', payload: 'question' }],
  ['a UDP datagram without a checksum', { proto: 'udp', payload: 'question', noChecksum: true }],
  ['a TCP segment', { proto: 'tcp', flags: 'S', payload: '' }],
];

/** Send the error that quotes `before`; it must come out quoting `after`, byte for byte. */
function expectTurned(
  t: ExecutionContext,
  engine: Engine,
  ifindex: number,
  [before, after]: readonly [ErrorSpec, ErrorSpec],
  quoted = Infinity,
): void {
  const cut = (spec: ErrorSpec): ErrorSpec => ({ ...spec, quote: spec.quote.slice(0, quoted) });
  const tallies = talliesOf(engine);
  const sent = engine.send(ifindex, icmpError(cut(before)));
  t.is(sent.verdict, Verdict.TX, `drop ${String(sent.drop)}`);
  t.is(hexOf(l3(sent.frame)), hexOf(l3(icmpError({ ...cut(after), ttl: 63 }))));
  t.is(engine.counter(LaneCounter.ICMP_ERRORS_TRANSLATED), 1);
  t.deepEqual(talliesOf(engine), tallies, 'no timer, no state, no row');
}

function talliesOf(engine: Engine): string[] {
  return engine
    .flows()
    .map(({ tally }) => hexOf(engine.core.view.slice(tally, tally + TALLY_SIZE)));
}

const V6_ONLY = (isIpv4: boolean, spec: object): boolean => isIpv4 || !('noChecksum' in spec);

for (const [family, client, vip, backend, router] of [
  ['IPv4', A4, VIP, REMOTE4, ROUTER4],
  ['IPv6', A6, VIP6, REMOTE6, ROUTER6],
] as const) {
  const isIpv4 = family === 'IPv4';
  const head = isIpv4 ? 20 : 40;
  for (const [what, spec] of QUOTES.filter(([, each]) => V6_ONLY(isIpv4, each))) {
    const asSent = { ...spec, src: client, dst: vip, sport: 40000, dport: 80 };
    const asTranslated = { ...spec, src: client, dst: backend, sport: 40000, dport: 8080 };
    for (const [length, quoted] of [
      ['all', Infinity],
      ['8 transport bytes', head + 8],
      ['an odd number of bytes', head + 15],
    ] as const) {
      test(`icmp-error: time exceeded about ${what}, ${length} quoted, shows the client the ${family} service [proxy 107]`, (t) => {
        const engine = nodeWith(vip, backend);
        engine.send(IF.POD_A, packet(asSent));
        const error = { src: router, dst: client, type: isIpv4 ? 11 : 3 };
        expectTurned(
          t,
          engine,
          IF.UPLINK,
          [
            { ...error, quote: l3(packet({ ...asTranslated, ttl: 1 })) },
            { ...error, quote: l3(packet({ ...asSent, ttl: 1 })) },
          ],
          quoted,
        );
      });
    }
  }

  test(`icmp-error: the MTU of an ${family} path reaches the client unchanged`, (t) => {
    const engine = nodeWith(vip, backend);
    const spec = { proto: 'tcp', flags: 'S', sport: 40000, src: client } as const;
    engine.send(IF.POD_A, packet({ ...spec, dst: vip, dport: 80 }));
    const error = isIpv4
      ? { src: router, dst: client, type: 3, code: 4, rest: 1400 }
      : { src: router, dst: client, type: 2, rest: 1400 };
    expectTurned(t, engine, IF.UPLINK, [
      { ...error, quote: l3(packet({ ...spec, dst: backend, dport: 8080 })) },
      { ...error, quote: l3(packet({ ...spec, dst: vip, dport: 80 })) },
    ]);
  });

  const near = isIpv4 ? B4 : B6;
  const port = isIpv4 ? { type: 3, code: 3 } : { type: 1, code: 4 };

  test(`icmp-error: the backend's own ${family} error comes from the service`, (t) => {
    const engine = nodeWith(vip, near);
    const spec = { proto: 'udp', src: client, sport: 40000, payload: 'x' } as const;
    engine.send(IF.POD_A, packet({ ...spec, dst: vip, dport: 80 }));
    expectTurned(t, engine, IF.POD_B, [
      { ...port, src: near, dst: client, quote: l3(packet({ ...spec, dst: near, dport: 8080 })) },
      { ...port, src: vip, dst: client, quote: l3(packet({ ...spec, dst: vip, dport: 80 })) },
    ]);
  });

  test(`icmp-error: the client's ${family} error about a reply goes to the backend that sent it [proxy 116]`, (t) => {
    const engine = nodeWith(vip, near);
    const spec = { proto: 'udp', sport: 40000, payload: 'x' } as const;
    engine.send(IF.POD_A, packet({ ...spec, src: client, dst: vip, dport: 80 }));
    const reply = { proto: 'udp', dst: client, dport: 40000, payload: 'answer' } as const;
    expectTurned(t, engine, IF.POD_A, [
      {
        ...port,
        src: client,
        dst: vip,
        quote: l3(packet({ ...reply, src: vip, sport: 80 })),
      },
      {
        ...port,
        src: client,
        dst: near,
        quote: l3(packet({ ...reply, src: near, sport: 8080 })),
      },
    ]);
  });

  test(`icmp-error: an ${family} error about the packet as the client sent it is delivered as it is [proxy 109]`, (t) => {
    const engine = nodeWith(vip, backend);
    const spec = { proto: 'udp', src: client, dst: vip, sport: 40000, dport: 80 } as const;
    engine.send(IF.POD_A, packet(spec));
    const error = { ...port, src: router, dst: client, quote: l3(packet(spec)) };
    const sent = engine.send(IF.UPLINK, icmpError(error));
    t.is(sent.outIfindex, IF.POD_A);
    t.is(hexOf(l3(sent.frame)), hexOf(l3(icmpError({ ...error, ttl: 63 }))));
    t.is(engine.counter(LaneCounter.ICMP_ERRORS_TRANSLATED), 0);
  });
}

const tcpQuestion = { proto: 'tcp', flags: 'S', src: A4, sport: 40000 } as const;
const asTranslated = packet({ ...tcpQuestion, dst: REMOTE4, dport: 8080 });
const exceeded = { src: ROUTER4, dst: A4, type: 11, quote: l3(asTranslated) } as const;

function asked(): Engine {
  const engine = nodeWith(VIP, REMOTE4);
  engine.send(IF.POD_A, packet({ ...tcpQuestion, dst: VIP, dport: 80 }));
  return engine;
}

test('icmp-error: a masqueraded client outside is told about the address it has asked', (t) => {
  const engine = openEngine();
  engine.apply(
    put('Service', service('web', { clusterIP: VIP, ports: PORTS })),
    put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)], TARGETS)),
  );
  const question = { proto: 'udp', src: OUTSIDE4, sport: 5000, dst: VIP, dport: 80 } as const;
  const there = engine.send(IF.UPLINK, packet({ ...question, ttl: 9 }));
  t.like(there.seen, { src: NODE4, dst: REMOTE4 });
  const { sport = 0 } = there.seen;
  const onWire = packet({ proto: 'udp', src: NODE4, sport, dst: REMOTE4, dport: 8080 });
  const error = { type: 3, code: 4, rest: 1400, src: ROUTER4 };
  expectTurned(t, engine, IF.UPLINK, [
    { ...error, dst: NODE4, quote: l3(onWire) },
    { ...error, dst: OUTSIDE4, quote: l3(packet(question)) },
  ]);
});

test('icmp-error: what the host says of a backend of its own comes from the service [proxy 108]', (t) => {
  const engine = nodeWith(VIP, NODE4);
  const spec = { proto: 'udp', src: A4, sport: 40000, payload: 'x' } as const;
  t.is(engine.send(IF.POD_A, packet({ ...spec, dst: VIP, dport: 80 })).action, Action.HOST);
  const port = { type: 3, code: 3, dst: A4 };
  expectTurned(t, engine, IF.TRUNK, [
    { ...port, src: NODE4, quote: l3(packet({ ...spec, dst: NODE4, dport: 8080 })) },
    { ...port, src: VIP, quote: l3(packet({ ...spec, dst: VIP, dport: 80 })) },
  ]);
});

test('icmp-error: an error leaves by the way of the flow, TTL one less', (t) => {
  const sent = asked().send(IF.UPLINK, icmpError({ ...exceeded, ttl: 2 }));
  t.is(sent.action, Action.POD);
  t.is(sent.outIfindex, IF.POD_A);
  t.like(sent.seen, { ttl: 1, isSound: true, dstMac: '02:00:00:00:00:0a' });
});

test('icmp-error: an error that may go no further is dropped by name', (t) => {
  const engine = asked();
  const frame = icmpError({ ...exceeded, ttl: 1 });
  const sent = engine.send(IF.UPLINK, frame);
  t.is(sent.drop, Drop.TTL_EXCEEDED);
  t.is(hexOf(sent.frame), hexOf(frame));
});

for (const type of [3, 4, 5, 11, 12]) {
  test(`icmp-error: ICMP type ${String(type)} is translated`, (t) => {
    const engine = asked();
    engine.send(IF.UPLINK, icmpError({ ...exceeded, type }));
    t.is(engine.counter(LaneCounter.ICMP_ERRORS_TRANSLATED), 1);
  });
}

const lies: readonly [string, ErrorSpec][] = [
  ['of no flow', { ...exceeded, quote: l3(packet({ ...tcpQuestion, dst: REMOTE4, dport: 81 })) }],
  ['that its receiver did not send', { ...exceeded, dst: B4 }],
  ['of 7 transport bytes', { ...exceeded, quote: exceeded.quote.slice(0, 27) }],
  ['of nothing', { ...exceeded, quote: new Uint8Array() }],
  ['that says version 6', { ...exceeded, quote: changed(exceeded.quote, 0, 0x65) }],
  ['of 60 header bytes it has not', { ...exceeded, quote: changed(exceeded.quote, 0, 0x4f) }],
  ['of a later fragment', { ...exceeded, quote: changed(exceeded.quote, 7, 3) }],
  ['of another protocol', { ...exceeded, quote: changed(exceeded.quote, 9, 47) }],
];

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const made = bytes.slice();
  made[at] = value;
  return made;
}

for (const [what, spec] of lies) {
  test(`icmp-error: a quote ${what} is not touched [proxy 118]`, (t) => {
    const engine = asked();
    const sent = engine.send(IF.UPLINK, icmpError(spec));
    t.is(hexOf(l3(sent.frame)), hexOf(l3(icmpError({ ...spec, ttl: 63 }))));
    t.is(engine.counter(LaneCounter.ICMP_ERRORS_TRANSLATED), 0);
  });
}

test('icmp-error: a pod tells of its own flows only', (t) => {
  const engine = asked();
  const sent = engine.send(IF.POD_B, icmpError({ ...exceeded, src: B4 }));
  t.is(sent.verdict, Verdict.TX);
  t.is(engine.counter(LaneCounter.ICMP_ERRORS_TRANSLATED), 0);
});

test('icmp-error: an error to a service that is about no flow is dropped by name', (t) => {
  const engine = nodeWith(VIP, B4);
  const quote = l3(packet({ proto: 'udp', src: VIP, dst: A4, sport: 80, dport: 40000 }));
  const sent = engine.send(IF.POD_A, icmpError({ src: A4, dst: VIP, type: 3, code: 3, quote }));
  t.is(sent.drop, Drop.SERVICE_PORT_UNKNOWN);
});

test('icmp-error: what is quoted behind IPv6 extension headers is found', (t) => {
  const engine = nodeWith(VIP6, REMOTE6);
  const spec = { proto: 'udp', src: A6, sport: 40000, payload: 'x' } as const;
  engine.send(IF.POD_A, packet({ ...spec, dst: VIP6, dport: 80 }));
  const behind = (frame: Uint8Array): Uint8Array => {
    const plain = l3(frame);
    const made = Uint8Array.from([
      ...plain.subarray(0, 40),
      ...[17, 0, 1, 4, 0, 0, 0, 0],
      ...plain.subarray(40),
    ]);
    made[6] = 60;
    made[5] = (made[5] ?? 0) + 8;
    return made;
  };
  const error = { src: ROUTER6, dst: A6, type: 3 };
  expectTurned(t, engine, IF.UPLINK, [
    { ...error, quote: behind(packet({ ...spec, dst: REMOTE6, dport: 8080 })) },
    { ...error, quote: behind(packet({ ...spec, dst: VIP6, dport: 80 })) },
  ]);
  const unknown = icmpError({
    src: OUTSIDE6,
    dst: A6,
    type: 100,
    quote: l3(packet({ ...spec, dst: REMOTE6, dport: 8080 })),
  });
  t.is(engine.send(IF.UPLINK, unknown).verdict, Verdict.TX);
  t.is(engine.counter(LaneCounter.ICMP_ERRORS_TRANSLATED), 1);
});
