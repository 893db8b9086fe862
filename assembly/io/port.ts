/**
 * A port: four rings and the frames lent through them.
 *
 * A frame is in exactly one place: free (table/pool.ts), posted (fill ring, kernel, rx ring), in
 * flight (tx ring, kernel, completion ring) or held (flow/fragments.ts). `posted` and `inFlight`
 * count two of them; their sum over all ports with the free and the held ones is every frame there
 * is (`framesAccounted`).
 */
import {
  CONTROL_BASE,
  CONTROL_FRAGMENTS_HELD_OFF,
  PORTS_BASE,
  PORTS_BYTES,
  PORT_COMP_OFF,
  PORT_FILL_OFF,
  PORT_IFINDEX_OFF,
  PORT_IN_FLIGHT_OFF,
  PORT_KIND_OFF,
  PORT_MAX,
  PORT_POSTED_OFF,
  PORT_RX_OFF,
  PORT_RX_PACKETS_OFF,
  PORT_SIZE,
  PORT_STAGED_OFF,
  PORT_TX_OFF,
  PORT_TX_PACKETS_OFF,
  PortKind,
} from '../abi';
import { poolCount, poolPop, poolPush } from '../table/pool';
import { Ring, writeDesc } from './ring';

if (PORT_MAX * PORT_SIZE > PORTS_BYTES) ERROR('PORTS is too small');

/** A refill is worth its two atomics from this many entries on. */
const REFILL_MIN: u32 = 32;

@unmanaged
@final
export class Port {
  @inline static at(ptr: usize): Port {
    return changetype<Port>(ptr);
  }

  @inline get ptr(): usize {
    return changetype<usize>(this);
  }

  @inline get kind(): u32 {
    return load<u32>(this.ptr, PORT_KIND_OFF);
  }

  /** The link all its frames belong to; 0 = the trunk, where each is stamped. */
  @inline get ifindex(): u32 {
    return load<u32>(this.ptr, PORT_IFINDEX_OFF);
  }

  @inline get rx(): Ring {
    return Ring.at(this.ptr + PORT_RX_OFF);
  }

  @inline get tx(): Ring {
    return Ring.at(this.ptr + PORT_TX_OFF);
  }

  @inline get fill(): Ring {
    return Ring.at(this.ptr + PORT_FILL_OFF);
  }

  @inline get comp(): Ring {
    return Ring.at(this.ptr + PORT_COMP_OFF);
  }

  @inline get posted(): u32 {
    return load<u32>(this.ptr, PORT_POSTED_OFF);
  }

  @inline setPosted(v: u32): void {
    store<u32>(this.ptr, v, PORT_POSTED_OFF);
  }

  @inline get inFlight(): u32 {
    return load<u32>(this.ptr, PORT_IN_FLIGHT_OFF);
  }

  @inline setInFlight(v: u32): void {
    store<u32>(this.ptr, v, PORT_IN_FLIGHT_OFF);
  }

  /** Tx descriptors written but not submitted. */
  @inline get staged(): u32 {
    return load<u32>(this.ptr, PORT_STAGED_OFF);
  }

  @inline setStaged(v: u32): void {
    store<u32>(this.ptr, v, PORT_STAGED_OFF);
  }

  @inline add(counterOff: usize, by: u32): void {
    store<u64>(this.ptr + counterOff, load<u64>(this.ptr + counterOff) + by);
  }
}

/** Address of port `idx`'s record. */
export function portAt(idx: u32): usize {
  return PORTS_BASE + idx * PORT_SIZE;
}

export function isAttached(idx: u32): bool {
  return Port.at(portAt(idx)).kind != PortKind.NONE;
}

/** Lend free frames to the kernel for receiving. */
export function refill(port: Port): void {
  const fill = port.fill;
  const count = min<u32>(fill.writable, poolCount());
  if (count < REFILL_MIN && port.posted != 0) return;
  const first = fill.producer;
  for (let i: u32 = 0; i < count; i++) store<u64>(fill.addrAt(first + i), poolPop());
  fill.submit(count);
  port.setPosted(port.posted + count);
}

/** Take back the frames whose sending is over. */
export function reclaim(port: Port): void {
  const comp = port.comp;
  const count = comp.readable;
  if (count == 0) return;
  const first = comp.consumer;
  for (let i: u32 = 0; i < count; i++) poolPush(<u32>load<u64>(comp.addrAt(first + i)));
  comp.release(count);
  port.setInFlight(port.inFlight - count);
}

/**
 * Put a frame on the tx ring, to be sent with the next `submitTx`.
 *
 * @param umemOff  where the Ethernet header lies in UMEM
 * @returns        false when the ring is full: the frame stays the caller's
 */
export function stageTx(port: Port, umemOff: u32, len: u32): bool {
  const tx = port.tx;
  const staged = port.staged;
  if (staged >= tx.writable) return false;
  writeDesc(tx.descAt(tx.producer + staged), umemOff, len);
  port.setStaged(staged + 1);
  return true;
}

/** Hand the staged frames to the kernel: one store per burst. */
export function submitTx(port: Port): void {
  const staged = port.staged;
  if (staged == 0) return;
  port.tx.submit(staged);
  port.setStaged(0);
  port.setInFlight(port.inFlight + staged);
  port.add(PORT_TX_PACKETS_OFF, staged);
}

/** Received frames are ours from here on. */
export function takeRx(port: Port, count: u32): void {
  port.rx.release(count);
  port.setPosted(port.posted - count);
  port.add(PORT_RX_PACKETS_OFF, count);
}

/** Frames that have a place; equal to all of UMEM's between bursts, always. */
export function framesAccounted(): u32 {
  let total = poolCount() + load<u32>(CONTROL_BASE + CONTROL_FRAGMENTS_HELD_OFF);
  for (let i: u32 = 0; i < <u32>PORT_MAX; i++) {
    if (!isAttached(i)) continue;
    const port = Port.at(portAt(i));
    total += port.posted + port.inFlight;
  }
  return total;
}
