/** What happens to flows when their service, their endpoint or their connection changes. */
import test from 'ava';
import {
  Action,
  Drop,
  FRAME_HEADROOM,
  LaneCounter,
  SCRATCH_BASE,
  TcpState,
  Verdict,
} from '../../assembly/abi.js';
import { parseMac } from '../../src/addr.js';
import { drop, put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  B4,
  type Engine,
  IF,
  LINKS,
  NODE4,
  OUTSIDE4,
  REMOTE4,
  openEngine,
} from '../support/engine.js';
import { packet } from '../support/frames.js';
import { NODE, NODE_PORT, OUTSIDE, POD, type Sender, VIP, freshPort } from './node.js';

const PORT = { name: 'dns', port: 53, protocol: 'UDP', nodePort: NODE_PORT };
const OWN = { name: 'dns', port: 5353, protocol: 'UDP' };
const DNS = put('Service', service('dns', { type: 'NodePort', clusterIP: VIP, ports: [PORT] }));
const dnsOver = (...addresses: string[]) =>
  put(
    'EndpointSlice',
    slice(
      'dns-1',
      'dns',
      addresses.map((a) => ready(a)),
      [OWN],
    ),
  );

/** A datagram of a conversation; its new destination, or the verdict. */
function datagram(engine: Engine, { ifindex, src }: Sender, sport: number, to = VIP, dport = 53) {
  const frame = packet({ proto: 'udp', src, dst: to, sport, dport, payload: 'x' });
  const { verdict, seen, drop: reason } = engine.send(ifindex, frame);
  if (verdict === Verdict.DROP) return Drop[reason];
  return seen.type === 3 ? 'refused' : seen.dst;
}

function withDns(...addresses: string[]): Engine {
  const engine = openEngine();
  engine.apply(DNS, dnsOver(...addresses));
  return engine;
}

for (const [name, from, to, dport, number] of [
  ['node port', OUTSIDE, NODE4, NODE_PORT, '[proxy 95]'],
  ['ClusterIP', POD, VIP, 53, '[proxy 96]'],
  ['ClusterIP, from the host', NODE, VIP, 53, '[proxy 96]'],
] as const) {
  test(`flows: a UDP client of a ${name} follows when the pod is replaced ${number}`, (t) => {
    const engine = withDns(REMOTE4);
    const sport = freshPort();
    t.is(datagram(engine, from, sport, to, dport), REMOTE4);
    engine.apply(dnsOver(B4));
    t.is(datagram(engine, from, sport, to, dport), B4);
    t.is(engine.counter(LaneCounter.FLOWS_PURGED), 1);
  });
}

test('flows: datagrams refused before there was an endpoint do not stick [proxy 97]', (t) => {
  const engine = openEngine();
  engine.apply(DNS);
  const sport = freshPort();
  t.is(datagram(engine, POD, sport), 'refused');
  engine.apply(dnsOver(B4));
  t.is(datagram(engine, POD, sport), B4);
});

test('flows: datagrams that passed before there was a Service do not stick [proxy 97]', (t) => {
  const engine = openEngine();
  const [sport, other] = [freshPort(), freshPort()];
  t.is(datagram(engine, POD, sport), VIP);
  t.is(datagram(engine, POD, other, VIP, 54), VIP);
  t.is(engine.flows().length, 4);
  engine.apply(DNS, dnsOver(B4));
  t.is(engine.flows().length, 2, 'the flow to another port stays');
  t.is(datagram(engine, POD, sport), B4);
});

