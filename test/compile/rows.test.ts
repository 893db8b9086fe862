import test from 'ava';
import { BARE_SURROUNDINGS, compileAll } from '../../src/compile/compile.js';
import { maglevSize } from '../../src/compile/maglev.js';
import type { Rows } from '../../src/compile/rows.js';
import { stableId } from '../../src/compile/rows.js';
import { createCluster } from '../../src/model/cluster.js';
import type { PutEvent } from '../../src/model/events.js';
import {
  HERE,
  notReady,
  node,
  pod,
  put,
  ready,
  service,
  slice,
  webService,
} from '../model/objects.js';
import { TRUNK, UPLINK, podLink } from './worlds.js';

const AROUND = { ...BARE_SURROUNDINGS, links: [TRUNK, UPLINK, podLink('p1', 7)] };

function compiled(...events: PutEvent[]): Rows {
  const cluster = createCluster(HERE);
  for (const event of events) cluster.apply(event);
  return compileAll(cluster, AROUND);
}

/** Bytes of a row, in groups of four. */
function hexOf(rows: Rows, key: string): string | undefined {
  const row = [...rows].find(([name]) => name === key)?.[1];
  return (
    row &&
    Buffer.from(row.bytes)
      .toString('hex')
      .replace(/(.{8})(?=.)/g, '$1 ')
  );
}

const le32 = (n: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  return bytes.toString('hex');
};

/** Lines of hex as one: comments are for the reader. */
const row = (...parts: string[]) => parts.join(' ');
const zeros = (words: number) => Array.from({ length: words }, () => '00000000').join(' ');

test('rows: a dual-stack service with one endpoint a family, byte for byte', (t) => {
  const rows = compiled(
    put(
      'Service',
      service('web', {
        clusterIP: '10.96.0.1',
        clusterIPs: ['10.96.0.1', 'fd00::1'],
        ipFamilies: ['IPv4', 'IPv6'],
        ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      }),
    ),
    put('EndpointSlice', slice('v4', 'web', [ready('10.244.2.9')])),
    put('EndpointSlice', slice('v6', 'web', [ready('fd01::9')])),
  );
  const expected = new Map([
    // state, kind CLUSTER_IP over service | address ::ffff:10.96.0.1 | port 80, TCP
    [
      'frontend 10.96.0.1:80/TCP',
      row('00000000 00000001', '00000000 00000000 0000ffff 0a600001', '00500600 00000000'),
    ],
    [
      'frontend [fd00::1]:80/TCP',
      row('00000000 00000001', 'fd000000 00000000 00000000 00000001', '00500600 00000000'),
    ],
    // any port: port 0, protocol 0
    ['frontend 10.96.0.1 any', row(zeros(2), '00000000 00000000 0000ffff 0a600001', zeros(2))],
    ['frontend fd00::1 any', row(zeros(2), 'fd000000 00000000 00000000 00000001', zeros(2))],
    // flags HAS_ANY, set, Local, Cluster first, Cluster count 1 | identity | Maglev, affinity, ranges
    [
      'service default/web:http/TCP IPv4',
      row('04000000', zeros(3), '01000000', le32(stableId('default/web:http/TCP')), zeros(10)),
    ],
    [
      'service default/web:http/TCP IPv6',
      row('04000000', zeros(3), '01000000', le32(stableId('default/web:http/TCP')), zeros(10)),
    ],
    // address | port 8080, TCP | identity | weight 1 | spare
    [
      'backend 10.244.2.9:8080/TCP',
      row(
        '00000000 00000000 0000ffff 0af40209',
        '1f900600',
        le32(stableId('10.244.2.9:8080/TCP')),
        '01000000',
        zeros(1),
      ),
    ],
    [
      'backend [fd01::9]:8080/TCP',
      row(
        'fd010000 00000000 00000000 00000009',
        '1f900600',
        le32(stableId('[fd01::9]:8080/TCP')),
        '01000000',
        zeros(1),
      ),
    ],
  ]);
  for (const [key, bytes] of expected) t.is(hexOf(rows, key), bytes, key);
  const services = [...rows.keys()].filter((key) => /^(frontend|service|backend) /.test(key));
  t.deepEqual(services.sort(), [...expected.keys()].sort());
});

