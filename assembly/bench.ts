/**
 * Second entry point, for bench/ only: loops inside WebAssembly, so that what is measured is the
 * work and not the crossing. Exports everything the core does, and the loops.
 */
import {
  Action,
  CONTROL_BASE,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_SWEEP4_OFF,
  FLOW4_SIZE,
  FLOW_F_REPLY,
  IPPROTO_UDP,
  PKTS_BASE,
  RegionId,
  TALLY_F_REPLY,
  TALLY_SIZE,
  Verdict,
} from './abi';
import { buildMaglev } from './delta';
import { dnsAnswer } from './dns/answer';
import { processFrame } from './embed';
import { beginPkt, copyMacs } from './engine';
import { NO_ROW, openRow, publish, vacantFlow } from './flow/flow-table';
import { Row, V4, dstOff, newDstOff, newSrcOff, rowIdx, srcOff, tallyOf } from './flow/row';
import { swapPorts } from './flow/tuple';
import { be16, be32 } from './mem/be';
import { setClock } from './mem/clock';
import { copyBytes } from './mem/copy';
import { regionBase, regionCapacity } from './mem/region';
import { flowLookup } from './stage/flow-lookup';
import { nat } from './stage/nat';
import { parse } from './stage/parse';
import { addDelta, checksum, deltaU32, fold, sumScalar } from './wire/checksum';

export * from './index';
export * from './bench-tables';

// The tuple of flow i, as bench/native/flow-hit.c makes it too.
const CLIENT_NET: u32 = 0x0a000000; // 10.0.0.0
const VIP: u32 = 0x0a600001; // 10.96.0.1
const VIP_PORT: u16 = 53;
const BACKEND_NET: u32 = 0x0af40100; // 10.244.1.0
const BACKEND_PORT: u16 = 5353;
const BACKENDS: u32 = 100;
const PORT_STEP: u32 = 40503;
const PORT_FIRST: u32 = 1024;
const PORT_SPREAD: u32 = 0x7fff;
const IFINDEX_THERE: u32 = 7;
const IFINDEX_BACK: u32 = 8;
const FLAGS: i32 = 3; // FLOW_F_NAT | FLOW_F_MACS
const MAC_HEAD: u16 = 0x0002;
const CHECKSUM_STRIDE: usize = 2048;
const CHECKSUM_BUFFERS: u32 = 64;

function portsOf(src: u16, dst: u16): u32 {
  return (<u32>be16(src)) | ((<u32>be16(dst)) << 16);
}

/** The six bytes 02:00:00:00:00:last. */
function storeMac(at: usize, last: u32): void {
  store<u16>(at, MAC_HEAD);
  store<u32>(at, last << 24, 2);
}

/** Insert one row of the benchmark. @returns its address, 0 = no room */
function putRow(src: u32, dst: u32, ports: u32, newSrc: u32, newDst: u32, newPorts: u32): usize {
  // Operands of the look-up lie in memory, as a packet's do.
  store<u32>(PKTS_BASE, src);
  store<u32>(PKTS_BASE, dst, 4);
  const idx = vacantFlow<V4>(PKTS_BASE, PKTS_BASE + 4, ports, IPPROTO_UDP);
  if (idx == NO_ROW) return 0;
  const row = openRow<V4>(idx);
  row.setPorts(ports);
  row.setKind(IPPROTO_UDP);
  row.setAction(Action.UPLINK);
  row.setFlags(FLAGS);
  row.setInIfindex(0);
  row.setNewPorts(newPorts);
  store<u32>(row.ptr + srcOff<V4>(), src);
  store<u32>(row.ptr + dstOff<V4>(), dst);
  store<u32>(row.ptr + newSrcOff<V4>(), newSrc);
  store<u32>(row.ptr + newDstOff<V4>(), newDst);
  row.setAddrDelta(addDelta(deltaU32(src, newSrc), deltaU32(dst, newDst)));
  row.setPortDelta(deltaU32(ports, newPorts));
  storeMac(row.dstMacPtr, 2);
  storeMac(row.srcMacPtr, 1);
  publish<V4>(row);
  return row.ptr;
}

/** Store the two rows of flows 0..flows-1. @returns rows stored */
export function benchFlowFill(flows: u32): u32 {
  let stored: u32 = 0;
  for (let i: u32 = 0; i < flows; i++) {
    const src = be32(CLIENT_NET | i);
    const dst = be32(VIP);
    const backend = be32(BACKEND_NET + (i % BACKENDS) + 1);
    const sport = <u16>(PORT_FIRST + ((i * PORT_STEP) & PORT_SPREAD));
    const ports = portsOf(sport, VIP_PORT);
    const newPorts = portsOf(sport, BACKEND_PORT);
    const there = putRow(src, dst, ports, src, backend, newPorts);
    const back = putRow(backend, src, swapPorts(newPorts), dst, src, swapPorts(ports));
    if (!there || !back) continue;
    stored += 2;
    pair(Row.at(there), Row.at(back));
  }
  return stored;
}

