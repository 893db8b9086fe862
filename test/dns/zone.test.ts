/** The stream of names: what is written, what comes back, and that history does not count. */
import test from 'ava';
import { fc, testProp } from '@fast-check/ava';
import { DeltaError } from '../../assembly/abi.js';
import { SPACE_FIRST } from '../../assembly/abi-dns.js';
import { parseLabelSelector } from '../../src/compile/dns/label-selector.js';
import { encodeValue } from '../../src/compile/dns/rrsets.js';
import { nameFromText } from '../../src/compile/dns/wire-names.js';
import { RecordType } from '../../src/dns/wire/header.js';
import { createZone } from '../../src/compile/dns/zone.js';
import { ZONE_DEFAULTS } from '../../src/compile/dns/options.js';
import { createCluster } from '../../src/model/cluster.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import { HERE, drop, namespace, pod, put, ready, service, slice } from '../model/objects.js';
import { TYPE } from './core/zone.js';
import { NOW_SEC, ZONES, namesRig, oracleEvents } from './names-rig.js';

const PORTS = [{ name: 'http', port: 80, protocol: 'TCP' }];
const headless = (name: string) => service(name, { clusterIP: 'None', ports: PORTS });
const endpoints = (n: number) =>
  Array.from({ length: n }, (_, i) => ready(`10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`));

test('zone: what says the same again writes nothing, and one endpoint writes little', (t) => {
  const rig = namesRig();
  const events = oracleEvents();
  t.true(rig.apply(...events) > 0);
  t.is(rig.apply(...events), 0);
  rig.zone.apply(rig.cluster.named.allKeys());
  t.is(rig.flush(), 0);
  rig.apply(put('Service', headless('web')));
  rig.apply(put('EndpointSlice', slice('s', 'web', endpoints(2))));
  const size = rig.zone.size();
  const more = [...endpoints(2), ready('10.9.9.9')];
  const written = rig.apply(put('EndpointSlice', slice('s', 'web', more)));
  t.is(rig.zone.size(), size + 2, 'its name and its address');
  t.true(written > 0 && written < 3000, `${written} bytes`);
});

test('zone: the serial is the time of the last change', (t) => {
  const rig = namesRig();
  const change = (name: string, nowSec: number): number => {
    const event = put('Service', service(name, { clusterIP: '10.0.0.1', ports: PORTS }));
    rig.zone.apply(rig.cluster.apply(event).names);
    rig.flush(nowSec);
    return rig.zone.serial();
  };
  t.is(change('a', NOW_SEC + 1), NOW_SEC + 1);
  t.is(change('a', NOW_SEC + 2), NOW_SEC + 1);
  t.is(change('b', NOW_SEC + 3), NOW_SEC + 3);
});

test('zone: nothing is written before the last records are back', (t) => {
  const { named, apply } = createCluster(HERE);
  const zone = createZone({ space: SPACE_FIRST, zones: ZONES, options: ZONE_DEFAULTS, named });
  const first = zone.flush(NOW_SEC);
  t.true(first.length > 0);
  zone.apply(apply(put('Service', headless('web'))).names);
  t.is(zone.flush(NOW_SEC).length, 0);
  zone.acknowledge(first);
  t.true(zone.flush(NOW_SEC).length > 0);
});

test('zone: names come in pieces, and all of them come', (t) => {
  const rig = namesRig({ capacities: { names: 65_536, rrsetBytes: 1 << 25 } });
  rig.zone.apply(rig.cluster.apply(put('Service', headless('web'))).names);
  for (let i = 0; i < 40; i++) {
    rig.zone.apply(rig.cluster.apply(put('Service', headless(`web-${i}`))).names);
    const event = put('EndpointSlice', slice(`s-${i}`, `web-${i}`, endpoints(200)));
    rig.zone.apply(rig.cluster.apply(event).names);
  }
  const sizes: number[] = [];
  for (;;) {
    const records = rig.zone.flush(NOW_SEC);
    if (records.length === 0) break;
    rig.core.core.applyNames(records);
    rig.zone.acknowledge(records);
    sizes.push(records.length);
  }
  t.true(sizes.length > 5);
  t.true(Math.max(...sizes) < 400 * 1024, `${Math.max(...sizes)}`);
  t.deepEqual(rig.zone.problems(), []);
  t.is(rig.says('10-1-0-199.web-39.default.svc.cluster.local').length, 2);
});

