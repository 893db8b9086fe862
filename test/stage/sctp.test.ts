/** An SCTP service: its associations are translated both ways, followed, and told when refused. */
import test from 'ava';
import {
  Action,
  CONTROL_BASE,
  CONTROL_POLICY_FLAGS_OFF,
  Drop,
  IPPROTO_SCTP,
  LaneCounter,
  POLICY_F_RESET_REMOVED,
  SctpState,
  TALLY_BACKEND_ID_OFF,
  TALLY_SERVICE_ID_OFF,
  Verdict,
} from '../../assembly/abi.js';
import { createDeltaWriter } from '../../src/core/delta-writer.js';
import { put, ready, service, slice } from '../model/objects.js';
import { A4, A6, B4, B6, type Engine, IF, NODE4, REMOTE4, openEngine } from '../support/engine.js';
import { type ChunkName, ETH_HLEN, type PacketSpec, packet } from '../support/frames.js';
import { VIP, VIP6 } from './web.js';

const FAMILIES = [
  { vip: VIP, client: A4, backend: B4, l4: ETH_HLEN + 20 },
  { vip: VIP6, client: A6, backend: B6, l4: ETH_HLEN + 40 },
] as const;

/** TCP, UDP and SCTP on one number, each to a port of its own. */
const PORTS = [
  { name: 'tcp', port: 80, protocol: 'TCP' },
  { name: 'udp', port: 80, protocol: 'UDP' },
  { name: 'sctp', port: 80, protocol: 'SCTP' },
];
const TARGETS = [
  { name: 'tcp', port: 8001, protocol: 'TCP' },
  { name: 'udp', port: 8002, protocol: 'UDP' },
  { name: 'sctp', port: 8003, protocol: 'SCTP' },
];

function provide(engine: Engine, endpoint: string): void {
  const [name, clusterIP] = endpoint.includes(':') ? ['six', VIP6] : ['four', VIP];
  engine.apply(
    put('Service', service(name, { clusterIP, ports: PORTS })),
    put('EndpointSlice', slice(`${name}-1`, name, [ready(endpoint)], TARGETS)),
  );
}

/** A node whose service has one endpoint a family. */
function node(): Engine {
  const engine = openEngine();
  provide(engine, B4);
  provide(engine, B6);
  return engine;
}

const there = (...chunks: ChunkName[]): Uint8Array =>
  packet({ proto: 'sctp', src: A4, dst: VIP, sport: 40000, dport: 80, chunks, payload: 'cookie' });
const back = (...chunks: ChunkName[]): Uint8Array =>
  packet({ proto: 'sctp', src: B4, dst: A4, sport: 8003, dport: 40000, chunks, payload: 'sure' });

function stateOf(engine: Engine): string | undefined {
  return SctpState[engine.flow(A4, 40000, VIP, 80).state as number];
}

/** Send the packets of an association: `>` from the client, `<` from the backend. */
function walk(engine: Engine, steps: readonly string[]): void {
  for (const step of steps) {
    const chunks = step.slice(1).split('+') as ChunkName[];
    if (step.startsWith('>')) engine.send(IF.POD_A, there(...chunks));
    else engine.send(IF.POD_B, back(...chunks));
  }
}

const OPENED = ['>INIT', '<INIT_ACK', '>COOKIE_ECHO+DATA', '<COOKIE_ACK'];

