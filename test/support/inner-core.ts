/**
 * The core with its inner functions open: `assembly/test-core.ts`, compiled when its sources are
 * newer than what is there.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { createCore } from '../../src/core/instance.js';
import type { Core, CoreExports } from '../../src/core/core.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import type { Capacities } from '../../src/core/regions.js';
import { CORE_DIR } from './core.js';

const ROOT = path.join(import.meta.dirname, '../..');
const ASC = path.join(ROOT, 'node_modules/assemblyscript/bin/asc.js');

export type Target = 'release' | 'debug';

/** The exports of assembly/test-core.ts that index.ts has not. Rows and tuples by address. */
export interface InnerExports extends CoreExports {
  nextTcpState(state: number, flags: number, reply: boolean): number;
  tcpTimeoutMs(state: number): number;
  isTcpClosed(state: number): number;
  nextSctpState(state: number, chunks: number, reply: boolean): number;
  sctpTimeoutMs(state: number): number;
  isSctpClosing(state: number): number;
  nhFlow4(src: number, dst: number, ports: number, kind: number): number;
  nhFlow6(src: number, dst: number, ports: number, kind: number): number;
  pickHash(src: number, dst: number, ports: number, proto: number): number;
  nextRandom(): number;
  flowSettled(original: number, reply: number): number;
  candidatePort(start: number, i: number): number;
  arenaReset(region: number): void;
  arenaTake(region: number, bytes: number): number;
  arenaGive(region: number, offset: number): void;
  podAddress(text: number, length: number, out: number): number;
  tableFind(region: number, words: number, w0: bigint, w1: bigint, w2: bigint): number;
  tablePut(region: number, words: number, w0: bigint, w1: bigint, w2: bigint): number;
  tableDelete(region: number, words: number, w0: bigint, w1: bigint, w2: bigint): number;
  lpmFind(addr: number): number;
  lpmPut(addr: number, length: number): number;
  lpmDelete(addr: number, length: number): number;
  flowFind4(src: number, dst: number, ports: number, kind: number): number;
  flowFind6(src: number, dst: number, ports: number, kind: number): number;
  flowInsert4(src: number, dst: number, ports: number, kind: number): number;
  flowInsert6(src: number, dst: number, ports: number, kind: number): number;
  flowDelete4(row: number): void;
  flowDelete6(row: number): void;
  flowReclaim4(idx: number, nowMs: number): void;
  flowReclaim6(idx: number, nowMs: number): void;
}

export interface InnerCore extends Core {
  readonly exports: InnerExports;
}

/** A started core over small tables. */
export async function openInnerCore(
  target: Target = 'release',
  capacities: Partial<Capacities> = {},
): Promise<InnerCore> {
  const module = new WebAssembly.Module(await readFile(await compiled('test-core', target)));
  const core = createCore({ ...SMALL_CAPACITIES, ...capacities }, module) as InnerCore;
  core.start({ offload: true, nowMs: 1_000_000 });
  return core;
}

/** `assembly/index.ts` without optimisation: with the assertions of AssemblyScript's library. */
export async function debugModule(): Promise<WebAssembly.Module> {
  return new WebAssembly.Module(await readFile(await compiled('index', 'debug')));
}

/** Path of the compiled entry. */
export async function compiled(entry: string, target: Target): Promise<string> {
  const name = `${entry}.${target}`;
  const output = path.join(CORE_DIR, `${name}.wasm`);
  if (await isStale(output)) await compile(entry, name, target);
  return output;
}

async function isStale(output: string): Promise<boolean> {
  const built = await mtimeMs(output);
  const sources = path.join(ROOT, 'assembly');
  for (const file of await readdir(sources, { recursive: true })) {
    if ((await mtimeMs(path.join(sources, file))) > built) return true;
  }
  return (await mtimeMs(path.join(ROOT, 'asconfig.json'))) > built;
}

/** Modification time; 0 when there is no such file. */
async function mtimeMs(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;
}

/** Test files run side by side: compile apart, then move into place in one step. */
async function compile(entry: string, name: string, target: Target): Promise<void> {
  await mkdir(CORE_DIR, { recursive: true });
  const dir = await mkdtemp(path.join(CORE_DIR, '.inner-'));
  const out = (ext: string): string => path.join(dir, `${name}.${ext}`);
  const args = ['--target', target, '--outFile', out('wasm'), '--textFile', out('wat')];
  await promisify(execFile)(process.execPath, [ASC, `assembly/${entry}.ts`, ...args], {
    cwd: ROOT,
  });
  for (const file of await readdir(dir))
    await rename(path.join(dir, file), path.join(CORE_DIR, file));
  await rm(dir, { recursive: true });
}
