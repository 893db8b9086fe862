import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { CORE_DIR, type Core, loadCore } from '../support/core.js';

const ROOT = path.join(import.meta.dirname, '../..');
const ENTRY = 'assembly/test-wire.ts';
const ASC = path.join(ROOT, 'node_modules/assemblyscript/bin/asc.js');

/** What `assembly/test-wire.ts` is compiled as, and the asc arguments that differ. */
const VARIANTS = {
  release: ['--target', 'release'],
  debug: ['--target', 'debug'],
  /** For machines without WebAssembly SIMD. */
  baseline: ['--target', 'release', '--disable', 'simd'],
} as const;

export type Variant = keyof typeof VARIANTS;

/** Instance of the wire test core, compiled first when its sources are newer. */
export async function wireCore(variant: Variant): Promise<Core> {
  const name = variant === 'release' ? 'test-wire' : `test-wire.${variant}`;
  if (await isStale(path.join(CORE_DIR, `${name}.wasm`))) await compile(name, VARIANTS[variant]);
  return loadCore(name);
}

async function isStale(output: string): Promise<boolean> {
  const built = await mtimeMs(output);
  const files = ['asconfig.json', 'assembly/abi.ts', ENTRY];
  for (const dir of ['assembly/wire', 'assembly/mem']) {
    for (const file of await readdir(path.join(ROOT, dir))) files.push(path.join(dir, file));
  }
  for (const file of files) {
    if ((await mtimeMs(path.join(ROOT, file))) > built) return true;
  }
  return false;
}

/** Modification time; 0 when there is no such file. */
async function mtimeMs(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;
}

/** Test files run side by side: compile apart, then move into place in one step. */
async function compile(name: string, variant: readonly string[]): Promise<void> {
  await mkdir(CORE_DIR, { recursive: true });
  const dir = await mkdtemp(path.join(CORE_DIR, '.wire-'));
  const out = (ext: string): string => path.join(dir, `${name}.${ext}`);
  const files = ['--outFile', out('wasm'), '--textFile', out('wat')];
  await promisify(execFile)(process.execPath, [ASC, ENTRY, ...variant, ...files], { cwd: ROOT });
  for (const file of await readdir(dir)) {
    await rename(path.join(dir, file), path.join(CORE_DIR, file));
  }
  await rm(dir, { recursive: true });
}
