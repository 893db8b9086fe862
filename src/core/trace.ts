/**
 * One frame through the tables as they are, with nothing left behind: what `sluice trace` asks a
 * lane. Knows where the core leaves its findings, not what they mean.
 */
import {
  FLOW4_SIZE,
  FLOW6_SIZE,
  FRAME_HEADROOM,
  PKTS_BASE,
  PKT_FLAGS_OFF,
  PKT_F_IPV4,
  PKT_LEN_OFF,
  PKT_ROW_OFF,
  PKT_NO_SERVICE,
  PKT_SERVICE_OFF,
  PKT_SIZE,
  PKT_TALLY_OFF,
  RegionId,
  SCRATCH_BASE,
  SERVICE_SIZE,
  TALLY_SIZE,
} from '../../assembly/abi.js';
import type { Verdict } from '../../assembly/abi.js';
import type { Core } from './core.js';

/** The flow row that the frame met, or made. */
export interface TracedRow {
  readonly idx: number;
  /** FLOW4_SIZE or FLOW6_SIZE bytes. */
  readonly row: Uint8Array;
  /** TALLY_SIZE bytes. */
  readonly tally: Uint8Array;
}

export interface Traced {
  readonly verdict: Verdict;
  /** The Pkt record, PKT_SIZE bytes; addresses in it are the lane's. */
  readonly pkt: Uint8Array;
  /** As the core left it. */
  readonly frame: Uint8Array;
  /** undefined: no row. */
  readonly met: TracedRow | undefined;
  /** SERVICES row of the frontend, SERVICE_SIZE bytes; undefined: the frame is for none. */
  readonly service: Uint8Array | undefined;
}

/** SCRATCH's lower half is for frames; no turn of a lane keeps anything there. */
const FRAME_PTR = SCRATCH_BASE + FRAME_HEADROOM;
export const TRACE_FRAME_MAX = 2048;

/**
 * @param ifindex  the link that the frame would come from
 * @param frame    with its Ethernet header, TRACE_FRAME_MAX bytes at most
 */
export function traceIn(core: Core, ifindex: number, frame: Uint8Array, nowMs: number): Traced {
  const { exports, view } = core;
  view.set(frame.subarray(0, TRACE_FRAME_MAX), FRAME_PTR);
  const length = Math.min(frame.length, TRACE_FRAME_MAX);
  // What no stage has written is then 0, not the last frame's.
  view.fill(0, PKTS_BASE, PKTS_BASE + PKT_SIZE);
  const verdict: Verdict = exports.traceFrame(ifindex, FRAME_PTR, length, nowMs);
  return findings(core, verdict, FRAME_PTR);
}

/** What the core has left behind of the frame it decided last, which lies at `framePtr`. */
export function findings(core: Core, verdict: Verdict, framePtr: number): Traced {
  const { view, words } = core;
  const left = words.getUint32(PKTS_BASE + PKT_LEN_OFF, true);
  return {
    verdict,
    pkt: view.slice(PKTS_BASE, PKTS_BASE + PKT_SIZE),
    frame: view.slice(framePtr, framePtr + left),
    met: metRow(core),
    service: serviceRow(core),
  };
}

function serviceRow({ words, view, region }: Core): Uint8Array | undefined {
  const idx = words.getUint32(PKTS_BASE + PKT_SERVICE_OFF, true);
  if (idx === PKT_NO_SERVICE) return undefined;
  const ptr = region(RegionId.SERVICES).base + idx * SERVICE_SIZE;
  return view.slice(ptr, ptr + SERVICE_SIZE);
}

function metRow({ words, view, region }: Core): TracedRow | undefined {
  const ptr = words.getUint32(PKTS_BASE + PKT_ROW_OFF, true);
  const tallyPtr = words.getUint32(PKTS_BASE + PKT_TALLY_OFF, true);
  if (ptr === 0 || tallyPtr === 0) return undefined;
  const isIpv4 = (words.getUint16(PKTS_BASE + PKT_FLAGS_OFF, true) & PKT_F_IPV4) !== 0;
  const size = isIpv4 ? FLOW4_SIZE : FLOW6_SIZE;
  const { base } = region(isIpv4 ? RegionId.FLOWS4 : RegionId.FLOWS6);
  return {
    idx: (ptr - base) / size,
    row: view.slice(ptr, ptr + size),
    tally: view.slice(tallyPtr, tallyPtr + TALLY_SIZE),
  };
}
