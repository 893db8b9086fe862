/** The plugin as a runtime executes it, and an agent for it to talk to. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { createDispatch } from '../../src/cni/dispatch.js';
import type { CniHandler, DispatchOptions } from '../../src/cni/dispatch.js';
import type { CniRequest } from '../../src/cni/request.js';
import type { CniResult } from '../../src/cni/result.js';
import { serveCni } from '../../src/cni/server.js';
import type { ServeOptions } from '../../src/cni/server.js';
import { createLog } from '../../src/log.js';
import type { Log } from '../../src/log.js';
import { packageFile } from '../../src/package-root.js';

export const PLUGIN = packageFile('build/native/sluice-cni');

export interface Ended {
  /** Exit code; the name of the signal when one ended it. */
  readonly exit: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface Execution {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Buffer;
  /** Standard input stays open. */
  readonly endless?: boolean;
  readonly file?: string;
}

/** Execute a plugin with exactly this environment. */
export function execute({ env = {}, stdin = '', endless, file }: Execution): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const sinceMs = performance.now();
    const child = spawn(file ?? PLUGIN, [], { env: { ...env }, stdio: 'pipe' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.stdin.on('error', () => undefined);
    child.once('close', (code, signal) => {
      const [stdout, stderr] = [out, err].map((chunks) => Buffer.concat(chunks).toString());
      const ms = performance.now() - sinceMs;
      resolve({ exit: code ?? signal, stdout: stdout ?? '', stderr: stderr ?? '', ms });
    });
    if (endless === true) child.stdin.write(stdin);
    else child.stdin.end(stdin);
  });
}

export function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cni-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const ATTACHMENT = {
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/var/run/netns/not-there',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
} as const;

export const RESULT: CniResult = {
  interfaces: [
    { name: 'slc0123456789a', mac: 'ee:ee:ee:ee:ee:ee', mtu: 1450 },
    { name: 'eth0', mac: '02:53:00:00:00:01', mtu: 1450, sandbox: ATTACHMENT.CNI_NETNS },
  ],
  ips: [
    { address: '10.1.2.3/32', gateway: '169.254.1.1', interface: 1 },
    { address: 'fd00::3/128', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1450 }, { dst: '::/0' }],
  dns: {},
};

export interface Agent {
  readonly socket: string;
  /** Every request that was handled. */
  readonly handled: CniRequest[];
  readonly lines: Record<string, unknown>[];
  /** Execute the plugin against it. */
  call(verb: string, conf: unknown, env?: Readonly<Record<string, string>>): Promise<Ended>;
}

export function recordingLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { log: createLog('debug', { write }), lines };
}

type AgentOptions = Partial<DispatchOptions & ServeOptions> & { readonly folder?: string };

/** An agent whose ADD always gives RESULT. */
export async function startAgent(t: ExecutionContext, options: AgentOptions = {}): Promise<Agent> {
  const socket = join(options.folder ?? temporary(t), 'cni.sock');
  const handled: CniRequest[] = [];
  const { log, lines } = recordingLog();
  const usual: CniHandler = (request) =>
    Promise.resolve(request.verb === 'ADD' ? RESULT : undefined);
  const handle: CniHandler = (request, signal) => {
    handled.push(request);
    return (options.handle ?? usual)(request, signal);
  };
  const over = new AbortController();
  const dispatch = createDispatch({ log, signal: over.signal, ...options, handle });
  const server = await serveCni(socket, { log, ...options, dispatch });
  t.teardown(async () => {
    over.abort();
    await server.close();
  });
  const call: Agent['call'] = (verb, conf, env = ATTACHMENT) =>
    execute({
      env: { SLUICE_CNI_SOCKET: socket, CNI_COMMAND: verb, ...env },
      stdin: typeof conf === 'string' ? conf : JSON.stringify(conf),
    });
  return { socket, handled, lines, call };
}

/** Anybody who listens: what comes is handed on, once it is whole, with the means to answer. */
export async function startImpostor(
  t: ExecutionContext,
  answer: (socket: Socket, request: Buffer) => void,
): Promise<string> {
  const path = join(temporary(t), 'cni.sock');
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => answer(socket, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

export interface ErrorObject {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** The error object a plugin printed; it failed. */
export function errorOf(t: ExecutionContext, { exit, stdout }: Ended): ErrorObject {
  t.not(exit, 0);
  const error = JSON.parse(stdout) as ErrorObject;
  t.is(typeof error.cniVersion, 'string');
  t.is(typeof error.msg, 'string');
  return error;
}

export function conf(more: object = {}, version = '1.1.0'): Record<string, unknown> {
  return { cniVersion: version, name: 'k8s', type: 'sluice', ...more };
}
