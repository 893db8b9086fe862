/**
 * C twins: programs in bench/native/, compiled by gcc -O3 when they are needed, that answer one
 * sample per line so that they can be interleaved with the loops in WebAssembly.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Scope } from './scope.js';

const execFileAsync = promisify(execFile);
const NATIVE_DIR = fileURLToPath(new URL('native/', import.meta.url));
const OUT_DIR = fileURLToPath(new URL('../build/bench/', import.meta.url));
const ABI_HEADER = fileURLToPath(new URL('../native/bpf/generated/abi.h', import.meta.url));
const HEADERS = ['twin', 'frame', 'pkt', 'flow', 'nat', 'tables', 'stages'].map(
  (name) => `${name}.h`,
);
const FLAGS = ['-O3', '-std=gnu17', '-Wall', '-Wextra', '-Wno-unused-function'];

/** Why C programs cannot be compiled here, or undefined. */
export async function missingCompiler(): Promise<string | undefined> {
  if (!existsSync(ABI_HEADER)) return 'native/bpf/generated/abi.h is missing: npm run build:bpf';
  try {
    await execFileAsync('gcc', ['--version']);
    return undefined;
  } catch {
    return 'gcc is missing';
  }
}

async function isCurrent(out: string, sources: readonly string[]): Promise<boolean> {
  if (!existsSync(out)) return false;
  const built = (await stat(out)).mtimeMs;
  for (const source of sources) if ((await stat(source)).mtimeMs > built) return false;
  return true;
}

async function compile(name: string): Promise<string> {
  const source = path.join(NATIVE_DIR, `${name}.c`);
  const headers = HEADERS.map((file) => path.join(NATIVE_DIR, file));
  const out = path.join(OUT_DIR, name);
  if (await isCurrent(out, [source, ABI_HEADER, ...headers])) return out;
  await mkdir(OUT_DIR, { recursive: true });
  // A program cannot be started while it is written to (execve(2), ETXTBSY).
  const part = `${out}.${process.pid}`;
  await execFileAsync('gcc', [...FLAGS, '-o', part, source]);
  await rename(part, out);
  return out;
}

const compiled = new Map<string, Promise<string>>();

/**
 * Compile bench/native/NAME.c unless the program is newer than every source.
 *
 * @returns path of the program
 */
export function compileNative(name: string): Promise<string> {
  const program = compiled.get(name) ?? compile(name);
  compiled.set(name, program);
  return program;
}

export interface TwinSample {
  /** Nanoseconds per operation. */
  readonly ns: number;
  /** What the loop computed: WebAssembly must get the same. */
  readonly result: number;
}

export interface Twin {
  /** Digest of the inputs or of an untimed first pass. */
  readonly digest: number;
  sample(): Promise<TwinSample>;
}

function field(line: string, key: string): number {
  const value: unknown = (JSON.parse(line) as Record<string, unknown>)[key];
  if (typeof value !== 'number') throw new Error(`C twin printed ${line}, expected "${key}"`);
  return value;
}

/** Compile, start and set up a twin; it ends with the scope. */
export async function startTwin(
  scope: Scope,
  name: string,
  args: readonly (number | string)[],
): Promise<Twin> {
  const program = await compileNative(name);
  const child = spawn(program, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  scope.defer(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done) throw new Error(`C twin ${name} ended early`);
    return line.value;
  };
  const digest = field(await next(), 'ready');
  return {
    digest,
    sample: async () => {
      child.stdin.write('run\n');
      const line = await next();
      return { ns: field(line, 'ns'), result: field(line, 'result') };
    },
  };
}