test('rows: links and routes of a node, byte for byte', (t) => {
  const rows = compiled(
    put('Node', node(HERE, ['10.244.1.0/24'], ['192.0.2.1', '2001:db8::1'])),
    put('Node', node('node-b', ['10.244.2.0/24', 'fd01:2::/64'], ['192.0.2.2'])),
    put('Pod', pod('p1', ['10.244.1.7', 'fd01:1::7'])),
    put('Pod', pod('p2', ['10.244.1.8'])),
  );
  const expected = new Map([
    // flags PODS_BY_LINK, no ranges, no aliases
    ['node policy', row('02000000', zeros(27))],
    ['node exempt', ''],
    ['node taken ports', row(zeros(256))],
    ['node addresses', '00000000 00000000 0000ffff c0000201 20010db8 00000000 00000000 00000001'],
    // state | kind, port, flags | ifindex | IPv4, MTU 1400 | IPv6 | pod MAC, own MAC | spare
    [
      'link 7',
      row(
        '00000000 01000100 07000000 00000000',
        '0af40107 78050000',
        'fd010001 00000000 00000000 00000007',
        '02000000 00070200 00000001',
        zeros(3),
      ),
    ],
    [
      'link 2', // the trunk: kind HOST
      row(
        '00000000 02000000 02000000 00000000',
        '00000000 dc050000',
        zeros(5),
        '00000200 00000002',
        zeros(3),
      ),
    ],
    [
      'link 3', // eth0: kind UPLINK
      row(
        '00000000 03000000 03000000 00000000',
        '00000000 dc050000',
        zeros(5),
        '00000200 00000003',
        zeros(3),
      ),
    ],
    // state | action | address | prefix length, counted in 128 bits | ifindex | MACs | MTU
    [
      'route 10.244.1.7/32', // POD
      row(
        '00000000 03000000',
        '00000000 00000000 0000ffff 0af40107',
        '80000000 00000000',
        '07000000',
        '02000000 00070200 00000001',
        zeros(4),
      ),
    ],
    [
      'route fd01:1::7/128',
      row(
        '00000000 03000000',
        'fd010001 00000000 00000000 00000007',
        '80000000 00000000',
        '07000000',
        '02000000 00070200 00000001',
        zeros(4),
      ),
    ],
    [
      'route 10.244.2.0/24', // UPLINK, no MACs: the kernel resolves the next hop
      row(
        '00000000 04000000',
        '00000000 00000000 0000ffff 0af40200',
        '78000000 00000000',
        '03000000',
        zeros(7),
      ),
    ],
    [
      'route fd01:2::/64',
      row(
        '00000000 04000000',
        'fd010002 00000000 00000000 00000000',
        '40000000 00000000',
        '03000000',
        zeros(7),
      ),
    ],
    // UPLINK: the other node itself
    [
      'route 192.0.2.2/32',
      row(
        '00000000 04000000',
        '00000000 00000000 0000ffff c0000202',
        '80000000 00000000 03000000',
        zeros(7),
      ),
    ],
    // HOST, flag OWN, by the trunk
    [
      'route 192.0.2.1/32',
      row(
        '00000000 02010000',
        '00000000 00000000 0000ffff c0000201',
        '80000000 00000000 02000000',
        zeros(7),
      ),
    ],
    [
      'route 2001:db8::1/128',
      row(
        '00000000 02010000',
        '20010db8 00000000 00000000 00000001',
        '80000000 00000000 02000000',
        zeros(7),
      ),
    ],
    [
      'route 0.0.0.0/0',
      row('00000000 02000000', '00000000 00000000 0000ffff 00000000', '60000000', zeros(9)),
    ],
    [
      'route 10.244.1.0/24',
      row('00000000 02000000', '00000000 00000000 0000ffff 0af40100', '78000000', zeros(9)),
    ],
    ['route ::/0', row('00000000 02000000', zeros(4), '00000000', zeros(9))],
  ]);
  for (const [key, bytes] of expected) t.is(hexOf(rows, key), bytes, key);
  t.deepEqual([...rows.keys()].sort(), [...expected.keys()].sort());
});

