/**
 * Where everything lies in linear memory.
 *
 * The low megabyte is fixed by `abi.ts`; what depends on capacities is laid out once by
 * `layout`, in RegionId order and page by page, and recorded in DIRECTORY. Both sides read
 * DIRECTORY; neither computes an address twice.
 */
import {
  AFFINITY_SIZE,
  CAPS_AFFINITY_OFF,
  CAPS_BACKENDS_OFF,
  CAPS_BASE,
  CAPS_BYTES,
  CAPS_CACHE_OFF,
  CAPS_FLOWS4_OFF,
  CAPS_FLOWS6_OFF,
  CAPS_FRAGMENTS_OFF,
  CAPS_FRAMES_OFF,
  CAPS_FRAME_SIZE_OFF,
  CAPS_FRONTENDS_OFF,
  CAPS_LINKS_OFF,
  CAPS_MAGLEV_ENTRIES_OFF,
  CAPS_NAMES_OFF,
  CAPS_RANGES_OFF,
  CAPS_REPLY_BYTES_OFF,
  CAPS_RING_BYTES_OFF,
  CAPS_ROUTES_OFF,
  CAPS_RRSET_BYTES_OFF,
  CAPS_SERVICES_OFF,
  CAPS_SET_ENTRIES_OFF,
  BACKEND_SIZE,
  CONTROL_BASE,
  CONTROL_BYTES,
  COUNTERS_BASE,
  COUNTERS_BYTES,
  DELTA_BASE,
  DELTA_BYTES,
  DIRECTORY_BASE,
  DIRECTORY_BYTES,
  DIR_BASE_OFF,
  DIR_CAPACITY_OFF,
  DIR_ENTRY_SIZE,
  DIR_ROW_SIZE_OFF,
  DIR_USED_OFF,
  DYNAMIC_BASE,
  FLOW4_SIZE,
  FLOW6_SIZE,
  FRAGMENT_SIZE,
  FRONTEND_SIZE,
  LINK_SIZE,
  MAGLEV_ENTRY_SIZE,
  PAGE_SIZE,
  PKTS_BASE,
  PKTS_BYTES,
  PORTS_BASE,
  PORTS_BYTES,
  PREFIX_LENGTHS,
  PREFIX_LIST_OFF,
  RANGE_SIZE,
  REGION_COUNT,
  ROUTE_SIZE,
  RegionId,
  SCRATCH_BASE,
  SCRATCH_BYTES,
  SERVICE_SIZE,
  SET_ENTRY_SIZE,
  STATIC_BASE,
  TALLY_SIZE,
} from '../abi';
import { CACHES_BASE, CACHES_BYTES, CACHE_ROW_SIZE } from '../abi-cache';
import {
  DNS_BASE,
  DNS_BYTES,
  DNS_COUNTERS_BASE,
  DNS_COUNTERS_BYTES,
  DNS_LOG_BASE,
  DNS_LOG_BYTES,
  NAME_ROW_SIZE,
} from '../abi-dns';