test('zone: what a full table refuses is a problem, and comes when there is room', (t) => {
  const rig = namesRig({ capacities: { names: 64 } });
  rig.apply(put('Service', headless('big')));
  rig.apply(put('EndpointSlice', slice('s', 'big', endpoints(100))));
  const [problem] = rig.zone.problems();
  t.is(problem?.error, DeltaError.TABLE_FULL);
  const web = put('Service', service('web', { clusterIP: '10.0.0.1', ports: PORTS }));
  rig.apply(web);
  t.deepEqual(rig.says('web.default.svc.cluster.local'), ['NXDOMAIN']);
  rig.apply(drop('Service', 'big'));
  rig.flush(NOW_SEC + 9);
  t.true(rig.zone.problems().length > 0, 'not yet');
  rig.flush(NOW_SEC + 10);
  t.deepEqual(rig.zone.problems(), []);
  t.deepEqual(rig.says('web.default.svc.cluster.local'), ['NOERROR', 'A 10.0.0.1']);
});

test('zone: what no message can hold is left out, the same each time', (t) => {
  const rig = namesRig({ capacities: { names: 65_536, rrsetBytes: 1 << 25 } });
  rig.apply(put('Service', headless('big')));
  rig.apply(put('EndpointSlice', slice('s', 'big', endpoints(6000))));
  t.deepEqual(rig.zone.problems(), []);
  const name = 'big.default.svc.cluster.local';
  const most = Math.floor((65_535 - 12 - (name.length + 2) - 4 - 11) / 16);
  t.is(rig.says('10-1-23-111.big.default.svc.cluster.local').length, 2);
  const byTcp = rig.core.ask(queryOf(name), { flags: 16 });
  t.is(new DataView(byTcp.reply.buffer).getUint16(6), most);
  t.is((byTcp.reply[2] ?? 0) & 2, 0, 'no TC');
});

function queryOf(name: string): Uint8Array {
  return Uint8Array.of(
    0,
    1,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    ...(nameFromText(name) ?? []),
    0,
    1,
    0,
    1,
  );
}

test('rrsets: glue goes before records do', (t) => {
  const records = Array.from({ length: 2000 }, () => new Uint8Array(20));
  const rdata = new Uint8Array(4);
  const glue = records.map((_, record) => ({
    record,
    nameOff: 6,
    type: RecordType.A as const,
    rdata,
  }));
  const value = encodeValue(new Uint8Array(30), [{ type: RecordType.SRV, ttl: 5, records, glue }]);
  const view = new DataView(value.buffer);
  t.is(view.getUint16(4 + 2, true), 2000);
  const [recordBytes, glueBytes] = [view.getUint32(4 + 8, true), view.getUint32(4 + 12, true)];
  t.is(recordBytes, 2000 * 22);
  t.true(glueBytes > 0 && glueBytes < 2000 * 12);
  t.is(glueBytes % 12, 0);
});

test('zone: a zone that is no name is refused in one sentence', (t) => {
  const { named } = createCluster(HERE);
  const make = () =>
    createZone({ space: SPACE_FIRST, zones: ['a..b'], options: ZONE_DEFAULTS, named });
  t.throws(make, { message: '"a..b" is no name of a zone' });
});

test('selector: what kubectl takes', (t) => {
  const labels = ['app=web', 'env=prod', 'n=5'];
  const yes = [
    '',
    'app',
    '!x',
    'app=web',
    'app==web',
    'app != db',
    'env in (dev, prod),app',
    'x notin (a)',
  ];
  const no = [
    'x',
    '!app',
    'app=db',
    'env in (dev)',
    'env notin (prod,dev)',
    'app=web,x',
    'n>5',
    'x<1',
  ];
  for (const text of yes) t.true(parseLabelSelector(text)?.(labels), text);
  for (const text of no) t.false(parseLabelSelector(text)?.(labels), text);
  t.true(parseLabelSelector('n>4,n<6')?.(labels));
  for (const text of [',', 'a b', 'env in prod', 'env in (a', '=x', 'a=b=c', 'in (a)']) {
    t.is(parseLabelSelector(text), undefined, text);
  }
});

