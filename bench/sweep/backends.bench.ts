/**
 * sweep/backends: sets of 1 to 1 000 backends. Building a Maglev table grows with its slots (a
 * hundred a backend, up to 65 521); picking from it does not.
 */
import { MAGLEV_ENTRY_SIZE } from '../../assembly/abi.js';
import { maglevSize } from '../../src/compile/maglev.js';
import { buildMaglevJs, pickMaglevJs } from '../core/js-twins.js';
import { createMaglevWorld, HASH_COUNT, HASHES, tableDigest } from '../core/maglev-world.js';
import { createHashRing } from '../core/packages.js';
import { writeSnapshot } from '../core/snapshot.js';
import type { Context, Result, Suite } from '../harness.js';
import { startTwin } from '../twin.js';
import { IN_C, measureAt, sweepSuite, timedBatch, type Sweep } from './sweep.js';

const RING = { label: 'hashring', against: 'hashring: a ketama ring, md5, the key as text' };
const PLACES = {
  axis: 'backends',
  places: [1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000],
  quick: [1, 16, 1000],
};
const BUILD: Sweep = {
  ...PLACES,
  name: 'sweep/backends/build',
  unit: 'us/build',
  rivals: {
    c: IN_C,
    js: { label: 'JavaScript', against: 'JavaScript: Map, array of numbers' },
    lib: RING,
  },
};
const PICK: Sweep = {
  ...PLACES,
  name: 'sweep/backends/pick',
  unit: 'ns/pick',
  rivals: {
    c: IN_C,
    js: { label: 'JavaScript', against: 'JavaScript: an array of numbers' },
    lib: RING,
  },
};
const TWIN_PICK_PASSES = 20;
/** Slots that the C twin fills in a sample: some milliseconds. */
const TWIN_SLOTS = 400_000;
const RING_PICKS = 1024;
/** A ring of more takes a second to build, and says nothing new. */
const RING_BUILD_MAX = 250;

const serverName = (i: number): string => `10.244.${i >> 8}.${i & 255}:5353`;

function serverNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => serverName(i));
}

async function measureBuild(context: Context, backends: number): Promise<Result[]> {
  const world = createMaglevWorld(backends, maglevSize(backends));
  const { m, ids, build } = world;
  const builds = Math.ceil(TWIN_SLOTS / m);
  const twin = await startTwin(context.scope, 'maglev', [m, backends, builds]);
  const { result } = await twin.sample();
  // The digest is over whole words.
  if (m > 1 && result !== tableDigest(world)) throw new Error('C built another table');
  const micro = (sampler: () => Promise<{ readonly ns: number }>) => async () => ({
    ns: (await sampler()).ns / 1000,
  });
  const names = serverNames(backends);
  const isRing = backends <= RING_BUILD_MAX && createHashRing(['a']) !== undefined;
  const inRing = isRing ? timedBatch(context, () => void createHashRing(names), 1) : undefined;
  return measureAt(
    context,
    BUILD,
    { x: backends, bytes: m * MAGLEV_ENTRY_SIZE },
    {
      ours: micro(timedBatch(context, () => void build(), 1)),
      rivals: {
        c: micro(() => twin.sample()),
        js: micro(timedBatch(context, () => void buildMaglevJs(ids, m), 1)),
        lib: inRing && micro(inRing),
      },
    },
  );
}

async function measurePick(context: Context, backends: number): Promise<Result[]> {
  const { core, exports, m, ids, table, hashes } = createMaglevWorld(
    backends,
    maglevSize(backends),
  );
  const pick = (): number => exports.benchMaglevPick(table, m, HASHES, HASH_COUNT) >>> 0;
  const slots = buildMaglevJs(ids, m);
  const pickJs = (): number => {
    let sum = 0;
    for (const hash of hashes) sum += pickMaglevJs(slots, hash);
    return sum;
  };
  const file = writeSnapshot(context.scope, core);
  const args = ['pick', file, TWIN_PICK_PASSES, HASH_COUNT, HASHES, table, m];
  const twin = await startTwin(context.scope, 'tables', args);
  const { result } = await twin.sample();
  if (pick() !== result || pickJs() !== result) throw new Error('three languages pick differently');
  const ring = createHashRing(serverNames(backends));
  const keys = Array.from(hashes.subarray(0, RING_PICKS), (hash) => `10.244.0.5:${hash}`);
  let _sink = 0;
  const inRing =
    ring &&
    ((): void => {
      for (const key of keys) _sink ^= ring.get(key).length;
    });
  return measureAt(
    context,
    PICK,
    { x: backends, bytes: m * MAGLEV_ENTRY_SIZE },
    {
      ours: timedBatch(context, () => void pick(), HASH_COUNT),
      rivals: {
        c: () => twin.sample(),
        js: timedBatch(context, () => void pickJs(), HASH_COUNT),
        lib: inRing && timedBatch(context, inRing, RING_PICKS),
      },
    },
  );
}

function sayMissing({ name }: Sweep, context: Context): void {
  if (createHashRing(['a'])) return;
  context.skip(`${name}/*/lib`, 'package hashring is missing: npm ci');
}

function suiteOf(sweep: Sweep, measure: typeof measureBuild): Suite {
  return sweepSuite(sweep, measure, {
    before: (context) => {
      sayMissing(sweep, context);
    },
  });
}

export const suites: readonly Suite[] = [suiteOf(BUILD, measureBuild), suiteOf(PICK, measurePick)];
