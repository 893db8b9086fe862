/**
 * Where every frame of UMEM is, read from memory alone: on the stack of free ones, on one of the
 * four rings of a port, or waiting for the first fragment of its datagram. Nobody holds a frame
 * outside of these between two calls.
 */
import {
  DIRECTORY_BASE,
  DIR_ENTRY_SIZE,
  DIR_USED_OFF,
  FRAGMENT_SIZE,
  FRAGMENT_STATE_OFF,
  FRAGMENT_WAITING_OFF,
  PORT_COMP_OFF,
  PORT_FILL_OFF,
  PORT_RX_OFF,
  PORT_TX_OFF,
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_PRODUCER_OFF,
  RING_SIZE_OFF,
  RegionId,
  RowState,
  XDP_DESC_SIZE,
} from '../../assembly/abi.js';
import type { Core } from '../../src/core/core.js';
import { portRecord } from '../../src/port/port.js';

const RINGS = [
  { name: 'rx', off: PORT_RX_OFF, entry: XDP_DESC_SIZE },
  { name: 'tx', off: PORT_TX_OFF, entry: XDP_DESC_SIZE },
  { name: 'fill', off: PORT_FILL_OFF, entry: 8 },
  { name: 'completion', off: PORT_COMP_OFF, entry: 8 },
] as const;

/** @returns what is wrong, in words; nothing when every frame is in exactly one place */
export function auditFrames(core: Core, ports: number): string[] {
  const { words } = core;
  const { rowSize, capacity } = core.region(RegionId.UMEM);
  const places = new Map<number, string[]>();
  const found = (offset: number, place: string): void => {
    const frame = Math.floor(offset / rowSize);
    places.set(frame, [...(places.get(frame) ?? []), place]);
  };
  const free = words.getUint32(
    DIRECTORY_BASE + RegionId.FREE * DIR_ENTRY_SIZE + DIR_USED_OFF,
    true,
  );
  const stack = core.region(RegionId.FREE).base;
  for (let i = 0; i < free; i++) found(words.getUint32(stack + i * 4, true), 'free');
  for (let idx = 0; idx < ports; idx++) {
    for (const { name, off, entry } of RINGS) {
      const word = (at: number): number => words.getUint32(portRecord(idx) + off + at, true);
      const producer = words.getUint32(word(RING_PRODUCER_OFF), true);
      const mask = word(RING_SIZE_OFF) - 1;
      let at = words.getUint32(word(RING_CONSUMER_OFF), true);
      for (; at !== producer; at = (at + 1) >>> 0) {
        const offset = words.getBigUint64(word(RING_DESC_OFF) + (at & mask) * entry, true);
        found(Number(offset), `${name} of port ${idx}`);
      }
    }
  }
  for (const offset of waitingFrames(core)) found(offset, 'waiting');
  const wrong: string[] = [];
  for (let frame = 0; frame < capacity; frame++) {
    const where = places.get(frame) ?? [];
    if (where.length !== 1) wrong.push(`frame ${frame}: ${where.join(' and ') || 'nowhere'}`);
  }
  for (const [frame, where] of places) {
    if (frame >= capacity) wrong.push(`frame ${frame} of ${where.join()} is not UMEM's`);
  }
  return wrong;
}

/** UMEM offsets of the frames that wait for a first fragment: lists through the frames themselves. */
export function waitingFrames(core: Core): number[] {
  const { words } = core;
  const rows = core.region(RegionId.FRAGMENTS);
  const umem = core.region(RegionId.UMEM);
  const waiting: number[] = [];
  for (let idx = 0; idx < rows.capacity; idx++) {
    const row = rows.base + idx * FRAGMENT_SIZE;
    if (words.getUint32(row + FRAGMENT_STATE_OFF, true) !== RowState.LIVE) continue;
    let next = words.getUint32(row + FRAGMENT_WAITING_OFF, true);
    while (next !== 0) {
      waiting.push(next - 1);
      if (waiting.length > umem.capacity) return waiting;
      next = words.getUint32(umem.base + (next - 1) - ((next - 1) % umem.rowSize), true);
    }
  }
  return waiting;
}