test('flows: UDP flows go by service, endpoint and protocol, and no others [proxy 98]', (t) => {
  const engine = withDns(B4);
  const tcpPort = { name: 'web', port: 53, protocol: 'TCP' };
  engine.apply(
    put('Service', service('other', { clusterIP: '10.96.0.99', ports: [PORT] })),
    put('EndpointSlice', slice('other-1', 'other', [ready(B4)], [OWN])),
    put('Service', service('tcp', { clusterIP: '10.96.0.98', ports: [tcpPort] })),
    put('EndpointSlice', slice('tcp-1', 'tcp', [ready(B4)], [{ ...tcpPort, port: 5353 }])),
  );
  const ports = Array.from({ length: 4 }, freshPort);
  const [gone = 0, nodePort = 0, kept = 0, tcp = 0] = ports;
  datagram(engine, POD, gone);
  datagram(engine, OUTSIDE, nodePort, NODE4, NODE_PORT);
  datagram(engine, POD, kept, '10.96.0.99');
  engine.send(
    IF.POD_A,
    packet({ proto: 'tcp', src: A4, dst: '10.96.0.98', sport: tcp, dport: 53, flags: 'S' }),
  );
  const left = (): number[] =>
    engine
      .flows()
      .filter(({ isReply }) => !isReply)
      .map(({ sport }) => sport)
      .sort();
  t.deepEqual(left(), [...ports].sort());
  engine.apply(dnsOver(REMOTE4));
  engine.apply(
    put('EndpointSlice', slice('tcp-1', 'tcp', [ready(REMOTE4)], [{ ...tcpPort, port: 5353 }])),
  );
  t.deepEqual(left(), [kept, tcp].sort());
});

test('flows: a Service without a serving endpoint is left alone [proxy 98]', (t) => {
  const engine = withDns(B4);
  datagram(engine, POD, freshPort());
  engine.apply(dnsOver());
  t.is(engine.flows().length, 2);
  engine.apply(drop('Service', 'dns'));
  t.is(engine.flows().length, 2);
});

test('flows: a changed target port moves new flows and forgets UDP flows [proxy 93]', (t) => {
  const engine = withDns(B4);
  const sport = freshPort();
  datagram(engine, POD, sport);
  engine.apply(put('EndpointSlice', slice('dns-1', 'dns', [ready(B4)], [{ ...OWN, port: 5454 }])));
  t.is(engine.flows().length, 0);
  datagram(engine, POD, sport);
  t.is(engine.flow(A4, sport, VIP, 53).newDport, 5454);
});

test('flows: those of one endpoint among a million are forgotten in bounded time [proxy 99]', (t) => {
  const flows = 1_000_000;
  const engine = openEngine({ capacities: { flows4: 1 << 22, flows6: 1024 } });
  const many = Array.from({ length: 200 }, (_, i) => `10.244.2.${i + 10}`);
  const stale = '10.244.2.250';
  engine.apply(DNS, dnsOver(...many, stale));
  const { words, view, exports } = engine.core;
  const at = SCRATCH_BASE + FRAME_HEADROOM;
  const frame = packet({ proto: 'udp', src: A4, dst: VIP, sport: 1, dport: 53, noChecksum: true });
  const [srcAt, portAt, sumAt] = [at + 26, at + 34, at + 24];
  const base = words.getUint16.bind(words);
  view.set(frame, at);
  const [sum, src] = [base(sumAt), base(srcAt + 2)];
  for (let i = 0; i < flows; i++) {
    // One pod sends, a host's forwarded source varies: the link decides who may.
    view.set(frame, at);
    const low = (src + (i >>> 16)) & 0xffff;
    words.setUint16(srcAt + 2, low);
    const folded = (~sum & 0xffff) + (~src & 0xffff) + low;
    words.setUint16(sumAt, ~((folded & 0xffff) + (folded >>> 16)) & 0xffff);
    words.setUint16(portAt, i & 0xffff);
    exports.processFrame(IF.TRUNK, at, frame.length, engine.nowMs);
  }
  const made = engine.counter(LaneCounter.FLOWS_CREATED);
  t.true(made > flows * 0.99, `${made} flows`);
  const began = process.hrtime.bigint();
  engine.apply(dnsOver(...many));
  const tookMs = Number(process.hrtime.bigint() - began) / 1e6;
  const purged = engine.counter(LaneCounter.FLOWS_PURGED);
  t.true(purged > (flows / 201) * 0.8 && purged < (flows / 201) * 1.2, `${purged} purged`);
  t.true(tookMs < 200, `${tookMs.toFixed(1)} ms for ${purged} flows of ${made}`);
});

const WEB = put(
  'Service',
  service('web', { clusterIP: VIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }),
);
const webOver = (...addresses: string[]) =>
  put(
    'EndpointSlice',
    slice(
      'web-1',
      'web',
      addresses.map((a) => ready(a)),
    ),
  );
