/**
 * Rows of the wire caches. Open addressing over slots at most half full; success and denial of a key
 * hash alike, so that one run has both. All caches share the slots; each has its own capacities.
 */
import { RegionId, RowState } from '../abi';
import {
  CACHE_K_CD,
  CACHE_K_DO,
  CACHE_ROW_ASK_AFTER_OFF,
  CACHE_ROW_CHUNK_OFF,
  CACHE_ROW_FLAGS_OFF,
  CACHE_ROW_HASH_OFF,
  CACHE_ROW_HITS_OFF,
  CACHE_ROW_KEY_OFF,
  CACHE_ROW_LAST_HIT_OFF,
  CACHE_ROW_RCODE_OFF,
  CACHE_ROW_SIDE_OFF,
  CACHE_ROW_SIZE,
  CACHE_ROW_STATE_OFF,
  CACHE_ROW_STORED_MS_OFF,
  CACHE_ROW_TTL_OFF,
  CHUNK_NAME_OFF,
  CacheSide,
} from '../abi-cache';
import { mix64 } from '../mem/hash';
import { regionBase, regionCapacity, regionUsed, setRegionUsed } from '../mem/region';
import { RCODE_NOTIMP, RCODE_SERVFAIL } from '../wire/dns';
import { FoldedName } from './fold';
import { sameName } from './names';
import { QNAME, Query } from './record';

/** Longest run looked at, as of every table (table/hash-table.ts). */
const CACHE_PROBE_MAX: u32 = 128;
const MS_PER_SEC: f64 = 1000;
/** Times since a reply was stored stay below it: 49 days. */
const SINCE_MAX: f64 = 4294967295;

const LIVE: u64 = RowState.LIVE;
/** Of the key's word at CACHE_ROW_KEY: QTYPE and QCLASS below, then cache, wishes and length. */
const CLASS_SHIFT: u32 = 16;
const CACHE_SHIFT: u32 = 32;
const WISHES_SHIFT: u32 = 40;
const LENGTH_SHIFT: u32 = 48;

@unmanaged
@final
export class CacheRow {
  @inline static at(ptr: usize): CacheRow {
    return changetype<CacheRow>(ptr);
  }
  @inline get ptr(): usize {
    return changetype<usize>(this);
  }
  @inline get isLive(): bool {
    return load<u32>(this.ptr, CACHE_ROW_STATE_OFF) == RowState.LIVE;
  }
  @inline get qtype(): u32 {
    return load<u16>(this.ptr, CACHE_ROW_KEY_OFF);
  }
  @inline get qclass(): u32 {
    return load<u16>(this.ptr, CACHE_ROW_KEY_OFF + 2);
  }
  @inline get cache(): u32 {
    return load<u8>(this.ptr, CACHE_ROW_KEY_OFF + 4);
  }
  /** CACHE_K_*. */
  @inline get wishes(): u32 {
    return load<u8>(this.ptr, CACHE_ROW_KEY_OFF + 5);
  }
  @inline get nameLen(): u32 {
    return load<u8>(this.ptr, CACHE_ROW_KEY_OFF + 6);
  }
  @inline get side(): CacheSide {
    return <CacheSide>(<i32>load<u8>(this.ptr, CACHE_ROW_SIDE_OFF));
  }
  /** CACHE_R_*. */
  @inline get flags(): u32 {
    return load<u8>(this.ptr, CACHE_ROW_FLAGS_OFF);
  }
  @inline setFlags(flags: u32): void {
    store<u8>(this.ptr, <u8>flags, CACHE_ROW_FLAGS_OFF);
  }
  @inline get rcode(): u32 {
    return load<u8>(this.ptr, CACHE_ROW_RCODE_OFF);
  }
  @inline setRcode(rcode: u32): void {
    store<u8>(this.ptr, <u8>rcode, CACHE_ROW_RCODE_OFF);
  }
  /** It says nothing about the name. */
  @inline get isFailure(): bool {
    return this.rcode == RCODE_SERVFAIL || this.rcode == RCODE_NOTIMP;
  }
  /** Offset in REPLIES, 0 = none. */
  @inline get chunkOff(): u32 {
    return load<u32>(this.ptr, CACHE_ROW_CHUNK_OFF);
  }
  @inline setChunkOff(offset: u32): void {
    store<u32>(this.ptr, offset, CACHE_ROW_CHUNK_OFF);
  }
  @inline get chunk(): usize {
    return regionBase(RegionId.REPLIES) + this.chunkOff;
  }
  @inline get ttl(): u32 {
    return load<u32>(this.ptr, CACHE_ROW_TTL_OFF);
  }
  @inline get storedMs(): f64 {
    return load<f64>(this.ptr, CACHE_ROW_STORED_MS_OFF);
  }
  @inline setTime(storedMs: f64, ttlSec: u32): void {
    store<f64>(this.ptr, storedMs, CACHE_ROW_STORED_MS_OFF);
    store<u32>(this.ptr, ttlSec, CACHE_ROW_TTL_OFF);
  }
  @inline get hits(): u32 {
    return load<u32>(this.ptr, CACHE_ROW_HITS_OFF);
  }
  @inline get lastHitMs(): u32 {
    return load<u32>(this.ptr, CACHE_ROW_LAST_HIT_OFF);
  }
  @inline setHits(hits: u32, lastHitMs: u32): void {
    store<u32>(this.ptr, hits, CACHE_ROW_HITS_OFF);
    store<u32>(this.ptr, lastHitMs, CACHE_ROW_LAST_HIT_OFF);
  }
  /** Since it was stored. */
  @inline get askAfterMs(): u32 {
    return load<u32>(this.ptr, CACHE_ROW_ASK_AFTER_OFF);
  }
  @inline setAskAfterMs(ms: u32): void {
    store<u32>(this.ptr, ms, CACHE_ROW_ASK_AFTER_OFF);
  }

