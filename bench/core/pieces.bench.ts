/**
 * The pieces of the core one by one, against plain JavaScript and against C: parsing, the
 * Internet checksum, building a Maglev table. Loops run inside WebAssembly; benchmark.js times
 * batches of them.
 */
import { SCRATCH_BASE } from '../../assembly/abi.js';
import {
  comparePairs,
  comparison,
  measureBatch,
  type Context,
  type Result,
  type Suite,
} from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { missingCompiler, startTwin } from '../twin.js';
import { clientTuple, FRAME_LEN, writeUdpFrame, xorshift32 } from './inputs.js';
import { buildMaglevJs, checksumJs, parseUdpJs } from './js-twins.js';
import { createMaglevWorld } from './maglev-world.js';
import { createWorld, missingModule } from './world.js';

/** One piece in three languages: batches here, arguments of its C twin. */
interface Piece {
  readonly name: string;
  readonly unit: string;
  /** Nanoseconds per unit. */
  readonly nsPerUnit: number;
  readonly opsPerBatch: number;
  wasm(): void;
  js(): void;
  readonly jsRival: string;
  readonly twin: string;
  readonly twinArgs: readonly number[];
}

async function measurePiece(context: Context, piece: Piece): Promise<Result[]> {
  const { name, unit, nsPerUnit, opsPerBatch } = piece;
  const twin = await startTwin(context.scope, piece.twin, piece.twinArgs);
  const timed = (batch: () => void) => () =>
    Promise.resolve({ ns: measureBatch(batch, opsPerBatch, context.quick) / nsPerUnit });
  const ours = timed(() => piece.wasm());
  context.note('against JavaScript');
  const js = await comparePairs({ ours, theirs: timed(() => piece.js()) }, context.samples);
  context.note('against C');
  const c = await comparePairs(
    { ours, theirs: async () => ({ ns: (await twin.sample()).ns / nsPerUnit }) },
    context.samples,
  );
  const label = { subject: name, unit, better: 'lower' } as const;
  const inC = { ...label, name: `${name}/c`, rival: 'C' };
  return [
    comparison({ ...label, name, rival: 'JavaScript' }, js, 'ns', piece.jsRival),
    comparison(inC, c, 'ns', 'the same in C, gcc -O3'),
  ];
}

/** Results of a batch in two languages must be equal before anyone times them. */
function expectSame(what: string, wasm: number, other: number): void {
  if (wasm >>> 0 !== other >>> 0) {
    throw new Error(`${what}: WebAssembly got ${wasm >>> 0}, expected ${other >>> 0}`);
  }
}

const PARSE_FRAMES = 256;
const PARSE_PASSES = 16;
/** Passes of the C twin's samples: long enough for its clock. */
const PARSE_TWIN_PASSES = 20_000;

async function runParse(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { exports, core } = createWorld({});
  const view = core.words;
  const base = SCRATCH_BASE;
  for (let i = 0; i < PARSE_FRAMES; i++) {
    writeUdpFrame(view, base + i * FRAME_LEN, clientTuple(i), i);
  }
  expectSame('parse', exports.benchParse(base, PARSE_FRAMES, FRAME_LEN, FRAME_LEN), PARSE_FRAMES);
  let _sink = 0;
  return measurePiece(context, {
    name: 'core/parse/64',
    unit: 'ns/packet',
    nsPerUnit: 1,
    opsPerBatch: PARSE_FRAMES * PARSE_PASSES,
    wasm: () => {
      for (let r = 0; r < PARSE_PASSES; r++) {
        exports.benchParse(base, PARSE_FRAMES, FRAME_LEN, FRAME_LEN);
      }
    },
    js: () => {
      for (let i = 0; i < PARSE_FRAMES * PARSE_PASSES; i++) {
        const at = base + (i % PARSE_FRAMES) * FRAME_LEN;
        _sink ^= parseUdpJs(view, at, FRAME_LEN)?.src ?? 0;
      }
    },
    jsRival: 'JavaScript (DataView, one object a frame)',
    twin: 'parse',
    twinArgs: [PARSE_FRAMES, PARSE_TWIN_PASSES],
  });
}

const CHECKSUM_LEN = 1500;
const CHECKSUM_BUFFERS = 64;
const CHECKSUM_STRIDE = 2048;
const CHECKSUM_BATCH = 1024;
const CHECKSUM_TWIN_BATCH = 1_000_000;

async function runChecksum(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { exports, core } = createWorld({});
  const view = core.words;
  const base = SCRATCH_BASE;
  const random = xorshift32(1);
  for (let i = 0; i < CHECKSUM_BUFFERS * CHECKSUM_STRIDE; i += 4) {
    view.setUint32(base + i, random(), true);
  }
  const inJs = (): number => {
    let total = 0;
    for (let r = 0; r < CHECKSUM_BATCH; r++) {
      const at = base + (r % CHECKSUM_BUFFERS) * CHECKSUM_STRIDE;
      total += checksumJs(view, at, CHECKSUM_LEN);
    }
    return total;
  };
  expectSame('checksum', exports.benchChecksum(base, CHECKSUM_LEN, CHECKSUM_BATCH), inJs());
  return measurePiece(context, {
    name: 'core/checksum/1500',
    unit: 'ns/1500 B',
    nsPerUnit: 1,
    opsPerBatch: CHECKSUM_BATCH,
    wasm: () => void exports.benchChecksum(base, CHECKSUM_LEN, CHECKSUM_BATCH),
    js: () => void inJs(),
    jsRival: 'JavaScript (DataView)',
    twin: 'checksum',
    twinArgs: [CHECKSUM_LEN, CHECKSUM_TWIN_BATCH],
  });
}

const MAGLEV_SIZE = 16_381;
const MAGLEV_BACKENDS = 100;
const MAGLEV_TWIN_BUILDS = 200;

function runMaglev(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { build, ids } = createMaglevWorld(MAGLEV_BACKENDS, MAGLEV_SIZE);
  return measurePiece(context, {
    name: 'core/maglev-build/16381x100',
    unit: 'us/build',
    nsPerUnit: 1000,
    opsPerBatch: 1,
    wasm: () => void build(),
    js: () => void buildMaglevJs(ids, MAGLEV_SIZE),
    jsRival: 'JavaScript (Map, array of numbers)',
    twin: 'maglev',
    twinArgs: [MAGLEV_SIZE, MAGLEV_BACKENDS, MAGLEV_TWIN_BUILDS],
  });
}

async function missing(): Promise<string | undefined> {
  return missingModule() ?? (await missingCompiler());
}

/** A piece's suite: its result against JavaScript, and the one against C. */
function suite(name: string, run: Suite['run']): Suite {
  return { names: [name, `${name}/c`], missing, run };
}

export const suites: readonly Suite[] = [
  suite('core/parse/64', runParse),
  suite('core/checksum/1500', runChecksum),
  suite('core/maglev-build/16381x100', runMaglev),
];