function pair(there: Row, back: Row): void {
  there.setOutIfindex(IFINDEX_THERE);
  back.setOutIfindex(IFINDEX_BACK);
  back.setFlags(FLAGS | FLOW_F_REPLY);
  tallyOf<V4>(back).setFlags(TALLY_F_REPLY);
  tallyOf<V4>(there).setPartner(rowIdx<V4>(back));
  tallyOf<V4>(back).setPartner(rowIdx<V4>(there));
}

/** An empty IPv4 flow table. */
export function benchFlowClear(): void {
  const rows = <usize>regionCapacity(RegionId.FLOWS4);
  memory.fill(regionBase(RegionId.FLOWS4), 0, rows * FLOW4_SIZE);
  memory.fill(regionBase(RegionId.TALLY4), 0, rows * TALLY_SIZE);
  store<u32>(CONTROL_BASE + CONTROL_FLOWS4_LIVE_OFF, 0);
  store<u32>(CONTROL_BASE + CONTROL_SWEEP4_OFF, 0);
}

/** Parse, look up and rewrite frames that all have rows. @returns verdicts TX */
export function benchFlowHit(frames: usize, count: u32, stride: u32, len: u32, nowMs: f64): u32 {
  setClock(nowMs);
  let hits: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const p = beginPkt(frames + <usize>i * stride, len, 1, 0);
    if (parse(p) != Verdict.NONE || flowLookup(p) != Verdict.NONE || p.row == 0) continue;
    if (nat(p) != Verdict.TX) continue;
    copyMacs(p);
    hits++;
  }
  return hits;
}

/** Frames of flows nobody has seen, through everything. @returns verdicts TX */
export function benchNewFlow(
  frames: usize,
  count: u32,
  stride: u32,
  len: u32,
  inIfindex: u32,
  nowMs: f64,
): u32 {
  let sent: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const v = processFrame(inIfindex, frames + <usize>i * stride, len, nowMs);
    if (v == Verdict.TX) sent++;
  }
  return sent;
}

/** @returns frames parsed without a drop */
export function benchParse(frames: usize, count: u32, stride: u32, len: u32): u32 {
  let parsed: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const p = beginPkt(frames + <usize>i * stride, len, 1, 0);
    if (parse(p) == Verdict.NONE) parsed++;
  }
  return parsed;
}

/** Checksums of `repeats` ranges over 64 buffers. @returns their sum, so that none is left out */
export function benchChecksum(ptr: usize, len: u32, repeats: u32): u32 {
  let total: u32 = 0;
  for (let r: u32 = 0; r < repeats; r++) {
    total += checksum(ptr + <usize>(r & (CHECKSUM_BUFFERS - 1)) * CHECKSUM_STRIDE, len);
  }
  return total;
}

/** `benchChecksum` without vectors. */
export function benchChecksumScalar(ptr: usize, len: u32, repeats: u32): u32 {
  let total: u32 = 0;
  for (let r: u32 = 0; r < repeats; r++) {
    const at = ptr + <usize>(r & (CHECKSUM_BUFFERS - 1)) * CHECKSUM_STRIDE;
    total += <u16>~fold(sumScalar(at, len));
  }
  return total;
}

/** Build a table `repeats` times from tables the host has filled. @returns m, 0 = refused */
export function benchMaglevBuild(set: u32, n: u32, first: u32, m: u32, repeats: u32): u32 {
  for (let r: u32 = 0; r < repeats; r++) if (!buildMaglev(first, m, set, n)) return 0;
  return m;
}

/**
 * Answer `count` queries, each from a copy of its own template: u32 length, then the message.
 *
 * @param room  where a message is answered, `roomLen` bytes
 * @returns     a sum over all replies: their lengths and last words
 */
export function benchDns(
  templates: usize,
  count: u32,
  stride: u32,
  room: usize,
  roomLen: u32,
): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const template = templates + <usize>i * stride;
    const length = load<u32>(template);
    copyBytes(room, template + 4, length);
    const reply = dnsAnswer(1, room, length, roomLen, 0, 0);
    sum += reply ^ load<u32>(room + reply - 4);
  }
  return sum;
}

/** Nothing: the price of a call. */
export function benchCall(): void {}
