/**
 * Flow rows and their tallies: the layout that the kernel programs execute (diagram in abi.ts).
 *
 * IPv4 and IPv6 rows share their head; only the addresses differ in place and width. A family is
 * a class whose size is its address width, so that generic code picks the right half at compile
 * time and there is one body for both.
 */
import {
  FLOW4_DST_OFF,
  FLOW4_MTU_OFF,
  FLOW4_NEW_DST_OFF,
  FLOW4_NEW_SRC_OFF,
  FLOW4_SHIFT,
  FLOW4_SRC_OFF,
  FLOW6_DST_OFF,
  FLOW6_MTU_OFF,
  FLOW6_NEW_DST_OFF,
  FLOW6_NEW_SRC_OFF,
  FLOW6_SHIFT,
  FLOW6_SRC_OFF,
  FLOW_ACTION_OFF,
  FLOW_ADDR_DELTA_OFF,
  FLOW_DST_MAC_OFF,
  FLOW_FLAGS_OFF,
  FLOW_IN_IFINDEX_OFF,
  FLOW_NEW_PORTS_OFF,
  FLOW_OUT_IFINDEX_OFF,
  FLOW_PORTS_OFF,
  FLOW_PORT_DELTA_OFF,
  FLOW_PROTO_OFF,
  FLOW_SCOPE_OFF,
  FLOW_SEQ_OFF,
  FLOW_SRC_MAC_OFF,
  RegionId,
  TALLY_BACKEND_ID_OFF,
  TALLY_CREATED_MS_OFF,
  TALLY_FLAGS_OFF,
  TALLY_KERNEL_BYTES_OFF,
  TALLY_KERNEL_PACKETS_OFF,
  TALLY_KERNEL_SEEN_NS_OFF,
  TALLY_KERNEL_TCP_OFF,
  TALLY_LANE_BYTES_OFF,
  TALLY_LANE_PACKETS_OFF,
  TALLY_LANE_SEEN_MS_OFF,
  TALLY_NEXT_OFF,
  TALLY_PARTNER_OFF,
  TALLY_PREVIOUS_OFF,
  TALLY_SERVICE_ID_OFF,
  TALLY_SHIFT,
  TALLY_SIZE,
  TALLY_STATE_OFF,
} from '../abi';
import { clearLine } from '../mem/addr';
import { loadShared, storeShared } from '../mem/shared';
import { regionBase } from '../mem/region';

if (TALLY_SIZE != 64) ERROR('a tally is one cache line');

/** Address family by width: 4 bytes. */
@unmanaged
@final
export class V4 {
  addr: u32;
}

/** Address family by width: 16 bytes. */
@unmanaged
@final
export class V6 {
  hi: u64;
  lo: u64;
}

/** Whether family F is IPv4; a constant after compilation. */
export function isV4<F>(): bool {
  return offsetof<F>() == sizeof<u32>();
}

export function flowRegion<F>(): RegionId {
  return isV4<F>() ? RegionId.FLOWS4 : RegionId.FLOWS6;
}

export function tallyRegion<F>(): RegionId {
  return isV4<F>() ? RegionId.TALLY4 : RegionId.TALLY6;
}

export function flowShift<F>(): u32 {
  return isV4<F>() ? FLOW4_SHIFT : FLOW6_SHIFT;
}

export function srcOff<F>(): usize {
  return isV4<F>() ? FLOW4_SRC_OFF : FLOW6_SRC_OFF;
}

export function dstOff<F>(): usize {
  return isV4<F>() ? FLOW4_DST_OFF : FLOW6_DST_OFF;
}

export function newSrcOff<F>(): usize {
  return isV4<F>() ? FLOW4_NEW_SRC_OFF : FLOW6_NEW_SRC_OFF;
}

export function newDstOff<F>(): usize {
  return isV4<F>() ? FLOW4_NEW_DST_OFF : FLOW6_NEW_DST_OFF;
}

export function mtuOff<F>(): usize {
  return isV4<F>() ? FLOW4_MTU_OFF : FLOW6_MTU_OFF;
}