  /** Milliseconds since it was stored; 0 when the clock has gone back. */
  sinceMs(nowMs: f64): u32 {
    const since = nowMs - this.storedMs;
    return since > 0 ? <u32>min<f64>(since, SINCE_MAX) : 0;
  }
  /** Whole seconds of its TTL that are left; 0 or less: it is over. */
  ttlLeft(nowMs: f64): i32 {
    return <i32>this.ttl - <i32>(this.sinceMs(nowMs) / <u32>MS_PER_SEC);
  }
  /** Whether it is not over, or for less than `staleMs`. */
  isOfUse(nowMs: f64, staleMs: u32): bool {
    return <f64>this.sinceMs(nowMs) < <f64>this.ttl * MS_PER_SEC + <f64>staleMs;
  }
}

/** The key of a query in a cache but for its name, as it lies in a row. */
export function keyOf(q: Query, cache: u32): u64 {
  const wishes = (q.isDo ? CACHE_K_DO : 0) | (q.isCd ? CACHE_K_CD : 0);
  const length = FoldedName.at(QNAME).length;
  return (
    (<u64>q.qtype) |
    ((<u64>q.qclass) << CLASS_SHIFT) |
    ((<u64>cache) << CACHE_SHIFT) |
    ((<u64>wishes) << WISHES_SHIFT) |
    ((<u64>length) << LENGTH_SHIFT)
  );
}

function hashOf(q: Query, key: u64): u32 {
  const name = <u64>q.hash;
  return <u32>mix64(key ^ (name | (name << 32)));
}

function rowAt(base: usize, slot: u32, mask: u32): usize {
  return base + <usize>(slot & mask) * CACHE_ROW_SIZE;
}

/**
 * The row of a key's success or denial.
 *
 * @returns its address, 0 = none
 */
export function findCached(q: Query, key: u64, side: CacheSide): usize {
  const base = regionBase(RegionId.CACHE);
  const mask = regionCapacity(RegionId.CACHE) - 1;
  const hash = hashOf(q, key);
  const wanted = LIVE | ((<u64>hash) << 32);
  let slot = hash;
  for (let i: u32 = 0; i < CACHE_PROBE_MAX; i++, slot++) {
    const row = rowAt(base, slot, mask);
    const head = load<u64>(row, CACHE_ROW_STATE_OFF);
    if (<u32>head == RowState.EMPTY) return 0;
    if (head != wanted || load<u64>(row, CACHE_ROW_KEY_OFF) != key) continue;
    const r = CacheRow.at(row);
    if (r.side != side) continue;
    const name = FoldedName.at(QNAME);
    if (sameName(r.chunk + CHUNK_NAME_OFF, name.ptr, name.length)) return row;
  }
  return 0;
}

/** The slot for a key that has no such row; taken ones included when there is none other. */
export function vacantSlot(q: Query, key: u64): usize {
  const base = regionBase(RegionId.CACHE);
  const mask = regionCapacity(RegionId.CACHE) - 1;
  const hash = hashOf(q, key);
  for (let i: u32 = 0; i < CACHE_PROBE_MAX; i++) {
    const row = rowAt(base, hash + i, mask);
    if (!CacheRow.at(row).isLive) return row;
  }
  return rowAt(base, hash, mask);
}

/** Make a vacant slot the row of a key. */
export function openCached(row: usize, q: Query, key: u64, side: CacheSide): void {
  memory.fill(row, 0, CACHE_ROW_SIZE);
  store<u32>(row, RowState.LIVE, CACHE_ROW_STATE_OFF);
  store<u32>(row, hashOf(q, key), CACHE_ROW_HASH_OFF);
  store<u64>(row, key, CACHE_ROW_KEY_OFF);
  store<u8>(row, <u8>side, CACHE_ROW_SIDE_OFF);
  setRegionUsed(RegionId.CACHE, regionUsed(RegionId.CACHE) + 1);
}
