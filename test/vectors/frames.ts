/** Frame cases of the vectors: what a frame is sent with, what is expected of it, what is recorded. */
import { isDeepStrictEqual } from 'node:util';
import * as abi from '../../assembly/abi.js';
import type { VectorFile } from '../../src/embed/vectors.js';
import { readManifests } from '../../src/sources/manifests.js';
import { openEngine } from '../support/engine.js';
import type { Engine, EngineOptions } from '../support/engine.js';
import { see } from '../support/frames.js';
import type { Seen } from '../support/frames.js';
import { VECTOR_CAPACITIES, createRecorder } from './recorder.js';
import type { Recorder } from './recorder.js';

/** A file of vectors, and how it is made. */
export interface Topic {
  readonly name: string;
  readonly record: () => VectorFile;
}

/** Where frames lie; room in front for headers of our own. */
export const FRAME_AT = abi.SCRATCH_BASE + abi.FRAME_HEADROOM;
/** What `processFrame` and `parseFrame` leave in the Pkt record about every frame. */
const PKT_HEAD = abi.PKT_PORTS_OFF;
/** The same with ports and addresses, as parsed. */
export const PKT_PARSED = abi.PKT_ROW_OFF;

/** Said by hand, from the rules, and not by the core. */
export interface Expected {
  readonly verdict?: keyof typeof abi.Verdict;
  readonly drop?: keyof typeof abi.Drop;
  readonly action?: keyof typeof abi.Action;
  readonly out?: number;
  readonly seen?: Partial<Seen>;
}

export interface Left {
  readonly frame: Uint8Array;
  readonly seen: Seen;
  readonly row: number;
}

/** @throws Error naming what is not as it was said to be */
export function expectSame(what: string, got: unknown, expected: unknown): void {
  if (isDeepStrictEqual(got, expected)) return;
  throw new Error(`${what} is ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}

function expectFrame({ verdict, drop, action, out, seen }: Expected, core: Recorder['core']): Left {
  const { words, view } = core;
  const u8 = (off: number): number => words.getUint8(abi.PKTS_BASE + off);
  const u32 = (off: number): number => words.getUint32(abi.PKTS_BASE + off, true);
  if (drop !== undefined || verdict !== 'DROP') {
    expectSame('drop', abi.Drop[u8(abi.PKT_DROP_OFF)], drop ?? 'NONE');
  }
  if (action !== undefined) expectSame('action', abi.Action[u8(abi.PKT_ACTION_OFF)], action);
  if (out !== undefined) expectSame('way out', u32(abi.PKT_OUT_IFINDEX_OFF), out);
  const at = u32(abi.PKT_FRAME_OFF);
  const frame = view.slice(at, at + u32(abi.PKT_LEN_OFF));
  const left: Left = {
    frame,
    get seen() {
      return see(frame);
    },
    row: u32(abi.PKT_ROW_OFF),
  };
  for (const [field, value] of Object.entries(seen ?? {})) {
    expectSame(field, left.seen[field as keyof Seen], value);
  }
  return left;
}

export interface FrameRig {
  readonly rec: Recorder;
  readonly engine: Engine;
  /** One frame, and what is left of it; `expected` without a reason means it is sent. */
  send(ifindex: number, frame: Uint8Array, expected?: Expected): Left;
  /** Record the flow row and its tally. */
  readRow(ptr: number): void;
  /** A case, a millisecond later than the one before. */
  add(name: string, about: string, play: () => void): void;
}

/** A node as test/support/engine.ts has it, whose services come from manifests. */
export function frameRig(manifests: string, options: EngineOptions = {}): FrameRig {
  const rec = createRecorder();
  const engine = openEngine({ ...options, core: rec.core, capacities: VECTOR_CAPACITIES });
  const { events, bad } = readManifests(manifests, 'manifests');
  if (bad.length > 0) throw new Error(JSON.stringify(bad));
  if (events.length > 0) engine.apply(...events);
  return {
    rec,
    engine,
    send: (ifindex, frame, expected = {}) => {
      rec.write(FRAME_AT, frame);
      const { exports, words } = rec.core;
      const verdict = exports.processFrame(ifindex, FRAME_AT, frame.length, engine.nowMs);
      const wanted = expected.verdict ?? (expected.drop === undefined ? 'TX' : 'DROP');
      const reason = abi.Drop[words.getUint8(abi.PKTS_BASE + abi.PKT_DROP_OFF)];
      expectSame(`verdict (${String(reason)})`, abi.Verdict[verdict], wanted);
      const left = expectFrame({ ...expected, verdict: wanted }, rec.core);
      rec.read(abi.PKTS_BASE, PKT_HEAD);
      const at = words.getUint32(abi.PKTS_BASE + abi.PKT_FRAME_OFF, true);
      rec.read(at, left.frame.length);
      return left;
    },
    readRow: (ptr) => {
      const flows4 = rec.core.region(abi.RegionId.FLOWS4);
      const isIpv4 = ptr < flows4.base + flows4.capacity * abi.FLOW4_SIZE;
      rec.read(ptr, isIpv4 ? abi.FLOW4_SIZE : abi.FLOW6_SIZE);
      rec.read(rec.core.words.getUint32(abi.PKTS_BASE + abi.PKT_TALLY_OFF, true), abi.TALLY_SIZE);
    },
    add: (name, about, play) => {
      rec.add(name, about, () => {
        try {
          play();
        } catch (cause) {
          throw new Error(`case ${name}: ${(cause as Error).message}`, { cause });
        }
        engine.nowMs++;
      });
    },
  };
}
