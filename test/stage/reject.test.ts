/** What a client of a service without backends is told. Checksums are judged by test/support. */
import test from 'ava';
import { Action, Drop, LaneCounter, Verdict } from '../../assembly/abi.js';
import { put, ready, service, slice, webService } from '../model/objects.js';
import { A4, A6, IF, OUTSIDE4, REMOTE4, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';
import { VIP, VIP6, tcp, webOver } from './web.js';

const ETH_HLEN = 14;

function tcpNumbers(frame: Uint8Array): { seq: number; ack: number; length: number } {
  const view = new DataView(frame.buffer, frame.byteOffset);
  const l4 = ETH_HLEN + 20;
  return { seq: view.getUint32(l4 + 4), ack: view.getUint32(l4 + 8), length: frame.length };
}

/** A frame whose sequence and acknowledgment numbers are known, checksum left as it was. */
function numbered(flags: string, extra: object = {}): Uint8Array {
  const frame = tcp(flags, extra);
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint32(ETH_HLEN + 24, 1000);
  view.setUint32(ETH_HLEN + 28, 7000);
  return frame;
}

test('reject: a SYN to a service without backends is refused by the service address', (t) => {
  const engine = webOver();
  const sent = engine.send(IF.POD_A, numbered('S'));
  t.is(sent.verdict, Verdict.TX);
  t.is(sent.action, Action.POD);
  t.is(sent.outIfindex, IF.POD_A);
  t.like(sent.seen, { src: VIP, dst: A4, sport: 80, dport: 40000, flags: 'RA', isSound: true });
  t.deepEqual(tcpNumbers(sent.frame), { seq: 0, ack: 1001, length: ETH_HLEN + 40 });
  t.is(engine.flows().length, 0);
  t.is(engine.counter(LaneCounter.REJECTED), 1);
});

test('reject: a segment that acknowledges is reset with the number it acknowledges', (t) => {
  const engine = webOver();
  const sent = engine.send(IF.POD_A, numbered('PA', { payload: 'late data' }));
  t.like(sent.seen, { flags: 'R', payload: '', isSound: true });
  t.like(tcpNumbers(sent.frame), { seq: 7000, ack: 0 });
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
  t.like(outside.seen, { src: VIP, dst: OUTSIDE4, flags: 'RA', isSound: true });
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
  const quote = sent.frame.subarray(ETH_HLEN + 28);
  t.deepEqual(quote, asked.subarray(ETH_HLEN, ETH_HLEN + 28));
});

test('reject: IPv6 is refused by reset and by port unreachable, checksums sound', (t) => {
  const engine = openEngine();
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];
  engine.apply(put('Service', service('six', { clusterIP: VIP6, ports })));
  const refused = engine.send(IF.POD_A, tcp('S', { src: A6, dst: VIP6 }));
  t.like(refused.seen, { src: VIP6, dst: A6, flags: 'RA', isSound: true });
  const query = packet({ proto: 'udp', src: A6, dst: VIP6, sport: 9, dport: 53, payload: 'who?' });
  const asked = query.slice(ETH_HLEN);
  const sent = engine.send(IF.POD_A, query);
  t.like(sent.seen, { src: VIP6, dst: A6, proto: 58, type: 1, isSound: true });
  t.deepEqual(sent.frame.subarray(ETH_HLEN + 48), asked, 'the whole datagram is quoted');
});

test('reject: endpoints elsewhere, by a policy that keeps traffic here, are kept quiet about', (t) => {
  const engine = openEngine();
  const web = webService('web', VIP);
  engine.apply(
    put('Service', { ...web, spec: { ...web.spec, internalTrafficPolicy: 'Local' } }),
    put('EndpointSlice', slice('web-1', 'web', [{ ...ready(REMOTE4), nodeName: 'elsewhere' }])),
  );
  t.is(engine.send(IF.POD_A, tcp('S')).drop, Drop.NO_BACKEND);
});