const segment = (flags: string, sport: number) =>
  packet({ proto: 'tcp', src: A4, dst: VIP, sport, dport: 80, flags });
const answer = (flags: string, dport: number, src = B4) =>
  packet({ proto: 'tcp', src, dst: A4, sport: 8080, dport, flags, payload: 'late' });

test("flows: what the server sends out of order never shows the client the pod's address [proxy 100]", (t) => {
  const engine = openEngine();
  engine.apply(WEB, webOver(B4));
  const sport = freshPort();
  engine.send(IF.POD_A, segment('S', sport));
  for (const flags of ['SA', 'A', 'PA', 'FA', 'R']) {
    const frame = answer(flags, sport);
    // Far outside of any window.
    new DataView(frame.buffer).setUint32(38, 0xdeadbeef);
    const { verdict, seen } = engine.send(IF.POD_B, frame);
    if (verdict !== Verdict.DROP) t.is(seen.src, VIP, flags);
  }
});

test('flows: CLOSE_WAIT lasts as long as configured [proxy 101]', (t) => {
  for (const [seconds, timeoutsMs] of [
    [60, {}],
    [3600, { [TcpState.CLOSE_WAIT]: 3_600_000 }],
  ] as const) {
    const engine = openEngine({ timeoutsMs });
    engine.apply(WEB, webOver(B4));
    const sport = freshPort();
    engine.send(IF.POD_A, segment('S', sport));
    engine.send(IF.POD_B, answer('SA', sport));
    engine.send(IF.POD_A, segment('A', sport));
    engine.send(IF.POD_B, answer('FA', sport));
    engine.send(IF.POD_A, segment('A', sport));
    t.is(engine.flow(A4, sport, VIP, 80).state, TcpState.CLOSE_WAIT);
    engine.nowMs += seconds * 1000 - 1;
    engine.sweepAll();
    t.is(engine.flows().length, 2);
    engine.nowMs += 1002;
    engine.sweepAll();
    t.is(engine.flows().length, 0);
  }
});

test('flows: a reply leaves with the address and by the uplink of its request [proxy 105]', (t) => {
  const second = 77;
  const mac = parseMac('02:00:00:00:00:77');
  const engine = openEngine({
    links: [...LINKS, { kind: 'uplink', name: 'eth1', ifindex: second, ownMac: mac, mtu: 1500 }],
  });
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: NODE_PORT }];
  engine.apply(
    put('Service', service('web', { type: 'NodePort', clusterIP: VIP, ports })),
    webOver(B4),
  );
  for (const ifindex of [IF.UPLINK, second]) {
    const sport = freshPort();
    const syn = packet({
      proto: 'tcp',
      src: OUTSIDE4,
      dst: NODE4,
      sport,
      dport: NODE_PORT,
      flags: 'S',
    });
    const { seen } = engine.send(ifindex, syn);
    const back = packet({
      proto: 'tcp',
      src: B4,
      dst: NODE4,
      sport: 8080,
      dport: seen.sport ?? 0,
      flags: 'SA',
    });
    const reply = engine.send(IF.POD_B, back);
    t.is(reply.action, Action.UPLINK);
    t.is(reply.outIfindex, ifindex);
    t.like(reply.seen, { src: NODE4, sport: NODE_PORT, dst: OUTSIDE4, dport: sport });
  }
});

test('flows: a removed endpoint keeps its TCP flows; if so configured it is reset [proxy 106]', (t) => {
  for (const resetRemoved of [false, true]) {
    const engine = openEngine({ control: { policy: { resetRemoved } } });
    engine.apply(WEB, webOver(B4));
    const sport = freshPort();
    engine.send(IF.POD_A, segment('S', sport));
    engine.send(IF.POD_B, answer('SA', sport));
    engine.send(IF.POD_A, segment('A', sport));
    engine.apply(webOver(REMOTE4));
    const client = engine.send(IF.POD_A, segment('PA', sport));
    const server = engine.send(IF.POD_B, answer('PA', sport));
    if (resetRemoved) {
      t.like(client.seen, {
        src: VIP,
        dst: A4,
        sport: 80,
        dport: sport,
        flags: 'R',
        isSound: true,
      });
      t.like(server.seen, { src: A4, dst: B4, flags: 'R', isSound: true });
      t.is(engine.counter(LaneCounter.RESETS), 2);
      t.is(engine.send(IF.POD_A, segment('S', freshPort())).seen.dst, REMOTE4);
    } else {
      t.like(client.seen, { dst: B4, isSound: true });
      t.like(server.seen, { src: VIP, dst: A4, isSound: true });
    }
  }
});

