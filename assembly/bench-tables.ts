/**
 * Loops over the tables that a first packet is decided by, for bench/ only: each asks the same
 * table `count` times and adds up what it got, so that nothing can be left out.
 */
import { BACKEND_ADDR_OFF, ROUTE_IFINDEX_OFF, Verdict } from './abi';
import { beginPkt, copyMacs } from './engine';
import { Parsed, parseQuery } from './dns/query';
import { Query } from './dns/record';
import { setClock } from './mem/clock';
import { classify } from './stage/classify';
import { flowLookup } from './stage/flow-lookup';
import { nat } from './stage/nat';
import { parse } from './stage/parse';
import { service } from './stage/service';
import { lpmFind } from './table/lpm';
import { maglevPick } from './table/maglev';
import { findFrontend, frontendService } from './tables';

/** The address in the last four bytes of a mapped one. */
const MAPPED_OFF: usize = BACKEND_ADDR_OFF + 12;
const ADDR_SIZE: usize = 16;
/** Address of 16 bytes, port in network order, protocol, filled up: the key of a frontend row. */
const FRONTEND_KEY: usize = 24;
/** Where frames are rewritten: so many places in turn, as a lane's frames have. */
export const ROOMS: u32 = 64;

/** @param addrs `count` addresses of 16 bytes. @returns sum of the interfaces they lead to */
export function benchLpm(addrs: usize, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const row = lpmFind(addrs + <usize>i * ADDR_SIZE);
    if (row) sum += load<u32>(row, ROUTE_IFINDEX_OFF);
  }
  return sum;
}

/** @param keys `count` keys of frontend rows. @returns sum of the services they lead to, plus 1 */
export function benchFrontend(keys: usize, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const key = keys + <usize>i * FRONTEND_KEY;
    const row = findFrontend(key, load<u16>(key, 16), load<u8>(key, 18));
    if (row) sum += frontendService(row) + 1;
  }
  return sum;
}

/** @param hashes `count` words. @returns sum of the members picked */
export function benchMaglevPick(table: usize, m: u32, hashes: usize, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) sum += maglevPick(table, m, load<u32>(hashes + (i << 2)));
  return sum;
}

/**
 * From a frame to its backend: parse, classify, frontend, set, Maglev.
 *
 * @returns sum of the backends' IPv4 addresses
 */
export function benchChoose(frames: usize, count: u32, stride: u32, inIfindex: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const p = beginPkt(frames + <usize>i * stride, stride, inIfindex, 0);
    if (parse(p) != Verdict.NONE || classify(p) != Verdict.NONE) continue;
    if (service(p) != Verdict.NONE || !p.isService) continue;
    sum += load<u32>(p.newDstPtr, MAPPED_OFF);
  }
  return sum;
}

/** A frame of 64 bytes, as gcc copies it: without a loop. */
function copyFrame(to: usize, from: usize): void {
  store<u64>(to, load<u64>(from));
  store<u64>(to, load<u64>(from, 8), 8);
  store<u64>(to, load<u64>(from, 16), 16);
  store<u64>(to, load<u64>(from, 24), 24);
  store<u64>(to, load<u64>(from, 32), 32);
  store<u64>(to, load<u64>(from, 40), 40);
  store<u64>(to, load<u64>(from, 48), 48);
  store<u64>(to, load<u64>(from, 56), 56);
}

/**
 * Parse, look up and rewrite copies of frames that all have rows: what a lane does with an
 * established flow. The copy stands for the frame's arrival, and lets the loop be run again.
 *
 * @param stride  bytes from one frame to the next, at least 64: so long they are
 * @param rooms   ROOMS places of `stride` bytes, in turn
 * @returns       verdicts TX
 */
export function benchForward(
  frames: usize,
  count: u32,
  stride: u32,
  rooms: usize,
  nowMs: f64,
): u32 {
  setClock(nowMs);
  let sent: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const room = rooms + (i & (ROOMS - 1)) * stride;
    copyFrame(room, frames + <usize>i * stride);
    const p = beginPkt(room, stride, 1, 0);
    if (parse(p) != Verdict.NONE || flowLookup(p) != Verdict.NONE || p.row == 0) continue;
    if (nat(p) != Verdict.TX) continue;
    copyMacs(p);
    sent++;
  }
  return sent;
}

/** Only the rewriting of `benchForward`: the first frame's record and row serve for all. */
export function benchNat(frames: usize, count: u32, stride: u32, rooms: usize, nowMs: f64): u32 {
  setClock(nowMs);
  const p = beginPkt(frames, stride, 1, 0);
  if (parse(p) != Verdict.NONE || flowLookup(p) != Verdict.NONE || p.row == 0) return 0;
  let sent: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const room = rooms + (i & (ROOMS - 1)) * stride;
    copyFrame(room, frames + <usize>i * stride);
    p.frame = <u32>room;
    if (nat(p) != Verdict.TX) continue;
    copyMacs(p);
    sent++;
  }
  return sent;
}

/**
 * The strict parser of queries alone; templates as of `benchDns`.
 *
 * @returns sum of their types and of where their questions end
 */
export function benchDnsParse(templates: usize, count: u32, stride: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const template = templates + <usize>i * stride;
    const length = load<u32>(template);
    const q = Query.begin(1, length, 0);
    if (parseQuery(q, template + 4, length) == Parsed.QUERY) sum += q.qtype + q.questionEnd;
  }
  return sum;
}
