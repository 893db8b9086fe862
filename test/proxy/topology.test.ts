/** Topology hints, as frames meet them. */
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import test from 'ava';
import { HERE, node, notReady, put } from '../model/objects.js';
import { B4, type Engine, NODE4, NODE6, REMOTE4 } from '../support/engine.js';
import {
  OUTSIDE,
  POD,
  REMOTE4_TOO,
  WAYS,
  here,
  nodeWith,
  reaches,
  there,
  tries,
  webSlice,
} from './node.js';

const inZones = (endpoint: Endpoint, ...zones: string[]): Endpoint => ({
  ...endpoint,
  hints: { forZones: zones.map((name) => ({ name })) },
});
const onNodes = (endpoint: Endpoint, ...nodes: string[]): Endpoint =>
  ({
    ...endpoint,
    hints: { ...endpoint.hints, forNodes: nodes.map((name) => ({ name })) },
  }) as Endpoint;

/** Put the node into a zone. */
function moveTo(engine: Engine, zone: string): void {
  const own = node(HERE, ['10.244.1.0/24', 'fd00:10:244:1::/64'], [NODE4, NODE6]);
  const labels = { 'topology.kubernetes.io/zone': zone };
  engine.apply(put('Node', { ...own, metadata: { ...own.metadata, labels } }));
}

function inZone(zone: string, endpoints: readonly Endpoint[], spec = {}): Engine {
  const engine = nodeWith(spec, endpoints);
  if (zone !== '') moveTo(engine, zone);
  return engine;
}

test('topology: hints keep traffic in the zone, request after request [proxy 47 55]', (t) => {
  const hinted = [inZones(here(), 'x'), inZones(there(), 'y'), inZones(there(REMOTE4_TOO), 'y')];
  t.deepEqual(tries(inZone('y', hinted), POD, WAYS.clusterIP), reaches(REMOTE4, REMOTE4_TOO));
  t.deepEqual(tries(inZone('x', hinted), POD, WAYS.clusterIP), reaches(B4));
  const all = reaches(B4, REMOTE4, REMOTE4_TOO);
  t.deepEqual(tries(inZone('z', hinted), POD, WAYS.clusterIP), all, 'nobody in the zone');
});

test('topology: a node that moves to another zone follows', (t) => {
  const engine = inZone('x', [inZones(here(), 'x'), inZones(there(), 'y')]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4));
  moveTo(engine, 'y');
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(REMOTE4));
});

test('topology: one endpoint without hints turns it off [proxy 48]', (t) => {
  const engine = inZone('x', [inZones(here(), 'x'), there()]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4, REMOTE4));
});

test('topology: an endpoint may be hinted for several zones [proxy 49]', (t) => {
  const engine = inZone('y', [inZones(here(), 'x', 'y'), inZones(there(), 'z')]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4));
});

test('topology: a node without a zone uses all [proxy 50]', (t) => {
  const engine = inZone('', [inZones(here(), 'x'), inZones(there(), 'y')]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4, REMOTE4));
});

test('topology: only ready endpoints are asked for hints [proxy 51]', (t) => {
  const engine = inZone('x', [inZones(here(), 'x'), inZones(there(), 'y')]);
  engine.apply(webSlice(inZones(notReady(B4, HERE), 'x'), inZones(there(), 'y')));
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(REMOTE4));
});

test('topology: node hints come first, and fall back to zones [proxy 52]', (t) => {
  const both = [
    onNodes(inZones(here(), 'x'), HERE),
    onNodes(inZones(there(), 'x'), 'node-b'),
    onNodes(inZones(there(REMOTE4_TOO), 'y'), 'node-b'),
  ];
  t.deepEqual(tries(inZone('x', both), POD, WAYS.clusterIP), reaches(B4));
  const elsewhere = both.slice(1);
  t.deepEqual(tries(inZone('x', elsewhere), POD, WAYS.clusterIP), reaches(REMOTE4));
});

test('topology: hints trim the Cluster set and leave the Local set alone [proxy 53]', (t) => {
  const hinted = [inZones(here(), 'x'), inZones(there(), 'y')];
  const engine = inZone('y', hinted, { externalTrafficPolicy: 'Local' });
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(REMOTE4));
  t.deepEqual(tries(engine, OUTSIDE, WAYS.balancer), reaches(B4));
});