for (const { vip, client, backend } of FAMILIES) {
  test(`sctp: an association to ${vip} is carried there and back with a sound CRC`, (t) => {
    const engine = node();
    const request: PacketSpec = {
      proto: 'sctp',
      src: client,
      dst: vip,
      sport: 40000,
      dport: 80,
      chunks: ['INIT'],
      payload: 'five.',
    };
    const sent = engine.send(IF.POD_A, packet(request));
    t.is(sent.verdict, Verdict.TX);
    t.is(sent.outIfindex, IF.POD_B);
    t.like(sent.seen, { src: client, sport: 40000, dst: backend, dport: 8003, isSound: true });
    t.deepEqual(sent.seen.chunks, ['INIT']);
    t.is(sent.seen.payload, 'five.');
    const reply = { ...request, src: backend, dst: client, sport: 8003, dport: 40000 };
    const answered = engine.send(IF.POD_B, packet({ ...reply, chunks: ['INIT_ACK'] }));
    t.like(answered.seen, { src: vip, sport: 80, dst: client, dport: 40000, isSound: true });
    t.is(answered.outIfindex, IF.POD_A);
  });

  test(`sctp: TCP, UDP and SCTP on one number of ${vip} reach their own ports [proxy 5]`, (t) => {
    const engine = node();
    for (const [proto, target] of [
      ['tcp', 8001],
      ['udp', 8002],
      ['sctp', 8003],
    ] as const) {
      const frame = packet({ proto, src: client, dst: vip, dport: 80, flags: 'S', payload: proto });
      t.like(engine.send(IF.POD_A, frame).seen, { dst: backend, dport: target, isSound: true });
      const reply = packet({
        proto,
        src: backend,
        dst: client,
        sport: target,
        dport: 40000,
        flags: 'SA',
      });
      t.like(engine.send(IF.POD_B, reply).seen, { src: vip, sport: 80, isSound: true });
    }
    t.is(engine.flows().length, 6);
  });

  test(`sctp: without a backend ${vip} answers port unreachable, quoting the packet`, (t) => {
    const engine = openEngine();
    const name = vip.includes(':') ? 'six' : 'four';
    engine.apply(put('Service', service(name, { clusterIP: vip, ports: PORTS })));
    const frame = packet({ proto: 'sctp', src: client, dst: vip, dport: 80, chunks: ['INIT'] });
    const refused = engine.send(IF.POD_A, frame);
    t.is(refused.outIfindex, IF.POD_A);
    t.like(refused.seen, { src: vip, dst: client, isSound: true });
    t.is(refused.seen.type, vip.includes(':') ? 1 : 3);
    t.is(engine.counter(LaneCounter.REJECTED), 1);
  });

  test(`sctp: a packet to ${vip} with a wrong CRC arrives with a wrong one`, (t) => {
    const engine = node();
    const { l4 } = FAMILIES.find((family) => family.vip === vip) ?? FAMILIES[0];
    const spec = { proto: 'sctp', src: client, dst: vip, dport: 80, payload: 'damaged' } as const;
    for (const at of [l4 + 8, l4 + 11, l4 + 17]) {
      const frame = packet(spec);
      frame[at] = (frame[at] ?? 0) ^ 0x10;
      t.like(engine.send(IF.POD_A, frame).seen, { dst: backend, dport: 8003, isSound: false });
    }
    t.true(engine.send(IF.POD_A, packet(spec)).seen.isSound);
  });
}

test('sctp: bytes behind the datagram are no part of the checksum', (t) => {
  const engine = node();
  const padded = Uint8Array.from([...there('INIT'), 1, 2, 3, 4, 5, 6]);
  t.like(engine.send(IF.POD_A, padded).seen, { dst: B4, dport: 8003, isSound: true });
});

test('sctp: what passes untranslated keeps every byte of its checksum', (t) => {
  const engine = node();
  const spec = { proto: 'sctp', src: A4, dst: B4, sport: 5000, dport: 6000 } as const;
  const frame = packet({ ...spec, chunks: ['INIT'] });
  const sent = engine.send(IF.POD_A, frame);
  t.deepEqual(sent.frame.slice(ETH_HLEN + 20), frame.slice(ETH_HLEN + 20));
  t.is(engine.flow(A4, 5000, B4, 6000).proto, IPPROTO_SCTP);
});

test('sctp: the lane follows an association from its first packet to its last', (t) => {
  const engine = node();
  const states = [...OPENED, '>DATA', '<SACK+SHUTDOWN', '>SHUTDOWN_ACK', '<SHUTDOWN_COMPLETE'].map(
    (step) => {
      walk(engine, [step]);
      return stateOf(engine);
    },
  );
  t.deepEqual(states, [
    'COOKIE_WAIT',
    'COOKIE_WAIT',
    'COOKIE_ECHOED',
    'ESTABLISHED',
    'ESTABLISHED',
    'SHUTDOWN_RECD',
    'SHUTDOWN_ACK_SENT',
    'CLOSED',
  ]);
});

