/**
 * `sluice dns` as it is run: a process of its own with a Corefile and state in a folder of its own, all
 * ports the kernel's choice, and what it tells in its log.
 */
import type { ExecutionContext } from 'ava';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageFile } from '../../src/package-root.js';

export const CLI = packageFile('build/host/bin/sluice.cjs');
/** A busy machine is no server that does not start. */
const START_MS = 60_000;

export interface LogLine {
  readonly level: string;
  readonly msg: string;
}

export interface ServedOptions {
  readonly corefile: string;
  /** Manifests, YAML. */
  readonly objects?: string;
  readonly addresses?: readonly string[];
  /** Keep names. */
  readonly isKept?: boolean;
  readonly args?: readonly string[];
  readonly logLevel?: string;
  /** Other files of the folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** The folder of an earlier server. */
  readonly folder?: string;
  /** What runs it: `nsenter` and its arguments, for example. */
  readonly by?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Served {
  readonly folder: string;
  readonly child: ChildProcess;
  /** The port of the first address. */
  readonly port: number;
  /** Port of a listener: `dns://[::1]`, `tls://127.0.0.1`, `/metrics`. */
  portOf(what: string): number;
  lines(): readonly LogLine[];
  /** The same, as they were written. */
  texts(): readonly string[];
  said(pattern: RegExp): Promise<LogLine>;
  write(name: string, text: string): void;
  fetch(path: string): Promise<{ status: number; body: string }>;
  /** Exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
  readonly ended: Promise<number | string>;
}

/** Whoever a server belongs to: a test, or a file of them. */
export type Owner = Pick<ExecutionContext, 'teardown'>;

/** The owner of what all tests of a file share; `end` in `test.after.always`. */
export function createOwner() {
  const ends: (() => unknown)[] = [];
  const owner: Owner = { teardown: (end) => void ends.push(end) };
  return {
    ...owner,
    end: async () => {
      for (const end of ends.reverse()) await end();
    },
  };
}

/** A folder that is gone when the test is over. */
export function openFolder(t: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-dns-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

function argsOf(options: ServedOptions, folder: string): string[] {
  const { addresses = ['127.0.0.1'], objects, isKept, args = [], logLevel = 'info' } = options;
  const all = ['dns', '--conf', join(folder, 'Corefile'), '--log-level', logLevel];
  if (!args.includes('--port')) all.push('--port', '0');
  if (addresses.length > 0) all.push('--bind', ...addresses);
  if (objects !== undefined) all.push('--files', join(folder, 'objects'));
  if (isKept === true) all.push('--state-dir', join(folder, 'state'));
  return [...all, ...args];
}

/** Start it; it listens when this is settled. */
export async function serve(t: Owner, options: ServedOptions): Promise<Served> {
  const served = start(t, options);
  await served.said(/^(dns|tls):\/\/.*\(\w+\)$/);
  const endpoints = (options.corefile.match(/^\s*(health|ready|prometheus)\b/gm) ?? []).length;
  if (endpoints > 0) await served.said(/^http:/);
  return served;
}

/** Start it, whatever comes of it. */
export function start(t: Owner, options: ServedOptions): Served {
  const folder = options.folder ?? openFolder(t);
  const write = (name: string, text: string): void => {
    writeFileSync(join(folder, name), text);
  };
  write('Corefile', options.corefile);
  for (const [name, text] of Object.entries(options.files ?? {})) write(name, text);
  if (options.objects !== undefined) {
    mkdirSync(join(folder, 'objects'), { recursive: true });
    write('objects/all.yaml', options.objects);
  }
  const [program = process.execPath, ...rest] = [
    ...(options.by ?? []),
    process.execPath,
    CLI,
    ...argsOf(options, folder),
  ];
  const child = spawn(program, rest, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...options.env },
  });
  const lines: LogLine[] = [];
  const texts: string[] = [];
  const waiting = new Set<() => void>();
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    const whole = text.split('\n');
    text = whole.pop() ?? '';
    texts.push(...whole);
    lines.push(...whole.map(readLine));
    for (const look of waiting) look();
  });
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  void ended.then(() => {
    for (const look of waiting) look();
  });
  const told = (): string => lines.map(({ level, msg }) => `${level} ${msg}`).join('\n');
  const said = (pattern: RegExp): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      const give = (settle: () => void): void => {
        waiting.delete(look);
        clearTimeout(timer);
        settle();
      };
      const look = (): void => {
        const found = lines.find(({ msg }) => pattern.test(msg));
        const isOver = child.exitCode !== null || child.signalCode !== null;
        if (found) give(() => resolve(found));
        else if (isOver) give(() => reject(new Error(`it ended before ${pattern}:\n${told()}`)));
      };
      const timer = setTimeout(
        () => give(() => reject(new Error(`it never said ${pattern}:\n${told()}`))),
        START_MS,
      );
      waiting.add(look);
      look();
    });
  const portOf = (what: string): number => {
    const isPath = what.startsWith('/');
    const found = lines
      .map(({ msg }) => (isPath ? /^http:\/\/.*:(\d+)(\/\w+)$/ : /^(.*):(\d+) \(\w+\)$/).exec(msg))
      .filter((match) => match?.[isPath ? 2 : 1] === what)
      .at(-1);
    return Number(found?.[isPath ? 1 : 2]);
  };
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return ended;
  };
  t.teardown(() => stop('SIGKILL'));
  return {
    folder,
    child,
    get port() {
      return portOf(`dns://${options.addresses?.[0] ?? '127.0.0.1'}`);
    },
    portOf,
    lines: () => lines,
    texts: () => texts,
    said,
    write,
    fetch: async (path) => {
      const reply = await fetch(`http://127.0.0.1:${portOf(path)}${path}`);
      return { status: reply.status, body: await reply.text() };
    },
    stop,
    ended,
  };
}

function readLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'text', msg: text };
  }
}
