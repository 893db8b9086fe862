/** Vectors with mistakes in them, and what a host has to say about each. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ABI_VERSION, SCRATCH_BASE } from '../../assembly/abi.js';
import type { LoopFile, Step, VectorCase, VectorFile } from '../../src/embed/vectors.js';

/** Of every file here: enough for SCRATCH. */
const PAGES = 32;
const BYTES = PAGES * 65536;

/** RFC 1071, 3: these words add up to ddf2. */
const RFC1071 = '0001f203f4f5f6f7';
const write: Step = { write: { at: SCRATCH_BASE, hex: RFC1071 } };
const fixture = (name: string, setup: readonly Step[] = []) => ({
  name,
  about: 'for a test',
  abiVersion: ABI_VERSION,
  pages: PAGES,
  setup,
});

export interface Tampered {
  readonly folder: string;
  readonly passed: number;
  readonly total: number;
  /** Complaints that are the same in every runtime, word for word. */
  readonly lines: readonly string[];
  /** The beginning of one whose end is the runtime's own words. */
  readonly trap: string;
  remove(): void;
}

const described = (cases: readonly Omit<VectorCase, 'about'>[]): VectorCase[] =>
  cases.map((each) => ({ about: 'for a test', ...each }));

/** The sum as the core gives it: the words as they lie in memory, in network order. */
export function tamperedVectors(sum: number): Tampered {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-vectors-'));
  const call = (returns: number): Step => ({ call: 'checksum', args: [SCRATCH_BASE, 8], returns });
  const version = (returns: number): Step => ({ call: 'abiVersion', args: [], returns });
  const mixed: VectorFile = {
    ...fixture('mixed'),
    cases: described([
      { name: 'right', steps: [write, call(sum), { read: { at: SCRATCH_BASE, hex: RFC1071 } }] },
      { name: 'wrong-result', steps: [write, call(sum + 1)] },
      {
        name: 'wrong-byte',
        steps: [write, { read: { at: SCRATCH_BASE, hex: RFC1071.replace('f203', 'f303') } }],
      },
      {
        name: 'trap',
        steps: [{ call: 'checksum', args: [BYTES - 4, 64], returns: 0 }],
      },
      { name: 'no-export', steps: [{ call: 'nothing', args: [] }] },
      { name: 'outside', steps: [{ write: { at: BYTES - 4, hex: RFC1071 } }] },
      { name: 'right-after-a-trap', steps: [version(ABI_VERSION)] },
    ]),
  };
  const unready: VectorFile = {
    ...fixture('unready', [version(ABI_VERSION), version(ABI_VERSION + 1)]),
    cases: described([{ name: 'never-begun', steps: [version(ABI_VERSION)] }]),
  };
  const loop = (name: string): LoopFile => ({
    ...fixture(name),
    loop: { steps: [write, call(sum + 1)], items: 1 },
  });
  const put = (file: string, content: unknown): void =>
    writeFileSync(join(folder, file), JSON.stringify(content));
  mkdirSync(join(folder, 'throughput'));
  put('mixed.json', mixed);
  put('unready.json', unready);
  put('throughput/packets.json', loop('packets'));
  put('throughput/answers.json', loop('answers'));
  const wrong = `step 2: checksum returned ${sum}, expected ${sum + 1}`;
  return {
    folder,
    passed: 2,
    total: 8,
    lines: [
      `mixed.json case wrong-result: ${wrong}`,
      `mixed.json case wrong-byte: step 2: byte ${SCRATCH_BASE + 2} is f2, expected f3`,
      'mixed.json case no-export: step 1: the module exports no nothing',
      `mixed.json case outside: step 1: memory ends before ${BYTES + 4}`,
      `unready.json setup: step 2: abiVersion returned ${ABI_VERSION}, expected ${ABI_VERSION + 1}`,
      `throughput/packets.json: ${wrong}`,
      `throughput/answers.json: ${wrong}`,
    ],
    trap: 'mixed.json case trap: step 1: checksum trapped: ',
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** The real vectors, all made for the next version of the contract. */
export function vectorsOfNextVersion(of: string): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-vectors-'));
  cpSync(join(of, 'throughput'), join(folder, 'throughput'), { recursive: true });
  const cases = [{ name: 'any', steps: [] }];
  const file = { ...fixture('next'), abiVersion: ABI_VERSION + 1, cases };
  writeFileSync(join(folder, 'next.json'), JSON.stringify(file));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}
