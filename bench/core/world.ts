/**
 * build/core/bench.wasm on a memory of its own: the core with its loops (assembly/bench.ts),
 * laid out for what one suite needs. No kernel, no rings.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { CONTROL_BASE, CONTROL_HASH_KEYS_OFF, HASH_KEYS } from '../../assembly/abi.js';
import { createCore } from '../../src/core/instance.js';
import type { Core, CoreExports } from '../../src/core/core.js';
import type { DeltaWriter } from '../../src/core/delta-writer.js';
import { SMALL_CAPACITIES, type Capacities } from '../../src/core/regions.js';
import { DELTA_SIZE } from '../../assembly/abi.js';
import { hashKey } from './inputs.js';

const MODULE = fileURLToPath(new URL('../../build/core/bench.wasm', import.meta.url));

/** What assembly/bench.ts adds to the exports of the core. */
export interface BenchExports extends CoreExports {
  benchFlowFill(flows: number): number;
  benchFlowClear(): void;
  benchFlowHit(frames: number, count: number, stride: number, len: number, nowMs: number): number;
  benchNewFlow(
    frames: number,
    count: number,
    stride: number,
    len: number,
    inIfindex: number,
    nowMs: number,
  ): number;
  benchParse(frames: number, count: number, stride: number, len: number): number;
  benchChecksum(ptr: number, len: number, repeats: number): number;
  benchDns(templates: number, count: number, stride: number, room: number, roomLen: number): number;
  benchMaglevBuild(
    setFirst: number,
    setCount: number,
    maglevFirst: number,
    m: number,
    repeats: number,
  ): number;
  benchLpm(addrs: number, count: number): number;
  benchFrontend(keys: number, count: number): number;
  benchMaglevPick(table: number, m: number, hashes: number, count: number): number;
  benchChoose(frames: number, count: number, stride: number, inIfindex: number): number;
  benchForward(frames: number, count: number, stride: number, rooms: number, nowMs: number): number;
  benchNat(frames: number, count: number, stride: number, rooms: number, nowMs: number): number;
  benchDnsParse(templates: number, count: number, stride: number): number;
}

export interface World {
  readonly core: Core;
  readonly exports: BenchExports;
}

/** Why there is no module, or undefined. */
export function missingModule(): string | undefined {
  return existsSync(MODULE) ? undefined : 'build/core/bench.wasm is missing: npm run build:core';
}

let compiled: WebAssembly.Module | undefined;

/**
 * The module, compiled once and for good. V8 would begin with quick code and replace what turns out
 * to be hot, in a thread of its own: on a busy machine whole samples are over by then.
 */
function benchModule(): WebAssembly.Module {
  setFlagsFromString('--no-liftoff');
  compiled ??= new WebAssembly.Module(readFileSync(MODULE));
  return compiled;
}

/** @param needs  capacities that matter to the suite; the rest is small */
export function createWorld(needs: Partial<Capacities>): World {
  const core = createCore({ ...SMALL_CAPACITIES, ...needs }, benchModule());
  core.start({ offload: true, nowMs: 0 });
  useFixedKeys(core);
  return { core, exports: core.exports as BenchExports };
}

/** Reproducible places in hashed tables. Only while they are empty. */
export function useFixedKeys(core: Core): void {
  for (let i = 0; i < HASH_KEYS; i++) {
    core.words.setUint32(CONTROL_BASE + CONTROL_HASH_KEYS_OFF + 4 * i, hashKey(i), true);
  }
}

/** @throws Error when the core refuses a record */
export function applyRecords(core: Core, records: Uint8Array): void {
  const wanted = records.length / DELTA_SIZE;
  const applied = core.apply(records);
  if (applied !== wanted) throw new Error(`applyDelta: ${applied} of ${wanted} records applied`);
}

/** @throws Error when the core refuses a record */
export function applyWriter(core: Core, writer: DeltaWriter): void {
  applyRecords(core, writer.take());
}