test('sctp: an association keeps its backend after that has left the service', (t) => {
  const engine = node();
  walk(engine, OPENED);
  provide(engine, REMOTE4);
  t.like(engine.send(IF.POD_A, there('DATA')).seen, { dst: B4, dport: 8003, isSound: true });
  t.like(engine.send(IF.POD_A, there('INIT')).seen, { dst: B4 }, 'a restart is no new one');
});

const ENDINGS = {
  'an ABORT': ['>ABORT'],
  'an ABORT behind other chunks, from the backend': ['<SACK+ABORT'],
  'a SHUTDOWN that nobody completed': ['>SHUTDOWN'],
  'a SHUTDOWN ACK whose completion was lost': ['<SHUTDOWN', '>SHUTDOWN_ACK'],
  'an orderly end': ['>SHUTDOWN', '<SHUTDOWN_ACK', '>SHUTDOWN_COMPLETE'],
};
for (const [ending, steps] of Object.entries(ENDINGS)) {
  test(`sctp: after ${ending} an INIT selects anew`, (t) => {
    const engine = node();
    walk(engine, [...OPENED, ...steps]);
    provide(engine, REMOTE4);
    t.like(engine.send(IF.POD_A, there('INIT')).seen, { dst: REMOTE4, isSound: true });
    t.is(stateOf(engine), 'COOKIE_WAIT');
    t.is(engine.flows().length, 2);
  });
}

test('sctp: an ABORT leaves ten seconds', (t) => {
  const engine = node();
  walk(engine, [...OPENED, '>ABORT']);
  engine.nowMs += 10_000;
  engine.sweepAll();
  t.is(engine.flows().length, 2);
  engine.nowMs += 1;
  engine.sweepAll();
  t.is(engine.flows().length, 0);
});

const LIVES: readonly (readonly [string, readonly string[], number])[] = [
  ['an INIT', ['>INIT'], 3],
  ['a COOKIE ECHO', ['>INIT', '<INIT_ACK', '>COOKIE_ECHO'], 3],
  ['an open association', OPENED, 432_000],
  ['a SHUTDOWN', [...OPENED, '<SHUTDOWN'], 3],
  ['an unanswered HEARTBEAT', ['>HEARTBEAT'], 30],
  ['an answered HEARTBEAT', ['>HEARTBEAT', '<HEARTBEAT_ACK'], 210],
];
for (const [what, steps, seconds] of LIVES) {
  test(`sctp: a silent flow after ${what} lives ${seconds} s and no longer`, (t) => {
    const engine = node();
    walk(engine, steps);
    engine.nowMs += seconds * 1000;
    engine.sweepAll();
    t.is(engine.flows().length, 2);
    engine.nowMs += 1;
    engine.sweepAll();
    t.is(engine.flows().length, 0);
  });
}

test('sctp: an INIT on a flow whose time is up does not wait for the sweep', (t) => {
  const engine = node();
  walk(engine, ['>INIT']);
  provide(engine, REMOTE4);
  engine.nowMs += 3001;
  t.like(engine.send(IF.POD_A, there('INIT')).seen, { dst: REMOTE4 });
});

test('sctp: an association under way that is not known is taken as it comes', (t) => {
  for (const chunk of ['DATA', 'SACK', 'HEARTBEAT', 'SHUTDOWN', 'COOKIE_ECHO'] as const) {
    const engine = node();
    t.like(engine.send(IF.POD_A, there(chunk)).seen, { dst: B4, isSound: true }, chunk);
    t.is(engine.flows().length, 2);
  }
});

test('sctp: what can begin nothing is dropped by name, and passes where nothing is translated', (t) => {
  for (const chunk of ['INIT_ACK', 'ABORT', 'COOKIE_ACK', 'SHUTDOWN_COMPLETE'] as const) {
    const engine = node();
    t.is(engine.send(IF.POD_A, there(chunk)).drop, Drop.SCTP_INVALID_STATE, chunk);
    const spec = { proto: 'sctp', src: A4, dst: B4, chunks: [chunk] } as const;
    t.is(engine.send(IF.POD_A, packet(spec)).verdict, Verdict.TX, chunk);
    t.is(engine.flows().length, 0);
  }
});

