/**
 * The engine: frames in, stages in order, frames out. The order of the stages is here and nowhere
 * else, and so is every change of a frame's owner.
 */
import {
  Action,
  BURST_MAX,
  CONTROL_BASE,
  CONTROL_KICK_MASK_OFF,
  Drop,
  KICK_RX_SHIFT,
  LaneCounter,
  PKTS_BASE,
  PKT_F_ANSWER,
  PKT_F_FRAGMENT,
  PKT_F_GSO,
  PKT_F_LATER_FRAGMENT,
  PKT_F_PARTIAL_CSUM,
  PORT_MAX,
  PortKind,
  RegionId,
  Verdict,
} from './abi';
import { Port, isAttached, portAt, reclaim, refill, stageTx, submitTx, takeRx } from './io/port';
import { completeChecksum, readVnetHeader, stampFrame, stampOf, writeVnetHeader } from './io/frame';
import { descAddr, descLen } from './io/ring';
import { Datagram } from './flow/datagram';
import { FRAGMENT_WAITING_MAX, takeWaiting, waitedLen, waitedPort } from './flow/waiting';
import { setClock } from './mem/clock';
import { regionBase, regionCapacity, regionRowSize } from './mem/region';
import { Pkt, drop } from './pkt';
import { arp } from './stage/arp';
import { classify } from './stage/classify';
import { dns } from './stage/dns';
import { flowCreate } from './stage/flow-create';
import { flowLookup } from './stage/flow-lookup';
import { fragment, strayFragment } from './stage/fragment';
import { icmpError } from './stage/icmp-error';
import { masquerade } from './stage/masquerade';
import { nat } from './stage/nat';
import { ndp } from './stage/ndp';
import { parse } from './stage/parse';
import { punt } from './stage/punt';
import { reject } from './stage/reject';
import { route } from './stage/route';
import { service } from './stage/service';
import { count, countDrop } from './table/counters';
import { poolPush } from './table/pool';
import { Link } from './tables';
import { Eth } from './wire/eth';

/** Everything that is decided about one frame, in order. Frame and ingress must be set. */
export function decide(p: Pkt): Verdict {
  let v = parse(p);
  if (v == Verdict.NONE) v = classify(p);
  if (v == Verdict.NONE) v = arp(p);
  if (v == Verdict.NONE) v = ndp(p);
  if (v == Verdict.NONE) v = dns(p);
  if (v == Verdict.NONE && p.has(PKT_F_FRAGMENT)) v = fragment(p);
  if (v == Verdict.NONE) v = flowLookup(p);
  if (v == Verdict.NONE && p.row == 0) v = icmpError(p);
  if (v == Verdict.NONE && p.row == 0) v = decideFlow(p);
  if (v == Verdict.NONE) v = nat(p);
  return v == Verdict.PUNT ? punt(p) : v;
}

/** The first packet of a flow, and what has no flow. */
function decideFlow(p: Pkt): Verdict {
  let v = service(p);
  if (v == Verdict.NONE) v = reject(p);
  if (v == Verdict.NONE && p.has(PKT_F_FRAGMENT)) v = strayFragment(p);
  if (v == Verdict.NONE) v = route(p);
  if (v == Verdict.NONE) v = masquerade(p);
  return v == Verdict.NONE ? flowCreate(p) : v;
}

/** An empty record for a frame. */
export function beginPkt(frame: usize, len: u32, inIfindex: u32, port: usize): Pkt {
  const p = changetype<Pkt>(PKTS_BASE);
  p.begin(<u32>frame, len, inIfindex, <u32>port);
  return p;
}

/**
 * One turn: serve every port's received frames, send what was decided, lend frames again.
 *
 * @param budget  frames per port at most, capped at BURST_MAX
 * @param nowMs   CLOCK_MONOTONIC, milliseconds
 * @returns       frames served; CONTROL's kick mask says which ports need a system call
 */
export function runBurst(budget: u32, nowMs: f64): u32 {
  setClock(nowMs);
  let served: u32 = 0;
  for (let i: u32 = 0; i < <u32>PORT_MAX; i++) {
    if (!isAttached(i)) continue;
    const port = Port.at(portAt(i));
    reclaim(port);
    served += serve(port, min<u32>(budget, BURST_MAX));
  }
  finishTurn();
  if (served) count(LaneCounter.BURSTS, 1);
  return served;
}

/** Submit and refill all ports, and say which of them the kernel waits for. */
function finishTurn(): void {
  let kicks: u32 = 0;
  for (let i: u32 = 0; i < <u32>PORT_MAX; i++) {
    if (!isAttached(i)) continue;
    const port = Port.at(portAt(i));
    submitTx(port);
    refill(port);
    if (port.inFlight != 0 && port.tx.needsWakeup) kicks |= 1 << i;
    if (port.fill.needsWakeup) kicks |= 1 << (i + KICK_RX_SHIFT);
  }
  store<u32>(CONTROL_BASE + CONTROL_KICK_MASK_OFF, kicks);
}

