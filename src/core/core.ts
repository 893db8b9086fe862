/**
 * One core over one linear memory, in any JavaScript runtime.
 *
 * The module is asked twice: an instance with only the fixed part of memory says how much the
 * capacities need, the second one gets exactly that, as minimum and maximum: the buffer never
 * moves, so that kernel pages may lie in it.
 */
import {
  ABI_VERSION,
  CONTROL_BASE,
  CONTROL_FLAGS_OFF,
  CONTROL_F_OFFLOAD,
  CONTROL_FLOWS4_MASK_OFF,
  CONTROL_FLOWS6_MASK_OFF,
  CONTROL_FRAGMENTS_HELD_OFF,
  CONTROL_HASH_KEYS_OFF,
  CONTROL_LAYOUT_OFF,
  CONTROL_MAGIC,
  CONTROL_MAGIC_OFF,
  CONTROL_PICK_SEED_OFF,
  CONTROL_STALE_MS_OFF,
  CONTROL_TIMEOUTS_OFF,
  CONTROL_TRACE_OFF,
  DELTA_BASE,
  DELTA_BYTES,
  DELTA_SIZE,
  HASH_KEYS,
  RegionId,
  TIMEOUT_COUNT,
} from '../../assembly/abi.js';
import { DataplaneError } from '../errors.js';
import { nameLoads } from './names-writer.js';
import { SAMPLE_EVERY, setSampling } from './query-log.js';
import { LAYOUT_HASH } from './layout-hash.js';
import { readRegion, writeCapacities } from './regions.js';
import type { Capacities, Region } from './regions.js';

/** The exports of assembly/index.ts. Addresses and counts are u32, times f64 milliseconds. */
export interface CoreExports {
  abiVersion(): number;
  layout(): number;
  init(layoutHash: number): void;
  attachPort(idx: number): void;
  runBurst(budget: number, nowMs: number): number;
  processFrame(inIfindex: number, framePtr: number, len: number, nowMs: number): number;
  processBatch(descriptors: number, count: number, nowMs: number): number;
  traceFrame(inIfindex: number, framePtr: number, len: number, nowMs: number): number;
  parseFrame(framePtr: number, len: number): number;
  applyDelta(records: number): number;
  applyNames(bytes: number): number;
  dnsAnswer(
    listener: number,
    msg: number,
    len: number,
    room: number,
    flags: number,
    nowMs: number,
  ): number;
  dnsBatch(descriptors: number, count: number, nowMs: number): number;
  cacheOpen(options: number): number;
  cacheClose(cache: number): void;
  cacheGet(
    cache: number,
    msg: number,
    len: number,
    room: number,
    flags: number,
    nowMs: number,
  ): number;
  cachePut(
    cache: number,
    query: number,
    queryLen: number,
    reply: number,
    replyLen: number,
    flags: number,
    nowMs: number,
  ): number;
  cacheFailed(cache: number, query: number, queryLen: number, nowMs: number): void;
  cacheDue(msg: number): number;
  sweep(nowMs: number, budget: number): number;
  adopt(nowMs: number): number;
  census(): number;
  checksum(ptr: number, len: number): number;
  lpmFind(addr: number): number;
  maglevBuild(table: number, m: number, ids: number, n: number, scratch: number): void;
  maglevPick(table: number, m: number, hash: number): number;
}

/** asc --initialMemory: the module refuses less. */
const INITIAL_PAGES = 32;

const HASH_KEYS_BYTES = HASH_KEYS * 4;

/** A lane silent for this long is dead to the kernel programs. */
export const STALE_MS = 1500;

