import test from 'ava';
import { Action, Drop, LaneCounter, TcpState, Verdict } from '../../assembly/abi.js';
import { drop, put, ready, service, slice, webService } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  IF,
  MAC,
  NODE4,
  NODE6,
  OUTSIDE4,
  REMOTE4,
  REMOTE6,
  openEngine,
} from '../support/engine.js';
import { packet } from '../support/frames.js';

const VIP = '10.96.0.10';
const VIP6 = 'fd00:10:96::a';

/** A node with `web`, TCP port 80, over these endpoints. */
function webOver(...endpoints: string[]): Engine {
  const engine = openEngine();
  engine.apply(
    put('Service', webService('web', VIP)),
    put('EndpointSlice', slice('web-1', 'web', endpoints.map((address) => ready(address)))),
  );
  return engine;
}

const tcp = (flags: string, extra: object = {}): Uint8Array =>
  packet({ proto: 'tcp', src: A4, dst: VIP, sport: 40000, dport: 80, flags, ...extra });
const back = (src: string, flags: string, extra: object = {}): Uint8Array =>
  packet({ proto: 'tcp', src, dst: A4, sport: 8080, dport: 40000, flags, ...extra });

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
    const there = packet({ proto, src: A6, dst: VIP6, sport: 41000, dport: port, flags: 'S', payload: 'odd' });
    const sent = engine.send(IF.POD_A, there);
    t.like(sent.seen, { src: A6, dst: B6, sport: 41000, dport: target, ttl: 63, isSound: true });
    t.is(sent.outIfindex, IF.POD_B);
    const reply = packet({ proto, src: B6, dst: A6, sport: target, dport: 41000, flags: 'SA' });
    t.like(engine.send(IF.POD_B, reply).seen, { src: VIP6, sport: port, dst: A6, ttl: 63, isSound: true });
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

test('service: a remote backend is reached by the uplink and its replies are translated', (t) => {
  const engine = webOver(REMOTE4);
  const sent = engine.send(IF.POD_A, tcp('S'));
  t.is(sent.action, Action.UPLINK);
  t.is(sent.outIfindex, IF.UPLINK);
  t.like(sent.seen, { src: A4, dst: REMOTE4, dport: 8080, ttl: 63, isSound: true });
  const reply = engine.send(IF.UPLINK, back(REMOTE4, 'SA'));
  t.is(reply.outIfindex, IF.POD_A);
  t.like(reply.seen, { src: VIP, sport: 80, dst: A4, dstMac: MAC.POD_A, isSound: true });
});

test('service: a flow keeps its backend after that has left the service', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  engine.send(IF.POD_B, back(B4, 'SA'));
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
  t.like(engine.send(IF.POD_A, tcp('A')).seen, { dst: B4, dport: 8080, isSound: true });
  engine.apply(drop('Service', 'web'), drop('EndpointSlice', 'web-1'));
  t.like(engine.send(IF.POD_A, tcp('PA', { payload: 'x' })).seen, { dst: B4, isSound: true });
  t.like(engine.send(IF.POD_B, back(B4, 'A')).seen, { src: VIP, isSound: true });
});

test('service: a repeated SYN keeps the backend of a living flow', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
  t.like(engine.send(IF.POD_A, tcp('S')).seen, { dst: B4 });
});

/** How a connection can be over, from the pod's side `>` or the backend's `<`. */
const ENDINGS = {
  'a reset from the backend': ['>S', '<RA'],
  'a reset from the client': ['>S', '<SA', '>A', '>R'],
  'both FINs and the last ACK': ['>S', '<SA', '>A', '>FA', '<FA', '>A'],
  // The last ACK has no flag that climbs: the kernel executes it and the lane never sees it.
  'both FINs, the last ACK in the kernel': ['>S', '<SA', '>A', '>FA', '<FA'],
  'both FINs, the server first': ['>S', '<SA', '>A', '<FA', '>A', '>FA'],
};
for (const [ending, segments] of Object.entries(ENDINGS)) {
  test(`service: after ${ending} a new SYN selects anew`, (t) => {
    const engine = webOver(B4);
    for (const segment of segments) {
      const flags = segment.slice(1);
      if (segment.startsWith('>')) engine.send(IF.POD_A, tcp(flags));
      else engine.send(IF.POD_B, back(B4, flags));
    }
    engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
    t.like(engine.send(IF.POD_A, tcp('S')).seen, { dst: REMOTE4, flags: 'S', isSound: true });
    t.is(engine.flow(A4, 40000, VIP, 80).state, TcpState.SYN_SENT);
    t.is(engine.flows().length, 2);
  });
}

test('service: a SYN on a flow whose time is up does not wait for the sweep', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(REMOTE4)])));
  engine.nowMs += 121_000;
  t.like(engine.send(IF.POD_A, tcp('S')).seen, { dst: REMOTE4 });
});