function serve(port: Port, budget: u32): u32 {
  const rx = port.rx;
  const readable = min<u32>(rx.readable, budget);
  if (readable == 0) return 0;
  const first = rx.consumer;
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < readable; i++) {
    const desc = rx.descAt(first + i);
    const len = descLen(desc);
    receive(port, descAddr(desc), len);
    bytes += len;
  }
  takeRx(port, readable);
  count(LaneCounter.RX_PACKETS, readable);
  count(LaneCounter.RX_BYTES, bytes);
  return readable;
}

/** One received frame, and those that have waited for it. */
function receive(port: Port, umemOff: u64, len: u32): void {
  const p = settle(port, umemOff, len);
  if (p.datagram != 0 && !p.has(PKT_F_LATER_FRAGMENT)) release(Datagram.at(p.datagram));
}

/** Decide the fragments that have waited for the first one, in the order they came. */
function release(datagram: Datagram): void {
  for (let i: u32 = 0; i < FRAGMENT_WAITING_MAX; i++) {
    const waited = takeWaiting(datagram);
    if (waited == 0) return;
    const umemOff = waited - 1;
    settle(Port.at(waitedPort(umemOff)), umemOff, waitedLen(umemOff));
  }
}

/** Decide one frame and give it its next owner. */
function settle(port: Port, umemOff: u64, len: u32): Pkt {
  const p = beginPkt(regionBase(RegionId.UMEM) + <usize>umemOff, len, port.ifindex, port.ptr);
  let v: Verdict;
  if (!withinFrame(umemOff, len)) {
    v = drop(p, Drop.BAD_RX_DESCRIPTOR);
  } else {
    if (port.kind == PortKind.VNET) readVnetHeader(p);
    if (p.inIfindex == 0) p.inIfindex = stampOf(p);
    v = decide(p);
  }
  if (v == Verdict.HOLD) return p;
  if (v != Verdict.DROP) v = emit(p, v);
  if (v != Verdict.DROP) return p;
  countDrop(p.drop);
  count(LaneCounter.DROPPED, 1);
  // A frame that is not UMEM's must not be lent to anybody: census() shows that one is missing.
  if (withinUmem(umemOff)) poolPush(<u32>umemOff);
  return p;
}

function withinUmem(umemOff: u64): bool {
  return umemOff < <u64>regionRowSize(RegionId.UMEM) * regionCapacity(RegionId.UMEM);
}

/** Whether a descriptor names bytes of one UMEM frame. */
function withinFrame(umemOff: u64, len: u32): bool {
  const frameSize = <u64>regionRowSize(RegionId.UMEM);
  return withinUmem(umemOff) && (umemOff & (frameSize - 1)) + len <= frameSize;
}

/** Stage the frame on the port its verdict asks for; on failure it stays ours, to be dropped. */
function emit(p: Pkt, v: Verdict): Verdict {
  const out = outPort(p);
  if (!out) return drop(p, Drop.NO_TX_PORT);
  const port = Port.at(out);
  if (port.kind == PortKind.FRAMES && p.has(PKT_F_GSO)) return drop(p, Drop.GSO_ON_XDP);
  if (port.kind == PortKind.FRAMES && p.has(PKT_F_PARTIAL_CSUM)) completeChecksum(p);
  if (port.kind == PortKind.VNET) writeVnetHeader(p);
  if (port.ifindex == 0) stampFrame(p);
  else if (p.macs) copyMacs(p);
  const umemOff = p.frame - <u32>regionBase(RegionId.UMEM);
  if (!stageTx(port, umemOff, p.len)) return drop(p, Drop.TX_RING_FULL);
  if (v == Verdict.PUNT) count(LaneCounter.PUNTED, 1);
  if (p.has(PKT_F_ANSWER)) count(LaneCounter.ANSWERED, 1);
  count(LaneCounter.TX_PACKETS, 1);
  count(LaneCounter.TX_BYTES, p.len);
  return v;
}

/**
 * The link's own port where it has one and the next hop is known, else the trunk, behind which the
 * kernel knows it; 0 = neither.
 */
function outPort(p: Pkt): usize {
  const isAddressed = p.macs != 0 || p.has(PKT_F_ANSWER);
  const direct = isAddressed && p.action != Action.HOST ? linkPort(p.outIfindex) : 0;
  return direct ? direct : trunkPort();
}

/** The I/O port that reaches a link without the trunk, 0 = none. */
function linkPort(ifindex: u32): usize {
  const link = Link.find(ifindex);
  if (!link || Link.at(link).port == 0) return 0;
  const idx = <u32>Link.at(link).port - 1;
  return idx < <u32>PORT_MAX && isAttached(idx) ? portAt(idx) : 0;
}

function trunkPort(): usize {
  for (let i: u32 = 0; i < <u32>PORT_MAX; i++) {
    if (isAttached(i) && Port.at(portAt(i)).ifindex == 0) return portAt(i);
  }
  return 0;
}

/** Put the next hop's addresses on the frame. */
export function copyMacs(p: Pkt): void {
  const eth = Eth.at(p.frame);
  eth.copyDst(p.macs);
  eth.copySrc(p.macs + 6);
}