/** The head both families share. */
@unmanaged
@final
export class Row {
  @inline static at(ptr: usize): Row {
    return changetype<Row>(ptr);
  }

  @inline get ptr(): usize {
    return changetype<usize>(this);
  }

  /** The kernel reads this word while we write it: every access is atomic. */
  @inline get seq(): u32 {
    return loadShared(this.ptr + FLOW_SEQ_OFF);
  }

  @inline setSeq(v: u32): void {
    storeShared(this.ptr + FLOW_SEQ_OFF, v);
  }

  @inline get ports(): u32 {
    return load<u32>(this.ptr, FLOW_PORTS_OFF);
  }

  @inline setPorts(v: u32): void {
    store<u32>(this.ptr, v, FLOW_PORTS_OFF);
  }

  /** Protocol, and scope in the second byte. */
  @inline get kind(): u32 {
    return load<u16>(this.ptr, FLOW_PROTO_OFF);
  }

  @inline setKind(v: u32): void {
    store<u16>(this.ptr, <u16>v, FLOW_PROTO_OFF);
  }

  @inline get action(): u8 {
    return load<u8>(this.ptr, FLOW_ACTION_OFF);
  }

  @inline setAction(v: i32): void {
    store<u8>(this.ptr, <u8>v, FLOW_ACTION_OFF);
  }

  @inline get flags(): u8 {
    return load<u8>(this.ptr, FLOW_FLAGS_OFF);
  }

  @inline setFlags(v: i32): void {
    store<u8>(this.ptr, <u8>v, FLOW_FLAGS_OFF);
  }

  @inline get inIfindex(): u32 {
    return load<u32>(this.ptr, FLOW_IN_IFINDEX_OFF);
  }

  @inline setInIfindex(v: u32): void {
    store<u32>(this.ptr, v, FLOW_IN_IFINDEX_OFF);
  }

  @inline get outIfindex(): u32 {
    return load<u32>(this.ptr, FLOW_OUT_IFINDEX_OFF);
  }

  @inline setOutIfindex(v: u32): void {
    store<u32>(this.ptr, v, FLOW_OUT_IFINDEX_OFF);
  }

  @inline get newPorts(): u32 {
    return load<u32>(this.ptr, FLOW_NEW_PORTS_OFF);
  }

  @inline setNewPorts(v: u32): void {
    store<u32>(this.ptr, v, FLOW_NEW_PORTS_OFF);
  }

  @inline get dstMacPtr(): usize {
    return this.ptr + FLOW_DST_MAC_OFF;
  }

  @inline get srcMacPtr(): usize {
    return this.ptr + FLOW_SRC_MAC_OFF;
  }

  @inline get addrDelta(): u16 {
    return load<u16>(this.ptr, FLOW_ADDR_DELTA_OFF);
  }

  @inline setAddrDelta(v: u16): void {
    store<u16>(this.ptr, v, FLOW_ADDR_DELTA_OFF);
  }

  @inline get portDelta(): u16 {
    return load<u16>(this.ptr, FLOW_PORT_DELTA_OFF);
  }

  @inline setPortDelta(v: u16): void {
    store<u16>(this.ptr, v, FLOW_PORT_DELTA_OFF);
  }
}

/** What is counted and remembered of a row; same index, own cache line. */
@unmanaged
@final
export class Tally {
  @inline static at(ptr: usize): Tally {
    return changetype<Tally>(ptr);
  }

  @inline get ptr(): usize {
    return changetype<usize>(this);
  }

  @inline get kernelPackets(): u64 {
    return load<u64>(this.ptr, TALLY_KERNEL_PACKETS_OFF);
  }

  @inline get kernelBytes(): u64 {
    return load<u64>(this.ptr, TALLY_KERNEL_BYTES_OFF);
  }

  @inline get kernelSeenNs(): u64 {
    return load<u64>(this.ptr, TALLY_KERNEL_SEEN_NS_OFF);
  }

  @inline get lanePackets(): u64 {
    return load<u64>(this.ptr, TALLY_LANE_PACKETS_OFF);
  }

