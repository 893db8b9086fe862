import test from 'ava';
import {
  BACKEND_ID_OFF,
  BACKEND_SIZE,
  RegionId,
  SERVICE_CLUSTER_FIRST_OFF,
  SERVICE_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_OFF,
  SERVICE_SET_OFF,
} from '../../assembly/abi.js';
import { createControl } from '../../src/compile/control.js';
import { stableId } from '../../src/compile/rows.js';
import { createCore } from '../../src/core/instance.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import type { PutEvent } from '../../src/model/events.js';
import { annotated, put, ready, service, slice } from '../model/objects.js';

const NODES = ['node-a', 'node-b', 'node-c'];
const COUNT = 12;
const IPS = Array.from({ length: COUNT }, (_, i) => `10.244.${i % NODES.length}.${i + 1}`);

const WEB = put(
  'Service',
  service('web', {
    type: 'NodePort',
    clusterIP: '10.96.0.1',
    externalTrafficPolicy: 'Local',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }],
  }),
);

/** A slice a few endpoints, in this order. */
function slices(ips: readonly string[], weights = ''): PutEvent[] {
  return [0, 1, 2].map((part) => {
    const own = ips.slice(part * 4, part * 4 + 4);
    const endpoints = own.map((ip) => ready(ip, NODES[Number(ip.split('.')[2])]));
    return put(
      'EndpointSlice',
      annotated(slice(`s${part}`, 'web', endpoints), { 'sluice.dev/weights': weights }),
    );
  });
}

/** The Cluster set's table as a node's core has it: identities of backends, slot by slot. */
function table(nodeName: string, events: readonly PutEvent[]): number[] {
  const core = createCore(SMALL_CAPACITIES);
  core.start({ offload: false, nowMs: 0 });
  const control = createControl({ nodeName, capacities: SMALL_CAPACITIES, algorithm: 'maglev' });
  for (const event of events) control.apply(event);
  control.apply({ type: 'synced' });
  const records = control.flush();
  core.apply(records);
  if (control.acknowledge(records).length > 0) throw new Error('refused');
  const base = (id: RegionId) => core.region(id).base;
  const [port] = control.explain().services;
  const at = base(RegionId.SERVICES) + (port?.idx ?? 0) * core.region(RegionId.SERVICES).rowSize;
  const word = (off: number) => core.words.getUint32(at + off, true);
  const set = word(SERVICE_SET_OFF) + word(SERVICE_CLUSTER_FIRST_OFF);
  return Array.from({ length: word(SERVICE_MAGLEV_COUNT_OFF) }, (_, slot) => {
    const slotAt = base(RegionId.MAGLEV) + (word(SERVICE_MAGLEV_OFF) + slot) * 2;
    const entry = base(RegionId.SETS) + (set + core.words.getUint16(slotAt, true)) * 4;
    const backend = base(RegionId.BACKENDS) + core.words.getUint32(entry, true) * BACKEND_SIZE;
    return core.words.getUint32(backend + BACKEND_ID_OFF, true);
  });
}

test('maglev: every node comes to one table, whatever is local and in whatever order it came [proxy 119]', (t) => {
  const one = table('node-a', [WEB, ...slices(IPS)]);
  t.is(one.length, 2039);
  t.deepEqual(table('node-b', [...slices([...IPS].reverse()), WEB]), one);
  t.deepEqual(table('node-z', [...slices(IPS).reverse(), WEB]), one);
});

test('maglev: every slot is filled, and shares are as the weights [proxy 120]', (t) => {
  const share = (slots: readonly number[], ip: string) =>
    slots.filter((id) => id === stableId(`${ip}:8080/TCP`)).length / slots.length;
  const even = table('node-a', [WEB, ...slices(IPS)]);
  const known = new Set(IPS.map((ip) => stableId(`${ip}:8080/TCP`)));
  t.true(even.every((id) => known.has(id)));
  for (const ip of IPS) t.true(Math.abs(share(even, ip) * COUNT - 1) < 0.01, ip);
  const [heavy = '', none = '', plain = ''] = IPS;
  const weighted = table('node-a', [WEB, ...slices(IPS, `${heavy}=5,${none}=0`)]);
  t.is(share(weighted, none), 0);
  const total = COUNT - 2 + 5;
  t.true(Math.abs(share(weighted, heavy) * total - 5) < 0.1);
  t.true(Math.abs(share(weighted, plain) * total - 1) < 0.1);
});
