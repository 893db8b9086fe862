/** The package `sluice/core`: what it says, and that it needs nothing of Node. */
import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import test from 'ava';
import dnsPacket from 'dns-packet';
import { build } from 'esbuild';
import { EMBED_OPTIONS } from '../../scripts/build-embed.js';
import { coreModule } from '../../src/core/instance.js';
import { createCore, createCoreSync } from '../../src/embed/core.js';
import type { SluiceCore } from '../../src/embed/core.js';
import { packageFile } from '../../src/package-root.js';
import { packet, see } from '../support/frames.js';
import { idsOf, paperTable } from '../table/paper-maglev.js';
import { rfc1071 } from '../wire/oracle.js';

const CLUSTER = `
apiVersion: v1
kind: Node
metadata: { name: node-a }
spec: { podCIDRs: [10.244.1.0/24] }
status: { addresses: [{ type: InternalIP, address: 192.168.0.1 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: default, name: client }
spec: { nodeName: node-a, containers: [] }
status: { podIPs: [{ ip: 10.244.1.2 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: default, name: web-0 }
spec: { nodeName: node-a, containers: [] }
status: { podIPs: [{ ip: 10.244.1.3 }] }
---
apiVersion: v1
kind: Service
metadata: { namespace: default, name: web }
spec: { clusterIP: 10.96.0.10, ports: [{ port: 80, protocol: TCP }] }
`;
const SLICE = `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 8080, protocol: TCP }]
endpoints: [{ addresses: [10.244.1.3], conditions: { ready: true }, nodeName: node-a }]
`;
const SYN = packet({
  ...{ proto: 'tcp', src: '10.244.1.2', dst: '10.96.0.10', sport: 40000, dport: 80, flags: 'S' },
});

function opened(objects = CLUSTER + SLICE): SluiceCore & { readonly client: number } {
  const core = createCoreSync(coreModule());
  const { links, notes } = core.configure({ node: 'node-a', objects, nowSec: 1 });
  const client = links.find(({ pod }) => pod === 'default/client')?.ifindex;
  if (client === undefined || notes.length > 0) throw new Error(notes.join());
  return { ...core, client };
}

test('embed: a frame in is a frame out, translated to the pod of the Service', (t) => {
  const { process, flows, client } = opened();
  const { verdict, action, drop, frame } = process(SYN, { ifindex: client, nowMs: 5 });
  t.deepEqual([verdict, action, drop], ['TX', 'POD', 'NONE']);
  t.like(see(frame), { src: '10.244.1.2', dst: '10.244.1.3', dport: 8080, isSound: true });
  const [flow] = flows(5);
  t.like(flow, { to: '10.96.0.10:80', translatedTo: '10.244.1.3:8080', state: 'SYN_SENT' });
});

test('embed: a drop has its name, and nothing of an input is changed', (t) => {
  const { process, client } = opened();
  const spoofed = packet({ proto: 'udp', src: '10.244.1.9', dst: '10.96.0.10' });
  const before = spoofed.slice();
  const { verdict, drop } = process(spoofed, { ifindex: client, nowMs: 5 });
  t.deepEqual([verdict, drop], ['DROP', 'SPOOFED_SOURCE']);
  t.deepEqual(spoofed, before);
});

test('embed: other objects make another node of it, and what is gone is gone', (t) => {
  const { configure, process, client } = opened();
  configure({ node: 'node-a', objects: CLUSTER });
  const refused = process(SYN, { ifindex: client, nowMs: 5 });
  t.like(see(refused.frame), { src: '10.96.0.10', dst: '10.244.1.2', type: 3 });
  configure({ node: 'node-a', objects: CLUSTER + SLICE });
  t.is(see(process(SYN, { ifindex: client, nowMs: 6 }).frame).dst, '10.244.1.3');
});

test('embed: objects may come parsed, and what is wrong with one is said', (t) => {
  const core = createCoreSync(coreModule());
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x', namespace: 'y' } };
  t.throws(() => core.configure({ node: 'n', objects: [{ ...service, spec: { ports: 5 } }] }), {
    code: 'ERR_OBJECT',
    message: /^Service y\/x: spec\.ports is 5: expected/,
  });
  t.notThrows(() => core.configure({ node: 'n', objects: [{ ...service, spec: {} }] }));
  t.throws(() => core.configure({ node: 'm', objects: [] }), { code: 'ERR_CONFIG' });
});

test('embed: DNS queries are answered by the names of the Services', (t) => {
  const { answer } = opened();
  const ask = (name: string) =>
    answer(dnsPacket.encode({ id: 7, questions: [{ name, type: 'A' }] }), { nowMs: 1 });
  const reply = ask('web.default.svc.cluster.local');
  const { id, answers } = dnsPacket.decode(Buffer.from(reply as Uint8Array));
  t.is(id, 7);
  t.like(answers?.[0], { type: 'A', data: '10.96.0.10' });
  t.like(dnsPacket.decode(Buffer.from(ask('no.default.svc.cluster.local') as Uint8Array)), {
    rcode: 'NXDOMAIN',
  });
  t.is(ask('example.org'), 'host');
  t.is(answer(new Uint8Array(3), { nowMs: 1 }), undefined);
});

