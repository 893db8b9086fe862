/**
 * sweep/flows: what one packet of an established flow costs when there are 1 k to 4 M of them, in
 * random order: parse, look-up, rewrite. Row and tally are a cache line each, so the curve rises
 * where they no longer fit in a cache, and where the page tables of 4 KiB pages do not either.
 */
import { FLOW4_SIZE, TALLY_SIZE } from '../../assembly/abi.js';
import { createForwardWorld, flowSlots } from '../core/forward-world.js';
import { FRAME_LEN } from '../core/inputs.js';
import type { Context, Result, Suite } from '../harness.js';
import { shortNumber } from '../report/numbers.js';
import { IN_C, lacksMemory, measureAt, sweepSuite, timedBatch, type Sweep } from './sweep.js';

const K = 1024;
const M = K * K;
const SWEEP: Sweep = {
  name: 'sweep/flows',
  axis: 'flows',
  unit: 'ns/packet',
  places: [
    K,
    2 * K,
    4 * K,
    8 * K,
    16 * K,
    32 * K,
    64 * K,
    128 * K,
    256 * K,
    512 * K,
    M,
    2 * M,
    4 * M,
  ],
  quick: [K, 32 * K, M],
  rivals: {
    c: IN_C,
    js: { label: 'JavaScript', against: 'JavaScript: a Map of tuples, DataView, objects' },
  },
};
/** Where a Map of texts would take gigabytes, it is left out. */
const JS_FLOWS_MAX = 256 * K;
/** Frames a pass: their rows are more than a cache holds, and no more than that. */
const FRAMES_MAX = 512 * K;

async function measureFlows(context: Context, flows: number): Promise<Result[]> {
  const frames = Math.min(flows, FRAMES_MAX);
  // WebAssembly and C have everything of their own.
  const needed = 2 * (flowSlots(flows) * (FLOW4_SIZE + TALLY_SIZE) + frames * FRAME_LEN);
  if (lacksMemory(context, `${SWEEP.name}/${shortNumber(flows)}`, needed)) return [];
  const withJs = flows <= JS_FLOWS_MAX;
  const world = await createForwardWorld(context.scope, { kind: 'forward', flows, frames, withJs });
  const { wasm, js, twin } = world;
  // Two rows a flow, but packets of one direction ask for one: its line and its tally's.
  const place = { x: flows, bytes: flows * (FLOW4_SIZE + TALLY_SIZE) };
  return measureAt(context, SWEEP, place, {
    ours: timedBatch(context, () => void wasm(), frames),
    rivals: {
      c: () => twin.sample(),
      js: js && timedBatch(context, () => void js(), frames),
    },
  });
}

export const suites: readonly Suite[] = [sweepSuite(SWEEP, measureFlows)];
