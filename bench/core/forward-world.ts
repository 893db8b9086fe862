/**
 * Established flows, and copies of their frames to forward, in WebAssembly, C and JavaScript: who
 * rewrites a frame differently fails the suite before anything is timed.
 */
import { RegionId } from '../../assembly/abi.js';
import type { Core } from '../../src/core/core.js';
import type { Scope } from '../scope.js';
import { startTwin, type Twin } from '../twin.js';
import { clientTuple, digestWords, FRAME_LEN, shuffled, writeUdpFrame } from './inputs.js';
import { ConntrackJs, translateJs, translationOf } from './js-conntrack.js';
import { createWorld, type BenchExports } from './world.js';

/** Start of the xorshift that shuffles the frames; as in flow-hit.c. */
const ORDER_SEED = 2463534242;
/** ROOMS of assembly/bench-tables.ts. */
const ROOMS = 64;
const UMEM_FRAME = 2048;
/** Operations a sample of the C twin takes at least: some ten milliseconds. */
const TWIN_OPS_MIN = 200_000;

export type Kind = 'forward' | 'nat';

export interface ForwardWorld {
  readonly frames: number;
  readonly twin: Twin;
  /** Once through all frames. */
  wasm(): number;
  /** undefined where there are too many flows for a Map. */
  readonly js: (() => number) | undefined;
}

export interface ForwardSpec {
  readonly kind: Kind;
  readonly flows: number;
  readonly frames: number;
  readonly withJs: boolean;
}

/** Slots of the flow table: two rows a flow fill at most half. */
export function flowSlots(flows: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(flows, 64) * 4));
}

function inWasm(exports: BenchExports, base: number, spec: ForwardSpec): () => number {
  const rooms = base + spec.frames * FRAME_LEN;
  const loop = spec.kind === 'forward' ? exports.benchForward : exports.benchNat;
  let nowMs = 0;
  return () => loop(base, spec.frames, FRAME_LEN, rooms, ++nowMs);
}

function inJavaScript(core: Core, base: number, spec: ForwardSpec): () => number {
  const bytes = core.view.slice(base, base + (spec.frames + ROOMS) * FRAME_LEN);
  const view = new DataView(bytes.buffer);
  const table = new ConntrackJs();
  for (let i = 0; i < spec.flows; i++) {
    table.add(clientTuple(i), translationOf(clientTuple(i), i));
  }
  const first = translationOf(clientTuple(0), 0);
  const rooms = spec.frames * FRAME_LEN;
  return () => {
    let sent = 0;
    for (let i = 0; i < spec.frames; i++) {
      const room = rooms + (i % ROOMS) * FRAME_LEN;
      bytes.copyWithin(room, i * FRAME_LEN, (i + 1) * FRAME_LEN);
      const isSent =
        spec.kind === 'forward'
          ? table.forward(view, room, FRAME_LEN, 1)
          : translateJs(view, room, first);
      if (isSent) sent++;
    }
    lastRooms = bytes.subarray(rooms);
    return sent;
  };
}

/** What the JavaScript twin rewrote last. */
let lastRooms = new Uint8Array();

/** @throws Error when two of the three forward differently */
export async function createForwardWorld(scope: Scope, spec: ForwardSpec): Promise<ForwardWorld> {
  const slots = flowSlots(spec.flows);
  const frames = Math.ceil(((spec.frames + ROOMS) * FRAME_LEN) / UMEM_FRAME);
  const { core, exports } = createWorld({ flows4: slots, frames, frameSize: UMEM_FRAME });
  const stored = exports.benchFlowFill(spec.flows);
  if (stored < 2 * spec.flows * 0.999) throw new Error(`${stored} of ${2 * spec.flows} rows`);
  const { base } = core.region(RegionId.UMEM);
  const order = shuffled(spec.flows, ORDER_SEED);
  for (let i = 0; i < spec.frames; i++) {
    const flow = order[i % spec.flows] ?? 0;
    writeUdpFrame(core.words, base + i * FRAME_LEN, clientTuple(flow), flow);
  }
  const wasm = inWasm(exports, base, spec);
  const sent = wasm();
  const rooms = base + spec.frames * FRAME_LEN;
  const digest = digestWords(core.view.slice(rooms, rooms + ROOMS * FRAME_LEN));
  const repeats = Math.ceil(TWIN_OPS_MIN / spec.frames);
  const args = [spec.flows, slots, spec.kind, spec.frames, repeats];
  const twin = await startTwin(scope, 'flow-hit', args);
  const { result } = await twin.sample();
  if (digest !== twin.digest || sent !== result) {
    throw new Error(`WebAssembly and C forward differently: ${sent} and ${result} frames`);
  }
  const js = spec.withJs ? inJavaScript(core, base, spec) : undefined;
  if (js && (js() !== sent || digestWords(lastRooms) !== digest)) {
    throw new Error('WebAssembly and JavaScript forward differently');
  }
  return { frames: spec.frames, twin, wasm, js };
}
