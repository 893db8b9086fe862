import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Folder of the compiled cores. */
export const CORE_DIR = path.join(import.meta.dirname, '../../build/core');

const WASM_PAGE = 65536;
/** Pages every core asks for at least, and lets grow to: `asconfig.json`. */
const INITIAL_PAGES = 32;
const MAXIMUM_PAGES = 65536;

type Argument = number | bigint | boolean;

/** One instance of a compiled core over a memory of its own. */
export interface Core {
  readonly memory: WebAssembly.Memory;
  /** All of the memory. Voided by growth, which no core does. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Byte length of the memory: an access at or past it traps. */
  readonly end: number;
  /** Call an export by name; an integer result comes back as an unsigned 32-bit number. */
  call(name: string, ...args: Argument[]): number;
  /** Call an export whose result is 64 bits wide, as an unsigned bigint. */
  call64(name: string, ...args: Argument[]): bigint;
}

/**
 * Instantiate `build/core/<name>.wasm`; compiles nothing.
 *
 * @param name   file name without `.wasm`
 * @param pages  memory in 64 KiB pages
 */
export async function loadCore(name: string, pages = INITIAL_PAGES): Promise<Core> {
  const file = path.join(CORE_DIR, `${name}.wasm`);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: MAXIMUM_PAGES });
  const source = await readFile(file).catch((cause: unknown) => {
    throw new Error(`${name}.wasm is not built: run "npm run build:core"`, { cause });
  });
  const { instance } = await WebAssembly.instantiate(source, { env: { memory } });

  function raw(exported: string, args: Argument[]): unknown {
    const callee = instance.exports[exported];
    if (typeof callee !== 'function') throw new Error(`${name}.wasm exports no ${exported}()`);
    return (callee as (...values: Argument[]) => unknown)(...args);
  }
  return {
    memory,
    bytes: new Uint8Array(memory.buffer),
    view: new DataView(memory.buffer),
    end: pages * WASM_PAGE,
    call: (exported, ...args) => Number(raw(exported, args) ?? 0) >>> 0,
    call64: (exported, ...args) => {
      const result = raw(exported, args);
      if (typeof result !== 'bigint') throw new Error(`${exported}() is not 64 bits wide`);
      return BigInt.asUintN(64, result);
    },
  };
}
