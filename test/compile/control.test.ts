import test from 'ava';
import { DeltaError, TableId } from '../../assembly/abi.js';
import { formatAddress, formatCidr, parseAddress } from '../../src/addr.js';
import { createControl } from '../../src/compile/control.js';
import type { Control } from '../../src/compile/control.js';
import type { PutEvent } from '../../src/model/events.js';
import { HERE, drop, node, pod, put, ready, service, slice, webService } from '../model/objects.js';
import { createSimulator } from './simulator.js';
import { TRUNK, UPLINK, podLink } from './worlds.js';

const CAPACITIES = {
  services: 64,
  backends: 256,
  setEntries: 512,
  maglevEntries: 65536,
  ranges: 64,
};
const RECORD = 128;

function started(...events: PutEvent[]): Control {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES, algorithm: 'maglev' });
  for (const event of events) control.apply(event);
  control.apply({ type: 'synced' });
  return control;
}

/** `PUT FRONTEND`, in the order of the records. */
function ops(records: Uint8Array): string[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  return Array.from({ length: records.length / RECORD }, (_, i) => {
    const op = view.getUint16(i * RECORD, true) === 1 ? 'PUT' : 'DELETE';
    return `${op} ${TableId[view.getUint16(i * RECORD + 2, true)] ?? '?'}`;
  });
}

const WEB = put('Service', webService('web', '10.96.0.1'));
const ONE = put('EndpointSlice', slice('s', 'web', [ready('10.244.2.1')]));
const TWO = put('EndpointSlice', slice('s', 'web', [ready('10.244.2.1'), ready('10.244.2.2')]));

test('control: nothing is programmed before the source has said everything [proxy 85]', (t) => {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES });
  control.apply(WEB);
  t.is(control.flush().length, 0);
  control.apply({ type: 'synced' });
  t.true(control.flush().length > 0);
});

test('control: records come in the order that never exposes a hole', (t) => {
  const control = started(WEB, TWO, put('Pod', pod('p1', ['10.244.1.7'])));
  control.setLinks([TRUNK, podLink('p1', 7)]);
  t.deepEqual(ops(control.flush()), [
    'PUT NODE',
    'PUT POLICY',
    'PUT EXEMPT',
    ...Array.from({ length: 10 }, () => 'PUT TAKEN_PORTS'),
    'PUT LINK',
    'PUT LINK',
    'PUT ROUTE',
    'PUT ROUTE',
    'PUT ROUTE',
    'PUT BACKEND',
    'PUT BACKEND',
    'PUT SET',
    'PUT MAGLEV',
    'PUT SERVICE',
    'PUT FRONTEND',
    'PUT FRONTEND',
  ]);
  control.apply(drop('Service', 'web'));
  control.apply(drop('Pod', 'p1'));
  t.deepEqual(ops(control.flush()), [
    'DELETE ROUTE',
    'DELETE FRONTEND',
    'DELETE FRONTEND',
    'DELETE SERVICE',
    'DELETE BACKEND',
    'DELETE BACKEND',
    'DELETE LINK',
  ]);
});

test('control: an added endpoint costs as many records as it changes', (t) => {
  const control = started(WEB, ONE);
  control.flush();
  control.apply(TWO);
  t.deepEqual(ops(control.flush()), ['PUT BACKEND', 'PUT SET', 'PUT MAGLEV', 'PUT SERVICE']);
  control.apply(ONE);
  t.deepEqual(ops(control.flush()), ['PUT SET', 'PUT MAGLEV', 'PUT SERVICE', 'DELETE BACKEND']);
});

test('control: each change writes its own objects and nothing else [proxy 87]', (t) => {
  const control = started(WEB, ONE);
  control.flush();
  control.apply(put('Service', webService('two', '10.96.0.2')));
  control.apply(put('EndpointSlice', slice('s2', 'two', [ready('10.244.2.9')])));
  t.deepEqual(ops(control.flush()), [
    'PUT BACKEND',
    'PUT SET',
    'PUT MAGLEV',
    'PUT SERVICE',
    'PUT FRONTEND',
    'PUT FRONTEND',
  ]);
  control.apply(drop('Service', 'two'));
  t.deepEqual(ops(control.flush()), [
    'DELETE FRONTEND',
    'DELETE FRONTEND',
    'DELETE SERVICE',
    'DELETE BACKEND',
  ]);
  control.apply(put('Service', webService('none', '10.96.0.3')));
  t.deepEqual(ops(control.flush()), ['PUT SERVICE', 'PUT FRONTEND', 'PUT FRONTEND']);
  control.apply(put('EndpointSlice', slice('s', 'web', [ready('10.244.2.8')])));
  t.deepEqual(ops(control.flush()), [
    'PUT BACKEND',
    'PUT SET',
    'PUT MAGLEV',
    'PUT SERVICE',
    'DELETE BACKEND',
  ]);
});

