/**
 * Datagrams in pieces: what the first fragment has told about ports, for those that have none
 * (virtual reassembly, RFC 4787 REQ-14), and the frames that came before it.
 *
 * A datagram may lie in WAYS slots from its hashed one on, and all of them are looked at: a row that
 * goes leaves nothing behind. The region is at most half full.
 */
import {
  CONTROL_BASE,
  CONTROL_SWEEP_FRAGMENTS_OFF,
  Drop,
  FRAGMENT_SIZE,
  FRAGMENT_UNKNOWN,
  LaneCounter,
  RegionId,
  RowState,
} from '../abi';
import { nhFlow6 } from '../mem/hash';
import { regionBase, regionCapacity, regionUsed, setRegionUsed } from '../mem/region';
import { count, countDrop } from '../table/counters';
import { poolPush } from '../table/pool';
import { Datagram } from './datagram';
import { FRAGMENT_WAITING_MAX, setHeld, takeWaiting } from './waiting';

const WAYS: u32 = 8;

/** Nothing is known and nothing waits; the frames are all on the stack of free ones. */
export function fragmentsReset(): void {
  const base = regionBase(RegionId.FRAGMENTS);
  memory.fill(base, 0, <usize>regionCapacity(RegionId.FRAGMENTS) * FRAGMENT_SIZE);
  setRegionUsed(RegionId.FRAGMENTS, 0);
  setHeld(0);
}

function datagramAt(slot: u32): Datagram {
  const mask = regionCapacity(RegionId.FRAGMENTS) - 1;
  return Datagram.at(regionBase(RegionId.FRAGMENTS) + <usize>((slot & mask) * FRAGMENT_SIZE));
}

/** Identification and link stand where a flow has its ports and its protocol. */
function slotOf(src: usize, dst: usize, id: u32, proto: u32, inIfindex: u32): u32 {
  return nhFlow6(src, dst, id, proto | (inIfindex << 8));
}

/**
 * @param src, dst  addresses of 16 bytes
 * @param id        identification, as it lies in the packet
 * @returns         address of the datagram's row, 0 = none, or its time is up
 */
export function findDatagram(src: usize, dst: usize, id: u32, proto: u32, inIfindex: u32): usize {
  const first = slotOf(src, dst, id, proto, inIfindex);
  for (let i: u32 = 0; i < WAYS; i++) {
    const row = datagramAt(first + i);
    if (!row.isLive || !row.is(src, dst, id, proto, inIfindex)) continue;
    if (!row.isExpired) return row.ptr;
    forget(row);
    return 0;
  }
  return 0;
}

/**
 * A new row for a datagram that has none.
 *
 * @param byForce  take the place of one whose first fragment was here, if need be
 * @returns        its address, 0 = no room
 */
export function openDatagram(
  src: usize,
  dst: usize,
  id: u32,
  proto: u32,
  inIfindex: u32,
  byForce: bool,
): usize {
  const vacant = vacantRow(slotOf(src, dst, id, proto, inIfindex), byForce);
  if (!vacant) return 0;
  Datagram.at(vacant).begin(src, dst, id, proto, inIfindex);
  setRegionUsed(RegionId.FRAGMENTS, regionUsed(RegionId.FRAGMENTS) + 1);
  return vacant;
}

function vacantRow(first: u32, byForce: bool): usize {
  const isFull = regionUsed(RegionId.FRAGMENTS) >= regionCapacity(RegionId.FRAGMENTS) >> 1;
  let oldest: usize = 0;
  for (let i: u32 = 0; i < WAYS; i++) {
    const row = datagramAt(first + i);
    if (row.isLive && row.isExpired) {
      forget(row);
      return row.ptr;
    }
    if (!row.isLive) {
      if (!isFull) return row.ptr;
    } else if (row.known != FRAGMENT_UNKNOWN && row.waiting == 0) {
      if (!oldest || row.ageMs > Datagram.at(oldest).ageMs) oldest = row.ptr;
    }
  }
  if (!byForce || !oldest) return 0;
  forget(Datagram.at(oldest));
  return oldest;
}

/** Free a row; what still waits for its first fragment is dropped. */
function forget(row: Datagram): void {
  for (let i: u32 = 0; i < FRAGMENT_WAITING_MAX; i++) {
    const frame = takeWaiting(row);
    if (frame == 0) break;
    poolPush(frame - 1);
    countDrop(<u8>Drop.FRAGMENT_TIMEOUT);
    count(LaneCounter.DROPPED, 1);
  }
  row.setState(RowState.EMPTY);
  setRegionUsed(RegionId.FRAGMENTS, regionUsed(RegionId.FRAGMENTS) - 1);
}

/** Forget datagrams whose time is up among the next `budget` slots. */
export function sweepFragments(budget: u32): void {
  const cursor: usize = CONTROL_BASE + CONTROL_SWEEP_FRAGMENTS_OFF;
  const mask = regionCapacity(RegionId.FRAGMENTS) - 1;
  let slot = load<u32>(cursor) & mask;
  for (let n = min<u32>(budget, mask + 1); n > 0; n--, slot = (slot + 1) & mask) {
    const row = datagramAt(slot);
    if (row.isLive && row.isExpired) forget(row);
  }
  store<u32>(cursor, slot);
}
