/** Running programs, in a network namespace and on a processor of one's choice. */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Scope } from '../scope.js';

export interface Place {
  /** Name of a network namespace; absent: our own. */
  readonly netns?: string;
  /** Processor; absent: any. */
  readonly cpu?: number;
}

const TIMEOUT_MS = 60_000;

function argv(place: Place, command: readonly string[]): [string, string[]] {
  const words = [
    ...(place.netns === undefined ? [] : ['ip', 'netns', 'exec', place.netns]),
    ...(place.cpu === undefined ? [] : ['taskset', '-c', String(place.cpu)]),
    ...command,
  ];
  const [program = '', ...args] = words;
  return [program, args];
}

/**
 * Run to the end.
 *
 * @returns standard output
 * @throws  Error with the command and what it said on standard error
 */
export function run(place: Place, ...command: string[]): Promise<string> {
  const [program, args] = argv(place, command);
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: TIMEOUT_MS, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${command.join(' ')}: ${err.trim() || out.trim() || error.message}`));
    });
  });
}

/** The same, synchronously, for set-up and clean-up. @param input standard input */
export function runSync(
  place: Place,
  command: readonly string[],
  input = '',
  timeout = TIMEOUT_MS,
): string {
  const [program, args] = argv(place, command);
  return execFileSync(program, args, { encoding: 'utf8', input, timeout });
}

/** A command line for people: no paths, no options, no JSON. */
function title(command: readonly string[]): string {
  return command
    .filter((word) => !word.startsWith('-') && !word.startsWith('{'))
    .map((word) => path.basename(word))
    .join(' ');
}

/** A program in the background that says one line at a time. */
export interface Background {
  readonly pid: number;
  /** @throws Error when the program has ended */
  nextLine(): Promise<string>;
  send(line: string): void;
  stop(): Promise<void>;
}

/** Start a program; it ends with the scope. Its standard error is ours. */
export function start(scope: Scope, place: Place, ...command: string[]): Background {
  const [program, args] = argv(place, command);
  const child: ChildProcess & { stdin: Writable; stdout: Readable } = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  // Started or not, `nextLine` tells; a write to what is gone must not end the run.
  child.once('error', () => undefined);
  child.stdin.on('error', () => undefined);
  scope.defer(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? -1,
    nextLine: async () => {
      const line = await lines.next();
      if (line.done) throw new Error(`${title(command)}: ended early`);
      return line.value;
    },
    send: (line) => void child.stdin.write(`${line}\n`),
    stop: async () => {
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(patience);
    },
  };
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const SEARCH_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Why root-only suites that need these programs cannot run, or undefined. */
export function missingTools(...tools: string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root (network namespaces)';
  const absent = ['ip', 'taskset', ...tools].filter(
    (tool) => !SEARCH_PATH.some((dir) => existsSync(`${dir}/${tool}`)),
  );
  return absent.length > 0 ? `not installed: ${absent.join(', ')}` : undefined;
}