// Two regions that overlap do not compile.
if (STATIC_BASE >= CONTROL_BASE) ERROR('STATIC overlaps CONTROL');
if (CONTROL_BASE + CONTROL_BYTES > COUNTERS_BASE) ERROR('CONTROL overlaps COUNTERS');
if (COUNTERS_BASE + COUNTERS_BYTES > DIRECTORY_BASE) ERROR('COUNTERS overlaps DIRECTORY');
if (DIRECTORY_BASE + DIRECTORY_BYTES > CAPS_BASE) ERROR('DIRECTORY overlaps CAPS');
if (CAPS_BASE + CAPS_BYTES > CACHES_BASE) ERROR('CAPS overlaps CACHES');
if (CACHES_BASE + CACHES_BYTES > PORTS_BASE) ERROR('CACHES overlaps PORTS');
if (PORTS_BASE + PORTS_BYTES > DNS_BASE) ERROR('PORTS overlaps DNS');
if (DNS_BASE + DNS_BYTES > DNS_COUNTERS_BASE) ERROR('DNS overlaps its counters');
if (DNS_COUNTERS_BASE + DNS_COUNTERS_BYTES > PKTS_BASE) ERROR('DNS COUNTERS overlaps PKTS');
if (PKTS_BASE + PKTS_BYTES > DNS_LOG_BASE) ERROR('PKTS overlaps DNS LOG');
if (DNS_LOG_BASE + DNS_LOG_BYTES > DELTA_BASE) ERROR('DNS LOG overlaps DELTA');
if (DELTA_BASE + DELTA_BYTES > SCRATCH_BASE) ERROR('DELTA overlaps SCRATCH');
if (SCRATCH_BASE + SCRATCH_BYTES > DYNAMIC_BASE) ERROR('SCRATCH overlaps the tables');
if (REGION_COUNT * DIR_ENTRY_SIZE > DIRECTORY_BYTES) ERROR('DIRECTORY is too small');
if (CONTROL_BASE % PAGE_SIZE || COUNTERS_BASE % PAGE_SIZE) ERROR('mapped regions need whole pages');

const LINEAR_MEMORY_MAX: u64 = 1 << 32;
/** XDP_UMEM_MIN_CHUNK_SIZE of linux/net/xdp_sock.h; also leaves room behind FRAME_HEADROOM. */
const FRAME_SIZE_MIN: u32 = 2048;

/** Linear address of a region's first row. */
export function regionBase(region: RegionId): usize {
  return load<u32>(DIRECTORY_BASE + region * DIR_ENTRY_SIZE + DIR_BASE_OFF);
}

/** Rows a region has room for; a power of two where rows are hashed. */
export function regionCapacity(region: RegionId): u32 {
  return load<u32>(DIRECTORY_BASE + region * DIR_ENTRY_SIZE + DIR_CAPACITY_OFF);
}

/** Bytes of one row of a region. */
export function regionRowSize(region: RegionId): u32 {
  return load<u32>(DIRECTORY_BASE + region * DIR_ENTRY_SIZE + DIR_ROW_SIZE_OFF);
}

/** Rows in use, where the region's structure keeps count. */
export function regionUsed(region: RegionId): u32 {
  return load<u32>(DIRECTORY_BASE + region * DIR_ENTRY_SIZE + DIR_USED_OFF);
}

export function setRegionUsed(region: RegionId, count: u32): void {
  store<u32>(DIRECTORY_BASE + region * DIR_ENTRY_SIZE + DIR_USED_OFF, count);
}

function caps(offset: u32): u32 {
  return load<u32>(CAPS_BASE + offset);
}

/** Smallest power of two that is at least `n`; 1 for 0. */
function powerOfTwo(n: u32): u32 {
  return n <= 1 ? 1 : (<u32>1) << (32 - clz<u32>(n - 1));
}

/**
 * Slots of an open-addressed table that is to hold `rows`: never more than half full. Rows that no
 * memory holds ask for slots that none holds either.
 */
function slotsFor(rows: u32): u32 {
  return powerOfTwo(min<u32>(max<u32>(rows, 8), 1 << 30)) << 1;
}

/** Record one region and return the first page behind it. */
function place(region: RegionId, at: u64, rowSize: u32, capacity: u32): u64 {
  const entry: usize = DIRECTORY_BASE + region * DIR_ENTRY_SIZE;
  store<u32>(entry + DIR_BASE_OFF, <u32>at);
  store<u32>(entry + DIR_ROW_SIZE_OFF, rowSize);
  store<u32>(entry + DIR_CAPACITY_OFF, capacity);
  store<u32>(entry + DIR_USED_OFF, 0);
  const end = at + <u64>rowSize * capacity;
  return (end + PAGE_SIZE - 1) & ~(<u64>PAGE_SIZE - 1);
}