const annotated = (algorithm: string) => ({
  ...service('web', { clusterIP: VIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }),
  metadata: {
    namespace: 'default',
    name: 'web',
    annotations: { 'sluice.dev/lb-algorithm': algorithm },
  },
});
const FIVE = [B4, '10.244.2.1', '10.244.2.2', '10.244.2.3', '10.244.2.4'];
const reachedBy = (engine: Engine, sport: number, flags: string): string | undefined =>
  engine.send(IF.POD_A, segment(flags, sport)).seen.dst;

test('flows: without state a segment in mid-flow finds its endpoint by Maglev, on any node [proxy 121]', (t) => {
  const node = (...endpoints: string[]): Engine => {
    const engine = openEngine();
    engine.apply(put('Service', annotated('maglev')), webOver(...endpoints));
    return engine;
  };
  const [first, second] = [node(...FIVE), node(...[...FIVE].reverse())];
  const seen = new Set<string | undefined>();
  for (let i = 0; i < 100; i++) {
    const dst = reachedBy(first, 30000 + i, 'S');
    seen.add(dst);
    t.is(reachedBy(second, 30000 + i, 'A'), dst);
    t.is(second.flow(A4, 30000 + i, VIP, 80).state, TcpState.ESTABLISHED);
  }
  t.is(seen.size, FIVE.length);
});

test('flows: a flow keeps its endpoint when the table changes [proxy 122]', (t) => {
  const engine = openEngine();
  engine.apply(put('Service', annotated('maglev')), webOver(...FIVE));
  const before = Array.from({ length: 50 }, (_, i) => reachedBy(engine, 31000 + i, 'S'));
  engine.apply(webOver(B4));
  t.deepEqual(
    before.map((_, i) => reachedBy(engine, 31000 + i, 'S')),
    before,
  );
});

test('flows: round-robin takes every endpoint in turn', (t) => {
  const engine = openEngine();
  engine.apply(put('Service', annotated('round-robin')), webOver(...FIVE));
  const reached = Array.from({ length: 10 }, (_, i) => reachedBy(engine, 32000 + i, 'S'));
  t.deepEqual(reached.slice(0, 5), reached.slice(5));
  t.is(new Set(reached).size, 5);
});

for (const algorithm of ['random', 'maglev', 'round-robin']) {
  test(`flows: weight 0 takes no new flows and keeps those it has, ${algorithm} [proxy 126]`, (t) => {
    const engine = openEngine();
    engine.apply(put('Service', annotated(algorithm)), webOver(B4));
    t.is(reachedBy(engine, 33000, 'S'), B4);
    const weighted = slice('web-1', 'web', [ready(B4), ready(REMOTE4)]);
    engine.apply(
      put('EndpointSlice', {
        ...weighted,
        metadata: { ...weighted.metadata, annotations: { 'sluice.dev/weights': `${B4}=0` } },
      }),
    );
    const reached = new Set(
      Array.from({ length: 40 }, (_, i) => reachedBy(engine, 33001 + i, 'S')),
    );
    t.deepEqual([...reached], [REMOTE4]);
    t.is(reachedBy(engine, 33000, 'S'), B4, 'a repeated SYN');
  });
}

test('flows: IP options on the way to a service are kept, and never misread [proxy 114]', (t) => {
  const engine = openEngine();
  engine.apply(WEB, webOver(B4));
  // Router alert (RFC 2113), then padding.
  const options = Uint8Array.of(0x94, 0x04, 0, 0);
  const frame = packet({
    proto: 'tcp',
    src: A4,
    dst: VIP,
    sport: 34000,
    dport: 80,
    flags: 'S',
    options,
  });
  const sent = engine.send(IF.POD_A, frame);
  t.like(sent.seen, { dst: B4, dport: 8080, sport: 34000, isSound: true });
  t.deepEqual([...sent.frame.subarray(34, 38)], [...options]);
});
