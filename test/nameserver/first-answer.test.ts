/**
 * How soon a server answers that starts again: names are on disk, and there is no API server. What the
 * machine does besides is in every time, so that all is compared to a Node that does nothing.
 */
import test from 'ava';
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import packet from 'dns-packet';
import { freePort } from '../support/ports.js';
import { askUntil } from './client.js';
import { CLI, openFolder, serve } from './served.js';

const NAMES = 300;
const TURNS = 9;
/** Of the processor, in what Node itself takes: less than 2 on a quiet machine. */
const CPU_MAX = 4;
const ASK_EVERY_MS = 1;
const WAIT_MS = 60_000;
/** sysconf(_SC_CLK_TCK) of every Linux that Node runs on. */
const TICK_MS = 10;

const COREFILE = `.:53 {
 errors
 kubernetes cluster.local in-addr.arpa ip6.arpa {
  pods insecure
  fallthrough in-addr.arpa ip6.arpa
 }
 forward . 127.0.0.1:9
 cache 30
 loadbalance
}
`;
const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: c
contexts: [{ name: c, context: { cluster: k, user: u } }]
clusters: [{ name: k, cluster: { server: 'https://127.0.0.1:1' } }]
users: [{ name: u, user: { token: t } }]
`;
const addressOf = (i: number): string => `10.96.${i >> 8}.${i & 255}`;
const nameOf = (i: number): string => `svc${i}.default.svc.cluster.local`;

const objects = [
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: default }\n',
  ...Array.from(
    { length: NAMES },
    (_, i) => `apiVersion: v1
kind: Service
metadata: { name: svc${i}, namespace: default }
spec:
  clusterIP: ${addressOf(i)}
  clusterIPs: [${addressOf(i)}]
  ports: [{ name: http, port: 80, protocol: TCP }]
`,
  ),
].join('---\n');

/** What Node reads before anything else, certificates among it, is nobody's time to answer. */
const env = { ...process.env, NODE_OPTIONS: '', NODE_EXTRA_CA_CERTS: '' };

interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** What a Node takes that has nothing to do. */
function bare(): Spent {
  const begin = performance.now();
  const words = 'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000)';
  const { stdout } = spawnSync(process.execPath, ['-e', words], { encoding: 'utf8', env });
  return { wallMs: performance.now() - begin, cpuMs: Number(stdout) };
}

/** utime and stime of proc(5). */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Ask until a server gives the address. */
function answered(socket: Socket, port: number): Promise<void> {
  const type = 'A';
  const questions = [{ type, name: nameOf(7) } as const];
  const query = packet.encode({ type: 'query', id: 7, questions });
  return new Promise((resolve, reject) => {
    const asking = setInterval(() => socket.send(query, port, '127.0.0.1'), ASK_EVERY_MS);
    const end = (settle: () => void): void => {
      clearInterval(asking);
      clearTimeout(late);
      settle();
    };
    const late = setTimeout(() => {
      end(() => reject(new Error(`no answer within ${WAIT_MS} ms`)));
    }, WAIT_MS);
    socket.on('message', (message: Buffer) => {
      const [answer] = packet.decode(message).answers ?? [];
      if (answer?.type === 'A' && answer.data === addressOf(7)) end(resolve);
    });
  });
}

/** @param hasMore  whether it still has something to do when it has answered */
async function firstAnswer(folder: string, port: number, hasMore?: () => boolean): Promise<Spent> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const args = ['--conf', join(folder, 'Corefile'), '--state-dir', join(folder, 'state')];
  args.push('--kubeconfig', join(folder, 'kubeconfig'), '--bind', '127.0.0.1');
  const begin = performance.now();
  const child = spawn(process.execPath, [CLI, 'dns', ...args, '--port', String(port)], {
    stdio: 'ignore',
    env,
  });
  try {
    await answered(socket, port);
    while (hasMore?.() === true) await delay(ASK_EVERY_MS);
    return { wallMs: performance.now() - begin, cpuMs: cpuMsOf(child.pid ?? 0) };
  } finally {
    socket.close();
    child.kill('SIGKILL');
    await once(child, 'close');
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;

test.serial('restart: the first answer costs a few times what Node itself costs', async (t) => {
  const folder = openFolder(t);
  const args = ['--port', String(await freePort())];
  const first = await serve(t, { corefile: COREFILE, objects, folder, isKept: true, args });
  const { port } = first;
  await askUntil(first, nameOf(NAMES - 1), ({ rcode }) => rcode === 'NOERROR');
  t.is(await first.stop(), 0);
  writeFileSync(join(folder, 'kubeconfig'), KUBECONFIG);

  // What it leaves, the others begin with.
  const early = (): string => readFileSync(join(folder, 'state', 'early.json'), 'utf8');
  await firstAnswer(folder, port, () => !early().includes('kubeconfig'));

  const nothing: Spent[] = [];
  const server: Spent[] = [];
  for (let i = 0; i < TURNS; i++) {
    nothing.push(bare());
    server.push(await firstAnswer(folder, port));
  }
  const of = (spent: readonly Spent[]): Spent => ({
    wallMs: median(spent.map(({ wallMs }) => wallMs)),
    cpuMs: median(spent.map(({ cpuMs }) => cpuMs)),
  });
  const [node, dns] = [of(nothing), of(server)];
  t.log(
    `first answer ${dns.wallMs.toFixed(0)} ms after the start, ${dns.cpuMs.toFixed(0)} ms of the processor; ` +
      `Node alone ${node.wallMs.toFixed(0)} ms, ${node.cpuMs.toFixed(0)} ms (medians of ${TURNS})`,
  );
  t.true(dns.cpuMs <= CPU_MAX * node.cpuMs, `${dns.cpuMs / node.cpuMs} times`);
});
