/** What every JavaScript host does once it has its module and its files: run all of them and count. */
import { measure } from './throughput.ts';
import type { LoopFile, VectorFile } from './vectors.ts';
import { MIN_PAGES, instantiate, runVectors } from './vectors.ts';

const PACKETS = 'throughput/packets.json';
const ANSWERS = 'throughput/answers.json';

export interface Vectors {
  /** By file name. */
  readonly files: Readonly<Record<string, VectorFile>>;
  readonly packets: LoopFile;
  readonly answers: LoopFile;
}

/**
 * All vectors of a folder.
 *
 * @param names  of the files in it
 * @param read   a file, by its path below the folder
 * @throws Error when there are none
 */
export async function readVectors(
  names: readonly string[],
  read: (path: string) => Promise<unknown>,
): Promise<Vectors> {
  const files: Record<string, VectorFile> = {};
  for (const name of names.filter((name) => name.endsWith('.json')).sort()) {
    files[name] = (await read(name)) as VectorFile;
  }
  if (Object.keys(files).length === 0) throw new Error('no vectors (*.json) in the folder');
  return {
    files,
    packets: (await read(PACKETS)) as LoopFile,
    answers: (await read(ANSWERS)) as LoopFile,
  };
}

export interface Run {
  readonly passed: number;
  readonly total: number;
  /** `FILE case NAME: step N: what was wrong`, `FILE: what was wrong` of a loop. */
  readonly failures: readonly string[];
  /** null when the loop failed. */
  readonly nsPerPacket: number | null;
  readonly nsPerAnswer: number | null;
}

/**
 * The module, ready to be instantiated, and how long it takes from nothing to an answer.
 *
 * @param load  read and compile
 */
export async function start(
  load: () => Promise<WebAssembly.Module>,
): Promise<{ readonly module: WebAssembly.Module; readonly startMs: number }> {
  const begin = performance.now();
  const module = await load();
  const { exports } = await instantiate(module, MIN_PAGES);
  exports.abiVersion?.();
  return { module, startMs: performance.now() - begin };
}

/** @throws Error when the module cannot be instantiated or is of another version than the files */
export async function runAll(module: WebAssembly.Module, vectors: Vectors): Promise<Run> {
  let passed = 0;
  let total = 0;
  const failures: string[] = [];
  for (const [file, content] of Object.entries(vectors.files)) {
    const verdict = await runVectors(module, content);
    passed += verdict.passed;
    total += verdict.total;
    failures.push(...verdict.failures.map((failure) => `${file} ${failure}`));
  }
  const packets = await measure(module, vectors.packets);
  const answers = await measure(module, vectors.answers);
  if (packets.failure !== undefined) failures.push(`${PACKETS}: ${packets.failure}`);
  if (answers.failure !== undefined) failures.push(`${ANSWERS}: ${answers.failure}`);
  const nsPerPacket = packets.nsPerItem;
  const nsPerAnswer = answers.nsPerItem;
  return { passed, total, failures, nsPerPacket, nsPerAnswer };
}
