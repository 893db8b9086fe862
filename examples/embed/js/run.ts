/** What every JavaScript host does once it has its module and its files: run all of them and count. */
import type { LoopFile, VectorFile } from '../../../src/embed/vectors.ts';
import { LoopError, playLoop, playVectors } from '../../../src/embed/vectors.ts';

/** The fewest pages that the module accepts (asc --initialMemory). */
const MIN_PAGES = 32;

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
  const memory = new WebAssembly.Memory({ initial: MIN_PAGES, maximum: MIN_PAGES });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  (exports as { readonly abiVersion?: () => number }).abiVersion?.();
  return { module, startMs: performance.now() - begin };
}

/** @throws Error when the module cannot be instantiated or is of another version than the files */
export function runAll(module: WebAssembly.Module, vectors: Vectors): Run {
  let passed = 0;
  let total = 0;
  const failures: string[] = [];
  for (const [file, content] of Object.entries(vectors.files)) {
    const result = playVectors(module, content);
    passed += result.passed;
    total += result.total;
    failures.push(...result.failures.map((failure) => `${file} ${failure}`));
  }
  const measured = (name: string, file: LoopFile): number | null => {
    try {
      return playLoop(module, file, { now: () => performance.now() });
    } catch (error) {
      if (!(error instanceof LoopError)) throw error;
      failures.push(`${name}: ${error.message}`);
      return null;
    }
  };
  const nsPerPacket = measured(PACKETS, vectors.packets);
  const nsPerAnswer = measured(ANSWERS, vectors.answers);
  return { passed, total, failures, nsPerPacket, nsPerAnswer };
}