/**
 * Lay the dynamic regions out for the capacities in CAPS and record them in DIRECTORY.
 *
 * @returns bytes of linear memory needed, rounded up to 64 KiB; 0 when CAPS cannot be met:
 *          a flow table or a frame that is not a power of two, a frame too
 *          small, or more than 4 GiB in all
 * Cost     touches CAPS and DIRECTORY only; needs no more memory than the fixed part
 */
export function layoutRegions(): u64 {
  const flows4 = caps(CAPS_FLOWS4_OFF);
  const flows6 = caps(CAPS_FLOWS6_OFF);
  const frameSize = caps(CAPS_FRAME_SIZE_OFF);
  if (popcnt<u32>(flows4) != 1 || popcnt<u32>(flows6) != 1 || popcnt<u32>(frameSize) != 1) return 0;
  if (frameSize < FRAME_SIZE_MIN) return 0;
  let at: u64 = DYNAMIC_BASE;
  at = place(RegionId.FLOWS4, at, FLOW4_SIZE, flows4);
  at = place(RegionId.TALLY4, at, TALLY_SIZE, flows4);
  at = place(RegionId.FLOWS6, at, FLOW6_SIZE, flows6);
  at = place(RegionId.TALLY6, at, TALLY_SIZE, flows6);
  at = place(RegionId.RINGS, at, 1, caps(CAPS_RING_BYTES_OFF));
  at = place(RegionId.LINKS, at, LINK_SIZE, slotsFor(caps(CAPS_LINKS_OFF)));
  at = place(RegionId.FRONTENDS, at, FRONTEND_SIZE, slotsFor(caps(CAPS_FRONTENDS_OFF)));
  at = place(RegionId.SERVICES, at, SERVICE_SIZE, caps(CAPS_SERVICES_OFF));
  at = place(RegionId.BACKENDS, at, BACKEND_SIZE, caps(CAPS_BACKENDS_OFF));
  at = place(RegionId.SETS, at, SET_ENTRY_SIZE, caps(CAPS_SET_ENTRIES_OFF));
  at = place(RegionId.MAGLEV, at, MAGLEV_ENTRY_SIZE, caps(CAPS_MAGLEV_ENTRIES_OFF));
  at = place(RegionId.ROUTES, at, ROUTE_SIZE, slotsFor(caps(CAPS_ROUTES_OFF)));
  at = place(RegionId.PREFIXES, at, 1, PREFIX_LIST_OFF + PREFIX_LENGTHS + 1);
  at = place(RegionId.RANGES, at, RANGE_SIZE, caps(CAPS_RANGES_OFF));
  at = place(RegionId.AFFINITY, at, AFFINITY_SIZE, slotsFor(caps(CAPS_AFFINITY_OFF)));
  at = place(RegionId.FRAGMENTS, at, FRAGMENT_SIZE, slotsFor(caps(CAPS_FRAGMENTS_OFF)));
  at = place(RegionId.FLOW_HEADS, at, sizeof<u32>(), slotsFor(caps(CAPS_BACKENDS_OFF)));
  at = place(RegionId.NAMES, at, NAME_ROW_SIZE, slotsFor(caps(CAPS_NAMES_OFF)));
  at = place(RegionId.RRSETS, at, 1, caps(CAPS_RRSET_BYTES_OFF));
  at = place(RegionId.CACHE, at, CACHE_ROW_SIZE, slotsFor(caps(CAPS_CACHE_OFF)));
  at = place(RegionId.REPLIES, at, 1, caps(CAPS_REPLY_BYTES_OFF));
  at = place(RegionId.FREE, at, sizeof<u32>(), caps(CAPS_FRAMES_OFF));
  at = place(RegionId.UMEM, at, frameSize, caps(CAPS_FRAMES_OFF));
  if (at > LINEAR_MEMORY_MAX) return 0;
  return (at + 0xffff) & ~(<u64>0xffff);
}
