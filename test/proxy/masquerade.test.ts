/**
 * Who is masqueraded: kube-proxy's matrix, row by row. The rows say what is expected of a Service
 * with a local and a remote endpoint; `yes` is masqueraded, `no` keeps its address, and L is the
 * local endpoint only.
 */
import test from 'ava';
import type { ControlOptions } from '../../src/compile/control.js';
import { parseCidr } from '../../src/addr.js';
import { put, ready, service, slice } from '../model/objects.js';
import { A4, B4, IF, NODE4, NODE6, REMOTE4, openEngine } from '../support/engine.js';
import {
  NODE,
  NODE_6,
  OUTSIDE,
  OUTSIDE_6,
  type Outcome,
  POD,
  POD6,
  type Sender,
  WAYS,
  type Way,
  here,
  nodeWith,
  there,
  tries,
} from './node.js';

type Policy = NonNullable<ControlOptions['policy']>;
const RANGES = [parseCidr('10.244.0.0/16'), parseCidr('fd00:10:244::/56')];
const DETECTORS: Readonly<Record<string, Policy>> = {
  'by link': { pods: { by: 'link' } },
  'by range': { pods: { by: 'range', ranges: RANGES } },
};
const BLIND: Policy = { pods: { by: 'nothing' } };
const OUTER: readonly Way[] = ['nodePort', 'balancer', 'external'];
const LOCAL = { externalTrafficPolicy: 'Local' } as const;

type Expected = 'C no' | 'C yes' | 'L no';

function outcomeOf(policy: Policy, spec: object, from: Sender, way: Way): Outcome {
  const engine = nodeWith(spec, [here(), there()], { control: { policy } });
  return tries(engine, from, WAYS[way]);
}

/** In the terms of the matrix. The node's own address cannot be told from the masqueraded one. */
function verdictOf({ reached, seenAs, refused, dropped }: Outcome): string {
  if (refused > 0 || dropped.length > 0) return JSON.stringify({ refused, dropped });
  const both = [`${B4}:8080`, `${REMOTE4}:8080`];
  const set = reached.join() === both.join() ? 'C' : reached.join() === both[0] ? 'L' : '?';
  return `${set} ${seenAs.length > 0 ? 'yes' : 'no'}`;
}

const ROWS: readonly [string, Sender, readonly Way[], Record<string, Expected>][] = [
  [
    'pod to ClusterIP',
    POD,
    ['clusterIP'],
    { cluster: 'C no', local: 'C no', blind: 'C no', all: 'C yes' },
  ],
  [
    'pod to external frontends',
    POD,
    OUTER,
    { cluster: 'C yes', local: 'C no', blind: 'C yes', all: 'C yes', blindLocal: 'L no' },
  ],
  [
    'outside to ClusterIP',
    OUTSIDE,
    ['clusterIP'],
    { cluster: 'C yes', local: 'C yes', blind: 'C no', all: 'C yes' },
  ],
  [
    'outside to external frontends',
    OUTSIDE,
    OUTER,
    { cluster: 'C yes', local: 'L no', blind: 'C yes', all: 'C yes', blindLocal: 'L no' },
  ],
];

for (const [name, from, ways, expected] of ROWS) {
  test(`masquerade: ${name} [proxy 64]`, (t) => {
    const check = (policy: Policy, spec: object, column: string): void => {
      const wanted = expected[column];
      if (wanted === undefined) return;
      for (const way of ways) {
        t.is(verdictOf(outcomeOf(policy, spec, from, way)), wanted, `${column} ${way}`);
      }
    };
    for (const detector of Object.values(DETECTORS)) {
      check(detector, {}, 'cluster');
      check(detector, LOCAL, 'local');
      check({ ...detector, masqueradeAll: true }, {}, 'all');
    }
    check(BLIND, {}, 'blind');
    check(BLIND, LOCAL, 'blindLocal');
  });
}

test('masquerade: a node with two addresses is masqueraded with the preferred one [proxy 64]', (t) => {
  const other = '192.168.0.77';
  const second: Sender = { ...NODE, src: other };
  const node = (policy: Policy, spec: object, way: Way) => {
    const engine = nodeWith(spec, [here(), there()], {
      control: { policy },
      localAddresses: [NODE4, other],
    });
    return verdictOf(tries(engine, second, WAYS[way]));
  };
  for (const policy of Object.values(DETECTORS)) {
    t.is(node(policy, {}, 'clusterIP'), 'C yes');
    for (const way of OUTER) {
      t.is(node(policy, {}, way), 'C yes', way);
      t.is(node(policy, LOCAL, way), 'C yes', way);
    }
  }
  t.is(node(BLIND, {}, 'clusterIP'), 'C no');
  for (const way of OUTER)
    t.is(node(BLIND, LOCAL, way), 'C yes', 'the host test needs no detector');
});

test('masquerade: a hairpin always is, whatever the policy [proxy 2 64]', (t) => {
  for (const policy of [...Object.values(DETECTORS), BLIND, { masqueradeAll: true }]) {
    for (const spec of [{}, LOCAL]) {
      const engine = nodeWith(spec, [here(A4)], { control: { policy } });
      for (const way of Object.values(WAYS)) {
        t.like(tries(engine, POD, way), { reached: [`${A4}:8080`], seenAs: [NODE4] });
      }
    }
  }
});

test('masquerade: pods of other nodes are pods by range and outsiders by link', (t) => {
  const remotePod: Sender = { ifindex: IF.UPLINK, src: '10.244.2.30' };
  const [byLink = {}, byRange = {}] = Object.values(DETECTORS);
  t.is(verdictOf(outcomeOf(byLink, {}, remotePod, 'clusterIP')), 'C yes');
  t.is(verdictOf(outcomeOf(byRange, {}, remotePod, 'clusterIP')), 'C no');
});

test('masquerade: IPv6 has the same rules and its own node address [proxy 64]', (t) => {
  const VIP6 = 'fd00:10:96::a';
  const engine = openEngine();
  engine.apply(
    put(
      'Service',
      service('six', {
        type: 'NodePort',
        clusterIP: VIP6,
        clusterIPs: [VIP6],
        ipFamilies: ['IPv6'],
        ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30666 }],
      }),
    ),
    put('EndpointSlice', slice('six-1', 'six', [ready('fd00:10:244:2::7')])),
  );
  const reached = ['fd00:10:244:2::7:8080'];
  t.like(tries(engine, POD6, [VIP6, 80]), { reached, seenAs: [] });
  t.like(tries(engine, OUTSIDE_6, [VIP6, 80]), { reached, seenAs: [NODE6] });
  t.like(tries(engine, POD6, [NODE6, 30666]), { reached, seenAs: [NODE6] });
  t.like(tries(engine, NODE_6, [NODE6, 30666]), { reached, seenAs: [] });
});