test('embed: the pieces stand alone', (t) => {
  const { checksum, parse, maglev, routes } = createCoreSync(coreModule());
  for (const length of [0, 1, 40, 1501]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);
    t.is(checksum(bytes), rfc1071(bytes));
  }
  t.like(parse(SYN), { drop: 'NONE', family: 4, src: '10.244.1.2', dstPort: 80, tcpFlags: 2 });
  t.is(parse(SYN.slice(0, 30)).drop, 'SHORT_IPV4');
  const table = maglev(idsOf(3), 251);
  t.deepEqual([...table.slots], paperTable(idsOf(3), 251));
  t.is(table.pick(0xffffffff), table.slots[250] ?? -1);
  for (const size of [0, 2, 250, 65537]) {
    t.throws(() => maglev(idsOf(3), size), { code: 'ERR_CONFIG' }, String(size));
  }
  routes.put({ cidr: '10.0.0.0/8', ifindex: 1 });
  routes.put({ cidr: '10.1.0.0/16', ifindex: 2, action: 'POD' });
  routes.put({ cidr: '::/0', ifindex: 3 });
  t.deepEqual(routes.lookup('10.1.2.3'), { cidr: '10.1.0.0/16', ifindex: 2, action: 'POD' });
  t.true(routes.delete('10.1.0.0/16'));
  t.false(routes.delete('10.1.0.0/16'));
  t.is(routes.lookup('10.1.2.3')?.cidr, '10.0.0.0/8');
  t.is(routes.lookup('11.1.2.3'), undefined);
  t.is(routes.lookup('2001:db8::1')?.cidr, '::/0');
});

test('embed: a frame too long for memory is refused, one that is odd is not', (t) => {
  const { process, parse } = createCoreSync(coreModule());
  t.throws(() => parse(new Uint8Array(1 << 18)), { code: 'ERR_USAGE' });
  t.is(process(new Uint8Array(), { ifindex: 0, nowMs: 0 }).verdict, 'DROP');
});

test('embed: what is no frame, no keys, no capacity and no core is named', async (t) => {
  const module = coreModule();
  const core = createCoreSync(module);
  for (const odd of [new ArrayBuffer(60), new DataView(new ArrayBuffer(60))]) {
    t.throws(() => core.parse(odd as unknown as Uint8Array), { instanceOf: TypeError });
  }
  t.throws(() => createCoreSync(module, { hashKeys: new Uint8Array(5000) }), {
    code: 'ERR_USAGE',
    message: /^hashKeys of 5000 bytes: expected \d+$/,
  });
  const refused = (capacities: object, message: string) =>
    t.throws(() => createCoreSync(module, { capacities }), { code: 'ERR_CONFIG', message });
  refused({ frameSize: 64 }, 'capacities.frameSize is 64: expected at least 2048, a power of two');
  refused({ flows4: 100 }, 'capacities.flows4 is 100: expected a power of two');
  refused({ links: -1 }, 'capacities.links is -1: expected a whole number of 32 bits');
  t.throws(() => createCoreSync(module, { capacities: { nmaes: 1 } as object }), {
    message: /^capacities\.nmaes: there are flows4, /,
  });
  const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
  await t.throwsAsync(createCore(empty), {
    code: 'ERR_ABI_MISMATCH',
    message: /no core of Sluice/,
  });
});

test('embed: Maglev members that cannot be are named', (t) => {
  const { maglev } = createCoreSync(coreModule());
  t.throws(() => maglev(idsOf(20_000), 65_521), {
    message: /for 20000 members: expected at most \d+$/,
  });
  t.throws(() => maglev([{ id: 1, weight: 0.5 }], 7), { message: /weight 0\.5: expected whole/ });
  t.throws(() => maglev([{ id: 1 }], 2.5), { code: 'ERR_CONFIG' });
});

test('embed: the first error reply is sent at whatever time the clock begins', (t) => {
  const { process, client } = opened(CLUSTER);
  const { verdict, frame } = process(SYN, { ifindex: client, nowMs: 0 });
  t.is(verdict, 'TX');
  t.is(see(frame).src, '10.96.0.10');
});

test('embed: a silent flow is forgotten', (t) => {
  const { process, flows, sweep, client } = opened();
  process(SYN, { ifindex: client, nowMs: 5 });
  t.is(flows(5).length, 1);
  for (let i = 1; i <= 3; i++) sweep(1e7 * i);
  t.is(flows(4e7).length, 0);
});

test('embed: bytes are compiled, and the baseline module does the same', async (t) => {
  const core = await createCore(readFileSync(packageFile('build/core/core-baseline.wasm')));
  core.configure({ node: 'node-a', objects: CLUSTER + SLICE });
  const { frame } = core.process(SYN, { ifindex: 3, nowMs: 1 });
  t.is(see(frame).dst, '10.244.1.3');
});

test('embed: the bundle runs where there is neither require nor process nor Buffer', async (t) => {
  const { outputFiles, metafile } = await build({
    ...EMBED_OPTIONS,
    entryPoints: [packageFile('src/embed/core.ts')],
    ...{ format: 'iife', globalName: 'sluice', write: false, sourcemap: false, metafile: true },
    legalComments: 'none',
    outdir: 'unused',
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  t.deepEqual(
    imports.filter(({ path, external }) => external === true || path.startsWith('node:')),
    [],
  );
  const context = createContext({
    TextEncoder,
    TextDecoder,
    URL,
    crypto,
    SYN,
    CLUSTER: CLUSTER + SLICE,
    module: coreModule(),
  });
  runInContext(outputFiles[0]?.text ?? '', context);
  const dst: unknown = runInContext(
    `const core = sluice.createCoreSync(module);
     const { links } = core.configure({ node: 'node-a', objects: CLUSTER });
     const { ifindex } = links.find(({ pod }) => pod === 'default/client');
     core.process(SYN, { ifindex, nowMs: 1 }).frame.subarray(30, 34).join('.')`,
    context,
  );
  t.is(dst, '10.244.1.3');
  t.is(
    runInContext('typeof require + typeof process + typeof Buffer', context),
    'undefined'.repeat(3),
  );
});
