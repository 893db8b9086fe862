import test from 'ava';
import {
  Action,
  CONTROL_BASE,
  CONTROL_NODE_ADDR4_OFF,
  Drop,
  LaneCounter,
  TcpState,
  Verdict,
} from '../../assembly/abi.js';
import { put, ready, service, slice, webService } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  IF,
  MAC,
  NODE4,
  OUTSIDE4,
  REMOTE4,
  REMOTE6,
  openEngine,
} from '../support/engine.js';
import { packet, see } from '../support/frames.js';
import { VIP, VIP6, back, tcp, webOver } from './web.js';

test('service: a SYN to a ClusterIP leaves for the backend, with sound checksums and TTL - 1', (t) => {
  const engine = webOver(B4);
  const sent = engine.send(IF.POD_A, tcp('S', { payload: 'hello', ttl: 17 }));
  t.is(sent.verdict, Verdict.TX);
  t.is(sent.action, Action.POD);
  t.is(sent.outIfindex, IF.POD_B);
  t.like(sent.seen, { src: A4, dst: B4, sport: 40000, dport: 8080, flags: 'S', ttl: 16 });
  t.like(sent.seen, { payload: 'hello', isSound: true });
  t.like(sent.seen, { dstMac: MAC.POD_B, srcMac: MAC.GATEWAY });
});

test('service: a SYN makes two rows, one a direction, each the other translated back', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  const rows = engine.flows();
  t.is(rows.length, 2);
  const there = engine.flow(A4, 40000, VIP, 80);
  t.like(there, { newSrc: A4, newSport: 40000, newDst: B4, newDport: 8080, isReply: false });
  t.like(there, { action: Action.POD, inIfindex: IF.POD_A, outIfindex: IF.POD_B });
  t.is(there.state, TcpState.SYN_SENT);
  const reply = engine.flow(B4, 8080, A4, 40000);
  t.like(reply, { newSrc: VIP, newSport: 80, newDst: A4, newDport: 40000, isReply: true });
  t.like(reply, { action: Action.POD, inIfindex: IF.POD_B, outIfindex: IF.POD_A });
  t.is(engine.counter(LaneCounter.FLOWS_CREATED), 1);
});

test('service: the SYN-ACK comes back as the ClusterIP', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  const reply = engine.send(IF.POD_B, back(B4, 'SA'));
  t.is(reply.verdict, Verdict.TX);
  t.like(reply.seen, { src: VIP, sport: 80, dst: A4, dport: 40000, ttl: 63, isSound: true });
  t.like(reply.seen, { dstMac: MAC.POD_A, srcMac: MAC.GATEWAY });
  t.is(reply.outIfindex, IF.POD_A);
  t.is(engine.flow(A4, 40000, VIP, 80).state, TcpState.SYN_RECV);
  engine.send(IF.POD_A, tcp('A'));
  t.is(engine.flow(A4, 40000, VIP, 80).state, TcpState.ESTABLISHED);
});

const DNS = put(
  'Service',
  service('dns', { clusterIP: VIP, ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }),
);
const DNS_SLICE = put(
  'EndpointSlice',
  slice('dns-1', 'dns', [ready(B4)], [{ name: 'dns', port: 5353, protocol: 'UDP' }]),
);

test('service: UDP goes to the backend and comes back as the ClusterIP', (t) => {
  const engine = openEngine();
  engine.apply(DNS, DNS_SLICE);
  const query = { proto: 'udp', src: A4, dst: VIP, sport: 999, dport: 53, payload: 'q?' } as const;
  t.like(engine.send(IF.POD_A, packet(query)).seen, { dst: B4, dport: 5353, isSound: true });
  const answer = { proto: 'udp', src: B4, dst: A4, sport: 5353, dport: 999, payload: 'a' } as const;
  const seen = engine.send(IF.POD_B, packet(answer)).seen;
  t.like(seen, { src: VIP, sport: 53, dst: A4, dport: 999, payload: 'a', isSound: true });
});

test('service: a UDP datagram without a checksum stays without one', (t) => {
  const engine = openEngine();
  engine.apply(DNS, DNS_SLICE);
  const query = { proto: 'udp', src: A4, dst: VIP, sport: 999, dport: 53 } as const;
  const { seen } = engine.send(IF.POD_A, packet({ ...query, noChecksum: true }));
  t.like(seen, { dst: B4, checksum: 0, isSound: true });
});

test('service: a UDP checksum that comes to 0 is sent as all ones (RFC 768)', (t) => {
  const engine = openEngine();
  engine.apply(DNS, DNS_SLICE);
  const query = { proto: 'udp', src: A4, dst: VIP, sport: 999, dport: 53 } as const;
  const translated = { ...query, dst: B4, dport: 5353 } as const;
  // The word that brings the sum of the translated datagram to all ones is its checksum without it.
  const { checksum = 0 } = see(packet({ ...translated, payload: Uint8Array.of(0, 0) }));
  const payload = Uint8Array.of(checksum >>> 8, checksum & 0xff);
  t.is(see(packet({ ...translated, payload })).checksum, 0xffff);
  const { seen } = engine.send(IF.POD_A, packet({ ...query, payload }));
  t.like(seen, { dst: B4, checksum: 0xffff, isSound: true });
});

