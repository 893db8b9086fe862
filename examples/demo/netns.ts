/**
 * Throw-away networks: namespaces, the cables between them, programs inside them.
 *
 * Everything made here is remembered and removed by `Lab.close`, and also when the process ends
 * or is told to (exit, SIGINT, SIGTERM): programs by their process id, namespaces by their name,
 * cables with the namespaces that hold their ends.
 *
 * Programs enter a namespace by nsenter(1) and not by `ip netns exec`, which would give them
 * mounts of their own and hide /sys/fs/bpf.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isMainThread, threadId } from 'node:worker_threads';

/** Where namespaces have their names. */
export const NETNS_DIR = '/var/run/netns';
/** Name of a lab's namespace, with the id of the process that made it. */
export const LAB_NAMESPACE = /^slu(\d+)\.\d+\.\d+-/;
const RUN_TIMEOUT_MS = 10_000;
/** Nothing is meant to end by this: it is for what its owner has lost sight of. */
const START_TIMEOUT_MS = 600_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A program and its arguments. */
export type Command = readonly [string, ...string[]];

export interface RunOptions {
  /** Killed after this long; 10 s for `run`, 10 min for `start` when absent. */
  readonly timeoutMs?: number;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunResult {
  /** Exit code; -1 when it was killed. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs beside us. */
export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  /** What it wrote so far. */
  output(): string;
  /** Resolves when it has ended, however it ended. */
  readonly done: Promise<RunResult>;
  /** Send a signal to it and its children, SIGTERM when absent, and wait for its end. */
  stop(signal?: NodeJS.Signals): Promise<RunResult>;
  /** Wait until its output matches; rejects when it ends before. */
  waitFor(pattern: RegExp): Promise<RegExpMatchArray>;
}

export interface Namespace {
  readonly name: string;
  readonly path: string;
  /** Run to the end. @throws Error with command, exit code and output when it fails */
  run(command: Command, options?: RunOptions): string;
  /** Run to the end; a failure is a result. */
  tryRun(command: Command, options?: RunOptions): RunResult;
  /** Like `tryRun`, without stopping the event loop. */
  runAsync(command: Command, options?: RunOptions): Promise<RunResult>;
  /** Run beside us. */
  start(command: Command, options?: RunOptions): Running;
  /** `run` a command that prints JSON (`ip -j ...`); nothing printed is an empty list. */
  json(command: Command): unknown;
}

/** One end of a cable. */
export interface CableEnd {
  readonly ns: Namespace;
  readonly ifname: string;
  /** `address/length`, either family. */
  readonly addresses?: readonly string[];
  readonly mac?: string;
}

export interface Lab {
  /** A new namespace with `lo` up. @param role  a word for its name */
  namespace(role: string): Namespace;
  /** Connect two namespaces by a veth pair, both ends up. */
  connect(a: CableEnd, b: CableEnd, mtu?: number): void;
  /** Remove everything; may be called twice. */
  close(): void;
}

// ---- Running programs -----------------------------------------------------------------

function failure(command: readonly string[], result: RunResult): Error {
  const said = [result.stderr, result.stdout].map((text) => text.trim()).filter(Boolean);
  return new Error(`${command.join(' ')}: exit code ${result.status}: ${said.join('; ')}`);
}

function tryRun(command: Command, options: RunOptions = {}): RunResult {
  const [program, ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: options.timeoutMs ?? RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    env: { ...process.env, ...options.env },
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  const why = error === undefined ? '' : `${error.message}\n`;
  return { status: status ?? -1, stdout, stderr: why + stderr };
}

function run(command: Command, options?: RunOptions): string {
  const result = tryRun(command, options);
  if (result.status !== 0) throw failure(command, result);
  return result.stdout;
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: it has ended already.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function start(command: Command, options: RunOptions, forget: (pid: number) => void): Running {
  const [program, ...args] = command;
  // In a process group of its own, so that what it starts in turn ends with it.
  const child = spawn(program, args, { detached: true, env: { ...process.env, ...options.env } });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command.join(' ')}: could not be started`);
  const written = { stdout: '', stderr: '' };
  const timer = setTimeout(() => {
    killGroup(pid, 'SIGKILL');
  }, options.timeoutMs ?? START_TIMEOUT_MS);
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (written.stderr += text));
  // A program need not read its input.
  child.stdin.on('error', () => undefined).end(options.input);

  const done = new Promise<RunResult>((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer);
      forget(pid);
      resolve({ status: code ?? -1, ...written });
    });
  });
  const output = (): string => written.stdout + written.stderr;
  return {
    pid,
    child,
    output,
    done,
    stop: (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) killGroup(pid, signal);
      return done;
    },
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = output().match(pattern);
          if (match !== null) resolve(match);
        };
        child.stdout.on('data', look);
        child.stderr.on('data', look);
        void done.then((result) => reject(failure(command, result)));
        look();
      }),
  };
}

// ---- Labs -----------------------------------------------------------------------------

const openLabs = new Set<Lab>();
let namespaceCount = 0;

function closeAll(): void {
  for (const lab of openLabs) lab.close();
}

function closeOnSignal(signal: NodeJS.Signals): void {
  closeAll();
  // With our handler gone the signal means what it meant before.
  process.kill(process.pid, signal);
}

function watchOver(lab: Lab): void {
  if (openLabs.size === 0) {
    process.once('exit', closeAll);
    // Signals reach the main thread only; a worker is ended by its owner, which is an exit.
    if (isMainThread) {
      process.once('SIGINT', closeOnSignal);
      process.once('SIGTERM', closeOnSignal);
    }
  }
  openLabs.add(lab);
}

function stopWatching(lab: Lab): void {
  openLabs.delete(lab);
  if (openLabs.size > 0) return;
  process.removeListener('exit', closeAll);
  process.removeListener('SIGINT', closeOnSignal);
  process.removeListener('SIGTERM', closeOnSignal);
}

function addresses(end: CableEnd): void {
  for (const address of end.addresses ?? []) {
    const nodad = address.includes(':') ? ['nodad'] : [];
    end.ns.run(['ip', 'address', 'add', address, 'dev', end.ifname, ...nodad]);
  }
}

function connect(a: CableEnd, b: CableEnd, mtu = 1500): void {
  const words = (end: CableEnd): string[] => [
    ...['name', end.ifname, 'netns', end.ns.name, 'mtu', String(mtu)],
    ...(end.mac === undefined ? [] : ['address', end.mac]),
  ];
  run(['ip', 'link', 'add', ...words(a), 'type', 'veth', 'peer', ...words(b)]);
  for (const end of [a, b]) {
    end.ns.run(['ip', 'link', 'set', end.ifname, 'up']);
    addresses(end);
  }
}

/** A network to play in; needs root. */
export function openLab(): Lab {
  const namespaces: string[] = [];
  const pids = new Set<number>();
  const forget = (pid: number): void => void pids.delete(pid);

  const inside = (path: string, command: Command): Command => [
    'nsenter',
    `--net=${path}`,
    '--',
    ...command,
  ];

  const namespace = (role: string): Namespace => {
    namespaceCount++;
    const name = `slu${process.pid}.${threadId}.${namespaceCount}-${role}`;
    run(['ip', 'netns', 'add', name]);
    namespaces.push(name);
    const path = `${NETNS_DIR}/${name}`;
    const begin = (command: Command, options: RunOptions): Running => {
      const running = start(inside(path, command), options, forget);
      pids.add(running.pid);
      return running;
    };
    const made: Namespace = {
      name,
      path,
      run: (command, options) => run(inside(path, command), options),
      tryRun: (command, options) => tryRun(inside(path, command), options),
      runAsync: (command, options = {}) =>
        begin(command, { timeoutMs: RUN_TIMEOUT_MS, ...options }).done,
      start: (command, options = {}) => begin(command, options),
      json: (command) => JSON.parse(run(inside(path, command)) || '[]') as unknown,
    };
    made.run(['ip', 'link', 'set', 'lo', 'up']);
    return made;
  };

  const close = (): void => {
    for (const pid of pids) killGroup(pid, 'SIGKILL');
    pids.clear();
    for (const name of namespaces.splice(0)) {
      // In a session of its own: Ctrl-C at a terminal is for the whole group of this process.
      if (existsSync(`${NETNS_DIR}/${name}`))
        run(['setsid', '--wait', 'ip', 'netns', 'delete', name]);
    }
    stopWatching(lab);
  };

  const lab: Lab = { namespace, connect, close };
  watchOver(lab);
  return lab;
}
