/**
 * A port that is only memory: whoever holds it plays the kernel. For tests, captures and fuzzing;
 * the core cannot tell it from AF_XDP.
 */
import {
  FRAME_HEADROOM,
  PORT_COMP_OFF,
  PORT_FILL_OFF,
  PORT_RX_OFF,
  PORT_TX_OFF,
  PortKind,
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_PRODUCER_OFF,
  RING_SIZE_OFF,
  RegionId,
  VNET_HLEN,
  XDP_DESC_LEN_OFF,
  XDP_DESC_SIZE,
} from '../../assembly/abi.js';
import { describePort, placePlainRings, portRecord } from './port.js';
import type { Port, PortMemory, RingSpace } from './port.js';

export interface MemoryPort extends Port {
  /**
   * Deliver a frame, for VNET with its virtio header in front.
   *
   * @returns false, as a kernel drops it, when no frame is posted or the rx ring is full
   */
  push(frame: Uint8Array): boolean;
  /** Take the next sent frame, for VNET with its virtio header; undefined = none. */
  take(): Uint8Array | undefined;
}

export interface MemoryPortSpec {
  readonly idx: number;
  /** 0 = the trunk. */
  readonly ifindex: number;
  readonly kind?: PortKind.FRAMES | PortKind.VNET;
  /** Entries a ring, a power of two. */
  readonly ringSize?: number;
}

const ADDR_SIZE = 8;

export function openMemoryPort(
  memory: PortMemory,
  space: RingSpace,
  spec: MemoryPortSpec,
): MemoryPort {
  const { idx, ifindex, kind = PortKind.FRAMES, ringSize = 512 } = spec;
  const { words, view } = memory;
  placePlainRings(memory, idx, space, ringSize);
  describePort(words, idx, kind, ifindex);
  const umem = memory.region(RegionId.UMEM).base;
  const headerLen = kind === PortKind.VNET ? VNET_HLEN : 0;
  const ring = (off: number): PlainRing => plainRing(words, portRecord(idx) + off);
  const rx = ring(PORT_RX_OFF);
  const tx = ring(PORT_TX_OFF);
  const fill = ring(PORT_FILL_OFF);
  const comp = ring(PORT_COMP_OFF);
  return {
    fd: -1,
    description: `memory port ${String(idx)}`,
    pump: () => 0,
    kick: () => undefined,
    close: () => {
      describePort(words, idx, PortKind.NONE, 0);
    },
    push: (frame) => {
      const slot = fill.read();
      if (slot === undefined || rx.isFull()) return false;
      const at = Number(words.getBigUint64(slot, true)) + FRAME_HEADROOM;
      fill.release();
      view.set(frame, umem + at - headerLen);
      const desc = rx.write(XDP_DESC_SIZE);
      words.setBigUint64(desc, BigInt(at), true);
      words.setUint32(desc + XDP_DESC_LEN_OFF, frame.length - headerLen, true);
      rx.submit();
      return true;
    },
    take: () => {
      const desc = tx.read(XDP_DESC_SIZE);
      if (desc === undefined) return undefined;
      const at = Number(words.getBigUint64(desc, true));
      const len = words.getUint32(desc + XDP_DESC_LEN_OFF, true);
      const frame = view.slice(umem + at - headerLen, umem + at + len);
      tx.release();
      words.setBigUint64(comp.write(ADDR_SIZE), BigInt(at), true);
      comp.submit();
      return frame;
    },
  };
}

interface PlainRing {
  /** Address of the next entry to read; undefined = empty. */
  read(entrySize?: number): number | undefined;
  release(): void;
  /** Frames are posted while others wait on the rx ring: there may be more than it holds. */
  isFull(): boolean;
  /** Address of the next entry to write; the ring is not full. */
  write(entrySize: number): number;
  submit(): void;
}

function plainRing(words: DataView, record: number): PlainRing {
  const word = (off: number): number => words.getUint32(record + off, true);
  const producerAt = word(RING_PRODUCER_OFF);
  const consumerAt = word(RING_CONSUMER_OFF);
  const descAt = word(RING_DESC_OFF);
  const mask = word(RING_SIZE_OFF) - 1;
  const bump = (at: number): void => {
    words.setUint32(at, (words.getUint32(at, true) + 1) >>> 0, true);
  };
  const entry = (at: number, size: number): number =>
    descAt + (words.getUint32(at, true) & mask) * size;
  return {
    read: (size = ADDR_SIZE) =>
      words.getUint32(producerAt, true) === words.getUint32(consumerAt, true)
        ? undefined
        : entry(consumerAt, size),
    release: () => {
      bump(consumerAt);
    },
    isFull: () =>
      (words.getUint32(producerAt, true) - words.getUint32(consumerAt, true)) >>> 0 > mask,
    write: (size) => entry(producerAt, size),
    submit: () => {
      bump(producerAt);
    },
  };
}
