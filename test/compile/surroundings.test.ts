import test from 'ava';
import {
  DELTA_PAYLOAD_OFF,
  DELTA_SIZE,
  DELTA_TABLE_OFF,
  LINK_FLAGS_OFF,
  LINK_F_POD,
  POLICY_F_PODS_BY_LINK,
  POLICY_F_PODS_IN_RANGE4,
  TableId,
} from '../../assembly/abi.js';
import { parseAddress, parseCidr, parseMac } from '../../src/addr.js';
import { BARE_SURROUNDINGS } from '../../src/compile/compile.js';
import { createControl } from '../../src/compile/control.js';
import type { ControlOptions } from '../../src/compile/control.js';
import type { Link } from '../../src/compile/links.js';
import type { PodDetection } from '../../src/compile/policy.js';
import { HERE, node, pod, put, ready, service, slice, webService } from '../model/objects.js';
import { compiled } from './reading.js';
import { TRUNK, UPLINK, podLink } from './worlds.js';

const CAPACITIES = { services: 16, backends: 16, setEntries: 64, maglevEntries: 0, ranges: 16 };
const NODE = put('Node', node(HERE, ['10.244.1.0/24'], ['192.0.2.1']));
const PEER = put('Node', node('node-b', ['10.244.2.0/24'], ['192.0.2.2']));
const PORTED: Link = { ...UPLINK, ioPort: 1 };
const PEER_MAC = parseMac('02:00:00:00:00:99');

const NODE_PORT = put(
  'Service',
  service('np', {
    type: 'NodePort',
    clusterIP: '10.96.0.2',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }],
  }),
);

function started(options: Partial<ControlOptions> = {}) {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES, ...options });
  const web = put('Service', webService('web', '10.96.0.1'));
  const endpoints = put('EndpointSlice', slice('s', 'web', [ready('10.244.2.1')]));
  const pods = [put('Pod', pod('p1', ['10.244.1.7'])), put('Pod', pod('p2', ['10.244.1.8']))];
  for (const event of [NODE, PEER, NODE_PORT, web, endpoints, ...pods]) control.apply(event);
  control.apply({ type: 'synced' });
  control.setLinks([TRUNK, PORTED, podLink('p1', 7)]);
  control.setLocalAddresses([parseAddress('192.0.2.1')]);
  control.flush();
  return control;
}

/** Tables the records are about. */
function tables(records: Uint8Array): string[] {
  const view = new DataView(records.buffer);
  return Array.from(
    { length: records.length / DELTA_SIZE },
    (_, i) => TableId[view.getUint16(i * DELTA_SIZE + DELTA_TABLE_OFF, true)] ?? '?',
  );
}

/** A ROUTE in words: action, flags, prefix length, ifindex, MACs. */
function route(prefix: string, around: Parameters<typeof compiled>[1]): string | undefined {
  const row = [...compiled([NODE, PEER], around)].find(([key]) => key === `route ${prefix}`)?.[1];
  if (!row) return undefined;
  const hex = Buffer.from(row.bytes).toString('hex');
  return `${hex.slice(8, 12)} ${hex.slice(64, 72)} ${hex.slice(72, 84)} ${hex.slice(84, 96)}`;
}

const LINKS = [TRUNK, PORTED];
const NO_MAC = '0'.repeat(12);

test('surroundings: every local address is the node, behind the trunk', (t) => {
  const texts = ['192.0.2.1', '198.51.100.1', '127.0.0.1', 'fe80::1'];
  const around = { links: LINKS, localAddresses: texts.map(parseAddress) };
  t.is(route('192.0.2.1/32', around), `0201 02000000 ${NO_MAC} ${NO_MAC}`);
  t.is(route('198.51.100.1/32', around), `0201 02000000 ${NO_MAC} ${NO_MAC}`);
  t.is(route('127.0.0.0/8', around), undefined);
  t.is(route('fe80::1/128', around), undefined);
  const localhost = { ...around, nodePortAddresses: ['localhost' as const] };
  t.is(route('127.0.0.0/8', localhost), `0201 02000000 ${NO_MAC} ${NO_MAC}`);
});

test('surroundings: service ranges lead nowhere, by name', (t) => {
  const around = { links: LINKS, serviceCIDRs: [parseCidr('10.96.0.0/12')] };
  t.is(route('10.96.0.0/12', around), `0002 00000000 ${NO_MAC} ${NO_MAC}`);
});