test('service: two services on one backend with one client port get different source ports', (t) => {
  const engine = webOver(B4);
  engine.apply(
    put('Service', webService('other', '10.96.0.11')),
    put('EndpointSlice', slice('other-1', 'other', [ready(B4)])),
  );
  engine.send(IF.POD_A, tcp('S'));
  const second = engine.send(IF.POD_A, tcp('S', { dst: '10.96.0.11' }));
  t.is(second.verdict, Verdict.TX);
  t.like(second.seen, { src: A4, dst: B4, dport: 8080, isSound: true });
  const { sport = 0 } = second.seen;
  t.not(sport, 40000);
  t.true(sport >= 16384 && sport < 32768);
  t.is(engine.counter(LaneCounter.PORT_CLASHES), 1);
  const one = engine.send(IF.POD_B, back(B4, 'SA')).seen;
  t.like(one, { src: VIP, sport: 80, dst: A4, dport: 40000, isSound: true });
  const two = engine.send(IF.POD_B, back(B4, 'SA', { dport: sport })).seen;
  t.like(two, { src: '10.96.0.11', sport: 80, dst: A4, dport: 40000, isSound: true });
});

test('service: a direct connection beside one through the ClusterIP does not disturb it', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, tcp('S'));
  const direct = engine.send(IF.POD_A, tcp('S', { dst: B4, dport: 8080 }));
  t.not(direct.seen.sport, 40000);
  const reply = engine.send(IF.POD_B, back(B4, 'SA', { dport: direct.seen.sport })).seen;
  t.like(reply, { src: B4, sport: 8080, dst: A4, dport: 40000, isSound: true });
});

for (const [family, vip, pod, nodeAddress] of [
  ['IPv4', VIP, A4, NODE4],
  ['IPv6', VIP6, A6, NODE6],
] as const) {
  test(`service: a pod that is its own backend sees the node as its client, ${family}`, (t) => {
    const engine = openEngine();
    engine.apply(
      put('Service', webService('self', vip)),
      put('EndpointSlice', slice('self-1', 'self', [ready(pod)])),
    );
    const sent = engine.send(IF.POD_A, tcp('S', { src: pod, dst: vip }));
    t.is(sent.outIfindex, IF.POD_A);
    t.like(sent.seen, { src: nodeAddress, dst: pod, dport: 8080, isSound: true });
    const dport = sent.seen.sport;
    const reply = engine.send(IF.POD_A, back(pod, 'SA', { dst: nodeAddress, dport }));
    t.is(reply.outIfindex, IF.POD_A);
    t.like(reply.seen, { src: vip, sport: 80, dst: pod, dport: 40000, isSound: true });
  });
}

test('service: a port that the service has not is refused by name, whatever the protocol', (t) => {
  const engine = webOver(B4);
  t.is(engine.send(IF.POD_A, tcp('S', { dport: 81 })).drop, Drop.SERVICE_PORT_UNKNOWN);
  t.is(engine.send(IF.POD_A, tcp('S', { proto: 'udp' })).drop, Drop.SERVICE_PORT_UNKNOWN);
  t.is(engine.send(IF.POD_A, tcp('S', { proto: 'icmp' })).drop, Drop.SERVICE_PORT_UNKNOWN);
  t.is(engine.drops(Drop.SERVICE_PORT_UNKNOWN), 3);
  t.is(engine.flows().length, 0);
});

test('service: without backends a packet is dropped as such', (t) => {
  const engine = webOver();
  t.is(engine.send(IF.POD_A, tcp('S')).drop, Drop.NO_BACKEND);
  t.is(engine.flows().length, 0);
});

test('service: when the last backend comes and goes, new flows follow', (t) => {
  const engine = webOver();
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [ready(B4)])));
  t.is(engine.send(IF.POD_A, tcp('S')).verdict, Verdict.TX);
  engine.apply(put('EndpointSlice', slice('web-1', 'web', [])));
  t.is(engine.send(IF.POD_A, tcp('S', { sport: 40001 })).drop, Drop.NO_BACKEND);
});

test('service: fragments to a service are dropped by name, first and later ones', (t) => {
  const engine = webOver(B4);
  const payload = new Uint8Array(64);
  for (const fragment of [{ offset: 0, more: true }, { offset: 4, more: false }]) {
    const frame = tcp('PA', { payload, fragment });
    t.is(engine.send(IF.POD_A, frame).drop, Drop.FRAGMENT_OF_SERVICE);
  }
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
    Array.from({ length: 200 }, (_, i) => fresh.send(IF.POD_A, tcp('S', { sport: 20000 + i })).seen.dst ?? '');
  const first = choose(engine);
  const local = first.filter((dst) => dst === B4).length;
  t.true(local > 60 && local < 140, `${local} of 200 went to the first backend`);
  t.deepEqual(choose(webOver(REMOTE4, B4)), first);
});

test('service: an outside client reaches a ClusterIP by the uplink and is answered there', (t) => {
  const engine = webOver(B4);
  const sent = engine.send(IF.UPLINK, tcp('S', { src: OUTSIDE4 }));
  t.like(sent.seen, { src: OUTSIDE4, dst: B4, isSound: true });
  const reply = engine.send(IF.POD_B, back(B4, 'SA', { dst: OUTSIDE4 }));
  t.is(reply.action, Action.UPLINK);
  t.is(reply.outIfindex, IF.UPLINK);
  t.like(reply.seen, { src: VIP, sport: 80, dst: OUTSIDE4, isSound: true });
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
