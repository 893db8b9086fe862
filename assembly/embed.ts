/**
 * Frames of an embedder: decided and rewritten where they lie in memory, received from nowhere and
 * sent nowhere. What a lane does with rings is in engine.ts; what is decided is the same.
 */
import {
  CONTROL_BASE,
  CONTROL_TRACE_OFF,
  FRAME_ACTION_OFF,
  FRAME_DESC_SIZE,
  FRAME_DROP_OFF,
  FRAME_IN_IFINDEX_OFF,
  FRAME_LEN_OFF,
  FRAME_OUT_IFINDEX_OFF,
  FRAME_PTR_OFF,
  FRAME_ROW_OFF,
  FRAME_VERDICT_OFF,
  LaneCounter,
  PKT_F_ANSWER,
  Verdict,
} from './abi';
import { beginPkt, copyMacs, decide } from './engine';
import { setClock } from './mem/clock';
import { Pkt } from './pkt';
import { parse } from './stage/parse';
import { count, countDrop } from './table/counters';

/**
 * Parse only: what is in a frame, without deciding anything.
 *
 * @returns Verdict.NONE, or DROP with the reason in the Pkt record at PKTS_BASE
 */
export function parseFrame(frame: usize, len: u32): Verdict {
  return parse(beginPkt(frame, len, 0, 0));
}

/** Decide a frame, count it, and put the next hop's addresses on it where they are known. */
function settle(p: Pkt): Verdict {
  count(LaneCounter.RX_PACKETS, 1);
  count(LaneCounter.RX_BYTES, p.len);
  const v = decide(p);
  switch (v) {
    case Verdict.DROP:
      countDrop(p.drop);
      count(LaneCounter.DROPPED, 1);
      return v;
    case Verdict.PUNT:
      count(LaneCounter.PUNTED, 1);
      return v;
    default:
      if (p.macs && !p.has(PKT_F_ANSWER)) copyMacs(p);
      if (p.has(PKT_F_ANSWER)) count(LaneCounter.ANSWERED, 1);
      count(LaneCounter.TX_PACKETS, 1);
      count(LaneCounter.TX_BYTES, p.len);
      return v;
  }
}

/**
 * One frame for an embedder: decided and rewritten where it lies, sent nowhere.
 *
 * @param inIfindex  the link it came from
 * @param frame      linear address of the Ethernet header
 * @returns          the Verdict; the Pkt record at PKTS_BASE holds reason, action and way out
 */
export function processFrame(inIfindex: u32, frame: usize, len: u32, nowMs: f64): Verdict {
  setClock(nowMs);
  return settle(beginPkt(frame, len, inIfindex, 0));
}

/**
 * `processFrame` for the frames of `count` descriptors, in order: many frames in one call. The Pkt
 * record is the last one's.
 *
 * @param descriptors  FRAME_DESC_SIZE bytes each: link, address and length in; verdict, reason, action
 *                     and way out, and where the frame then lies, out
 * @returns            how many have Verdict.TX
 */
export function processBatch(descriptors: usize, count: u32, nowMs: f64): u32 {
  setClock(nowMs);
  let sent: u32 = 0;
  for (let i: u32 = 0; i < count; i++, descriptors += FRAME_DESC_SIZE) {
    const frame = load<u32>(descriptors, FRAME_PTR_OFF);
    const len = load<u32>(descriptors, FRAME_LEN_OFF);
    const p = beginPkt(frame, len, load<u32>(descriptors, FRAME_IN_IFINDEX_OFF), 0);
    const v = settle(p);
    store<u32>(descriptors, p.frame, FRAME_PTR_OFF);
    store<u32>(descriptors, p.len, FRAME_LEN_OFF);
    store<u32>(descriptors, p.outIfindex, FRAME_OUT_IFINDEX_OFF);
    store<u8>(descriptors, <u8>v, FRAME_VERDICT_OFF);
    store<u8>(descriptors, p.drop, FRAME_DROP_OFF);
    store<u8>(descriptors, p.action, FRAME_ACTION_OFF);
    store<u8>(descriptors, 0, FRAME_ACTION_OFF + 1);
    store<u32>(descriptors, <u32>p.row, FRAME_ROW_OFF);
    if (v == Verdict.TX) sent++;
  }
  return sent;
}

/**
 * What would become of a frame: decided by the tables as they are, and nothing is left behind but
 * the frame itself and the Pkt record: no row, no state, no counter, no affinity, no turn.
 *
 * An answer (a rejection, ARP) lies where the frame was. Of a flow that has no row yet the addresses
 * are not translated in the frame; the record has the new ones.
 *
 * @param inIfindex  the link it would come from
 * @param frame      linear address of the Ethernet header, in SCRATCH
 * @returns          the Verdict; all that was found is in the Pkt record at PKTS_BASE
 */
export function traceFrame(inIfindex: u32, frame: usize, len: u32, nowMs: f64): Verdict {
  setClock(nowMs);
  const p = beginPkt(frame, len, inIfindex, 0);
  store<u32>(CONTROL_BASE + CONTROL_TRACE_OFF, 1);
  const v = decide(p);
  store<u32>(CONTROL_BASE + CONTROL_TRACE_OFF, 0);
  if (v != Verdict.DROP && p.macs && !p.has(PKT_F_ANSWER)) copyMacs(p);
  return v;
}
