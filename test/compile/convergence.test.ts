import test from 'ava';
import fc from 'fast-check';
import { parseAddress } from '../../src/addr.js';
import { compileAll } from '../../src/compile/compile.js';
import { createControl } from '../../src/compile/control.js';
import { sameRow } from '../../src/compile/rows.js';
import type { Rows } from '../../src/compile/rows.js';
import { createCluster } from '../../src/model/cluster.js';
import { objectKey } from '../../src/model/keys.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import { HERE } from '../model/objects.js';
import { checkProperty } from './property.js';
import { createSimulator, expectedDump } from './simulator.js';
import type { Ground } from './worlds.js';
import {
  FULL_OPTIONS,
  TRUNK,
  UPLINK,
  anyEvent,
  anyGround,
  anyPut,
  podLink,
  setGround,
  surroundings,
} from './worlds.js';

type Change = PutEvent | DeleteEvent;

const GROUND: Ground = {
  links: [TRUNK, UPLINK, podLink('p1', 4), podLink('p2', 5)],
  localAddresses: ['192.0.2.1', '198.51.100.1', 'fd00:192::1'].map(parseAddress),
  neighbours: new Map(),
};
const ROOMY = { services: 64, backends: 64, setEntries: 512, maglevEntries: 16384, ranges: 64 };

function compiled(events: readonly Change[]): Rows {
  const cluster = createCluster(HERE);
  for (const event of events) cluster.apply(event);
  return compileAll(cluster, surroundings(GROUND));
}

function assertSame(actual: Rows, expected: Rows): void {
  for (const key of new Set([...actual.keys(), ...expected.keys()])) {
    if (!sameRow(actual.get(key), expected.get(key))) throw new Error(`differs: ${key}`);
  }
}

/** The last word on each object. */
function finalPuts(puts: readonly PutEvent[]): PutEvent[] {
  const last = new Map(
    puts.map((event) => [`${event.kind} ${objectKey(event.object.metadata)}`, event]),
  );
  return [...last.values()];
}

test('compile: any order, repetition or reversal of events comes to the same rows', (t) => {
  const stream = fc
    .tuple(fc.array(anyEvent, { maxLength: 15 }), fc.array(anyPut, { maxLength: 15 }))
    .chain(([history, puts]) => {
      const state = finalPuts(puts);
      const order = fc.shuffledSubarray([...state, ...state], { minLength: 2 * state.length });
      return fc.record({ history: fc.constant(history), state: fc.constant(state), order });
    });
  checkProperty(t, stream, 300, ({ history, state, order }) => {
    const expected = compiled(state);
    assertSame(compiled(order), expected);
    assertSame(compiled([...state].reverse()), expected);
    // A past that the final state overwrites or takes back leaves no trace.
    const past = finalPuts(history.filter((event): event is PutEvent => event.type === 'put'));
    const undo = past.map(({ kind, object }): Change => ({
      type: 'delete',
      kind,
      key: objectKey(object.metadata),
    }));
    assertSame(compiled([...history, ...undo, ...order]), expected);
  });
});

type Step = { readonly events: Change[]; readonly ground?: Ground | undefined };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    events: fc.array(anyEvent, { maxLength: 6 }),
    ground: fc.option(anyGround, { nil: undefined, freq: 3 }),
  }),
  { maxLength: 12 },
);

test('program: after every flush the tables are what a compile from scratch says', (t) => {
  checkProperty(t, steps, 300, (all) => {
    const control = createControl({ ...FULL_OPTIONS, nodeName: HERE, capacities: ROOMY });
    const cluster = createCluster(HERE);
    const simulator = createSimulator();
    let ground: Partial<Ground> = {};
    control.apply({ type: 'synced' });
    for (const step of all) {
      if (step.ground) setGround(control, (ground = step.ground));
      for (const event of step.events) {
        control.apply(event);
        cluster.apply(event);
      }
      simulator.apply(control.flush());
      const expected = expectedDump(compileAll(cluster, surroundings(ground)));
      const actual = simulator.dump();
      if (actual.join('\n') !== expected.join('\n')) {
        throw new Error(`tables differ:\n${actual.join('\n')}\nexpected:\n${expected.join('\n')}`);
      }
      if (control.problems().length > 0) throw new Error('problems with room to spare');
      if (control.flush().length > 0) throw new Error('a second flush found something to do');
    }
  });
});

test('program: a resync that repeats every event emits nothing [proxy 86]', (t) => {
  checkProperty(t, fc.array(anyPut, { maxLength: 20 }), 100, (puts) => {
    const state = finalPuts(puts);
    const control = createControl({ ...FULL_OPTIONS, nodeName: HERE, capacities: ROOMY });
    for (const event of state) control.apply(event);
    setGround(control, GROUND);
    control.apply({ type: 'synced' });
    control.flush();
    for (const event of [...state].reverse()) control.apply(event);
    setGround(control, { ...GROUND, links: GROUND.links.slice(), neighbours: new Map() });
    control.apply({ type: 'synced' });
    if (control.flush().length > 0) throw new Error('a resync changed something');
  });
});

test('program: in tables too small every state between records is still sound', (t) => {
  const capacities = fc.record({
    services: fc.integer({ min: 1, max: 4 }),
    backends: fc.integer({ min: 1, max: 5 }),
    setEntries: fc.integer({ min: 1, max: 8 }),
    maglevEntries: fc.integer({ min: 1, max: 1600 }),
    ranges: fc.integer({ min: 1, max: 5 }),
  });
  checkProperty(t, fc.tuple(capacities, steps), 300, ([small, all]) => {
    const control = createControl({ ...FULL_OPTIONS, nodeName: HERE, capacities: small });
    const simulator = createSimulator();
    control.apply({ type: 'synced' });
    for (const step of all) {
      if (step.ground) setGround(control, step.ground);
      for (const event of step.events) control.apply(event);
      simulator.apply(control.flush());
      if (simulator.backendCount() > small.backends) throw new Error('too many backends');
      if (simulator.serviceCount() > small.services) throw new Error('too many services');
    }
    const { used } = control.explain();
    for (const table of [
      'services',
      'backends',
      'setEntries',
      'maglevEntries',
      'ranges',
    ] as const) {
      if (used[table] > small[table]) throw new Error(`${table} overrun`);
    }
  });
});

test('program: when everything goes, everything is given back', (t) => {
  checkProperty(t, fc.array(anyEvent, { maxLength: 30 }), 100, (events) => {
    const control = createControl({ ...FULL_OPTIONS, nodeName: HERE, capacities: ROOMY });
    const simulator = createSimulator();
    control.apply({ type: 'synced' });
    for (const event of events) {
      control.apply(event);
      simulator.apply(control.flush());
    }
    for (const event of events) {
      if (event.type === 'delete') continue;
      control.apply({ type: 'delete', kind: event.kind, key: objectKey(event.object.metadata) });
    }
    simulator.apply(control.flush());
    control.flush();
    const { used } = control.explain();
    t.deepEqual(used, { services: 0, backends: 0, setEntries: 0, maglevEntries: 0, ranges: 0 });
    if (simulator.backendCount() + simulator.serviceCount() > 0) throw new Error('rows left');
  });
});
