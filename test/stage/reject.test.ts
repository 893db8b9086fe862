/** What a client of a service without backends is told. Checksums are judged by test/support. */
import test from 'ava';
import { Action, Drop, LaneCounter, Verdict } from '../../assembly/abi.js';
import { put, ready, service, slice, webService } from '../model/objects.js';
import { A4, A6, IF, OUTSIDE4, REMOTE4, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';
import { VIP, VIP6, tcp, webOver } from './web.js';

const ETH_HLEN = 14;
/** Destination unreachable: type and code (RFC 792; RFC 4443 3.1). */
const PORT_UNREACHABLE = [3, 3];
const PORT_UNREACHABLE6 = [1, 4];

/** Type and code of an IPv4 answer, and the packet it quotes. */
function read4(frame: Uint8Array): { kind: number[]; quote: Uint8Array } {
  const icmp = frame.subarray(ETH_HLEN + 20);
  return { kind: [...icmp.subarray(0, 2)], quote: icmp.subarray(8) };
}

test('reject: a SYN to a service without backends is refused by the service address [proxy 9 112]', (t) => {
  const engine = webOver();
  const asked = tcp('S');
  const sent = engine.send(IF.POD_A, asked.slice());
  t.is(sent.verdict, Verdict.TX);
  t.is(sent.action, Action.POD);
  t.is(sent.outIfindex, IF.POD_A);
  t.like(sent.seen, { src: VIP, dst: A4, proto: 1, isSound: true });
  t.deepEqual(read4(sent.frame), { kind: PORT_UNREACHABLE, quote: asked.subarray(ETH_HLEN) });
  t.is(engine.flows().length, 0);
  t.is(engine.counter(LaneCounter.REJECTED), 1);
});

test('reject: no more of a packet is quoted than 576 bytes hold', (t) => {
  const sent = webOver().send(IF.POD_A, tcp('PA', { payload: 'x'.repeat(1400) }));
  t.is(sent.frame.length, ETH_HLEN + 576);
  t.true(sent.seen.isSound);
});

test('reject: a reset is not answered', (t) => {
  t.is(webOver().send(IF.POD_A, tcp('R')).drop, Drop.NO_BACKEND);
});

test('reject: the node and outside clients are refused where they asked', (t) => {
  const engine = webOver();
  const host = engine.send(IF.TRUNK, tcp('S', { src: OUTSIDE4 }));
  t.is(host.action, Action.HOST);
  const outside = engine.send(IF.UPLINK, tcp('S', { src: OUTSIDE4 }));
  t.is(outside.action, Action.UPLINK);
  t.is(outside.outIfindex, IF.UPLINK);
  t.like(outside.seen, { src: VIP, dst: OUTSIDE4, type: 3, isSound: true });
});

test('reject: answers are limited to a burst of 50 and 1000 a second, as in Linux', (t) => {
  const engine = webOver();
  engine.nowMs += 1000;
  const answers = (): number =>
    Array.from({ length: 80 }, (_, i) =>
      engine.send(IF.POD_A, tcp('S', { sport: 1000 + i })),
    ).filter(({ verdict }) => verdict === Verdict.TX).length;
  t.is(answers(), 50);
  t.is(engine.drops(Drop.ERROR_NOT_ANSWERED), 30);
  t.is(engine.counter(LaneCounter.ICMP_ERRORS_LIMITED), 30);
  engine.nowMs += 10;
  t.is(answers(), 10);
});

test('reject: the first burst is answered whatever time it is', (t) => {
  const engine = webOver();
  engine.nowMs = 0;
  t.is(engine.send(IF.POD_A, tcp('S')).verdict, Verdict.TX);
});

test('reject: a datagram is answered by port unreachable that quotes it', (t) => {
  const engine = openEngine();
  const port = { name: 'dns', port: 53, protocol: 'UDP' };
  engine.apply(put('Service', service('dns', { clusterIP: VIP, ports: [port] })));
  const query = packet({ proto: 'udp', src: A4, dst: VIP, sport: 9, dport: 53, payload: 'who?' });
  const asked = query.slice();
  const sent = engine.send(IF.POD_A, query);
  t.like(sent.seen, { src: VIP, dst: A4, proto: 1, type: 3, isSound: true });
  t.is(sent.frame[ETH_HLEN + 21], 3, 'code: port unreachable');
  t.deepEqual(read4(sent.frame).quote, asked.subarray(ETH_HLEN), 'the whole datagram');
});

test('reject: IPv6 is refused by port unreachable, checksums sound', (t) => {
  const engine = openEngine();
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];
  engine.apply(put('Service', service('six', { clusterIP: VIP6, ports })));
  const query = { src: A6, dst: VIP6, sport: 9 } as const;
  for (const frame of [
    tcp('S', query),
    packet({ ...query, proto: 'udp', dport: 53, payload: 'who?' }),
  ]) {
    const asked = frame.slice(ETH_HLEN);
    const sent = engine.send(IF.POD_A, frame);
    t.like(sent.seen, { src: VIP6, dst: A6, proto: 58, isSound: true });
    t.deepEqual([...sent.frame.subarray(ETH_HLEN + 40, ETH_HLEN + 42)], PORT_UNREACHABLE6);
    t.deepEqual(sent.frame.subarray(ETH_HLEN + 48), asked, 'the whole datagram is quoted');
  }
});

test('reject: endpoints elsewhere, by a policy that keeps traffic here, are kept quiet about', (t) => {
  const engine = openEngine();
  const web = webService('web', VIP);
  engine.apply(
    put('Service', { ...web, spec: { ...web.spec, internalTrafficPolicy: 'Local' } }),
    put('EndpointSlice', slice('web-1', 'web', [{ ...ready(REMOTE4), nodeName: 'elsewhere' }])),
  );
  t.is(engine.send(IF.POD_A, tcp('S')).drop, Drop.NO_LOCAL_BACKEND);
});

test('reject: a port or protocol that a service has not is refused, not routed [proxy 6 7]', (t) => {
  const engine = webOver('10.244.1.3');
  for (const frame of [tcp('S', { dport: 81 }), tcp('S', { proto: 'udp' })]) {
    const asked = frame.slice(ETH_HLEN);
    const sent = engine.send(IF.POD_A, frame);
    t.like(sent.seen, { src: VIP, dst: A4, proto: 1, isSound: true });
    t.deepEqual(read4(sent.frame), { kind: PORT_UNREACHABLE, quote: asked });
  }
  t.is(engine.send(IF.POD_A, tcp('S', { proto: 'icmp' })).drop, Drop.SERVICE_PORT_UNKNOWN);
  t.is(engine.flows().length, 0);
});
