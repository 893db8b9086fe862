/** A row of FRAGMENTS: one datagram in pieces, and what its first fragment has told. */
import {
  FRAGMENT_DST_OFF,
  FRAGMENT_HAS_NONE,
  FRAGMENT_HAS_PORTS,
  FRAGMENT_ID_OFF,
  FRAGMENT_IN_IFINDEX_OFF,
  FRAGMENT_KNOWN_OFF,
  FRAGMENT_LAST_WAITING_OFF,
  FRAGMENT_PORTS_OFF,
  FRAGMENT_PROTO_OFF,
  FRAGMENT_SEEN_MS_OFF,
  FRAGMENT_SIZE,
  FRAGMENT_SRC_OFF,
  FRAGMENT_STATE_OFF,
  FRAGMENT_WAITING_COUNT_OFF,
  FRAGMENT_WAITING_OFF,
  RowState,
} from '../abi';
import { addrEquals, clearLine, copyAddr } from '../mem/addr';
import { nowMs } from '../mem/clock';

if (FRAGMENT_SIZE != 64) ERROR('a row of FRAGMENTS is a cache line');

/** Linux's net.ipv4.ipfrag_time. */
const TIMEOUT_MS: u32 = 30_000;

@unmanaged
@final
export class Datagram {
  @inline static at(ptr: usize): Datagram {
    return changetype<Datagram>(ptr);
  }

  @inline get ptr(): usize {
    return changetype<usize>(this);
  }

  @inline get isLive(): bool {
    return load<u32>(this.ptr, FRAGMENT_STATE_OFF) == <u32>RowState.LIVE;
  }

  /** FRAGMENT_UNKNOWN, FRAGMENT_HAS_PORTS or FRAGMENT_HAS_NONE. */
  @inline get known(): u8 {
    return load<u8>(this.ptr, FRAGMENT_KNOWN_OFF);
  }

  @inline get ports(): u32 {
    return load<u32>(this.ptr, FRAGMENT_PORTS_OFF);
  }

  @inline get waitingCount(): u32 {
    return load<u8>(this.ptr, FRAGMENT_WAITING_COUNT_OFF);
  }

  @inline setWaitingCount(v: u32): void {
    store<u8>(this.ptr, <u8>v, FRAGMENT_WAITING_COUNT_OFF);
  }

  /** UMEM offset + 1 of the frame that waits longest, 0 = none. */
  @inline get waiting(): u32 {
    return load<u32>(this.ptr, FRAGMENT_WAITING_OFF);
  }

  @inline setWaiting(v: u32): void {
    store<u32>(this.ptr, v, FRAGMENT_WAITING_OFF);
  }

  @inline get lastWaiting(): u32 {
    return load<u32>(this.ptr, FRAGMENT_LAST_WAITING_OFF);
  }

  @inline setLastWaiting(v: u32): void {
    store<u32>(this.ptr, v, FRAGMENT_LAST_WAITING_OFF);
  }

  /** Milliseconds since the first fragment, or since the first one that waits for it. */
  get ageMs(): u32 {
    const age = nowMs() - load<u32>(this.ptr, FRAGMENT_SEEN_MS_OFF);
    return age > <u32>i32.MAX_VALUE ? 0 : age;
  }

  get isExpired(): bool {
    return this.ageMs >= TIMEOUT_MS;
  }

  /** Begin a new one, of which only the key is known. */
  begin(src: usize, dst: usize, id: u32, proto: u32, inIfindex: u32): void {
    clearLine(this.ptr);
    store<u32>(this.ptr, id, FRAGMENT_ID_OFF);
    copyAddr(this.ptr + FRAGMENT_SRC_OFF, src);
    copyAddr(this.ptr + FRAGMENT_DST_OFF, dst);
    store<u8>(this.ptr, <u8>proto, FRAGMENT_PROTO_OFF);
    store<u32>(this.ptr, inIfindex, FRAGMENT_IN_IFINDEX_OFF);
    store<u32>(this.ptr, nowMs(), FRAGMENT_SEEN_MS_OFF);
    this.setState(RowState.LIVE);
  }

  @inline setState(v: RowState): void {
    store<u32>(this.ptr, v, FRAGMENT_STATE_OFF);
  }

  is(src: usize, dst: usize, id: u32, proto: u32, inIfindex: u32): bool {
    return (
      load<u32>(this.ptr, FRAGMENT_ID_OFF) == id &&
      load<u8>(this.ptr, FRAGMENT_PROTO_OFF) == proto &&
      load<u32>(this.ptr, FRAGMENT_IN_IFINDEX_OFF) == inIfindex &&
      addrEquals(this.ptr + FRAGMENT_SRC_OFF, src) &&
      addrEquals(this.ptr + FRAGMENT_DST_OFF, dst)
    );
  }

  /** The first fragment is here. @param hasPorts whether flows can be told by its ports */
  learn(ports: u32, hasPorts: bool): void {
    const known: i32 = hasPorts ? FRAGMENT_HAS_PORTS : FRAGMENT_HAS_NONE;
    store<u8>(this.ptr, <u8>known, FRAGMENT_KNOWN_OFF);
    store<u32>(this.ptr, ports, FRAGMENT_PORTS_OFF);
    store<u32>(this.ptr, nowMs(), FRAGMENT_SEEN_MS_OFF);
  }
}
