/** What of a cluster does not fit, or is not there, is said: a sentence for each cause. */
import test from 'ava';
import dnsPacket from 'dns-packet';
import { coreModule } from '../../src/core/instance.js';
import { createCoreSync } from '../../src/embed/core.js';
import type { CoreOptions } from '../../src/embed/core.js';

const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-a' },
  spec: { podCIDRs: ['10.244.0.0/16'] },
  status: { addresses: [{ type: 'InternalIP', address: '192.168.0.1' }] },
};
const ip = (range: string, i: number) => `${range}.${String(i >> 8)}.${String(i & 255)}`;

function service(i: number, at = i): object {
  const metadata = { namespace: 'default', name: `s${String(i)}` };
  const spec = { clusterIP: ip('10.96', at + 1), ports: [{ port: 80, protocol: 'TCP' }] };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec };
}

function pod(i: number): object {
  const metadata = { namespace: 'default', name: `p${String(i)}` };
  const status = { podIPs: [{ ip: ip('10.244', i + 2) }] };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: 'node-a' }, status };
}

function otherNode(i: number): object {
  const spec = { podCIDRs: [`10.${String(100 + (i >> 8))}.${String(i & 255)}.0/24`] };
  const status = { addresses: [{ type: 'InternalIP', address: ip('192.168', i + 2) }] };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: `n${String(i)}` }, spec, status };
}

const many = (count: number, make: (i: number) => object): object[] => [
  NODE,
  ...Array.from({ length: count }, (_, i) => make(i)),
];

function configured(objects: readonly object[], options: CoreOptions = {}) {
  const core = createCoreSync(coreModule(), options);
  return { ...core, ...core.configure({ node: 'node-a', objects, nowSec: 1 }) };
}

function ask(core: ReturnType<typeof configured>, name: string): unknown {
  const reply = core.answer(dnsPacket.encode({ questions: [{ name, type: 'A' }] }), { nowMs: 1 });
  if (!(reply instanceof Uint8Array)) return reply;
  const { answers } = dnsPacket.decode(Buffer.from(reply));
  return answers?.map((answer) => ('data' in answer ? answer.data : undefined));
}

test('embed: a thousand Services and a thousand pods fit the tables that nobody sized', (t) => {
  const core = configured([...many(1000, service), ...many(1000, pod).slice(1)]);
  t.deepEqual(core.notes, []);
  t.deepEqual(ask(core, 's999.default.svc.cluster.local'), ['10.96.3.232']);
});

test('embed: names that do not fit are counted, and the zones are there all the same', (t) => {
  const core = configured(many(600, service), { capacities: { names: 1024 } });
  t.is(core.notes.length, 1);
  t.regex(
    core.notes[0] ?? '',
    /^DNS name \S+ and \d+ more: no room, capacities\.names is 1024 and capacities\.rrsetBytes \d+$/,
  );
  t.is(ask(core, 'example.org'), 'host');
  t.deepEqual(ask(core, 's0.default.svc.cluster.local'), ['10.96.0.1']);
});

test('embed: what makes room is taken first, and nothing is then missing', (t) => {
  const core = configured(many(600, service), { capacities: { names: 1024 } });
  const some = many(600, service).filter((_, i) => i === 0 || i > 200);
  t.deepEqual(core.configure({ node: 'node-a', objects: some, nowSec: 1 }).notes, []);
  t.deepEqual(ask(core, 's599.default.svc.cluster.local'), ['10.96.2.88']);
});

test('embed: no bytes for records are no zones and no names', (t) => {
  const { notes } = configured(many(2, service), { capacities: { rrsetBytes: 0 } });
  t.deepEqual(
    notes.map((note) => note.replace(/ and \d+ more/, '')),
    [
      'DNS zone .: no room, capacities.names is 4096 and capacities.rrsetBytes 0',
      'DNS name cluster.local.: no room, capacities.names is 4096 and capacities.rrsetBytes 0',
    ],
  );
});

test('embed: links and routes that do not fit are a sentence each, with how many', (t) => {
  const links = configured(many(600, pod), { capacities: { links: 256 } });
  t.is(links.notes.length, 1);
  t.regex(links.notes[0] ?? '', /^link \d+ and 345 more: no room, capacities\.links is 256$/);
  const routes = configured(many(1500, otherNode), { capacities: { routes: 1024 } });
  t.is(routes.notes.length, 1);
  t.regex(routes.notes[0] ?? '', /^route \S+ and \d+ more: no room, capacities\.routes is 1024$/);
});

test('embed: frontends and Services that do not fit are a sentence each', (t) => {
  const { notes } = configured(many(40, service), { capacities: { frontends: 16, services: 30 } });
  t.is(notes.length, 3, notes.join('\n'));
  t.regex(notes.join('\n'), /^service \S+ IPv4 and 9 more: no free row among 30 of SERVICES$/m);
  t.regex(notes.join('\n'), /^frontend .* more: no room, capacities\.frontends is 16$/m);
});

test('embed: a node, a Service of the DNS and an address that cannot be meant are said', (t) => {
  const core = createCoreSync(coreModule());
  const objects = [NODE, service(1), service(2, 1)];
  const { notes } = core.configure({ node: 'node-b', dnsService: 'kube-system/dns', objects });
  t.deepEqual(notes, [
    'node node-b: there is no Node of that name, and no Pod is on it',
    'dnsService kube-system/dns: there is no Service of that name',
    "Services default/s1, default/s2 have one ClusterIP, 10.96.0.2: a port of it that several have is one's",
  ]);
});
