/**
 * Compiled code for the bundles in build/host/bin (src/start/cached.ts): what a DNS server needs until
 * it answers, which one that is started here has just needed.
 *
 * It starts several times: names are kept by the first one, how it is started by the second one, and
 * the others begin with both.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WRITE_AFTER_MS } from '../src/start/cached.js';

const BIN = resolve('build/host/bin');
/** As the command is installed, and as `node sluice.cjs` is. */
const FLAGS = [['--max-semi-space-size=4'], []];
const BUNDLES = 3;
const WAIT_MS = 60_000;
const AFTER_MS = 1500;
const LABEL = 'warm';

const COREFILE = `.:53 {
  errors
  health 127.0.0.1:0
  ready 127.0.0.1:0
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  prometheus 127.0.0.1:0
  forward . 127.0.0.1:9
  cache 30
  reload
  loadbalance
}
`;
const OBJECTS = `apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: ${LABEL}, namespace: default }
spec: { clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{ name: http, port: 80, protocol: TCP }] }
`;
/** Nobody listens at port 1. */
const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: c
contexts: [{ name: c, context: { cluster: k, user: u } }]
clusters: [{ name: k, cluster: { server: 'https://127.0.0.1:1' } }]
users: [{ name: u, user: { token: t } }]
`;

const caches = (): string[] => readdirSync(BIN).filter((name) => name.endsWith('.cache'));

async function until(what: string, isTrue: () => boolean, child: ChildProcess): Promise<void> {
  const end = Date.now() + WAIT_MS;
  while (!isTrue()) {
    const isOver = child.exitCode !== null || child.signalCode !== null;
    if (isOver || Date.now() > end) throw new Error(`code cache: the server never ${what}`);
    await delay(50);
  }
}

/** Let a server run until it is true that it has done something. */
async function serve(
  flags: string[],
  args: string[],
  env: NodeJS.ProcessEnv,
  done: [string, () => boolean],
) {
  const child = spawn(process.execPath, [...flags, join(BIN, 'sluice.cjs'), 'dns', ...args], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: 'ignore',
  });
  const ended = once(child, 'close');
  try {
    await until(...done, child);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

/** One that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-code-'));
try {
  for (const name of caches()) rmSync(join(BIN, name));
  mkdirSync(join(folder, 'objects'));
  writeFileSync(join(folder, 'Corefile'), COREFILE);
  writeFileSync(join(folder, 'objects', 'all.yaml'), OBJECTS);
  writeFileSync(join(folder, 'kubeconfig'), KUBECONFIG);
  const port = String(await freePort());
  const args = ['--conf', join(folder, 'Corefile'), '--port', port, '--bind', '127.0.0.1'];
  args.push('--state-dir', folder, '--log-level', 'fatal');
  const isKept = (): boolean => {
    try {
      return readFileSync(join(folder, 'names.log')).includes(LABEL);
    } catch {
      return false;
    }
  };
  await serve([], [...args, '--files', join(folder, 'objects')], {}, ['kept names', isKept]);
  const later = [...args, '--kubeconfig', join(folder, 'kubeconfig')];
  const isMeant = (): boolean => readFileSync(join(folder, 'early.json')).includes('kubeconfig');
  await serve([], later, {}, ['said how it was started', isMeant]);
  for (const flags of FLAGS) {
    const wanted = caches().length + BUNDLES;
    const env = { [WRITE_AFTER_MS]: String(AFTER_MS) };
    const isWritten = (): boolean => caches().length >= wanted;
    await serve(flags, later, env, ['wrote its code', isWritten]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
