/**
 * Flow creation: the decision becomes two rows, one per direction, and from here on the kernel can
 * carry it out alone.
 */
import {
  Action,
  Drop,
  FLOW_F_CLIMB,
  FLOW_DST_MAC_OFF,
  FLOW_F_MACS,
  FLOW_F_NAT,
  FLOW_F_REPLY,
  FLOW_F_SHAPED,
  FLOW_F_TRUNK,
  FLOW_F_TUNNEL,
  FLOW_SRC_MAC_OFF,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  LaneCounter,
  LinkKind,
  PKT_F_ECHO,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  SctpState,
  TALLY_F_REPLY,
  TcpState,
  Verdict,
} from '../abi';
import { Service, backendId } from '../balance/rows';
import { chainFlow, tupleKey } from '../flow/chain';
import { evict } from '../flow/evict';
import {
  NO_ROW,
  deleteFlow,
  deleteRow,
  findFlow,
  openRow,
  publish,
  vacantFlow,
} from '../flow/flow-table';
import {
  SNAT_PORT_FREE_TRIES,
  SNAT_PORT_TRIES,
  candidatePort,
  isPortTaken,
  isSnatPort,
} from '../flow/ports';
import {
  Row,
  V4,
  V6,
  dstOff,
  isV4,
  mtuOff,
  newDstOff,
  newSrcOff,
  rowIdx,
  srcOff,
  tallyAt,
  tallyOf,
} from '../flow/row';
import { SCTP_INVALID, nextSctpState } from '../flow/sctp-state';
import { isOver } from '../flow/settled';
import { TCP_INVALID, nextTcpState } from '../flow/tcp-state';
import { addrCopy, addrEq, swapPorts, unmapped } from '../flow/tuple';
import { copyMac, hasMac } from '../mem/addr';
import { be16 } from '../mem/be';
import { nowMs } from '../mem/clock';
import { nextRandom } from '../mem/random';
import { isTraced } from '../mem/trace';
import { Pkt, drop } from '../pkt';
import { count } from '../table/counters';
import { lpmFind } from '../table/lpm';
import { Link, Route, isOwnAddr, wayMtu } from '../tables';
import { addDelta, deltaAddr6, deltaU32 } from '../wire/checksum';
import { ETH_DST_OFF, ETH_SRC_OFF } from '../wire/eth';

/** No state follows: the packet cannot be the first of a flow. */
const INVALID: u8 = TCP_INVALID;
if (SCTP_INVALID != TCP_INVALID) ERROR('one value says "invalid" for every protocol');

if (FLOW_SRC_MAC_OFF != FLOW_DST_MAC_OFF + 6) ERROR('the MACs of a row lie together');

export function flowCreate(p: Pkt): Verdict {
  if (p.row || !p.isTracked || p.has(PKT_F_LATER_FRAGMENT)) return Verdict.NONE;
  const state = openingState(p);
  if (state == INVALID) {
    // A segment of no known connection goes its way untranslated, or nowhere.
    const isTcp = p.proto == IPPROTO_TCP;
    const reason = isTcp ? Drop.TCP_INVALID_STATE : Drop.SCTP_INVALID_STATE;
    return p.isService || isTranslated(p) ? drop(p, reason) : Verdict.NONE;
  }
  return p.has(PKT_F_IPV4) ? create<V4>(p, state) : create<V6>(p, state);
}

/** TcpState or SctpState after the first packet; 0 where there are none. */
function openingState(p: Pkt): u8 {
  if (p.proto == IPPROTO_TCP) return nextTcpState(<u8>TcpState.NONE, p.tcpFlags, false);
  if (p.proto == IPPROTO_SCTP) return nextSctpState(<u8>SctpState.NONE, p.sctpChunks, false);
  return 0;
}

function create<F>(p: Pkt, state: u8): Verdict {
  if (!uniqueReply<F>(p)) return drop(p, Drop.NO_FREE_PORT);
  if (isTraced()) return Verdict.NONE;
  const reply = replyRow<F>(p);
  if (!reply) return full(p);
  const back = Row.at(reply);
  // Live before the other one looks for a slot: a closed slot counts as vacant.
  publish<F>(back);
  const original = originalRow<F>(p, state);
  if (!original) {
    deleteRow<F>(back);
    return full(p);
  }
  const there = Row.at(original);
  tallyOf<F>(there).setPartner(rowIdx<F>(back));
  tallyOf<F>(back).setPartner(rowIdx<F>(there));
  publish<F>(there);
  chainFlow<F>(back, p.isService ? backendId(p.backend) : tupleKey(p.dstPtr, p.ports, p.proto));
  p.row = <u32>original;
  p.tally = <u32>tallyOf<F>(there).ptr;
  tallyOf<F>(there).add(p.len, nowMs());
  count(LaneCounter.FLOWS_CREATED, 1);
  return Verdict.NONE;
}

/** What needs no translation needs no row. */
function full(p: Pkt): Verdict {
  return isTranslated(p) ? drop(p, Drop.FLOW_TABLE_FULL) : Verdict.NONE;
}

