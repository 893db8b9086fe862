/**
 * Project `assembly/abi.ts` into `native/bpf/generated/abi.h` for the kernel programs, and the identity
 * of what it places in memory into `src/core/layout-hash.ts`.
 *
 * abi.ts is imported as a module, so that what C sees is what the host computes with; there is
 * no second spelling of a number. `--check` compares instead of writing.
 *
 * Names: a constant keeps its name; a member of an enum becomes ENUM_NAME_MEMBER.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as abi from '../assembly/abi.js';

const HEADER = fileURLToPath(new URL('../native/bpf/generated/abi.h', import.meta.url));
const LAYOUT_HASH = fileURLToPath(new URL('../src/core/layout-hash.ts', import.meta.url));
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Largest value that C gives type `int` without a suffix. */
const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;

/** `KernelCounter` → `KERNEL_COUNTER`. */
function upperSnake(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
}

/** One `#define`; throws when the value is not an integer that C can hold in 32 bits. */
function define(name: string, value: unknown): string {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > UINT_MAX) {
    throw new Error(`abi.ts: ${name} is ${String(value)}, expected an unsigned 32-bit integer`);
  }
  return `#define ${name} ${value}${value > INT_MAX ? 'u' : ''}`;
}

/** Every name and value a module exports, enum members included, in alphabetical order. */
function constantsOf(module: Readonly<Record<string, unknown>>): Map<string, unknown> {
  const constants = new Map<string, unknown>();
  const add = (name: string, value: unknown): void => {
    if (constants.has(name)) throw new Error(`abi.ts: two constants are called ${name} in C`);
    constants.set(name, value);
  };
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== 'object' || value === null) {
      add(name, value);
      continue;
    }
    for (const [member, number] of Object.entries(value)) {
      // A numeric enum also maps its values back to names.
      if (typeof number === 'number') add(`${upperSnake(name)}_${member}`, number);
    }
  }
  return constants;
}

/**
 * The header as text.
 *
 * @param module  what `import * as abi` yields
 * @returns       deterministic: depends on names and values only
 */
export function projectAbi(module: Readonly<Record<string, unknown>>): string {
  const lines = [...constantsOf(module)].map(([name, value]) => define(name, value));
  return [
    '// Generated from assembly/abi.ts by scripts/gen-abi-h.ts. Do not edit.',
    '#pragma once',
    '',
    ...lines,
    '',
  ].join('\n');
}

/** Every constant that places a byte of a flow row, a tally or CONTROL, hashed (FNV-1a). */
function layoutHash(): number {
  const placed = Object.entries(abi)
    .filter(([name]) => /^(FLOW|TALLY|CONTROL|HASH)/.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  let hash = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(JSON.stringify([abi.ABI_VERSION, placed]))) {
    hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  }
  return hash;
}

function layoutModule(): string {
  return `// Generated from assembly/abi.ts by scripts/gen-abi-h.ts. Do not edit.

/**
 * Identity of the rows that outlive an agent: of every constant that places a byte of a flow row, a
 * tally or CONTROL. Tables with another identity are not ours to read.
 */
export const LAYOUT_HASH = 0x${layoutHash().toString(16).padStart(8, '0')};
`;
}

/** Write what is generated, or with `check` say whether what is on disk is current. */
export function writeAbiHeader(check: boolean): boolean {
  const files = [
    [HEADER, projectAbi(abi)],
    [LAYOUT_HASH, layoutModule()],
  ] as const;
  if (check) return files.every(([file, text]) => readFileSync(file, 'utf8') === text);
  for (const [file, text] of files) writeFileSync(file, text);
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check');
  if (!writeAbiHeader(check)) {
    console.error(
      'gen-abi-h: native/bpf/generated/abi.h or src/core/layout-hash.ts is stale: run npm run build:bpf',
    );
    process.exitCode = 1;
  }
}
