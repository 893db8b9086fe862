/**
 * One AF_XDP ring (linux/if_xdp.h): an index pair and an array of descriptors, one producer and one
 * consumer, one of them the kernel. The names follow xsk.h of libxdp.
 *
 * A ring is named by the address of its record (RING_* in abi.ts). Indices run freely modulo 2^32.
 * WebAssembly atomics are sequentially consistent, which covers the acquire/release pairs of xsk.h.
 */
import {
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_FLAGS_OFF,
  RING_PRODUCER_OFF,
  RING_SIZE_OFF,
  XDP_DESC_ADDR_OFF,
  XDP_DESC_LEN_OFF,
  XDP_DESC_OPTIONS_OFF,
  XDP_DESC_SIZE,
  XDP_RING_NEED_WAKEUP,
} from '../abi';
import { loadShared, storeShared } from '../mem/shared';

/** Bytes of a fill or completion entry. */
const ADDR_SIZE_SHIFT: u32 = 3;
const DESC_SIZE_SHIFT: u32 = 4;
if (XDP_DESC_SIZE != 1 << DESC_SIZE_SHIFT) ERROR('xdp_desc is 16 bytes');

@unmanaged
@final
export class Ring {
  @inline static at(ptr: usize): Ring {
    return changetype<Ring>(ptr);
  }

  @inline get ptr(): usize {
    return changetype<usize>(this);
  }

  @inline get producerPtr(): usize {
    return load<u32>(this.ptr, RING_PRODUCER_OFF);
  }

  @inline get consumerPtr(): usize {
    return load<u32>(this.ptr, RING_CONSUMER_OFF);
  }

  @inline get producer(): u32 {
    return loadShared(this.producerPtr);
  }

  @inline get consumer(): u32 {
    return loadShared(this.consumerPtr);
  }

  @inline get size(): u32 {
    return load<u32>(this.ptr, RING_SIZE_OFF);
  }

  /** Entries a consumer may read. */
  @inline get readable(): u32 {
    return this.producer - this.consumer;
  }

  /** Entries a producer may write. */
  @inline get writable(): u32 {
    return this.size - this.readable;
  }

  /** Hand `count` written entries to the consumer. */
  @inline submit(count: u32): void {
    storeShared(this.producerPtr, this.producer + count);
  }

  /** Give `count` read entries back to the producer. */
  @inline release(count: u32): void {
    storeShared(this.consumerPtr, this.consumer + count);
  }

  /** Address of a fill or completion entry, a u64 UMEM offset. */
  @inline addrAt(idx: u32): usize {
    const slot = idx & (this.size - 1);
    return <usize>load<u32>(this.ptr, RING_DESC_OFF) + ((<usize>slot) << ADDR_SIZE_SHIFT);
  }

  /** Address of an rx or tx entry, an xdp_desc. */
  @inline descAt(idx: u32): usize {
    const slot = idx & (this.size - 1);
    return <usize>load<u32>(this.ptr, RING_DESC_OFF) + ((<usize>slot) << DESC_SIZE_SHIFT);
  }

  /** The kernel sleeps on this ring and wants to be told. */
  @inline get needsWakeup(): bool {
    return (load<u32>(load<u32>(this.ptr, RING_FLAGS_OFF)) & XDP_RING_NEED_WAKEUP) != 0;
  }
}

export function descAddr(desc: usize): u64 {
  return load<u64>(desc, XDP_DESC_ADDR_OFF);
}

export function descLen(desc: usize): u32 {
  return load<u32>(desc, XDP_DESC_LEN_OFF);
}

export function writeDesc(desc: usize, addr: u64, len: u32): void {
  store<u64>(desc, addr, XDP_DESC_ADDR_OFF);
  store<u32>(desc, len, XDP_DESC_LEN_OFF);
  store<u32>(desc, 0, XDP_DESC_OPTIONS_OFF);
}
