/** One set of backends in a core, with room for its Maglev table and for hashes to pick by. */
import {
  BACKEND_ID_OFF,
  BACKEND_SIZE,
  BACKEND_WEIGHT_OFF,
  MAGLEV_ENTRY_SIZE,
  RegionId,
  SCRATCH_BASE,
  TableId,
} from '../../assembly/abi.js';
import { createDeltaWriter, type DeltaWriter } from '../../src/core/delta-writer.js';
import { digestWords, xorshift32 } from './inputs.js';
import { buildMaglevJs } from './js-twins.js';
import { applyWriter, createWorld, type BenchExports } from './world.js';
import type { Core } from '../../src/core/core.js';

/** Hashes in SCRATCH; random words. */
export const HASHES = SCRATCH_BASE;
export const HASH_COUNT = 65_536;
const SEED = 2463534242;

export interface MaglevWorld {
  readonly core: Core;
  readonly exports: BenchExports;
  /** Identities and positions, as `buildMaglevJs` takes them. */
  readonly ids: ReadonlyMap<number, number>;
  /** Linear address of the table. */
  readonly table: number;
  /** Slots. */
  readonly m: number;
  readonly hashes: Uint32Array;
  build(): number;
}

function writeBackends(count: number): DeltaWriter {
  const writer = createDeltaWriter();
  for (let i = 0; i < count; i++) {
    const row = new Uint8Array(BACKEND_SIZE);
    const view = new DataView(row.buffer);
    view.setUint32(BACKEND_ID_OFF, i + 1, true);
    view.setUint32(BACKEND_WEIGHT_OFF, 1, true);
    writer.putIndexed(TableId.BACKEND, i, row);
  }
  writer.putSet(
    0,
    Array.from({ length: count }, (_, i) => i),
  );
  return writer;
}

/**
 * Backends with the identities 1 .. count and equal weights, and their table.
 *
 * @throws Error when WebAssembly and JavaScript build different tables
 */
export function createMaglevWorld(count: number, m: number): MaglevWorld {
  const { core, exports } = createWorld({});
  applyWriter(core, writeBackends(count));
  const build = (): number => exports.benchMaglevBuild(0, count, 0, m, 1);
  if (build() !== m) throw new Error(`the core refused a table of ${m} slots`);
  const ids = new Map(Array.from({ length: count }, (_, i) => [i + 1, i] as const));
  const { base } = core.region(RegionId.MAGLEV);
  const bytes = core.view.slice(base, base + m * MAGLEV_ENTRY_SIZE);
  const expected = Uint16Array.from(buildMaglevJs(ids, m), (position) => position ?? 0xffff);
  if (Buffer.compare(bytes, new Uint8Array(expected.buffer)) !== 0) {
    throw new Error('WebAssembly and JavaScript built different tables');
  }
  const random = xorshift32(SEED);
  const hashes = Uint32Array.from({ length: HASH_COUNT }, () => random());
  core.view.set(new Uint8Array(hashes.buffer), HASHES);
  return { core, exports, ids, table: base, m, hashes, build };
}

/** Digest of the table as the C twin takes it of its own. */
export function tableDigest({ core, table, m }: MaglevWorld): number {
  return digestWords(core.view.slice(table, table + m * MAGLEV_ENTRY_SIZE));
}