test('service: IPv6 TCP, UDP and their replies are translated with sound checksums', (t) => {
  const engine = openEngine();
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];
  const own = [
    { name: 'http', port: 8080, protocol: 'TCP' },
    { name: 'dns', port: 5353, protocol: 'UDP' },
  ];
  const spec = { clusterIP: VIP6, clusterIPs: [VIP6], ipFamilies: ['IPv6'], ports };
  engine.apply(
    put('Service', service('six', spec)),
    put('EndpointSlice', slice('six-1', 'six', [ready(B6)], own)),
  );
  for (const [proto, port, target] of [
    ['tcp', 80, 8080],
    ['udp', 53, 5353],
  ] as const) {
    const there = packet({
      proto,
      src: A6,
      dst: VIP6,
      sport: 41000,
      dport: port,
      flags: 'S',
      payload: 'odd',
    });
    const sent = engine.send(IF.POD_A, there);
    t.like(sent.seen, { src: A6, dst: B6, sport: 41000, dport: target, ttl: 63, isSound: true });
    t.is(sent.outIfindex, IF.POD_B);
    const reply = packet({ proto, src: B6, dst: A6, sport: target, dport: 41000, flags: 'SA' });
    t.like(engine.send(IF.POD_B, reply).seen, {
      src: VIP6,
      sport: port,
      dst: A6,
      ttl: 63,
      isSound: true,
    });
  }
});

test('service: the node reaches a ClusterIP through its host link and replies go to the host', (t) => {
  const engine = webOver(B4);
  const sent = engine.send(IF.TRUNK, tcp('S', { src: NODE4 }));
  t.like(sent.seen, { src: NODE4, dst: B4, dport: 8080, isSound: true });
  t.is(sent.outIfindex, IF.POD_B);
  const reply = engine.send(IF.POD_B, back(B4, 'SA', { dst: NODE4, ttl: 9 }));
  t.is(reply.verdict, Verdict.TX);
  t.is(reply.action, Action.HOST);
  // The host's stack is the end of the way: it takes no TTL.
  t.like(reply.seen, { src: VIP, sport: 80, dst: NODE4, ttl: 9, isSound: true });
});

test('service: a remote backend is reached by the uplink and its replies are translated [proxy 65]', (t) => {
  const engine = webOver(REMOTE4);
  const sent = engine.send(IF.POD_A, tcp('S'));
  t.is(sent.action, Action.UPLINK);
  t.is(sent.outIfindex, IF.UPLINK);
  t.like(sent.seen, { src: A4, dst: REMOTE4, dport: 8080, ttl: 63, isSound: true });
  const reply = engine.send(IF.UPLINK, back(REMOTE4, 'SA'));
  t.is(reply.outIfindex, IF.POD_A);
  t.like(reply.seen, { src: VIP, sport: 80, dst: A4, dstMac: MAC.POD_A, isSound: true });
});

test('service: when the last backend comes and goes, new flows follow', (t) => {
  const engine = webOver();
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(B4)])));
  t.is(engine.send(IF.POD_A, tcp('S')).verdict, Verdict.TX);
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [])));
  t.is(engine.send(IF.POD_A, tcp('S', { sport: 40001 })).seen.type, 3, 'unreachable');
});

test('service: a later fragment without a first one goes to no backend', (t) => {
  const engine = webOver(B4);
  const fragment = { offset: 4, more: false };
  const frame = tcp('PA', { payload: new Uint8Array(64), fragment });
  t.is(engine.send(IF.POD_A, frame).drop, Drop.FRAGMENT_BEFORE_FIRST);
});

test('service: a mid-stream ACK of an unknown flow is picked up, as Linux does', (t) => {
  const engine = webOver(B4);
  t.like(engine.send(IF.POD_A, tcp('A')).seen, { dst: B4, isSound: true });
  t.is(engine.flow(A4, 40000, VIP, 80).state, TcpState.ESTABLISHED);
});

for (const flags of ['SA', 'FA', 'R']) {
  test(`service: ${flags} of an unknown flow to a service is invalid`, (t) => {
    const engine = webOver(B4);
    t.is(engine.send(IF.POD_A, tcp(flags)).drop, Drop.TCP_INVALID_STATE);
    t.is(engine.flows().length, 0);
  });
}

test('service: backends share new flows, and the same tuple always gets the same one', (t) => {
  const engine = webOver(B4, REMOTE4);
  const choose = (fresh: Engine): string[] =>
    Array.from(
      { length: 200 },
      (_, i) => fresh.send(IF.POD_A, tcp('S', { sport: 20000 + i })).seen.dst ?? '',
    );
  const first = choose(engine);
  const local = first.filter((dst) => dst === B4).length;
  t.true(local > 60 && local < 140, `${local} of 200 went to the first backend`);
  t.deepEqual(choose(webOver(REMOTE4, B4)), first);
});

test('masquerade: a node without an address says so', (t) => {
  const engine = webOver(REMOTE4);
  const address = CONTROL_BASE + CONTROL_NODE_ADDR4_OFF;
  engine.core.view.fill(0, address, address + 16);
  t.is(engine.send(IF.UPLINK, tcp('S', { src: OUTSIDE4 })).drop, Drop.NO_NODE_ADDRESS);
});

test('service: an IPv6 backend on another node is out of the uplink', (t) => {
  const engine = openEngine();
  engine.apply(
    put('Service', webService('six', VIP6)),
    put('EndpointSlice', slice('six-1', 'six', [ready(REMOTE6)])),
  );
  const sent = engine.send(IF.POD_A, tcp('S', { src: A6, dst: VIP6 }));
  t.is(sent.outIfindex, IF.UPLINK);
  t.like(sent.seen, { dst: REMOTE6, dport: 8080, isSound: true });
});
