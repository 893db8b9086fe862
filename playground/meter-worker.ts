/**
 * Measures in a thread of its own: the loops of test/vectors/throughput, batches of frames and of
 * queries, over and over until told to stop.
 */
import { openLoop } from '../src/embed/vectors.js';
import type { LoopFile } from '../src/embed/vectors.js';

/** From the page: measure these. To stop, it ends the worker. */
export interface MeterOrder {
  readonly module: WebAssembly.Module;
  readonly packets: LoopFile;
  readonly answers: LoopFile;
}

/** To the page, a few times a second. */
export interface MeterReading {
  readonly packetsPerSec?: number;
  readonly answersPerSec?: number;
  /** A step of a loop went wrong: there is no reading. */
  readonly failure?: string;
}

const SLICE_MS = 250;
const WARM_UP_MS = 100;
const NS_PER_SEC = 1e9;

function measure({ module, packets, answers }: MeterOrder): void {
  const now = (): number => performance.now();
  const loops = [openLoop(module, packets, now), openLoop(module, answers, now)] as const;
  for (const loop of loops) loop(WARM_UP_MS);
  const turn = (): void => {
    const [packetsPerSec = 0, answersPerSec = 0] = loops.map((loop) => NS_PER_SEC / loop(SLICE_MS));
    const reading: MeterReading = { packetsPerSec, answersPerSec };
    postMessage(reading);
    // Between two turns the end may come.
    setTimeout(turn, 0);
  };
  turn();
}

addEventListener('message', ({ data }: MessageEvent<MeterOrder>) => {
  try {
    measure(data);
  } catch (error) {
    const reading: MeterReading = {
      failure: error instanceof Error ? error.message : String(error),
    };
    postMessage(reading);
  }
});
