/** One captured frame through a world, as a lane would decide it at that time. */
import {
  COUNTERS_BASE,
  COUNTER_LANE_BASE,
  LaneCounter,
  PKTS_BASE,
  PKT_SIZE,
  SCRATCH_BASE,
  SCRATCH_BYTES,
} from '../../assembly/abi.js';
import type { Verdict } from '../../assembly/abi.js';
import { findings } from '../core/trace.js';
import type { Traced } from '../core/trace.js';
import type { CapturedFrame } from '../port/captured-frame.js';
import { ingressOf } from './world.js';
import type { Ingress, World } from './world.js';

export interface Played extends Ingress {
  /** `met` is the row that the frame met or, with `isFirst`, that it has made. */
  readonly left: Traced;
  /** It was the first packet of a flow. */
  readonly isFirst: boolean;
  /** It was a DNS query that the names have answered, in the frame. */
  readonly isNameAnswer: boolean;
  /** Of the core's clock, milliseconds: the time of the capture. */
  readonly nowMs: number;
}

const NS_PER_MS = 1_000_000n;
/** Frames lie in the lower half of SCRATCH. */
const FRAME_MAX = SCRATCH_BYTES / 2;

/** The core's clock is 32 bits of milliseconds. */
export function clockOf(timeNs: bigint): number {
  return Number(timeNs / NS_PER_MS) % 2 ** 32;
}

export function playFrame(world: World, { bytes, timeNs }: CapturedFrame): Played {
  const { core } = world;
  const count = (counter: LaneCounter): bigint =>
    core.words.getBigUint64(COUNTERS_BASE + 8 * (COUNTER_LANE_BASE + counter), true);
  const length = Math.min(bytes.length, FRAME_MAX);
  core.view.set(bytes.subarray(0, length), SCRATCH_BASE);
  const ingress = ingressOf(world, length);
  const nowMs = clockOf(timeNs);
  const made = count(LaneCounter.FLOWS_CREATED);
  const answered = count(LaneCounter.DNS_ANSWERED);
  // What no stage has written is then 0, not the last frame's.
  core.view.fill(0, PKTS_BASE, PKTS_BASE + PKT_SIZE);
  const verdict: Verdict = core.exports.processFrame(ingress.ifindex, SCRATCH_BASE, length, nowMs);
  return {
    ...ingress,
    left: findings(core, verdict, SCRATCH_BASE),
    isFirst: count(LaneCounter.FLOWS_CREATED) !== made,
    isNameAnswer: count(LaneCounter.DNS_ANSWERED) !== answered,
    nowMs,
  };
}
