/**
 * sweep/burst: 1 to 256 frames of established flows for one call of `processBatch`. The call from
 * JavaScript into WebAssembly, and what a turn costs whatever is in it, are shared by more frames
 * the longer the batch is. The rival crosses for each frame, and reads what became of it.
 */
import {
  FRAME_DESC_SIZE,
  FRAME_IN_IFINDEX_OFF,
  FRAME_LEN_OFF,
  FRAME_PTR_OFF,
  PKTS_BASE,
  PKT_OUT_IFINDEX_OFF,
  RegionId,
  SCRATCH_BASE,
  Verdict,
} from '../../assembly/abi.js';
import { FRAME_LEN, writeUdpFrame } from '../core/inputs.js';
import {
  createServiceWorld,
  POD_ADDR,
  POD_IFINDEX,
  SERVICE_NET,
  SERVICE_PORT,
} from '../core/service-world.js';
import { missingModule, type World } from '../core/world.js';
import type { Context, Result, Suite } from '../harness.js';
import { measureAt, sweepSuite, timedBatch, type Sweep } from './sweep.js';

const SWEEP: Sweep = {
  name: 'sweep/burst',
  axis: 'frames a call',
  unit: 'ns/packet',
  places: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  quick: [1, 16, 256],
  rivals: {
    frame: { label: 'processFrame', against: 'processFrame: a call for each frame' },
  },
};
const FRAMES = 256;
const TX: number = Verdict.TX;
const FLOWS = 64;

interface BurstWorld extends World {
  readonly base: number;
  /** Put the frames and the descriptors back as they arrived. */
  restore(): void;
}

function createBurstWorld(): BurstWorld {
  const spec = { protocol: 'UDP', services: 1, flows4: 1024, frames: 64 } as const;
  const world = createServiceWorld(spec);
  const { core } = world;
  const { base } = core.region(RegionId.UMEM);
  const tuple = { src: POD_ADDR, dst: SERVICE_NET + 1, dstPort: SERVICE_PORT };
  for (let i = 0; i < FRAMES; i++) {
    const at = base + i * FRAME_LEN;
    writeUdpFrame(core.words, at, { ...tuple, srcPort: 2000 + (i % FLOWS) }, i);
    const desc = SCRATCH_BASE + i * FRAME_DESC_SIZE;
    core.words.setUint32(desc + FRAME_PTR_OFF, at, true);
    core.words.setUint32(desc + FRAME_LEN_OFF, FRAME_LEN, true);
    core.words.setUint32(desc + FRAME_IN_IFINDEX_OFF, POD_IFINDEX, true);
  }
  const frames = core.view.slice(base, base + FRAMES * FRAME_LEN);
  const restore = (): void => {
    core.view.set(frames, base);
  };
  return { ...world, base, restore };
}

async function measureBurst(context: Context, burst: number): Promise<Result[]> {
  const { core, exports, base, restore } = createBurstWorld();
  let nowMs = 0;
  const batches = (): number => {
    restore();
    let sent = 0;
    nowMs++;
    for (let first = 0; first < FRAMES; first += burst) {
      sent += exports.processBatch(SCRATCH_BASE + first * FRAME_DESC_SIZE, burst, nowMs);
    }
    return sent;
  };
  let _sink = 0;
  const oneByOne = (): number => {
    restore();
    let sent = 0;
    nowMs++;
    for (let at = base; at < base + FRAMES * FRAME_LEN; at += FRAME_LEN) {
      if (exports.processFrame(POD_IFINDEX, at, FRAME_LEN, nowMs) === TX) sent++;
      _sink ^= core.words.getUint32(PKTS_BASE + PKT_OUT_IFINDEX_OFF, true);
    }
    return sent;
  };
  // The first pass makes the flows.
  oneByOne();
  const rewritten = (run: () => number): Buffer => {
    if (run() !== FRAMES) throw new Error('a frame of an established flow was not sent');
    return Buffer.from(core.view.slice(base, base + FRAMES * FRAME_LEN));
  };
  if (!rewritten(batches).equals(rewritten(oneByOne))) {
    throw new Error('processBatch and processFrame rewrote the frames differently');
  }
  return measureAt(
    context,
    SWEEP,
    { x: burst },
    {
      ours: timedBatch(context, () => void batches(), FRAMES),
      rivals: { frame: timedBatch(context, () => void oneByOne(), FRAMES) },
    },
  );
}

export const suites: readonly Suite[] = [
  sweepSuite(SWEEP, measureBurst, { missing: () => Promise.resolve(missingModule()) }),
];
