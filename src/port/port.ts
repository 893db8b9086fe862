/**
 * A port: something that fills the four rings of a port record. What differs between backends is
 * who plays the kernel's part, and which system call makes it look.
 */
import {
  PLAIN_RING_CONSUMER_OFF,
  PLAIN_RING_DESC_OFF,
  PLAIN_RING_FLAGS_OFF,
  PLAIN_RING_PRODUCER_OFF,
  PORTS_BASE,
  PORT_COMP_OFF,
  PORT_FILL_OFF,
  PORT_IFINDEX_OFF,
  PORT_KIND_OFF,
  PORT_RX_OFF,
  PORT_SIZE,
  PORT_TX_OFF,
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_FLAGS_OFF,
  RING_PRODUCER_OFF,
  RING_SIZE_OFF,
  RegionId,
  XDP_DESC_SIZE,
} from '../../assembly/abi.js';
import type { PortKind } from '../../assembly/abi.js';
import { DataplaneError } from '../errors.js';

export interface Port {
  /** What to wait on; -1 when there is nothing to wait on. */
  readonly fd: number;
  /** One line for the log: device, queue, mode. */
  readonly description: string;
  /** Move frames where no kernel does it. @returns frames moved */
  pump(budget: number): number;
  /** The core's kick mask said so: transmit, or look at the fill ring again. */
  kick(tx: boolean, rx: boolean): void;
  close(): void;
}

/** The part of a core that ports need. */
export interface PortMemory {
  readonly view: Uint8Array;
  readonly words: DataView;
  region(id: RegionId): {
    readonly base: number;
    readonly rowSize: number;
    readonly capacity: number;
  };
}

/** Linear address of port `idx`'s record. */
export function portRecord(idx: number): number {
  return PORTS_BASE + idx * PORT_SIZE;
}

/** Declare what a port carries. @param ifindex link of all its frames; 0 = the trunk */
export function describePort(words: DataView, idx: number, kind: PortKind, ifindex: number): void {
  words.setUint32(portRecord(idx) + PORT_IFINDEX_OFF, ifindex, true);
  words.setUint32(portRecord(idx) + PORT_KIND_OFF, kind, true);
}

/** Hands out parts of the RINGS region, in whole pages. */
export interface RingSpace {
  take(bytes: number): number;
}

const PAGE = 4096;

export function createRingSpace(memory: PortMemory): RingSpace {
  const { base, capacity } = memory.region(RegionId.RINGS);
  let next = base;
  return {
    take: (bytes) => {
      const at = next;
      next += Math.ceil(bytes / PAGE) * PAGE;
      if (next <= base + capacity) return at;
      const message = `rings need ${String(next - base)} bytes, the RINGS region has ${String(capacity)}`;
      throw new DataplaneError('ERR_CONFIG', message);
    },
  };
}

const ADDR_SIZE = 8;
const RINGS = [
  { off: PORT_RX_OFF, entry: XDP_DESC_SIZE },
  { off: PORT_TX_OFF, entry: XDP_DESC_SIZE },
  { off: PORT_FILL_OFF, entry: ADDR_SIZE },
  { off: PORT_COMP_OFF, entry: ADDR_SIZE },
];

/** Four rings in ordinary memory, for backends without AF_XDP. @param size entries, power of two */
export function placePlainRings(
  memory: PortMemory,
  idx: number,
  space: RingSpace,
  size: number,
): void {
  for (const { off, entry } of RINGS) {
    const at = space.take(PLAIN_RING_DESC_OFF + size * entry);
    const ring = portRecord(idx) + off;
    memory.words.setUint32(ring + RING_PRODUCER_OFF, at + PLAIN_RING_PRODUCER_OFF, true);
    memory.words.setUint32(ring + RING_CONSUMER_OFF, at + PLAIN_RING_CONSUMER_OFF, true);
    memory.words.setUint32(ring + RING_FLAGS_OFF, at + PLAIN_RING_FLAGS_OFF, true);
    memory.words.setUint32(ring + RING_DESC_OFF, at + PLAIN_RING_DESC_OFF, true);
    memory.words.setUint32(ring + RING_SIZE_OFF, size, true);
  }
}