export interface Core {
  readonly exports: CoreExports;
  readonly memory: WebAssembly.Memory;
  /** All of linear memory. */
  readonly view: Uint8Array;
  readonly words: DataView;
  region(id: RegionId): Region;
  /**
   * Make the tables usable. Map kernel pages over them before, not after.
   *
   * @returns whether tables of an earlier agent were found and kept
   */
  start(options: StartOptions): boolean;
  /**
   * Apply delta records, in as many mailbox loads as it takes.
   *
   * @param records  DELTA_SIZE bytes each; their result words are filled in
   * @returns        how many were applied
   */
  apply(records: Uint8Array): number;
  /**
   * Apply records of names (names-writer.ts), in as many mailbox loads as it takes.
   *
   * @returns how many were applied; the result words of all are filled in
   */
  applyNames(records: Uint8Array): number;
}

/** Milliseconds by TcpState, TIMEOUT_UDP and TIMEOUT_UDP_STREAM. */
export type Timeouts = Readonly<Partial<Record<number, number>>>;

export interface StartOptions {
  /** May the kernel programs execute rows? */
  readonly offload: boolean;
  readonly nowMs: number;
  /** What is left out is Linux's. */
  readonly timeoutsMs?: Timeouts | undefined;
  /** Of Maglev hashing, the same on all nodes of a cluster; default 0. */
  readonly pickSeed?: number | undefined;
  /**
   * HASH_KEYS u32 in bytes, the secret of the hash tables; default: random. The same keys give the same
   * tables, which is what a test wants and an attacker, too.
   */
  readonly hashKeys?: Uint8Array | undefined;
  /** DNS queries: one in so many goes into the sample, 0 = none; default SAMPLE_EVERY. */
  readonly sampleEvery?: number | undefined;
}

/** Makes an instance over a memory. */
export type Instantiate = (memory: WebAssembly.Memory) => CoreExports;

/** The plain way to make instances of a compiled module. */
export function instantiatorOf(module: WebAssembly.Module): Instantiate {
  return (memory) => {
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return exports as unknown as CoreExports;
  };
}

function pagesNeeded(instantiate: Instantiate, capacities: Capacities): number {
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: INITIAL_PAGES });
  const exports = instantiate(memory);
  if (typeof (exports as Partial<CoreExports>).abiVersion !== 'function') {
    const message = 'this module is no core of Sluice: it exports no abiVersion';
    throw new DataplaneError('ERR_ABI_MISMATCH', message);
  }
  const version = exports.abiVersion();
  if (version !== ABI_VERSION) {
    const message = `core.wasm speaks ABI ${String(version)}, this host ${String(ABI_VERSION)}: rebuild one of them`;
    throw new DataplaneError('ERR_ABI_MISMATCH', message);
  }
  writeCapacities(new DataView(memory.buffer), capacities);
  const pages = exports.layout();
  if (pages !== 0) return Math.max(pages, INITIAL_PAGES);
  const message = 'the capacities need more than 4 GiB in all';
  throw new DataplaneError('ERR_CONFIG', message);
}

const U32_MAX = 0xffffffff;
/** Of the core (assembly/mem/region.ts). */
const FRAME_SIZE_MIN = 2048;
const POWERS_OF_TWO: ReadonlySet<string> = new Set(['flows4', 'flows6', 'frameSize']);

const isPowerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));

/** @throws DataplaneError ERR_CONFIG naming key and value */
function checkCapacities(capacities: Capacities): void {
  for (const [key, value] of Object.entries(capacities) as [string, number][]) {
    const refuse = (expectation: string): never => {
      const message = `capacities.${key} is ${String(value)}: expected ${expectation}`;
      throw new DataplaneError('ERR_CONFIG', message);
    };
    if (!Number.isInteger(value) || value < 0 || value > U32_MAX) {
      refuse('a whole number of 32 bits');
    }
    if (POWERS_OF_TWO.has(key) && !isPowerOfTwo(value)) refuse('a power of two');
    if (key === 'frameSize' && value < FRAME_SIZE_MIN) {
      refuse(`at least ${String(FRAME_SIZE_MIN)}, a power of two`);
    }
  }
}

