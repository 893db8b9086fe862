/**
 * core/flow-hit/1M: parse, look up and rewrite 64-byte UDP frames of a million flows in random
 * order, in place. One pass is a sample; frames are restored between passes, outside the clock.
 * The rival is the same in C (bench/native/flow-hit.c): same rows, same places, same order.
 */
import { RegionId } from '../../assembly/abi.js';
import { comparePairs, comparison, type Context, type Result, type Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { missingCompiler, startTwin } from '../twin.js';
import { clientTuple, digestWords, FRAME_LEN, shuffled, writeUdpFrame } from './inputs.js';
import type { Core } from '../../src/core/core.js';
import { createWorld, missingModule } from './world.js';

const FLOWS = 1_000_000;
/** Slots: two rows a flow fill just under half. */
const CAPACITY = 4_194_304;
/** UMEM frames of 2 KiB that hold a million frames of 64 bytes. */
const UMEM_FRAMES = 32_768;
/** Start of the xorshift that shuffles the frames; as in flow-hit.c. */
const ORDER_SEED = 2463534242;
/** A pass takes a fraction of a second and memory is noisy: more pairs than elsewhere. */
const PAIRS_MIN = 9;

function writeFrames(core: Core, base: number): void {
  shuffled(FLOWS, ORDER_SEED).forEach((flow, i) => {
    writeUdpFrame(core.words, base + i * FRAME_LEN, clientTuple(flow), flow);
  });
}

async function run(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  context.note('two million rows, in WebAssembly and in C');
  const { core, exports } = createWorld({
    flows4: CAPACITY,
    frames: UMEM_FRAMES,
    frameSize: 2048,
  });
  const stored = exports.benchFlowFill(FLOWS);
  context.note(`${stored} of ${2 * FLOWS} rows stored`);
  const { base } = core.region(RegionId.UMEM);
  writeFrames(core, base);
  const frames = core.view.subarray(base, base + FLOWS * FRAME_LEN);
  const pristine = frames.slice();
  let nowMs = 0;
  const pass = (): { ns: number; hits: number } => {
    frames.set(pristine);
    const begin = process.hrtime.bigint();
    const hits = exports.benchFlowHit(base, FLOWS, FRAME_LEN, FRAME_LEN, ++nowMs);
    return { ns: Number(process.hrtime.bigint() - begin) / FLOWS, hits };
  };
  pass();
  const digest = digestWords(frames);
  const twin = await startTwin(context.scope, 'flow-hit', [FLOWS, CAPACITY]);
  if (digest !== twin.digest) throw new Error('WebAssembly and C rewrote the frames differently');
  context.note('both rewrite alike; measuring');
  const pairs = await comparePairs(
    {
      ours: () => Promise.resolve(pass()),
      theirs: async () => {
        const { ns, result } = await twin.sample();
        return { ns, hits: result };
      },
    },
    context.quick ? context.samples : Math.max(context.samples, PAIRS_MIN),
  );
  if (pairs.ours.some(({ hits }, i) => hits !== pairs.theirs[i]?.hits)) {
    throw new Error('WebAssembly and C found different numbers of flows');
  }
  const label = {
    ...{ name: 'core/flow-hit/1M', unit: 'ns/packet', better: 'lower' as const },
    rival: 'C',
  };
  return [comparison(label, pairs, 'ns', 'the same in C, gcc -O3')];
}

export const suites: readonly Suite[] = [
  {
    names: ['core/flow-hit/1M'],
    missing: async () => missingModule() ?? (await missingCompiler()),
    run,
  },
];