test('rows: an identity is the start of the SHA-256 of a name', (t) => {
  // sha256("abc") = ba7816bf..., FIPS 180-2 appendix B.1
  t.is(stableId('abc'), 0xbf1678ba);
});

test('rows: a service without ready endpoints keeps its frontend over an empty set', (t) => {
  const rows = compiled(
    put('Service', webService('web', '10.96.0.1')),
    put('EndpointSlice', slice('s', 'web', [notReady('10.244.2.9')])),
  );
  const known = [...rows].find(([key]) => key === 'service default/web:http/TCP IPv4')?.[1];
  t.deepEqual(known && 'backends' in known ? known.backends : undefined, []);
  t.truthy(hexOf(rows, 'frontend 10.96.0.1:80/TCP'));
  t.false([...rows.keys()].some((key) => key.startsWith('backend')));
});

test('rows: internalTrafficPolicy Local uses the endpoints of this node only', (t) => {
  const base = webService('web', '10.96.0.1');
  const rows = compiled(
    put('Service', { ...base, spec: { ...base.spec, internalTrafficPolicy: 'Local' } }),
    put('EndpointSlice', slice('s', 'web', [ready('10.244.2.9'), ready('10.244.1.7', HERE)])),
  );
  t.deepEqual([...rows.keys()].filter((key) => key.startsWith('backend')) as string[], [
    'backend 10.244.1.7:8080/TCP',
  ]);
});

test('rows: two services share the backend they both select', (t) => {
  const rows = compiled(
    put('Service', webService('a', '10.96.0.1')),
    put('Service', webService('b', '10.96.0.2')),
    put('EndpointSlice', slice('s1', 'a', [ready('10.244.2.9')])),
    put('EndpointSlice', slice('s2', 'b', [ready('10.244.2.9')])),
  );
  t.is([...rows.keys()].filter((key) => key.startsWith('backend')).length, 1);
});

test('rows: of two services with one ClusterIP the first by name has it', (t) => {
  const rows = compiled(
    put('Service', webService('b', '10.96.0.1')),
    put('Service', webService('a', '10.96.0.1')),
  );
  const front = [...rows].find(([key]) => key === 'frontend 10.96.0.1:80/TCP')?.[1];
  t.is(
    front && 'service' in front ? front.service : undefined,
    'service default/a:http/TCP IPv4' as never,
  );
});

test('rows: without an uplink the pods of other nodes are left to the kernel', (t) => {
  const cluster = createCluster(HERE);
  cluster.apply(put('Node', node('node-b', ['10.244.2.0/24'], ['192.0.2.2'])));
  const rows = compileAll(cluster, { ...BARE_SURROUNDINGS, links: [TRUNK] });
  t.is(hexOf(rows, 'route 10.244.2.0/24'), undefined);
});

test('maglev: table sizes follow the ladder of primes', (t) => {
  const sizes: [number, number][] = [
    [0, 0],
    [1, 1],
    [2, 251],
    [3, 509],
    [5, 509],
    [6, 1021],
    [10, 1021],
    [11, 2039],
    [40, 4093],
    [81, 8191],
    [82, 16381],
    [163, 16381],
    [327, 32749],
    [655, 65521],
    [656, 65521],
    [5000, 65521],
  ];
  for (const [count, size] of sizes) t.is(maglevSize(count), size, String(count));
});
