import test from 'ava';
import fc from 'fast-check';
import * as abi from '../../assembly/abi.js';
import { compileAll } from '../../src/compile/compile.js';
import { createControl } from '../../src/compile/control.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { createCore } from '../../src/core/instance.js';
import type { Core } from '../../src/core/core.js';
import { createCluster } from '../../src/model/cluster.js';
import { HERE } from '../model/objects.js';
import { checkProperty } from './property.js';
import { POLICY_REST_SIZE, dumpTables, expectedDump } from './simulator.js';
import type { Ground } from './worlds.js';
import { FULL_OPTIONS, anyEvent, anyGround, setGround, surroundings } from './worlds.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const NODE_BYTES = 32;

/** Live rows of a hashed region by their key, their state word 0. */
function keyedRows(core: Core, id: abi.RegionId, keyOff: number, keySize: number) {
  const { base, rowSize, capacity } = core.region(id);
  const rows = new Map<string, Uint8Array>();
  for (let i = 0; i < capacity; i++) {
    const at = base + i * rowSize;
    if (core.words.getUint32(at + abi.ROW_STATE_OFF, true) !== abi.RowState.LIVE) continue;
    const row = new Uint8Array(abi.ROUTE_SIZE);
    row.set(core.view.subarray(at + 4, at + rowSize), 4);
    rows.set(hex(row.subarray(keyOff, keyOff + keySize)), row);
  }
  return rows;
}

/** Rows of an indexed region that are not all zero. */
function indexedRows(core: Core, id: abi.RegionId) {
  const { base, rowSize, capacity } = core.region(id);
  const rows = new Map<number, Uint8Array>();
  for (let i = 0; i < capacity; i++) {
    const row = core.view.slice(base + i * rowSize, base + (i + 1) * rowSize);
    if (row.some((byte) => byte !== 0)) rows.set(i, row);
  }
  return rows;
}

function dumpCore(core: Core): string[] {
  const node = abi.CONTROL_BASE + abi.CONTROL_NODE_ADDR4_OFF;
  const { base: sets } = core.region(abi.RegionId.SETS);
  const { base: ranges } = core.region(abi.RegionId.RANGES);
  const control = (off: number, size: number) =>
    hex(core.view.subarray(abi.CONTROL_BASE + off, abi.CONTROL_BASE + off + size));
  return dumpTables({
    node: hex(core.view.subarray(node, node + NODE_BYTES)),
    policy: [
      control(abi.CONTROL_POLICY_FLAGS_OFF, 4),
      control(abi.CONTROL_POD_RANGE4_OFF, POLICY_REST_SIZE),
    ].join(' '),
    exempt: control(
      abi.CONTROL_EXEMPT_OFF,
      core.words.getUint32(abi.CONTROL_BASE + abi.CONTROL_EXEMPT_COUNT_OFF, true) * abi.RANGE_SIZE,
    ),
    takenPorts: control(abi.CONTROL_TAKEN_PORTS_OFF, abi.TAKEN_PORTS_BYTES),
    links: keyedRows(core, abi.RegionId.LINKS, abi.LINK_KEY_OFF, abi.LINK_KEY_SIZE),
    routes: keyedRows(core, abi.RegionId.ROUTES, abi.ROUTE_KEY_OFF, abi.ROUTE_KEY_SIZE),
    frontends: keyedRows(core, abi.RegionId.FRONTENDS, abi.FRONTEND_KEY_OFF, abi.FRONTEND_KEY_SIZE),
    services: indexedRows(core, abi.RegionId.SERVICES),
    backends: indexedRows(core, abi.RegionId.BACKENDS),
    sets: { get: (entry) => core.words.getUint32(sets + entry * abi.SET_ENTRY_SIZE, true) },
    ranges: {
      get: (entry) => {
        const at = ranges + entry * abi.RANGE_SIZE;
        return core.view.slice(at, at + abi.RANGE_SIZE);
      },
    },
  });
}

const steps = fc.array(
  fc.record({
    events: fc.array(anyEvent, { maxLength: 8 }),
    ground: fc.option(anyGround, { nil: undefined, freq: 3 }),
  }),
  { maxLength: 8 },
);

test('core: after every flush its tables are what a compile from scratch says', (t) => {
  const capacities = {
    ...SMALL_CAPACITIES,
    links: 16,
    frontends: 128,
    services: 32,
    backends: 32,
    setEntries: 256,
    maglevEntries: 32768,
    routes: 64,
  };
  checkProperty(t, steps, 40, (all) => {
    const core = createCore(capacities);
    core.start({ offload: false, nowMs: 0 });
    const control = createControl({ ...FULL_OPTIONS, nodeName: HERE, capacities });
    const cluster = createCluster(HERE);
    let ground: Partial<Ground> = {};
    control.apply({ type: 'synced' });
    for (const step of all) {
      if (step.ground) setGround(control, (ground = step.ground));
      for (const event of step.events) {
        control.apply(event);
        cluster.apply(event);
      }
      const records = control.flush();
      if (core.apply(records) !== records.length / abi.DELTA_SIZE)
        throw new Error('records refused');
      if (control.acknowledge(records).length > 0) throw new Error('problems after all');
      const expected = expectedDump(compileAll(cluster, surroundings(ground))).join('\n');
      const actual = dumpCore(core).join('\n');
      if (actual !== expected) throw new Error(`tables differ:\n${actual}\nexpected:\n${expected}`);
    }
  });
});

test('core: a frontend it has no room for comes back refused and is tried again', (t) => {
  const capacities = { ...SMALL_CAPACITIES, frontends: 8 };
  const core = createCore(capacities);
  core.start({ offload: false, nowMs: 0 });
  const control = createControl({ nodeName: HERE, capacities });
  for (let i = 0; i < 10; i++) {
    const metadata = { namespace: 'default', name: `s${i}` };
    const spec = { clusterIP: `10.96.0.${i}`, ports: [{ port: 80, protocol: 'TCP' }] };
    control.apply({ type: 'put', kind: 'Service', object: { metadata, spec } });
  }
  control.apply({ type: 'synced' });
  const records = control.flush();
  core.apply(records);
  const refused = control.acknowledge(records);
  t.true(refused.length > 0);
  t.true(
    refused.every(
      ({ key, reason }) => key.startsWith('frontend ') && reason.endsWith('TABLE_FULL'),
    ),
  );
  t.is(control.flush().length, refused.length * abi.DELTA_SIZE);
});