function isTranslated(p: Pkt): bool {
  return (
    p.newPorts != p.ports ||
    p.newSrcLo != p.srcLo ||
    p.newSrcHi != p.srcHi ||
    p.newDstLo != p.dstLo ||
    p.newDstHi != p.dstHi
  );
}

/** The row that a reply to this flow would be taken for, 0 = none. */
function replyTaken<F>(p: Pkt): usize {
  const src = unmapped<F>(p.newDstPtr);
  const dst = unmapped<F>(p.newSrcPtr);
  return findFlow<F>(src, dst, swapPorts(p.newPorts), p.proto);
}

/** Give the flow another source port when its replies could not be told from another's. */
function uniqueReply<F>(p: Pkt): bool {
  const ownAddress = addrEq<F>(unmapped<F>(p.srcPtr), unmapped<F>(p.newSrcPtr));
  if (ownAddress && !replyTaken<F>(p)) return true;
  if (ownAddress) count(LaneCounter.PORT_CLASHES, 1);
  return keepPort<F>(p) || drawPort<F>(p, nextRandom());
}

/**
 * The port of the connection before, between the same ends. Who remembers that one takes the new one
 * for what it is, by its times and numbers (RFC 6191); with the port of a stranger it may refuse.
 */
function keepPort<F>(p: Pkt): bool {
  const port = <u32>be16(p.keptPort);
  if (!isSnatPort(port) || isPortTaken(port)) return false;
  p.newPorts = (p.newPorts & 0xffff0000) | p.keptPort;
  return !replyTaken<F>(p);
}

/** A port that no flow has towards this destination, or one whose connection is over. */
function drawPort<F>(p: Pkt, start: u32): bool {
  let over: usize = 0;
  let overPorts: u32 = 0;
  for (let i: u32 = 0; i < SNAT_PORT_TRIES; i++) {
    const port = candidatePort(start, i);
    if (isPortTaken(port)) continue;
    const portBe = <u32>be16(<u16>port);
    p.newPorts = p.has(PKT_F_ECHO) ? portBe | (portBe << 16) : portBe | (p.newPorts & 0xffff0000);
    const taken = replyTaken<F>(p);
    if (!taken) return true;
    if (over == 0 && isOver<F>(Row.at(taken))) {
      over = taken;
      overPorts = p.newPorts;
    }
    if (over != 0 && i >= SNAT_PORT_FREE_TRIES) break;
  }
  if (over == 0) return false;
  p.newPorts = overPorts;
  if (!isTraced()) deleteFlow<F>(Row.at(over));
  return true;
}

/** A slot for a tuple, by force if need be; its row is closed to readers. 0 = none. */
function takeRow<F>(src: usize, dst: usize, ports: u32, kind: u32): usize {
  let idx = vacantFlow<F>(src, dst, ports, kind);
  if (idx == NO_ROW) {
    if (!evict<F>(src, dst, ports, kind)) return 0;
    idx = vacantFlow<F>(src, dst, ports, kind);
    if (idx == NO_ROW) return 0;
  }
  const row = openRow<F>(idx);
  row.setPorts(ports);
  row.setKind(kind);
  addrCopy<F>(row.ptr + srcOff<F>(), src);
  addrCopy<F>(row.ptr + dstOff<F>(), dst);
  const tally = tallyAt<F>(idx);
  tally.setCreatedMs(nowMs());
  tally.setLaneSeenMs(nowMs());
  return row.ptr;
}

function originalRow<F>(p: Pkt, state: u8): usize {
  const src = unmapped<F>(p.srcPtr);
  const dst = unmapped<F>(p.dstPtr);
  const taken = takeRow<F>(src, dst, p.ports, p.proto);
  if (!taken) return 0;
  const row = Row.at(taken);
  translate<F>(row, unmapped<F>(p.newSrcPtr), unmapped<F>(p.newDstPtr), p.newPorts);
  row.setInIfindex(p.inIfindex);
  row.setAction(p.action);
  row.setOutIfindex(p.outIfindex);
  setMtu<F>(row, p.route);
  if (p.action == Action.POD) wayToPod(row, Link.find(p.outIfindex));
  else setNextHop(row, p.macs);
  if (p.route && Route.at(p.route).isTunnel) row.setFlags(row.flags | FLOW_F_TUNNEL);
  const tally = tallyOf<F>(row);
  tally.setState(state);
  if (p.isService) {
    tally.setServiceId(Service.of(p.service).id);
    tally.setBackendId(backendId(p.backend));
    // The next query of this tuple may be one that is answered in its frame.
    const isDns = p.proto == IPPROTO_UDP && Service.of(p.service).listener != 0;
    if (isDns) row.setFlags(row.flags | FLOW_F_CLIMB);
  }
  return taken;
}

