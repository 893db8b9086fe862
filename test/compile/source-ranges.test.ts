import test from 'ava';
import type { Service } from 'kubernetes-types/core/v1.js';
import { Drop, Verdict } from '../../assembly/abi.js';
import { node, put, ready, service, slice, HERE } from '../model/objects.js';
import { A4, B4, IF, NODE4, NODE6, OUTSIDE4, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';
import { compiled, serviceIn } from './reading.js';

const VIP = '203.0.113.1';
const OTHER4 = '192.0.2.77';

function balanced(ranges: string[], ingress = [VIP]): Service {
  const object = service('web', {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.10',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }],
    loadBalancerSourceRanges: ranges,
  });
  return { ...object, status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } } };
}

const ENDPOINTS = put('EndpointSlice', slice('s', 'web', [ready(B4, HERE)]));

function open(...ranges: string[]) {
  const engine = openEngine();
  let sport = 40000;
  const send = (from: number, src: string, dst = VIP, dport = 80) =>
    engine.send(from, packet({ proto: 'tcp', src, dst, sport: sport++, dport, flags: 'S' }));
  const change = (...next: string[]): void => {
    engine.apply(put('Service', balanced(next)));
  };
  engine.apply(ENDPOINTS);
  change(...ranges);
  return { engine, send, change };
}

test('source-ranges: who is within is translated, who is not is dropped by name [proxy 57]', (t) => {
  const { send } = open('198.51.100.0/24');
  const within = send(IF.UPLINK, OUTSIDE4);
  t.is(within.verdict, Verdict.TX);
  t.is(within.seen.dst, B4);
  t.is(within.seen.src, NODE4);
  const without = send(IF.UPLINK, OTHER4);
  t.is(without.verdict, Verdict.DROP);
  t.is(without.drop, Drop.SOURCE_NOT_IN_RANGE);
});

test('source-ranges: blanks in front of a range do not count [proxy 58]', (t) => {
  const { send } = open('  198.51.100.0/24');
  t.is(send(IF.UPLINK, OUTSIDE4).verdict, Verdict.TX);
  t.is(send(IF.UPLINK, OTHER4).drop, Drop.SOURCE_NOT_IN_RANGE);
});

test('source-ranges: they are nothing to the node port [proxy 59]', (t) => {
  const { send } = open('198.51.100.0/24');
  const decided = send(IF.UPLINK, OTHER4, NODE4, 30080);
  t.is(decided.verdict, Verdict.TX);
  t.is(decided.seen.dst, B4);
});

test('source-ranges: a pod of this node is bound by them [proxy 60]', (t) => {
  const { send } = open('198.51.100.0/24');
  t.is(send(IF.POD_A, A4).drop, Drop.SOURCE_NOT_IN_RANGE);
});

test('source-ranges: the node within is let in and masqueraded, and so is the address itself [proxy 61]', (t) => {
  const { send } = open(`${NODE4}/32`);
  const own = send(IF.TRUNK, NODE4);
  t.is(own.verdict, Verdict.TX);
  t.is(own.seen.src, NODE4);
  t.is(own.seen.dst, B4);
  t.is(send(IF.TRUNK, VIP).verdict, Verdict.TX);
  t.is(send(IF.TRUNK, OTHER4).drop, Drop.SOURCE_NOT_IN_RANGE);
});

test('source-ranges: without the node among them the address may not speak to itself', (t) => {
  const { send } = open('198.51.100.0/24');
  t.is(send(IF.TRUNK, VIP).drop, Drop.SOURCE_NOT_IN_RANGE);
});

test('source-ranges: a range of everything is everybody [proxy 62]', (t) => {
  const { send } = open('0.0.0.0/0');
  t.is(send(IF.UPLINK, OUTSIDE4).verdict, Verdict.TX);
  t.is(send(IF.UPLINK, OTHER4).verdict, Verdict.TX);
  t.is(send(IF.POD_A, A4).verdict, Verdict.TX);
});

test('source-ranges: new flows follow a change at once [proxy 63]', (t) => {
  const { send, change } = open('198.51.100.0/24');
  t.is(send(IF.UPLINK, OTHER4).drop, Drop.SOURCE_NOT_IN_RANGE);
  change('192.0.2.0/24');
  t.is(send(IF.UPLINK, OTHER4).verdict, Verdict.TX);
  t.is(send(IF.UPLINK, OUTSIDE4).drop, Drop.SOURCE_NOT_IN_RANGE);
  change();
  t.is(send(IF.UPLINK, OUTSIDE4).verdict, Verdict.TX);
});

test('source-ranges: of the other family only, they restrict nobody; unreadable ones everybody', (t) => {
  t.is(open('2001:db8::/32').send(IF.UPLINK, OTHER4).verdict, Verdict.TX);
  const { send } = open('198.51.100.0/33');
  t.is(send(IF.UPLINK, OUTSIDE4).drop, Drop.SOURCE_NOT_IN_RANGE);
  t.is(open('198.51.100.0/33', '192.0.2.0/24').send(IF.UPLINK, OTHER4).verdict, Verdict.TX);
});

test('source-ranges: they are 16 bytes of address and 16 of mask, if there is a balancer', (t) => {
  const own = put('Node', node(HERE, [], [NODE4, NODE6]));
  const rows = (ingress: string[]) =>
    serviceIn(compiled([own, put('Service', balanced(['192.168.0.0/25'], ingress))]));
  const { row, flags } = rows([VIP]);
  const [address, mask] = ['00000000000000000000ffffc0a80000', 'ff'.repeat(15) + '80'];
  t.is(Buffer.from(row.ranges).toString('hex'), `${address}${mask}`);
  t.deepEqual(flags, ['SELF_IN_RANGE']);
  t.is(rows([]).row.ranges.length, 0);
});
