/**
 * Records what a host does with a core as steps of a vector file. The core behind it is a real one:
 * what the host writes into its memory between two calls is found by comparing, and the calls are
 * noted with what they returned.
 */
import { ABI_VERSION } from '../../assembly/abi.js';
import { instantiatorOf, openCore } from '../../src/core/core.js';
import type { Core, CoreExports, Instantiate } from '../../src/core/core.js';
import { coreModule } from '../../src/core/instance.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import type { Capacities } from '../../src/core/regions.js';
import type { LoopFile, Step, VectorCase, VectorFile } from '../../src/embed/vectors.js';

/** Just enough for what the vectors do: about 3 MiB. */
export const VECTOR_CAPACITIES: Capacities = {
  ...SMALL_CAPACITIES,
  flows4: 512,
  flows6: 256,
  ringBytes: 4096,
  links: 16,
  frontends: 64,
  services: 64,
  backends: 256,
  setEntries: 1024,
  maglevEntries: 1 << 16,
  routes: 64,
  ranges: 32,
  affinity: 32,
  fragments: 32,
  names: 1024,
  rrsetBytes: 1 << 18,
  cache: 32,
  replyBytes: 1 << 16,
  frames: 8,
  frameSize: 2048,
};

/** Constant, so that every recording comes to the same tables. */
const HASH_SEED = 0x51ce;
const HASH_KEY_BYTES = 48;
const WASM_PAGE = 65536;
const CHUNK = 4096;
/** Changed bytes that are closer to each other than this are one write. */
const GAP = 16;

export interface Recorder {
  readonly core: Core;
  /** A write of its own, whatever was there before. */
  write(at: number, bytes: Uint8Array): void;
  /** Expect what is there now. */
  read(at: number, length: number): void;
  /** What was recorded so far is the file's setup, or another case's; what `play` does is this one's. */
  add(name: string, about: string, play: () => void): void;
  /** Everything recorded, without the loop. */
  file(name: string, about: string): VectorFile;
  /** What `play` does is one turn over `items` items. */
  loop(name: string, about: string, items: number, play: () => void): LoopFile;
}

type Callee = (...args: number[]) => number | undefined;

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function hashKeys(): Uint8Array {
  const keys = new DataView(new ArrayBuffer(HASH_KEY_BYTES));
  let seed = HASH_SEED;
  for (let at = 0; at < HASH_KEY_BYTES; at += 4) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    keys.setUint32(at, seed, true);
  }
  return new Uint8Array(keys.buffer);
}

/** Offsets [begin, end) where two memories differ, near ones together. */
function differences(before: Uint8Array, after: Uint8Array): [number, number][] {
  const runs: [number, number][] = [];
  for (let chunk = 0; chunk < after.length; chunk += CHUNK) {
    const end = chunk + CHUNK;
    if (Buffer.compare(before.subarray(chunk, end), after.subarray(chunk, end)) === 0) continue;
    for (let at = chunk; at < end; at++) {
      if (before[at] === after[at]) continue;
      const last = runs.at(-1);
      if (last !== undefined && at - last[1] < GAP) last[1] = at + 1;
      else runs.push([at, at + 1]);
    }
  }
  return runs;
}

export function createRecorder(capacities: Partial<Capacities> = {}): Recorder {
  let steps: Step[] = [];
  let view = new Uint8Array();
  let shadow = new Uint8Array();

  const noteWrites = (): void => {
    for (const [begin, end] of differences(shadow, view)) {
      steps.push({ write: { at: begin, hex: hexOf(view.subarray(begin, end)) } });
      shadow.set(view.subarray(begin, end), begin);
    }
  };
  const record = (call: string, callee: Callee): Callee => {
    return (...args) => {
      noteWrites();
      const result = callee(...args);
      shadow.set(view);
      const returns = result === undefined ? {} : { returns: result >>> 0 };
      steps.push({ call, args, ...returns });
      return result;
    };
  };

  const plain = instantiatorOf(coreModule());
  const instantiate: Instantiate = (memory) => {
    const exports = plain(memory);
    // The second instance is the one that counts: it begins anew.
    steps = [];
    view = new Uint8Array(memory.buffer);
    shadow = view.slice();
    const wrapped: Record<string, unknown> = {};
    for (const [name, callee] of Object.entries(exports) as [string, Callee][]) {
      wrapped[name] = record(name, callee);
    }
    return wrapped as unknown as CoreExports;
  };

  const made = openCore(instantiate, { ...VECTOR_CAPACITIES, ...capacities });
  made.exports.abiVersion();
  const core: Core = {
    ...made,
    start: (options) => made.start({ ...options, hashKeys: hashKeys() }),
  };
  let setup: Step[] | undefined;
  const cases: VectorCase[] = [];
  const close = (): Step[] => {
    noteWrites();
    const closed = steps;
    steps = [];
    return closed;
  };
  const common = (name: string, about: string) => ({
    name,
    about,
    abiVersion: ABI_VERSION,
    pages: core.memory.buffer.byteLength / WASM_PAGE,
    setup: setup ?? close(),
  });

  return {
    core,
    write: (at, bytes) => {
      noteWrites();
      view.set(bytes, at);
      shadow.set(bytes, at);
      steps.push({ write: { at, hex: hexOf(bytes) } });
    },
    read: (at, length) => {
      noteWrites();
      steps.push({ read: { at, hex: hexOf(view.subarray(at, at + length)) } });
    },
    add: (name, about, play) => {
      setup ??= close();
      if (cases.some((each) => each.name === name)) throw new Error(`two cases are called ${name}`);
      play();
      cases.push({ name, about, steps: close() });
    },
    file: (name, about) => ({ ...common(name, about), cases }),
    loop: (name, about, items, play) => {
      setup ??= close();
      play();
      const loop = { steps: close(), items };
      return { ...common(name, about), loop };
    },
  };
}