function replyRow<F>(p: Pkt): usize {
  const src = unmapped<F>(p.newDstPtr);
  const dst = unmapped<F>(p.newSrcPtr);
  const taken = takeRow<F>(src, dst, swapPorts(p.newPorts), p.proto);
  if (!taken) return 0;
  const row = Row.at(taken);
  translate<F>(row, unmapped<F>(p.dstPtr), unmapped<F>(p.srcPtr), swapPorts(p.ports));
  row.setFlags(row.flags | FLOW_F_REPLY);
  tallyOf<F>(row).setFlags(TALLY_F_REPLY);
  // Replies may come in by another uplink than requests go out; from a pod only by its own link.
  row.setInIfindex(p.action == Action.UPLINK ? 0 : p.outIfindex);
  wayBack(p, row);
  // Only beyond an uplink may a route be narrower than its link.
  setMtu<F>(row, isUplink(p) ? lpmFind(p.srcPtr) : 0);
  return taken;
}

function isUplink(p: Pkt): bool {
  return Link.at(p.link).kind == <u8>LinkKind.UPLINK;
}

/** The host fragments for itself; what 16 bits do not hold is no limit for an IP packet. */
function setMtu<F>(row: Row, route: usize): void {
  const mtu = row.action == <u8>Action.HOST ? 0 : wayMtu(route, row.outIfindex);
  store<u16>(row.ptr + mtuOff<F>(), mtu > 0xffff ? 0 : <u16>mtu);
}

/** The reply goes to where the packet came from. */
function wayBack(p: Pkt, row: Row): void {
  const link = Link.at(p.link);
  row.setOutIfindex(p.inIfindex);
  switch (<u32>link.kind) {
    case LinkKind.POD:
      row.setAction(Action.POD);
      wayToPod(row, p.link);
      return;
    case LinkKind.UPLINK:
      row.setAction(Action.UPLINK);
      // A frame straight from the wire still shows its last hop; one from the trunk does not.
      if (link.port != 0) copyMacs(row, <usize>p.frame + ETH_SRC_OFF, <usize>p.frame + ETH_DST_OFF);
      else backByRoute(row, link, lpmFind(p.srcPtr));
      return;
    default:
      row.setAction(Action.HOST);
      if (isOwnAddr(p.dstPtr)) row.setFlags(row.flags | FLOW_F_TRUNK);
  }
}

/**
 * Who is beyond a tunnel is told by the route, whatever way the packet came: the kernel's routes
 * out of a tunnel know the pods of other nodes and nobody else.
 */
function backByRoute(row: Row, link: Link, found: usize): void {
  if (!found) return;
  const way = Route.at(found);
  if (way.action != <u8>Action.UPLINK || !(way.isTunnel || link.isTunnel)) return;
  row.setOutIfindex(way.ifindex);
  setNextHop(row, hasMac(way.dstMacPtr) ? <u32>way.dstMacPtr : 0);
  if (way.isTunnel) row.setFlags(row.flags | FLOW_F_TUNNEL);
}

/** @param ptr  the pod's link, 0 = it is gone */
function wayToPod(row: Row, ptr: usize): void {
  if (!ptr) return;
  const link = Link.at(ptr);
  setNextHop(row, <u32>link.macPtr);
  if (link.isShaped) row.setFlags(row.flags | FLOW_F_SHAPED);
}

/** @param macs destination and source, twelve bytes; 0 = none */
function setNextHop(row: Row, macs: u32): void {
  if (macs) copyMacs(row, macs, macs + 6);
}

function copyMacs(row: Row, dst: usize, src: usize): void {
  copyMac(row.dstMacPtr, dst);
  copyMac(row.srcMacPtr, src);
  row.setFlags(row.flags | FLOW_F_MACS);
}

/** Write what the tuple becomes, and the checksum deltas that go with it. */
function translate<F>(row: Row, newSrc: usize, newDst: usize, newPorts: u32): void {
  const src = row.ptr + srcOff<F>();
  const dst = row.ptr + dstOff<F>();
  addrCopy<F>(row.ptr + newSrcOff<F>(), newSrc);
  addrCopy<F>(row.ptr + newDstOff<F>(), newDst);
  row.setNewPorts(newPorts);
  const same = addrEq<F>(src, newSrc) && addrEq<F>(dst, newDst) && newPorts == row.ports;
  row.setFlags(same ? 0 : FLOW_F_NAT);
  row.setAddrDelta(
    isV4<F>() ? addrDelta4(src, newSrc, dst, newDst) : addrDelta6(src, newSrc, dst, newDst),
  );
  row.setPortDelta(portDelta(row, newPorts));
}

function addrDelta4(src: usize, newSrc: usize, dst: usize, newDst: usize): u16 {
  return addDelta(
    deltaU32(load<u32>(src), load<u32>(newSrc)),
    deltaU32(load<u32>(dst), load<u32>(newDst)),
  );
}

function addrDelta6(src: usize, newSrc: usize, dst: usize, newDst: usize): u16 {
  return addDelta(deltaAddr6(src, newSrc), deltaAddr6(dst, newDst));
}

/** An echo's identifier stands in both halves but in the packet only once. */
function portDelta(row: Row, newPorts: u32): u16 {
  const proto = row.kind & 0xff;
  const echo = proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
  return echo ? deltaU32(row.ports & 0xffff, newPorts & 0xffff) : deltaU32(row.ports, newPorts);
}