/**
 * A core with its own memory and tables laid out for the capacities.
 *
 * @param instantiate  called twice: how much memory is needed, and over that memory
 * @throws DataplaneError ERR_ABI_MISMATCH for another version's module, ERR_CONFIG for impossible
 *         capacities
 */
export function openCore(instantiate: Instantiate, capacities: Capacities): Core {
  checkCapacities(capacities);
  const pages = pagesNeeded(instantiate, capacities);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const exports = instantiate(memory);
  const view = new Uint8Array(memory.buffer);
  const words = new DataView(memory.buffer);
  writeCapacities(words, capacities);
  exports.layout();
  return {
    exports,
    memory,
    view,
    words,
    region: (id) => readRegion(words, id),
    start: (options) => start(exports, view, words, options),
    apply: (records) => applyAll(exports, view, records),
    applyNames: (records) => applyNames(exports, view, records),
  };
}

function start(
  exports: CoreExports,
  view: Uint8Array,
  words: DataView,
  options: StartOptions,
): boolean {
  const control = (offset: number): number => words.getUint32(CONTROL_BASE + offset, true);
  const hash = LAYOUT_HASH;
  const found =
    control(CONTROL_MAGIC_OFF) === CONTROL_MAGIC && control(CONTROL_LAYOUT_OFF) === hash;
  const hashKeys = options.hashKeys ?? crypto.getRandomValues(new Uint8Array(HASH_KEYS_BYTES));
  if (hashKeys.length !== HASH_KEYS_BYTES) {
    const message = `hashKeys of ${String(hashKeys.length)} bytes: expected ${String(HASH_KEYS_BYTES)}`;
    throw new DataplaneError('ERR_USAGE', message);
  }
  if (!found) view.set(hashKeys, CONTROL_BASE + CONTROL_HASH_KEYS_OFF);
  const put = (offset: number, value: number): void => {
    words.setUint32(CONTROL_BASE + offset, value, true);
  };
  put(CONTROL_FLOWS4_MASK_OFF, readRegion(words, RegionId.FLOWS4).capacity - 1);
  put(CONTROL_FLOWS6_MASK_OFF, readRegion(words, RegionId.FLOWS6).capacity - 1);
  put(CONTROL_STALE_MS_OFF, STALE_MS);
  put(CONTROL_FLAGS_OFF, options.offload ? CONTROL_F_OFFLOAD : 0);
  put(CONTROL_PICK_SEED_OFF, options.pickSeed ?? 0);
  put(CONTROL_TRACE_OFF, 0);
  put(CONTROL_FRAGMENTS_HELD_OFF, 0);
  for (let i = 0; i < TIMEOUT_COUNT; i++) {
    // 0 is the core's default.
    put(CONTROL_TIMEOUTS_OFF + 4 * i, options.timeoutsMs?.[i] ?? 0);
  }
  setSampling({ view, words }, options.sampleEvery ?? SAMPLE_EVERY);
  exports.init(hash);
  if (found) exports.adopt(options.nowMs);
  return found;
}

/** Through the mailbox and back: every record comes home with its result word. */
function applyAll(exports: CoreExports, view: Uint8Array, records: Uint8Array): number {
  let applied = 0;
  for (let at = 0; at < records.length; at += DELTA_BYTES) {
    const batch = records.subarray(at, at + DELTA_BYTES);
    view.set(batch, DELTA_BASE);
    applied += exports.applyDelta(batch.length / DELTA_SIZE);
    batch.set(view.subarray(DELTA_BASE, DELTA_BASE + batch.length));
  }
  return applied;
}

/** As `applyAll`, cut between records, which have any length. */
function applyNames(exports: CoreExports, view: Uint8Array, records: Uint8Array): number {
  let applied = 0;
  for (const load of nameLoads(records, DELTA_BYTES)) {
    view.set(load, DELTA_BASE);
    applied += exports.applyNames(load.length);
    load.set(view.subarray(DELTA_BASE, DELTA_BASE + load.length));
  }
  return applied;
}
