/**
 * Frames that wait for the first fragment of their datagram, in the order they came.
 *
 *   row   waiting ------> frame ----> frame ----> 0
 *         last waiting ---------------^
 *
 * A waiting frame stays where it was received. Its list entry lies at the start of its UMEM frame,
 * in the headroom nobody else writes to:
 *
 *    0        4        8
 *   +--------+--------+--------+
 *   | next   | length | port   |      next: UMEM offset + 1 of the Ethernet header, 0 = the last
 *   +--------+--------+--------+
 */
import { CONTROL_BASE, CONTROL_FRAGMENTS_HELD_OFF, RegionId, VNET_HLEN } from '../abi';
import { regionBase, regionCapacity, regionRowSize } from '../mem/region';
import { Datagram } from './datagram';

/** Frames that wait for one first fragment at most: a datagram of 64 KiB has 45 of 1500 bytes. */
export const FRAGMENT_WAITING_MAX: u32 = 64;
/** Of all frames, one in 2^3 may wait. */
const HELD_SHARE_SHIFT: u32 = 3;

const WAIT_NEXT_OFF: usize = 0;
const WAIT_LEN_OFF: usize = 4;
const WAIT_PORT_OFF: usize = 8;
const WAIT_SIZE: u32 = 12;

/** Frames that wait. */
function held(): u32 {
  return load<u32>(CONTROL_BASE + CONTROL_FRAGMENTS_HELD_OFF);
}

export function setHeld(v: u32): void {
  store<u32>(CONTROL_BASE + CONTROL_FRAGMENTS_HELD_OFF, v);
}

/** Whether one more frame may wait anywhere. @param frame linear address of its Ethernet header */
export function mayHold(frame: usize): bool {
  const offset = (<u32>(frame - regionBase(RegionId.UMEM))) & (regionRowSize(RegionId.UMEM) - 1);
  if (offset < WAIT_SIZE + VNET_HLEN) return false;
  return held() < regionCapacity(RegionId.UMEM) >> HELD_SHARE_SHIFT;
}

/** Address of a waiting frame's list entry. @param umemOff any offset within the frame */
function waitPtr(umemOff: u32): usize {
  return regionBase(RegionId.UMEM) + (umemOff & ~(regionRowSize(RegionId.UMEM) - 1));
}

/**
 * Keep a frame until the first fragment comes; `mayHold` must have said yes.
 *
 * @param port  address of the I/O port it came by
 * @returns     false when too many wait for the same one: the frame stays the caller's
 */
export function hold(row: Datagram, frame: usize, len: u32, port: u32): bool {
  const before = row.waitingCount;
  if (before >= FRAGMENT_WAITING_MAX) return false;
  const umemOff = <u32>(frame - regionBase(RegionId.UMEM));
  const entry = waitPtr(umemOff);
  store<u32>(entry, 0, WAIT_NEXT_OFF);
  store<u32>(entry, len, WAIT_LEN_OFF);
  store<u32>(entry, port, WAIT_PORT_OFF);
  if (row.waiting == 0) row.setWaiting(umemOff + 1);
  else store<u32>(waitPtr(row.lastWaiting - 1), umemOff + 1, WAIT_NEXT_OFF);
  row.setLastWaiting(umemOff + 1);
  row.setWaitingCount(before + 1);
  setHeld(held() + 1);
  return true;
}

/** Let go the frame that waits longest. @returns its UMEM offset + 1, 0 = none waits */
export function takeWaiting(row: Datagram): u32 {
  const first = row.waiting;
  if (first == 0) return 0;
  row.setWaiting(load<u32>(waitPtr(first - 1), WAIT_NEXT_OFF));
  row.setWaitingCount(row.waitingCount - 1);
  setHeld(held() - 1);
  return first;
}

/** Bytes of a frame that `takeWaiting` has just let go. */
export function waitedLen(umemOff: u32): u32 {
  return load<u32>(waitPtr(umemOff), WAIT_LEN_OFF);
}

/** Address of the I/O port such a frame came by. */
export function waitedPort(umemOff: u32): u32 {
  return load<u32>(waitPtr(umemOff), WAIT_PORT_OFF);
}