  /** One packet through the lane. */
  @inline add(bytes: u32, nowMs: u32): void {
    store<u64>(this.ptr, load<u64>(this.ptr, TALLY_LANE_PACKETS_OFF) + 1, TALLY_LANE_PACKETS_OFF);
    store<u64>(this.ptr, load<u64>(this.ptr, TALLY_LANE_BYTES_OFF) + bytes, TALLY_LANE_BYTES_OFF);
    store<u32>(this.ptr, nowMs, TALLY_LANE_SEEN_MS_OFF);
  }

  @inline get laneSeenMs(): u32 {
    return load<u32>(this.ptr, TALLY_LANE_SEEN_MS_OFF);
  }

  @inline setLaneSeenMs(v: u32): void {
    store<u32>(this.ptr, v, TALLY_LANE_SEEN_MS_OFF);
  }

  @inline get createdMs(): u32 {
    return load<u32>(this.ptr, TALLY_CREATED_MS_OFF);
  }

  @inline setCreatedMs(v: u32): void {
    store<u32>(this.ptr, v, TALLY_CREATED_MS_OFF);
  }

  @inline get partner(): u32 {
    return load<u32>(this.ptr, TALLY_PARTNER_OFF);
  }

  @inline setPartner(v: u32): void {
    store<u32>(this.ptr, v, TALLY_PARTNER_OFF);
  }

  @inline get state(): u8 {
    return load<u8>(this.ptr, TALLY_STATE_OFF);
  }

  @inline setState(v: u8): void {
    store<u8>(this.ptr, v, TALLY_STATE_OFF);
  }

  @inline get flags(): u8 {
    return load<u8>(this.ptr, TALLY_FLAGS_OFF);
  }

  @inline setFlags(v: i32): void {
    store<u8>(this.ptr, <u8>v, TALLY_FLAGS_OFF);
  }

  /** FIN, SYN and RST of what the kernel has executed, as TCP_FLAG_*. */
  @inline get kernelTcp(): u32 {
    return load<u8>(this.ptr, TALLY_KERNEL_TCP_OFF);
  }

  @inline get serviceId(): u32 {
    return load<u32>(this.ptr, TALLY_SERVICE_ID_OFF);
  }

  @inline get backendId(): u32 {
    return load<u32>(this.ptr, TALLY_BACKEND_ID_OFF);
  }

  @inline setServiceId(v: u32): void {
    store<u32>(this.ptr, v, TALLY_SERVICE_ID_OFF);
  }

  @inline setBackendId(v: u32): void {
    store<u32>(this.ptr, v, TALLY_BACKEND_ID_OFF);
  }

  /** Reply rows: index + 1 of the next one of the backend (flow/chain.ts). */
  @inline get next(): u32 {
    return load<u32>(this.ptr, TALLY_NEXT_OFF);
  }

  @inline setNext(v: u32): void {
    store<u32>(this.ptr, v, TALLY_NEXT_OFF);
  }

  /** Reply rows: index + 1 of the one before, or the head; 0 = in no chain. */
  @inline get previous(): u32 {
    return load<u32>(this.ptr, TALLY_PREVIOUS_OFF);
  }

  @inline setPrevious(v: u32): void {
    store<u32>(this.ptr, v, TALLY_PREVIOUS_OFF);
  }

  @inline clear(): void {
    clearLine(this.ptr);
  }
}

/** Row address from its index. */
export function rowAt<F>(idx: u32): Row {
  return Row.at(regionBase(flowRegion<F>()) + ((<usize>idx) << flowShift<F>()));
}

export function tallyAt<F>(idx: u32): Tally {
  return Tally.at(regionBase(tallyRegion<F>()) + ((<usize>idx) << TALLY_SHIFT));
}

export function rowIdx<F>(row: Row): u32 {
  return <u32>((row.ptr - regionBase(flowRegion<F>())) >> flowShift<F>());
}

export function tallyOf<F>(row: Row): Tally {
  return tallyAt<F>(rowIdx<F>(row));
}
