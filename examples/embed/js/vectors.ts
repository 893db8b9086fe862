/**
 * Run the vectors of test/vectors/ on a core, with nothing but WebAssembly: no import, and no interface
 * of Node, Deno, Bun or a browser.
 *
 * A file is a list of steps over one instance: write bytes into linear memory, call an export, read
 * bytes back. All numbers are whole, all bytes are written in hexadecimal.
 */

interface Write {
  readonly write: { readonly at: number; readonly hex: string };
}
interface Call {
  readonly call: string;
  readonly args: readonly number[];
  /** The result as u32; a function without one has none. */
  readonly returns?: number;
}
interface Read {
  readonly read: { readonly at: number; readonly hex: string };
}
export type Step = Write | Call | Read;

interface Fixture {
  readonly name: string;
  /** The contract the file was made for; `abiVersion()` has to say the same. */
  readonly abiVersion: number;
  /** 64 KiB pages of linear memory, initial and maximum. */
  readonly pages: number;
  /** Done once, before everything else. */
  readonly setup: readonly Step[];
}

export interface VectorFile extends Fixture {
  readonly cases: readonly { readonly name: string; readonly steps: readonly Step[] }[];
}

export interface LoopFile extends Fixture {
  /** One turn, and how many packets or answers it makes. */
  readonly loop: { readonly steps: readonly Step[]; readonly items: number };
}

export interface Core {
  readonly exports: Readonly<Record<string, (...args: readonly number[]) => number | undefined>>;
  /** All of linear memory. */
  readonly memory: Uint8Array;
}

export interface Verdict {
  readonly passed: number;
  readonly total: number;
  /** One line each, without the name of the file. */
  readonly failures: readonly string[];
}

/** The fewest pages that the module accepts (asc --initialMemory). */
export const MIN_PAGES = 32;

/** An instance over a memory of its own: the only thing that the module imports. */
export async function instantiate(module: WebAssembly.Module, pages: number): Promise<Core> {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return { exports: exports as Core['exports'], memory: new Uint8Array(memory.buffer) };
}

/** @throws Error when the module has another version of the contract than the file */
export async function prepare(module: WebAssembly.Module, file: Fixture): Promise<Core> {
  const core = await instantiate(module, file.pages);
  const version = core.exports.abiVersion?.();
  if (version !== file.abiVersion) {
    throw new Error(
      `${file.name} is for ABI version ${file.abiVersion}, the module has ${version ?? 'none'}`,
    );
  }
  return core;
}

/**
 * Do the steps of a file, case after case on one instance.
 *
 * @throws Error when the module has another version of the contract than the file
 */
export async function runVectors(module: WebAssembly.Module, file: VectorFile): Promise<Verdict> {
  const core = await prepare(module, file);
  const total = file.cases.length;
  const unready = firstFailure(core, file.setup);
  if (unready !== undefined) return { passed: 0, total, failures: [`setup: ${unready}`] };
  const failures: string[] = [];
  for (const { name, steps } of file.cases) {
    const failure = firstFailure(core, steps);
    if (failure !== undefined) failures.push(`case ${name}: ${failure}`);
  }
  return { passed: total - failures.length, total, failures };
}

/** @returns what was wrong, `step N: ...` counted from 1; undefined when all steps agree */
export function firstFailure(core: Core, steps: readonly Step[]): string | undefined {
  for (const [idx, step] of steps.entries()) {
    const failure = failureOf(core, step);
    if (failure !== undefined) return `step ${idx + 1}: ${failure}`;
  }
  return undefined;
}

function failureOf(core: Core, step: Step): string | undefined {
  if ('call' in step) return callFailure(core, step);
  const { at, hex } = 'read' in step ? step.read : step.write;
  const bytes = bytesOf(hex);
  const end = at + bytes.length;
  if (end > core.memory.length) return `memory ends before ${end}`;
  if ('read' in step) return readFailure(core, at, bytes);
  core.memory.set(bytes, at);
  return undefined;
}

function callFailure(core: Core, { call, args, returns }: Call): string | undefined {
  const callee = core.exports[call];
  if (!callee) return `the module exports no ${call}`;
  let result: number | undefined;
  try {
    result = callee(...args);
  } catch (error) {
    return `${call} trapped: ${String(error)}`;
  }
  // A u32 result arrives as a signed number.
  const unsigned = result === undefined ? undefined : result >>> 0;
  if (returns === undefined || unsigned === returns) return undefined;
  return `${call} returned ${String(unsigned)}, expected ${returns}`;
}

function readFailure(core: Core, at: number, expected: Uint8Array): string | undefined {
  const off = expected.findIndex((byte, idx) => byte !== core.memory[at + idx]);
  if (off < 0) return undefined;
  const hex = (byte: number | undefined): string => (byte ?? 0).toString(16).padStart(2, '0');
  return `byte ${at + off} is ${hex(core.memory[at + off])}, expected ${hex(expected[off])}`;
}

/** Bytes of a string of hexadecimal digits. */
export function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