test('control: two Services over one backend are deleted independently [proxy 92]', (t) => {
  const control = started(WEB, ONE);
  control.apply(put('Service', webService('two', '10.96.0.2')));
  control.apply(put('EndpointSlice', slice('s2', 'two', [ready('10.244.2.1')])));
  control.flush();
  t.is(control.used().backends, 1);
  control.apply(drop('Service', 'two'));
  t.deepEqual(ops(control.flush()), ['DELETE FRONTEND', 'DELETE FRONTEND', 'DELETE SERVICE']);
  t.is(control.used().backends, 1);
});

test('control: a change of identity keeps the frontend over the switch', (t) => {
  const control = started(WEB, ONE);
  const simulator = createSimulator();
  simulator.apply(control.flush());
  control.apply(drop('Service', 'web'));
  control.apply(put('Service', webService('heir', '10.96.0.1')));
  const records = control.flush();
  simulator.apply(records);
  t.deepEqual(ops(records), ['PUT SERVICE', 'PUT FRONTEND', 'DELETE SERVICE', 'DELETE BACKEND']);
});

test('control: an ifindex given to another pod first loses the old route', (t) => {
  const control = started(
    put('Pod', pod('p1', ['10.244.1.7'])),
    put('Pod', pod('p2', ['10.244.1.8'])),
  );
  control.setLinks([podLink('p1', 7)]);
  control.flush();
  control.setLinks([podLink('p2', 7)]);
  t.deepEqual(ops(control.flush()), ['DELETE ROUTE', 'PUT LINK', 'PUT ROUTE']);
});

test('control: ours are local pods whatever the port and frontends with theirs', (t) => {
  const control = started(WEB, ONE, put('Pod', pod('p1', ['10.244.1.7', 'fd01::7'])));
  control.setLinks([podLink('p1', 7)]);
  t.is(control.ours().size, 0);
  control.flush();
  const keys = [...control.ours().values()].map((key) => Buffer.from(key).toString('hex')).sort();
  t.deepEqual(keys, [
    '00000000000000000000ffff0a600001' + '0050' + '06' + '0000000000',
    '00000000000000000000ffff0af40107' + '0000' + '00' + '0000000000',
    'fd010000000000000000000000000007' + '0000' + '00' + '0000000000',
  ]);
});

test('control: fragments to what is used from outside are ours, whatever the port', (t) => {
  const spec = { clusterIP: '10.96.0.1', externalIPs: ['203.0.113.1'] };
  const ports = [80, 81].map((port) => ({ name: `p${port}`, port, protocol: 'TCP' }));
  const control = started(put('Service', service('web', { ...spec, ports })));
  control.flush();
  const keys = () => [...control.ours().values()].map((key) => Buffer.from(key).toString('hex'));
  const vip = '00000000000000000000ffffcb007101';
  const of = (address: string) =>
    keys()
      .filter((key) => key.startsWith(address))
      .sort();
  const [first, second] = [`${vip}0050060000000000`, `${vip}0051060000000000`];
  t.deepEqual(of(vip), [`${vip}0000060000000000`, first, second]);
  t.is(of('00000000000000000000ffff0a600001').length, 2);
  control.apply(put('Service', service('web', { ...spec, ports: ports.slice(1) })));
  control.flush();
  t.deepEqual(of(vip), [`${vip}0000060000000000`, second]);
  control.apply(drop('Service', 'web'));
  control.flush();
  t.deepEqual(keys(), []);
});

test('control: pods of this node with a network namespace are to have links', (t) => {
  const { annotations: _, ...bare } = pod('p3', ['10.244.1.9']).metadata ?? {};
  const control = started(
    put('Pod', pod('p2', ['10.244.1.8'], 'node-b')),
    put('Pod', pod('p1', ['10.244.1.7', 'fd01::7'])),
    put('Pod', { ...pod('p3', ['10.244.1.9']), metadata: bare }),
  );
  const wishes = control.podLinks();
  t.deepEqual(
    wishes.map(({ pod: key, netns, addresses }) => [
      key as string,
      netns,
      addresses.map(formatAddress),
    ]),
    [['default/p1', '/run/netns/p1', ['10.244.1.7', 'fd01::7']]],
  );
});

