/** `sluice dns query` and `sluice dns top` against a server of their own, asked by dig's means. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import dnsPacket from 'dns-packet';
import type { QueryReport } from '../../../src/nameserver/explain.js';
import type { TopReport } from '../../../src/nameserver/top.js';
import { askAgent } from '../../../src/ops/admin.js';
import { packageFile } from '../../../src/package-root.js';

const CLI = packageFile('build/host/src/cli.js');
const FIXTURE = join(import.meta.dirname, '../fixtures/cluster.yaml');
const COREFILE = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods verified
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    hosts {
        192.0.2.5 extra.example
        fallthrough
    }
    whoami
}
`;
/** One Service with an endpoint that is not ready, beside the oracle's cluster. */
const LATE = `apiVersion: v1
kind: Service
metadata: { name: late, namespace: testns }
spec: { clusterIP: None, clusterIPs: [None], ports: [{ name: http, port: 80, protocol: TCP }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: late-x, namespace: testns, labels: { kubernetes.io/service-name: late } }
addressType: IPv4
ports: [{ name: http, port: 80, protocol: TCP }]
endpoints:
  - { addresses: [10.7.0.1], conditions: { ready: false } }
---
apiVersion: v1
kind: Service
metadata: { name: half, namespace: testns }
spec: { clusterIP: None, clusterIPs: [None], ports: [{ name: http, port: 80, protocol: TCP }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: half-x, namespace: testns, labels: { kubernetes.io/service-name: half } }
addressType: IPv4
ports: [{ name: http, port: 80, protocol: TCP }]
endpoints:
  - { addresses: [10.7.1.1], hostname: up, targetRef: { kind: Pod, name: half-0, namespace: testns } }
  - { addresses: [10.7.1.2], hostname: down, conditions: { ready: false } }
`;

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), 'sluice-dns-'));
const stateDir = join(dir, 'state');
let server: ChildProcess | undefined;
let port = 0;

const cli = async (...args: string[]): Promise<string> => {
  const { stdout } = await run(process.execPath, [CLI, 'dns', ...args, '--state-dir', stateDir]);
  return stdout;
};
/** As the command does, without a process of its own. */
const explained = async (name: string, type = 'A', from = '127.0.0.1'): Promise<QueryReport> => {
  const query = new URLSearchParams({ name, type, from });
  return (await askAgent(stateDir, `/dns/query?${query.toString()}`)) as QueryReport;
};

/** Ask by UDP. */
async function ask(name: string, type: 'A' | 'AAAA' = 'A'): Promise<dnsPacket.DecodedPacket> {
  const socket = createSocket('udp4');
  try {
    socket.send(dnsPacket.encode({ id: 1, questions: [{ type, name }] }), port, '127.0.0.1');
    const [message] = (await once(socket, 'message')) as [Buffer];
    return dnsPacket.decode(message);
  } finally {
    socket.close();
  }
}

