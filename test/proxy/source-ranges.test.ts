/** loadBalancerSourceRanges: whom a load-balancer address lets in. */
import test from 'ava';
import { put } from '../model/objects.js';
import { A4, B4, NODE4, OUTSIDE4, REMOTE4 } from '../support/engine.js';
import {
  BALANCER,
  NODE,
  OUTSIDE,
  POD,
  type Sender,
  WAYS,
  dropped,
  here,
  masqueraded,
  nodeWith,
  reaches,
  there,
  tries,
  webEverywhere,
  webSlice,
} from './node.js';

const ENDPOINTS = [here(), there()];
const from = (src: string): Sender => ({ ...OUTSIDE, src });
const ranges = (...loadBalancerSourceRanges: string[]) => ({ loadBalancerSourceRanges });
const SHUT = dropped('SOURCE_NOT_IN_RANGE');

test('ranges: a source in range passes, one outside is dropped [proxy 57]', (t) => {
  const engine = nodeWith(ranges('198.51.100.0/28', '192.0.2.1/32'), ENDPOINTS);
  t.deepEqual(tries(engine, from('198.51.100.9'), WAYS.balancer), masqueraded(B4, REMOTE4));
  t.deepEqual(tries(engine, from('192.0.2.1'), WAYS.balancer), masqueraded(B4, REMOTE4));
  t.deepEqual(tries(engine, from('198.51.100.16'), WAYS.balancer), SHUT);
  t.deepEqual(tries(engine, from('192.0.2.2'), WAYS.balancer), SHUT);
});

test('ranges: blanks around them do not count [proxy 58]', (t) => {
  const engine = nodeWith(ranges('  198.51.100.0/24\t'), ENDPOINTS);
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), masqueraded(B4, REMOTE4));
  t.deepEqual(tries(engine, from('192.0.2.1'), WAYS.balancer), SHUT);
});

test('ranges: node ports, external addresses and ClusterIPs are not bound [proxy 59]', (t) => {
  const engine = nodeWith(ranges('192.0.2.0/24'), ENDPOINTS);
  for (const way of ['nodePort', 'external', 'clusterIP'] as const) {
    t.deepEqual(tries(engine, OUTSIDE, WAYS[way]), masqueraded(B4, REMOTE4), way);
  }
});

test('ranges: local pods are bound [proxy 60]', (t) => {
  const engine = nodeWith(ranges('198.51.100.0/24'), ENDPOINTS);
  t.deepEqual(tries(engine, POD, WAYS.balancer), SHUT);
  engine.apply(put('Service', webEverywhere(ranges(`${A4}/32`))));
  t.deepEqual(tries(engine, POD, WAYS.balancer), masqueraded(B4, REMOTE4));
});

test('ranges: the node is bound; in range, the address may speak to itself [proxy 61]', (t) => {
  const itself: Sender = { ...NODE, src: BALANCER };
  const shut = nodeWith(ranges('198.51.100.0/24'), ENDPOINTS);
  t.deepEqual(tries(shut, NODE, WAYS.balancer), SHUT);
  t.deepEqual(tries(shut, itself, WAYS.balancer), SHUT);
  const open = nodeWith(ranges(`${NODE4}/32`), ENDPOINTS);
  t.deepEqual(tries(open, NODE, WAYS.balancer), reaches(B4, REMOTE4), 'masqueraded with itself');
  t.deepEqual(tries(open, itself, WAYS.balancer), masqueraded(B4, REMOTE4));
});

test('ranges: 0.0.0.0/0 is everybody [proxy 62]', (t) => {
  const engine = nodeWith(ranges('0.0.0.0/0'), ENDPOINTS);
  for (const src of ['1.2.3.4', OUTSIDE4, '223.255.255.254']) {
    t.deepEqual(tries(engine, from(src), WAYS.balancer), masqueraded(B4, REMOTE4));
  }
});

test('ranges: a change counts for new flows at once, and cuts no old one [proxy 63]', (t) => {
  const engine = nodeWith(ranges('198.51.100.0/24'), ENDPOINTS);
  const sport = 1234;
  t.is(tries(engine, OUTSIDE, WAYS.balancer, { count: 1, sport }).reached.length, 1);
  engine.apply(put('Service', webEverywhere(ranges('192.0.2.0/24'))));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), SHUT);
  t.is(tries(engine, OUTSIDE, WAYS.balancer, { count: 1, sport }).reached.length, 1);
  engine.apply(put('Service', webEverywhere()));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), masqueraded(B4, REMOTE4));
});

test('ranges: of the other family only they bind nobody of this one', (t) => {
  const engine = nodeWith(ranges('2001:db8::/32'), ENDPOINTS);
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), masqueraded(B4, REMOTE4));
});

test('ranges: they are asked before endpoints are', (t) => {
  const engine = nodeWith(ranges('192.0.2.0/24'), []);
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), SHUT);
  engine.apply(webSlice(...ENDPOINTS));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), SHUT);
});
