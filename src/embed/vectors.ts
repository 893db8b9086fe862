/**
 * Test vectors: what a core is given and what it must say, as files that every runtime can play. A
 * step writes bytes, calls an export or reads bytes; nothing else is needed to check a host.
 *
 * No input and no output here: a page, a worker and a command play the same files.
 */

/** Bytes into linear memory. */
export interface WriteStep {
  readonly write: { readonly at: number; readonly hex: string };
}

/** A call of an export; arguments and result are integers, the result as u32. */
export interface CallStep {
  readonly call: string;
  readonly args: readonly number[];
  /** Absent: the export returns nothing. */
  readonly returns?: number;
}

/** Bytes that must be there. */
export interface ReadStep {
  readonly read: { readonly at: number; readonly hex: string };
}

export type Step = WriteStep | CallStep | ReadStep;

export interface VectorCase {
  readonly name: string;
  readonly about: string;
  readonly steps: readonly Step[];
}

/** A fresh instance over `pages` pages of memory, `setup` once, then the cases in order. */
export interface VectorFile {
  readonly name: string;
  readonly about: string;
  readonly abiVersion: number;
  readonly pages: number;
  readonly setup: readonly Step[];
  readonly cases: readonly VectorCase[];
}

/** Work to be repeated for measuring: `steps` in order are one turn over `items` items. */
export interface LoopFile {
  readonly name: string;
  readonly about: string;
  readonly abiVersion: number;
  readonly pages: number;
  readonly setup: readonly Step[];
  readonly loop: { readonly steps: readonly Step[]; readonly items: number };
}

export interface VectorResult {
  readonly passed: number;
  readonly total: number;
  /** A line each: `case NAME: step 3: processFrame returned 3, expected 1`, or `setup: step 1: ...`. */
  readonly failures: readonly string[];
}

type Exports = Readonly<Record<string, ((...args: number[]) => number | undefined) | undefined>>;

interface Instance {
  readonly exports: Exports;
  readonly bytes: Uint8Array;
}

/** What every file says of the instance that it is played on. */
type Fixture = Pick<VectorFile, 'name' | 'abiVersion' | 'pages' | 'setup'>;

function instantiate(module: WebAssembly.Module, { name, abiVersion, pages }: Fixture): Instance {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as Exports;
  const version = exports.abiVersion?.();
  if (version !== abiVersion) {
    const has = version === undefined ? 'none' : String(version);
    throw new Error(`${name} is for ABI version ${String(abiVersion)}, the module has ${has}`);
  }
  return { exports, bytes: new Uint8Array(memory.buffer) };
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

const octet = (value: number | undefined): string => (value ?? 0).toString(16).padStart(2, '0');

/** A step made ready. @returns what is wrong, undefined: nothing */
type Play = () => string | undefined;

function playWrite(bytes: Uint8Array, { at, hex }: WriteStep['write']): Play {
  const content = fromHex(hex);
  if (at + content.length > bytes.length) return endsBefore(at + content.length);
  return () => {
    bytes.set(content, at);
    return undefined;
  };
}

const endsBefore =
  (end: number): Play =>
  () =>
    `memory ends before ${String(end)}`;

function playCall(exports: Exports, { call, args, returns }: CallStep): Play {
  const callee = exports[call];
  if (callee === undefined) return () => `the module exports no ${call}`;
  return () => {
    let result: number | undefined;
    try {
      result = callee(...args);
    } catch (error) {
      return `${call} trapped: ${String(error)}`;
    }
    if (returns === undefined || (result !== undefined && result >>> 0 === returns)) {
      return undefined;
    }
    const got = result === undefined ? 'nothing' : String(result >>> 0);
    return `${call} returned ${got}, expected ${String(returns)}`;
  };
}

function playRead(bytes: Uint8Array, { at, hex }: ReadStep['read']): Play {
  const content = fromHex(hex);
  if (at + content.length > bytes.length) return endsBefore(at + content.length);
  return () => {
    const wrong = content.findIndex((value, i) => bytes[at + i] !== value);
    if (wrong === -1) return undefined;
    const found = octet(bytes[at + wrong]);
    return `byte ${String(at + wrong)} is ${found}, expected ${octet(content[wrong])}`;
  };
}

function prepare({ exports, bytes }: Instance, step: Step): Play {
  if ('write' in step) return playWrite(bytes, step.write);
  if ('call' in step) return playCall(exports, step);
  return playRead(bytes, step.read);
}

/** @returns what the first step that disagrees says; undefined: none does */
function turn(steps: readonly Play[]): string | undefined {
  for (const [i, run] of steps.entries()) {
    const wrong = run();
    if (wrong !== undefined) return `step ${String(i + 1)}: ${wrong}`;
  }
  return undefined;
}

function play(instance: Instance, steps: readonly Step[]): string | undefined {
  return turn(steps.map((step) => prepare(instance, step)));
}

/**
 * Play one file on a fresh instance. Without its setup none of its cases passes.
 *
 * @throws Error when the module has another version of the contract than the file
 */
export function playVectors(module: WebAssembly.Module, file: VectorFile): VectorResult {
  const instance = instantiate(module, file);
  const total = file.cases.length;
  const unready = play(instance, file.setup);
  if (unready !== undefined) return { passed: 0, total, failures: [`setup: ${unready}`] };
  const failures = file.cases.flatMap(({ name, steps }) => {
    const wrong = play(instance, steps);
    return wrong === undefined ? [] : [`case ${name}: ${wrong}`];
  });
  return { passed: total - failures.length, total, failures };
}

/** Turns between two looks at the clock. */
const TURNS = 64;
const NS_PER_MS = 1e6;

/** A step of a loop disagrees: `step 2: dnsBatch returned 63, expected 64`. */
export class LoopError extends Error {}

/** Turns a loop for at least so many milliseconds. @returns nanoseconds an item */
export type Loop = (ms: number) => number;

/**
 * Make a file's loop ready.
 *
 * @param now  a clock in milliseconds, finer than one: `performance.now`
 * @throws     LoopError when a step disagrees, here or later: a wrong answer has no speed
 */
export function openLoop(module: WebAssembly.Module, file: LoopFile, now: () => number): Loop {
  const instance = instantiate(module, file);
  const fail = (wrong: string): never => {
    throw new LoopError(wrong);
  };
  const setup = play(instance, file.setup);
  if (setup !== undefined) fail(`setup: ${setup}`);
  const steps = file.loop.steps.map((step) => prepare(instance, step));
  return (ms) => {
    const begin = now();
    let turns = 0;
    let elapsedMs = 0;
    do {
      for (let i = 0; i < TURNS; i++) {
        const wrong = turn(steps);
        if (wrong !== undefined) fail(wrong);
      }
      turns += TURNS;
      elapsedMs = now() - begin;
    } while (elapsedMs < ms);
    return (elapsedMs * NS_PER_MS) / (turns * file.loop.items);
  };
}

export interface LoopOptions {
  readonly now: () => number;
  readonly warmUpMs?: number;
  readonly measureMs?: number;
}

/**
 * Repeat a file's loop for at least `measureMs` after `warmUpMs`.
 *
 * @returns nanoseconds an item
 * @throws  LoopError when a step disagrees
 */
export function playLoop(
  module: WebAssembly.Module,
  file: LoopFile,
  { now, warmUpMs = 200, measureMs = 1000 }: LoopOptions,
): number {
  const loop = openLoop(module, file, now);
  loop(warmUpMs);
  return loop(measureMs);
}