test('control: peers, own addresses and service addresses are told', (t) => {
  const here = put('Node', node(HERE, ['10.244.1.0/24'], ['192.0.2.1']));
  const there = put('Node', node('node-b', ['10.244.2.0/24'], ['192.0.2.2']));
  const control = started(here, there, WEB);
  control.setLinks([TRUNK, UPLINK]);
  const peers = control.peers();
  t.deepEqual(
    peers.map(({ name }) => name),
    ['node-b'],
  );
  t.deepEqual(peers[0]?.addresses.map(formatAddress), ['192.0.2.2']);
  t.deepEqual(peers[0]?.podCIDRs.map(formatCidr), ['10.244.2.0/24']);
  t.deepEqual(control.nodeAddresses().map(formatAddress), ['192.0.2.1']);
  t.deepEqual(control.serviceAddresses().map(formatAddress), ['10.96.0.1']);
  const nodeAddresses = [parseAddress('198.51.100.9')];
  const override = createControl({ nodeName: HERE, capacities: CAPACITIES, nodeAddresses });
  override.apply(here);
  t.deepEqual(override.nodeAddresses().map(formatAddress), ['198.51.100.9']);
});

test('control: what does not fit is reported, the rest is programmed, and room is used later', (t) => {
  const capacities = { ...CAPACITIES, maglevEntries: 300 };
  const control = createControl({ nodeName: HERE, capacities, algorithm: 'maglev' });
  const simulator = createSimulator();
  for (const name of ['a', 'b']) {
    control.apply(put('Service', webService(name, name === 'a' ? '10.96.0.1' : '10.96.0.2')));
    const endpoints = [ready('10.244.2.1'), ready('10.244.2.2')];
    control.apply(put('EndpointSlice', slice(`s-${name}`, name, endpoints)));
  }
  control.apply({ type: 'synced' });
  simulator.apply(control.flush());
  t.deepEqual(
    control.problems().map(({ key, reason }) => `${key}: ${reason}`),
    [
      'service default/b:http/TCP IPv4: no run of 251 free among 300 entries of MAGLEV',
      'frontend 10.96.0.2:80/TCP: its service is not programmed',
    ],
  );
  t.is(simulator.serviceCount(), 1);
  control.apply(drop('Service', 'a'));
  simulator.apply(control.flush());
  simulator.apply(control.flush());
  t.deepEqual(control.problems(), []);
  t.is(simulator.serviceCount(), 1);
});

test('control: a row the core had no room for is tried again', (t) => {
  const control = started(WEB, ONE);
  const batch = control.flush();
  const last = batch.length / RECORD - 1;
  t.is(ops(batch)[last], 'PUT FRONTEND');
  batch[last * RECORD + 12] = DeltaError.TABLE_FULL;
  t.deepEqual(
    control.acknowledge(batch).map(({ key, reason }) => `${key}: ${reason}`),
    ['frontend 10.96.0.1:80/TCP: refused by the core: TABLE_FULL'],
  );
  t.is(control.ours().size, 0);
  t.deepEqual(ops(control.flush()), ['PUT FRONTEND']);
  t.is(control.flush().length, 0);
});

test('control: explain names services, identities, what was ignored and who lost', (t) => {
  const control = started(
    WEB,
    TWO,
    put('Service', webService('zombie', '10.96.0.1')),
    put(
      'Service',
      service('odd', { clusterIP: 'bogus', ipFamilies: ['IPv4'], clusterIPs: ['bogus'] }),
    ),
  );
  control.flush();
  const { services, ignored, conflicts, used } = control.explain();
  t.deepEqual(
    services.map(({ key, frontend }) => `${key} ${frontend}`),
    ['default/web:http/TCP 10.96.0.1:80', 'default/zombie:http/TCP 10.96.0.1:80'],
  );
  t.deepEqual(
    services[0]?.backends.map(({ endpoint }) => endpoint),
    ['10.244.2.1:8080', '10.244.2.2:8080'],
  );
  t.is(services[0]?.maglevSize, 251);
  t.deepEqual(ignored, ['Service default/odd: clusterIP "bogus": no IPv4 address']);
  t.true(
    conflicts.some(({ owners }) => owners.join() === 'service:default/web,service:default/zombie'),
  );
  t.deepEqual(used, { services: 2, backends: 2, setEntries: 2, maglevEntries: 251, ranges: 0 });
});

test('control: flows of links that are gone are asked for until the lane has been through a batch', (t) => {
  const control = started(WEB);
  const strays = (records: Uint8Array): number =>
    ops(records).filter((op) => op === 'PUT STRAYS').length;
  control.forgetStrays();
  t.is(strays(control.flush()), 1);
  const again = control.flush();
  t.is(strays(again), 1, 'the lane has not answered');
  t.deepEqual(control.acknowledge(again), []);
  t.is(control.flush().length, 0);
});
