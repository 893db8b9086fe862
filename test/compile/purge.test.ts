import test from 'ava';
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import { createControl } from '../../src/compile/control.js';
import type { Control } from '../../src/compile/control.js';
import { stableId } from '../../src/compile/rows.js';
import type { PutEvent } from '../../src/model/events.js';
import {
  HERE,
  draining,
  drop,
  dying,
  notReady,
  put,
  ready,
  service,
  slice,
} from '../model/objects.js';
import { createSimulator } from './simulator.js';

const CAPACITIES = { services: 8, backends: 16, setEntries: 64, maglevEntries: 0, ranges: 0 };
const A = '10.244.2.1';
const B = '10.244.2.2';

const PORTS = {
  UDP: { name: 'dns', port: 53, protocol: 'UDP' },
  TCP: { name: 'http', port: 80, protocol: 'TCP' },
};

function dns(): PutEvent {
  const spec = { clusterIP: '10.96.0.10', ports: [PORTS.UDP, PORTS.TCP] };
  return put('Service', service('dns', spec));
}

function endpoints(list: Endpoint[], port = 53): PutEvent {
  return put('EndpointSlice', slice('s', 'dns', list, [{ ...PORTS.UDP, port }, PORTS.TCP]));
}

/** A control plane, and what it purges: `UDP 10.244.2.1:53`. */
function open(resetRemoved = false) {
  const control: Control = createControl({
    nodeName: HERE,
    capacities: CAPACITIES,
    policy: { resetRemoved },
  });
  const simulator = createSimulator();
  const names = new Map<number, string>();
  for (const ip of [A, B])
    for (const port of [53, 54, 80])
      for (const protocol of ['UDP', 'TCP'])
        names.set(stableId(`${ip}:${port}/${protocol}`), `${protocol} ${ip}:${port}`);
  const services = new Set([stableId('default/dns:dns/UDP'), stableId('default/dns:http/TCP')]);
  control.apply({ type: 'synced' });
  return (...events: Parameters<Control['apply']>[0][]): string[] => {
    for (const event of events) control.apply(event);
    simulator.apply(control.flush());
    return simulator.purges().map(({ service: id, backend, proto }) => {
      const name = names.get(backend) ?? '?';
      if (!services.has(id) || proto !== (name.startsWith('UDP') ? 17 : 6)) throw new Error(name);
      return name;
    });
  };
}

test('purge: UDP flows of an endpoint that left go, those of the others stay [proxy 98]', (t) => {
  const after = open();
  t.deepEqual(after(dns(), endpoints([ready(A), ready(B)])), []);
  t.deepEqual(after(endpoints([ready(B)])), [`UDP ${A}:53`]);
  t.deepEqual(after(endpoints([ready(B)])), []);
});

test('purge: a port that nobody serves is left alone until somebody does [proxy 98]', (t) => {
  const after = open();
  t.deepEqual(after(dns(), endpoints([ready(A)])), []);
  t.deepEqual(after(endpoints([])), []);
  t.deepEqual(after(endpoints([notReady(B)])), []);
  t.deepEqual(after(endpoints([ready(B)])), [`UDP ${A}:53`]);
});

test('purge: an endpoint that comes back while nobody serves keeps its flows', (t) => {
  const after = open();
  after(dns(), endpoints([ready(A)]));
  t.deepEqual(after(endpoints([])), []);
  t.deepEqual(after(endpoints([ready(A), ready(B)])), []);
});

test('purge: who still serves keeps its flows, whether it is ready or terminates', (t) => {
  const after = open();
  const busy: Endpoint = { addresses: [A], conditions: { ready: false, serving: true } };
  after(dns(), endpoints([ready(A), ready(B)]));
  t.deepEqual(after(endpoints([draining(A), ready(B)])), []);
  t.deepEqual(after(endpoints([busy, ready(B)])), []);
  t.deepEqual(after(endpoints([dying(A), ready(B)])), [`UDP ${A}:53`]);
});

test('purge: a new target port purges the UDP flows to the old one [proxy 93]', (t) => {
  const after = open();
  after(dns(), endpoints([ready(A)], 53));
  t.deepEqual(after(endpoints([ready(A)], 54)), [`UDP ${A}:53`]);
});

test('purge: a weight of 0 leaves existing flows alone [proxy 126]', (t) => {
  const after = open();
  const both = endpoints([ready(A), ready(B)]);
  after(dns(), both);
  if (both.kind !== 'EndpointSlice') return t.fail();
  const metadata = { ...both.object.metadata, annotations: { 'sluice.dev/weights': `${A}=0` } };
  t.deepEqual(after(put('EndpointSlice', { ...both.object, metadata })), []);
});

test('purge: a Service that is deleted purges nothing, one that returns knows who has left', (t) => {
  const after = open(true);
  after(dns(), endpoints([ready(A)]));
  t.deepEqual(after(drop('Service', 'dns')), []);
  t.deepEqual(after(endpoints([ready(B)])), []);
  t.deepEqual(after(dns()), [`UDP ${A}:53`]);
});

test('purge: TCP flows are left alone unless they are to be reset', (t) => {
  const [leave, reset] = [open(), open(true)];
  for (const after of [leave, reset]) after(dns(), endpoints([ready(A), ready(B)]));
  t.deepEqual(leave(endpoints([ready(B)])), [`UDP ${A}:53`]);
  t.deepEqual(reset(endpoints([dying(A), ready(B)])), [`UDP ${A}:53`]);
  t.deepEqual(reset(endpoints([ready(B)])), [`TCP ${A}:80`]);
  t.deepEqual(reset(endpoints([])), [`TCP ${B}:80`]);
});

test('purge: nothing is purged while the tables still name what has left', (t) => {
  const capacities = { ...CAPACITIES, backends: 1 };
  const control = createControl({ nodeName: HERE, capacities });
  const simulator = createSimulator();
  const UDP_ONLY = put('Service', service('dns', { clusterIP: '10.96.0.10', ports: [PORTS.UDP] }));
  control.apply({ type: 'synced' });
  for (const event of [UDP_ONLY, endpoints([ready(A)])]) control.apply(event);
  simulator.apply(control.flush());
  // There is no room for B beside A.
  control.apply(endpoints([ready(B)]));
  simulator.apply(control.flush());
  t.deepEqual(simulator.purges(), []);
});