test.before('a server on a port of its own', async (t) => {
  t.timeout(60_000);
  const files = join(dir, 'files');
  mkdirSync(files);
  cpSync(FIXTURE, join(files, 'cluster.yaml'));
  writeFileSync(join(files, 'late.yaml'), LATE);
  writeFileSync(join(dir, 'Corefile'), COREFILE);
  server = spawn(
    process.execPath,
    [
      ...[CLI, 'dns', '--conf', join(dir, 'Corefile'), '--port', '0', '--bind', '127.0.0.1'],
      ...['--state-dir', stateDir, '--files', files, '--sample', '1'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const { stderr } = server;
  if (stderr === null) throw new Error('the server has no output');
  const lines = createInterface({ input: stderr });
  port = await new Promise<number>((resolve) => {
    lines.on('line', (line) => {
      const found = /dns:\/\/127\.0\.0\.1:(\d+) \(tcp\)/.exec(line)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
  });
  // Until all files are known.
  for (;;) {
    try {
      const { origin, reply } = await explained('half.testns.svc.cluster.local');
      if (reply?.rcode === 'NOERROR' && origin?.includes('not known completely') !== true) return;
      await delay(50);
    } catch {
      // It does not listen yet.
      await delay(50);
    }
  }
});

test.after.always(async () => {
  if (server?.exitCode === null) {
    const over = once(server, 'exit');
    server.kill('SIGTERM');
    await over;
  }
  rmSync(dir, { recursive: true, force: true });
});

const SVC1 = 'svc1.testns.svc.cluster.local';

test.serial('query: the reply, who has answered, and the object', async (t) => {
  const report = await explained(SVC1, 'A', '10.1.2.3');
  t.like(report, { question: `${SVC1}. A`, client: '10.1.2.3', zone: 'cluster.local.' });
  t.is(report.answeredBy, 'names');
  t.deepEqual(report.objects, ['Service testns/svc1']);
  t.deepEqual(report.reply?.answer, [`${SVC1}. 30 IN A 10.0.0.1`]);
  t.deepEqual(report.reply?.flags, ['AA', 'RD']);
  const text = await cli('query', SVC1, '--from', '10.1.2.3');
  t.regex(text, /^client +10\.1\.2\.3$/m);
  t.deepEqual(JSON.parse(await cli('query', SVC1, 'a', '--from', '10.1.2.3', '--json')), report);
  t.regex(text, /^query +svc1\.testns\.svc\.cluster\.local\. A$/m);
  t.regex(text, /^answer +svc1\.testns\.svc\.cluster\.local\. 30 IN A 10\.0\.0\.1$/m);
});

/** What is asked; RCODE, objects and a part of the origin. */
const CASES: readonly [string, string, string, readonly string[], RegExp][] = [
  [SVC1, 'AAAA', 'NOERROR', ['Service testns/svc1'], /has no AAAA records/],
  ['a.nons.svc.cluster.local', 'A', 'NXDOMAIN', [], /there is no Namespace nons/],
  ['nosuch.testns.svc.cluster.local', 'A', 'NXDOMAIN', [], /there is no Service testns\/nosuch/],
  [
    `_dns._udp.${SVC1}`,
    'SRV',
    'NXDOMAIN',
    ['Service testns/svc1'],
    /no port _dns\._udp: it has _http\._tcp/,
  ],
  [`_http._tcp.${SVC1}`, 'SRV', 'NOERROR', ['Service testns/svc1'], /a named port/],
  [
    'late.testns.svc.cluster.local',
    'A',
    'NXDOMAIN',
    ['Service testns/late'],
    /none of its 1 endpoints is ready/,
  ],
  [
    ...(['up.half.testns.svc.cluster.local', 'A', 'NOERROR'] as const),
    ['Service testns/half', 'EndpointSlice testns/half-x', 'Pod testns/half-0'],
    /a ready endpoint/,
  ],
  [
    'down.half.testns.svc.cluster.local',
    'A',
    'NXDOMAIN',
    ['Service testns/half'],
    /endpoint down is not ready/,
  ],
  [
    'x.half.testns.svc.cluster.local',
    'A',
    'NXDOMAIN',
    ['Service testns/half'],
    /no endpoint is called x/,
  ],
  [
    '1.0.0.10.in-addr.arpa',
    'PTR',
    'NOERROR',
    ['Service testns/svc1'],
    /10\.0\.0\.1 is a ClusterIP/,
  ],
  ['1.1.7.10.in-addr.arpa', 'PTR', 'NOERROR', ['EndpointSlice testns/half-x'], /a ready endpoint/],
  ['9-9-9-9.podns.pod.cluster.local', 'A', 'NXDOMAIN', [], /no pod of Namespace podns/],
  ['foo.cluster.local', 'A', 'NXDOMAIN', [], /directly below a zone/],
];

test.serial('query: why there is no such name, and what there is where it is', async (t) => {
  for (const [name, type, rcode, objects, origin] of CASES) {
    const report = await explained(name, type);
    t.is(report.reply?.rcode, rcode, name);
    t.deepEqual(report.objects, objects, name);
    t.regex(report.origin ?? '', origin, name);
  }
});

test.serial('query: what the chain answers bears the plugin, and no object', async (t) => {
  const report = await explained('extra.example');
  t.like(report, { answeredBy: 'plugin hosts', zone: '.', objects: [] });
  t.is(report.origin, undefined);
  t.deepEqual(report.reply?.answer, ['extra.example. 3600 IN A 192.0.2.5']);
  const fallen = await explained('9.9.9.9.in-addr.arpa', 'PTR');
  t.like(fallen, { answeredBy: 'plugin whoami' });
  t.regex(fallen.why, /falls through/);
});

test.serial('query: what cannot be asked is said in one sentence', async (t) => {
  await t.throwsAsync(cli('query', 'a..b'), { message: /"a\.\.b" is no domain name/ });
  await t.throwsAsync(cli('query', SVC1, 'NOPE'), { message: /"NOPE" is no type of records/ });
  await t.throwsAsync(cli('query', SVC1, '--from', 'x'), {
    message: /--from: "x": expected an IP/,
  });
  await t.throwsAsync(cli('top', '--seconds', '11'), { message: /"11": expected a whole number/ });
  await t.throwsAsync(run(process.execPath, [CLI, 'dns', 'query', SVC1, '--state-dir', dir]), {
    message: /no DNS server listens there/,
  });
});

const find = (rows: TopReport['names'], what: string): number | undefined =>
  rows.find((row) => row.what === what)?.queries;

test.serial('top: names, types, RCODEs and clients of the core and of the chain', async (t) => {
  for (let i = 0; i < 3; i++) t.is((await ask(SVC1)).answers?.length, 1);
  await ask('nosuch.testns.svc.cluster.local', 'AAAA');
  await ask('extra.example');
  // Questions of `sluice dns query` are not among them.
  const report = JSON.parse(await cli('top', '--seconds', '0', '--json')) as TopReport;
  t.like(report, { seconds: 0, sampled: 5, queries: 5, lost: 0 });
  t.is(find(report.names, `${SVC1}.`), 3);
  t.is(find(report.names, 'extra.example.'), 1);
  t.is(find(report.types, 'AAAA'), 1);
  t.is(find(report.rcodes, 'NXDOMAIN'), 1);
  t.is(find(report.clients, '127.0.0.1'), 5);
  t.is(find(report.answeredBy, 'names'), 4);
  t.is(find(report.answeredBy, 'plugin hosts'), 1);
});

test.serial('top: for some seconds, only what is asked meanwhile', async (t) => {
  const looking = cli('top', '--seconds', '2');
  const over = new AbortController();
  void looking.finally(() => {
    over.abort();
  });
  // Until the look is over, with pauses that the socket makes.
  while (!over.signal.aborted) await ask('late.testns.svc.cluster.local', 'AAAA');
  const text = await looking;
  t.regex(text, /^2 s: about \d+ queries/);
  t.regex(text, /100\.0% +late\.testns\.svc\.cluster\.local\.$/m);
  t.notRegex(text, /svc1/);
});