/** Events that get in each other's way: few names, few addresses. */
const address = fc.constantFrom('10.1.0.1', '10.1.0.2', '10.1.0.3', '10.0.0.1');
const someEndpoints = fc.array(
  fc.record({ ip: address, hostname: fc.constantFrom(undefined, 'one', 'two'), up: fc.boolean() }),
  { maxLength: 3 },
);
const webOrDb = fc.constantFrom('web', 'db');
const anyEvent: fc.Arbitrary<PutEvent | DeleteEvent> = fc.oneof(
  webOrDb.map((name) => put('Service', headless(name))),
  fc
    .tuple(webOrDb, address)
    .map(([name, clusterIP]) => put('Service', service(name, { clusterIP, ports: PORTS }))),
  webOrDb.map((name) =>
    put('Service', service(name, { type: 'ExternalName', externalName: 'a.example' })),
  ),
  webOrDb.map((name) => drop('Service', name)),
  fc.tuple(webOrDb, webOrDb, someEndpoints).map(([name, owner, list]) => {
    const all = list.map(({ ip, hostname, up }) => ({
      ...ready(ip),
      conditions: { ready: up },
      ...(hostname === undefined ? {} : { hostname }),
    }));
    return put('EndpointSlice', slice(name, owner, all));
  }),
  webOrDb.map((name) => drop('EndpointSlice', name)),
  fc.tuple(webOrDb, address).map(([name, ip]) => put('Pod', pod(name, [ip]))),
  webOrDb.map((name) => drop('Pod', name)),
  fc.constant(put('Namespace', namespace('default'))),
  fc.constant(drop('Namespace', 'default')),
);

const NAMES: readonly (readonly [string, number])[] = [
  ...['web', 'db'].flatMap((name) =>
    ['', 'one.', 'two.', '10-1-0-1.', '_http._tcp.', '_tcp.', 'http.tcp.'].flatMap((below) =>
      [TYPE.A, TYPE.SRV, TYPE.CNAME].map(
        (type) => [`${below}${name}.default.svc.cluster.local`, type] as const,
      ),
    ),
  ),
  ...['1.0.1.10', '2.0.1.10', '3.0.1.10', '1.0.0.10'].map(
    (text) => [`${text}.in-addr.arpa`, TYPE.PTR] as const,
  ),
  ['default.svc.cluster.local', TYPE.A],
  ['default.pod.cluster.local', TYPE.A],
  ['10-1-0-2.default.pod.cluster.local', TYPE.A],
];

testProp(
  'zone: any history ends in the names that its objects have by themselves',
  [fc.array(fc.tuple(anyEvent, fc.boolean()), { maxLength: 25 })],
  (t, history) => {
    const options = { pods: 'verified' } as const;
    const rig = namesRig({ options });
    for (const [event, isFlushed] of history) {
      rig.zone.apply(rig.cluster.apply(event).names);
      if (isFlushed) rig.flush();
    }
    rig.flush();
    const last = new Map<string, PutEvent | DeleteEvent>();
    for (const [event] of history) {
      const name = event.type === 'put' ? event.object.metadata?.name : event.key.split('/').at(-1);
      last.set(`${event.kind} ${name}`, event);
    }
    const fresh = namesRig({ options });
    fresh.apply(...[...last.values()].reverse().filter(({ type }) => type === 'put'));
    t.is(rig.zone.size(), fresh.zone.size());
    t.deepEqual(rig.zone.problems(), []);
    for (const [name, type] of NAMES) {
      t.deepEqual(askHost(rig, name, type), askHost(fresh, name, type), `${name} ${type}`);
    }
  },
  { numRuns: 60 },
);

/** A CNAME that leads out is the host's to follow. */
function askHost(rig: ReturnType<typeof namesRig>, name: string, type: number): unknown {
  const message = queryOf(name);
  new DataView(message.buffer).setUint16(message.length - 4, type);
  const { result } = rig.ask(message);
  return result > 0 ? rig.says(name, type) : result;
}