test('sctp: a COOKIE ACK before any COOKIE ECHO is dropped by name', (t) => {
  const engine = node();
  walk(engine, ['>INIT']);
  t.is(engine.send(IF.POD_B, back('COOKIE_ACK')).drop, Drop.SCTP_INVALID_STATE);
  t.is(stateOf(engine), 'COOKIE_WAIT');
});

test('sctp: a packet without a whole chunk is dropped by name', (t) => {
  const engine = node();
  const short = there('INIT').slice();
  // The chunk claims four bytes more than the datagram has.
  const lengthAt = ETH_HLEN + 20 + 14;
  short[lengthAt + 1] = (short[lengthAt + 1] ?? 0) + 8;
  t.is(engine.send(IF.POD_A, short).drop, Drop.SHORT_SCTP);
});

test('sctp: the node itself may open an association', (t) => {
  const engine = node();
  const request = { proto: 'sctp', src: NODE4, dst: VIP, dport: 80, chunks: ['INIT'] } as const;
  const sent = engine.send(IF.TRUNK, packet(request));
  t.is(sent.action, Action.POD);
  t.like(sent.seen, { dst: B4, dport: 8003, isSound: true });
  const { src = '', sport: dport = 0 } = sent.seen;
  const reply = { proto: 'sctp', src: B4, dst: src, sport: 8003, dport } as const;
  const answered = engine.send(IF.POD_B, packet({ ...reply, chunks: ['INIT_ACK'] }));
  t.like(answered.seen, { src: VIP, dst: NODE4, sport: 80, dport: 40000, isSound: true });
});

test('sctp: two services on one backend with one client port get different source ports', (t) => {
  const engine = node();
  engine.apply(
    put('Service', service('other', { clusterIP: '10.96.0.11', ports: PORTS })),
    put('EndpointSlice', slice('other-1', 'other', [ready(B4)], TARGETS)),
  );
  const ports = [VIP, '10.96.0.11'].map((dst) => {
    const { seen } = engine.send(
      IF.POD_A,
      packet({ proto: 'sctp', src: A4, dst, dport: 80, chunks: ['INIT'] }),
    );
    t.true(seen.isSound);
    return seen.sport;
  });
  t.is(new Set(ports).size, 2);
});

test('sctp: an agent that is started again goes on with an association', (t) => {
  const engine = node();
  walk(engine, OPENED);
  engine.core.exports.adopt(engine.nowMs);
  t.is(engine.counter(LaneCounter.FLOWS_REJECTED), 0);
  t.is(stateOf(engine), 'ESTABLISHED');
  t.like(engine.send(IF.POD_B, back('DATA')).seen, { src: VIP, sport: 80, isSound: true });
});

/** Tell the core that the service has lost the backend of the open association. */
function purge(engine: Engine, isReset: boolean): void {
  const { core } = engine;
  const { tally } = engine.flow(A4, 40000, VIP, 80);
  const word = (off: number): number => core.words.getUint32(tally + off, true);
  const flags = CONTROL_BASE + CONTROL_POLICY_FLAGS_OFF;
  core.words.setUint32(flags, isReset ? POLICY_F_RESET_REMOVED : 0, true);
  const writer = createDeltaWriter();
  writer.purge(word(TALLY_SERVICE_ID_OFF), word(TALLY_BACKEND_ID_OFF), IPPROTO_SCTP);
  core.apply(writer.take());
}

test('sctp: a removed backend keeps its associations', (t) => {
  const engine = node();
  walk(engine, OPENED);
  provide(engine, REMOTE4);
  purge(engine, false);
  t.like(engine.send(IF.POD_A, there('DATA')).seen, { dst: B4 });
});

test('sctp: where removed backends are to be left, the next one gets the association to abort', (t) => {
  const engine = node();
  walk(engine, OPENED);
  provide(engine, REMOTE4);
  purge(engine, true);
  t.is(engine.flows().length, 0);
  t.is(engine.counter(LaneCounter.FLOWS_PURGED), 1);
  t.like(engine.send(IF.POD_A, there('DATA')).seen, { dst: REMOTE4, isSound: true });
});