test('surroundings: other nodes are out of the uplink, with MACs where the lane sends itself', (t) => {
  const neighbours = new Map([['192.0.2.2', PEER_MAC]]);
  const withMacs = '0400 03000000 020000000099 020000000003';
  t.is(route('192.0.2.2/32', { links: LINKS, neighbours }), withMacs);
  t.is(route('10.244.2.0/24', { links: LINKS, neighbours }), withMacs);
  const bare = `0400 03000000 ${NO_MAC} ${NO_MAC}`;
  t.is(route('192.0.2.2/32', { links: LINKS }), bare);
  t.is(route('192.0.2.2/32', { links: [TRUNK, UPLINK], neighbours }), bare);
});

test('surroundings: an address of this node stays its own, whoever says he has it', (t) => {
  const around = { ...BARE_SURROUNDINGS, links: LINKS };
  const thief = put('Node', node('a-thief', [], ['192.0.2.1']));
  const row = [...compiled([thief, NODE], around)].find(([key]) => key === 'route 192.0.2.1/32');
  t.deepEqual([...(row?.[1].bytes.subarray(4, 6) ?? [])], [2, 1]);
});

test('surroundings: what changed is compiled anew with what stands on it, nothing else', (t) => {
  const control = started({ nodePortAddresses: ['all'] });
  control.setNeighbours(new Map([['192.0.2.2', PEER_MAC]]));
  t.deepEqual(tables(control.flush()), ['ROUTE', 'ROUTE']);
  control.setNeighbours(new Map([['192.0.2.2', PEER_MAC.slice()]]));
  t.deepEqual(tables(control.flush()), []);
  control.setLocalAddresses(['192.0.2.1', '198.51.100.1'].map(parseAddress));
  t.deepEqual(tables(control.flush()), ['ROUTE', 'FRONTEND']);
  control.setLinks([TRUNK, PORTED, podLink('p1', 7), podLink('p2', 8)]);
  t.deepEqual(tables(control.flush()), ['LINK', 'ROUTE']);
  control.setLinks([TRUNK, podLink('p1', 7), podLink('p2', 8)]);
  t.deepEqual(tables(control.flush()), ['ROUTE', 'ROUTE', 'LINK']);
});

test('surroundings: with the node its node ports move', (t) => {
  const control = started();
  control.apply(put('Node', node(HERE, ['10.244.1.0/24'], ['192.0.2.7'])));
  t.deepEqual(tables(control.flush()), ['NODE', 'ROUTE', 'FRONTEND', 'FRONTEND']);
});

/** Flags of POLICY, and whether who comes by each link is a pod. */
function detected(pods: PodDetection) {
  const links: Link[] = [
    { ...TRUNK, name: 'slc0' },
    { ...UPLINK, name: 'cni0' },
    { ...podLink('p1', 7), name: 'slcab' },
  ];
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES, policy: { pods } });
  control.apply(NODE);
  control.apply(put('Pod', pod('p1', ['10.244.1.7'])));
  control.setLinks(links);
  control.apply({ type: 'synced' });
  const records = control.flush();
  const view = new DataView(records.buffer);
  let flags = 0;
  const byPods: number[] = [];
  tables(records).forEach((table, i) => {
    const payload = i * DELTA_SIZE + DELTA_PAYLOAD_OFF;
    if (table === 'POLICY') flags = view.getUint32(payload, true);
    if (table !== 'LINK') return;
    const isPods = (view.getUint8(payload + LINK_FLAGS_OFF - 4) & LINK_F_POD) !== 0;
    if (isPods) byPods.push(view.getUint32(payload + 4, true));
  });
  return { flags, byPods };
}

test('surroundings: pods are told as it is configured', (t) => {
  const by = POLICY_F_PODS_BY_LINK;
  t.deepEqual(detected({ by: 'link' }), { flags: by, byPods: [7] });
  t.deepEqual(detected({ by: 'name', name: 'cni0' }), { flags: by, byPods: [3] });
  t.deepEqual(detected({ by: 'prefix', prefix: 'slc' }), { flags: by, byPods: [2, 7] });
  t.deepEqual(detected({ by: 'nothing' }), { flags: 0, byPods: [] });
  t.deepEqual(detected({ by: 'node' }), { flags: POLICY_F_PODS_IN_RANGE4, byPods: [] });
  const ranges = [parseCidr('10.244.0.0/16')];
  t.deepEqual(detected({ by: 'range', ranges }), { flags: POLICY_F_PODS_IN_RANGE4, byPods: [] });
});
