/**
 * applyDelta: the one way by which the control plane changes tables. Records are applied in order,
 * between bursts; each gets its own result, and a refused one changes nothing.
 */
import {
  BACKEND_ID_OFF,
  BACKEND_SIZE,
  BACKEND_WEIGHT_OFF,
  CONTROL_BASE,
  CONTROL_EPOCH_OFF,
  CONTROL_EXEMPT_COUNT_OFF,
  CONTROL_EXEMPT_OFF,
  CONTROL_NODE_ADDR4_OFF,
  CONTROL_POD_RANGE4_OFF,
  CONTROL_POLICY_FLAGS_OFF,
  CONTROL_TAKEN_PORTS_OFF,
  CONTROL_TIMEOUTS_OFF,
  DELTA_BASE,
  DELTA_BYTES,
  DELTA_COUNT_OFF,
  DELTA_IDX_OFF,
  DELTA_OP_OFF,
  DELTA_PAYLOAD_OFF,
  DELTA_PAYLOAD_SIZE,
  DELTA_RESULT_OFF,
  DELTA_SIZE,
  DELTA_TABLE_OFF,
  DeltaError,
  EXEMPT_MAX,
  FRONTEND_ADDR_OFF,
  FRONTEND_PORT_OFF,
  FRONTEND_PROTO_OFF,
  FRONTEND_SERVICE_MASK,
  FRONTEND_SERVICE_OFF,
  FRONTEND_SIZE,
  IPPROTO_UDP,
  LINK_SIZE,
  LaneCounter,
  Op,
  PREFIX_LENGTHS,
  RANGE_SIZE,
  ROUTE_FLAGS_OFF,
  ROUTE_F_TUNNEL,
  ROUTE_PREFIX_LEN_OFF,
  ROUTE_SIZE,
  RegionId,
  SCRATCH_BASE,
  SCRATCH_BYTES,
  SERVICE_SIZE,
  SET_ENTRY_SIZE,
  TAKEN_PORTS_BYTES,
  TableId,
} from './abi';
import { dropStaleAffinity, staleAffinity } from './balance/affinity';
import { Service } from './balance/rows';
import { staleRoutes } from './flow/follow';
import { purgeBackend, purgeUntranslated } from './flow/purge';
import { V4, V6 } from './flow/row';
import { dropStrays, staleLinks } from './flow/strays';
import { isMapped } from './mem/addr';
import { regionBase, regionCapacity } from './mem/region';
import { count } from './table/counters';
import { WORDS_1, WORDS_3, tableDelete, tablePut } from './table/hash-table';
import { lpmDelete, lpmPut } from './table/lpm';
import { MAGLEV_MEMBER_SIZE, MAGLEV_SCRATCH_SIZE, maglevBuild } from './table/maglev';

/** A keyed row's image begins behind its state word. */
const IMAGE_OFF: usize = 4;
/** Where the key lies within that image. */
const IMAGE_KEY_OFF: usize = 4;
const SET_ENTRIES_MAX: u32 = DELTA_PAYLOAD_SIZE / SET_ENTRY_SIZE;
const SCRATCH_HALF: u32 = SCRATCH_BYTES >> 1;
/** Two 16-byte addresses, v4 then v6, as CONTROL has them. */
const NODE_ADDRS_SIZE: u32 = 32;
const RANGES_MAX: u32 = DELTA_PAYLOAD_SIZE / RANGE_SIZE;
/** Behind the flags of a POLICY record: what CONTROL holds from the pod ranges on. */
const POLICY_RANGES_AT: usize = 16;
const POLICY_RANGES_SIZE: u32 = CONTROL_TIMEOUTS_OFF - CONTROL_POD_RANGE4_OFF;

if (LINK_SIZE - 4 > DELTA_PAYLOAD_SIZE || ROUTE_SIZE - 4 > DELTA_PAYLOAD_SIZE)
  ERROR('a row outgrew its delta');

/**
 * Apply the first `records` records of the DELTA mailbox.
 *
 * @returns records applied; the others name their DeltaError in DELTA_RESULT
 */
export function applyDelta(records: u32): u32 {
  const limit: u32 = DELTA_BYTES / DELTA_SIZE;
  let applied: u32 = 0;
  for (let i: u32 = 0; i < min<u32>(records, limit); i++) {
    const record: usize = DELTA_BASE + i * DELTA_SIZE;
    const result = applyRecord(record);
    store<u32>(record, result, DELTA_RESULT_OFF);
    if (result == DeltaError.NONE) applied++;
  }
  dropStaleAffinity();
  dropStrays();
  count(LaneCounter.DELTAS, applied);
  const epoch: usize = CONTROL_BASE + CONTROL_EPOCH_OFF;
  store<u32>(epoch, load<u32>(epoch) + 1);
  return applied;
}

function applyRecord(record: usize): DeltaError {
  const op = load<u16>(record, DELTA_OP_OFF);
  if (op != Op.PUT && op != Op.DELETE) return DeltaError.UNKNOWN_OP;
  const remove = op == Op.DELETE;
  const idx = load<u32>(record, DELTA_IDX_OFF);
  const image = record + DELTA_PAYLOAD_OFF;
  switch (<u32>load<u16>(record, DELTA_TABLE_OFF)) {
    case TableId.LINK:
      if (remove) staleLinks();
      return keyed(RegionId.LINKS, WORDS_1, image, LINK_SIZE, remove);
    case TableId.FRONTEND:
      return applyFrontend(image, remove);
    case TableId.ROUTE:
      return applyRoute(image, remove);
    case TableId.SERVICE:
      return applyService(idx, image, remove);
    case TableId.BACKEND:
      return indexed(RegionId.BACKENDS, BACKEND_SIZE, idx, image, remove);
    case TableId.SET:
      return applySet(idx, load<u32>(record, DELTA_COUNT_OFF), image, remove);
    case TableId.MAGLEV:
      return applyMaglev(idx, load<u32>(record, DELTA_COUNT_OFF), image, remove);
    case TableId.NODE:
      memory.copy(CONTROL_BASE + CONTROL_NODE_ADDR4_OFF, image, NODE_ADDRS_SIZE);
      return DeltaError.NONE;
    case TableId.RANGE:
      return applyRanges(idx, load<u32>(record, DELTA_COUNT_OFF), image, remove);
    case TableId.POLICY:
      store<u32>(CONTROL_BASE + CONTROL_POLICY_FLAGS_OFF, load<u32>(image));
      memory.copy(
        CONTROL_BASE + CONTROL_POD_RANGE4_OFF,
        image + POLICY_RANGES_AT,
        POLICY_RANGES_SIZE,
      );
      return DeltaError.NONE;
    case TableId.PURGE:
      purge(load<u32>(image), load<u32>(image, 4), load<u8>(image, 8));
      return DeltaError.NONE;
    case TableId.STRAYS:
      staleLinks();
      return DeltaError.NONE;
    case TableId.EXEMPT:
      return applyExempt(idx, load<u32>(record, DELTA_COUNT_OFF), image);
    case TableId.TAKEN_PORTS:
      return applyTakenPorts(idx, load<u32>(record, DELTA_COUNT_OFF), image);
    default:
      return DeltaError.UNKNOWN_TABLE;
  }
}

/** Put or delete a row of a hash table by the key in its image. */
function keyed(region: RegionId, words: u32, image: usize, size: u32, remove: bool): DeltaError {
  const key = image + IMAGE_KEY_OFF;
  const w1 = words == WORDS_3 ? load<u64>(key, 8) : 0;
  const w2 = words == WORDS_3 ? load<u64>(key, 16) : 0;
  if (remove) {
    return tableDelete(region, words, load<u64>(key), w1, w2) ? DeltaError.NONE : DeltaError.ABSENT;
  }
  const row = tablePut(region, words, load<u64>(key), w1, w2);
  if (!row) return DeltaError.TABLE_FULL;
  memory.copy(row + IMAGE_OFF, image, size - <u32>IMAGE_OFF);
  return DeltaError.NONE;
}

function applyRoute(image: usize, remove: bool): DeltaError {
  const addr = image + IMAGE_KEY_OFF;
  const length = load<u32>(image + ROUTE_PREFIX_LEN_OFF - IMAGE_OFF);
  if (length >= <u32>PREFIX_LENGTHS) return DeltaError.OUT_OF_RANGE;
  if (remove) return lpmDelete(addr, length) ? DeltaError.NONE : DeltaError.ABSENT;
  const row = lpmPut(addr, length);
  if (!row) return DeltaError.TABLE_FULL;
  // Of a new route as well: who was beyond another one may now be beyond a tunnel.
  const isTunnel = load<u8>(image + ROUTE_FLAGS_OFF - IMAGE_OFF) & ROUTE_F_TUNNEL;
  if ((isTunnel | (load<u8>(row, ROUTE_FLAGS_OFF) & ROUTE_F_TUNNEL)) != 0) staleRoutes();
  // The key stays as the table masked it: copy what is before it and behind it.
  memory.copy(row + IMAGE_OFF, image, IMAGE_KEY_OFF);
  const behind: usize = ROUTE_PREFIX_LEN_OFF + 8;
  memory.copy(row + behind, image + behind - IMAGE_OFF, ROUTE_SIZE - <u32>behind);
  return DeltaError.NONE;
}

function indexed(region: RegionId, size: u32, idx: u32, image: usize, remove: bool): DeltaError {
  if (idx >= regionCapacity(region)) return DeltaError.OUT_OF_RANGE;
  const row = regionBase(region) + <usize>idx * size;
  if (remove) memory.fill(row, 0, size);
  else memory.copy(row, image, size);
  return DeltaError.NONE;
}

/** Whether `n` entries from `first` lie within a region. */
function inRange(region: RegionId, first: u32, n: u32): bool {
  return <u64>first + n <= regionCapacity(region);
}

/** Stages follow a row's indices unchecked: none may lead out of its table. */
function serviceFits(row: usize): bool {
  const service = Service.at(row);
  return (
    inRange(RegionId.SETS, service.run, service.count(true)) &&
    inRange(RegionId.SETS, service.run + service.first(false), service.count(false)) &&
    service.first(false) <= regionCapacity(RegionId.SETS) &&
    inRange(RegionId.MAGLEV, service.maglev(false), service.maglevCount(false)) &&
    inRange(RegionId.MAGLEV, service.maglev(true), service.maglevCount(true)) &&
    inRange(RegionId.RANGES, service.ranges, service.rangesCount)
  );
}

function applyService(idx: u32, image: usize, remove: bool): DeltaError {
  if (idx >= regionCapacity(RegionId.SERVICES)) return DeltaError.OUT_OF_RANGE;
  if (!remove && !serviceFits(image)) return DeltaError.OUT_OF_RANGE;
  if (Service.of(idx).affinitySec != 0) staleAffinity();
  return indexed(RegionId.SERVICES, SERVICE_SIZE, idx, image, remove);
}

/** A new frontend takes over what used to pass it by. */
function applyFrontend(image: usize, remove: bool): DeltaError {
  const service = load<u32>(image + FRONTEND_SERVICE_OFF - IMAGE_OFF) & FRONTEND_SERVICE_MASK;
  if (!remove && service >= regionCapacity(RegionId.SERVICES)) return DeltaError.OUT_OF_RANGE;
  const result = keyed(RegionId.FRONTENDS, WORDS_3, image, FRONTEND_SIZE, remove);
  const proto = load<u8>(image + FRONTEND_PROTO_OFF - IMAGE_OFF);
  if (remove || result != DeltaError.NONE || proto != <u8>IPPROTO_UDP) return result;
  const addr = image + FRONTEND_ADDR_OFF - IMAGE_OFF;
  const ports = (<u32>load<u16>(image + FRONTEND_PORT_OFF - IMAGE_OFF)) << 16;
  if (isMapped(addr)) purgeUntranslated<V4>(addr, ports, proto);
  else purgeUntranslated<V6>(addr, ports, proto);
  return result;
}

/** A backend has one family, but its identity does not say which. */
function purge(service: u32, backend: u32, proto: u8): void {
  purgeBackend<V4>(service, backend, proto);
  purgeBackend<V6>(service, backend, proto);
}

function applyRanges(first: u32, n: u32, image: usize, remove: bool): DeltaError {
  if (n > RANGES_MAX || !inRange(RegionId.RANGES, first, n)) return DeltaError.OUT_OF_RANGE;
  if (remove) return DeltaError.NONE;
  memory.copy(regionBase(RegionId.RANGES) + first * RANGE_SIZE, image, n * RANGE_SIZE);
  return DeltaError.NONE;
}

function applyExempt(first: u32, n: u32, image: usize): DeltaError {
  if (n > RANGES_MAX || <u64>first + n > <u64>EXEMPT_MAX) return DeltaError.OUT_OF_RANGE;
  memory.copy(CONTROL_BASE + CONTROL_EXEMPT_OFF + first * RANGE_SIZE, image, n * RANGE_SIZE);
  store<u32>(CONTROL_BASE + CONTROL_EXEMPT_COUNT_OFF, first + n);
  return DeltaError.NONE;
}

function applyTakenPorts(first: u32, n: u32, image: usize): DeltaError {
  if (n > <u32>DELTA_PAYLOAD_SIZE || <u64>first + n > <u64>TAKEN_PORTS_BYTES) {
    return DeltaError.OUT_OF_RANGE;
  }
  memory.copy(CONTROL_BASE + CONTROL_TAKEN_PORTS_OFF + first, image, n);
  return DeltaError.NONE;
}

/** Whether the `n` indices at `image` are rows of BACKENDS. */
function areBackends(image: usize, n: u32): bool {
  const backends = regionCapacity(RegionId.BACKENDS);
  for (let i: u32 = 0; i < n; i++) {
    if (load<u32>(image + ((<usize>i) << 2)) >= backends) return false;
  }
  return true;
}

function applySet(first: u32, n: u32, image: usize, remove: bool): DeltaError {
  if (n > SET_ENTRIES_MAX || !inRange(RegionId.SETS, first, n)) {
    return DeltaError.OUT_OF_RANGE;
  }
  if (!remove && !areBackends(image, n)) return DeltaError.OUT_OF_RANGE;
  const at = regionBase(RegionId.SETS) + ((<usize>first) << 2);
  if (remove) memory.fill(at, 0, n << 2);
  else memory.copy(at, image, n << 2);
  return DeltaError.NONE;
}

/** Build a Maglev table of `m` slots from the backends of a set. */
function applyMaglev(first: u32, m: u32, image: usize, remove: bool): DeltaError {
  if (!inRange(RegionId.MAGLEV, first, m)) return DeltaError.OUT_OF_RANGE;
  if (remove) return DeltaError.NONE;
  const set = load<u32>(image);
  const n = load<u32>(image, 4);
  if (!inRange(RegionId.SETS, set, n)) return DeltaError.OUT_OF_RANGE;
  return buildMaglev(first, m, set, n) ? DeltaError.NONE : DeltaError.OUT_OF_RANGE;
}

/** Trial division, 255 steps at most for what `buildMaglev` lets through; 0 and 1 pass. */
function isPrime(m: u32): bool {
  for (let i: u32 = 2; i * i <= m; i++) if (m % i == 0) return false;
  return true;
}

/**
 * @param m  a prime, or 1
 * @returns  false when it is not, or the set does not fit the table, the scratch area or BACKENDS
 */
export function buildMaglev(first: u32, m: u32, set: u32, n: u32): bool {
  // A permutation of slots that are no prime number might never come by a vacant one.
  if (n > m || m > 0xffff || !isPrime(m)) return false;
  if (n * (MAGLEV_MEMBER_SIZE + MAGLEV_SCRATCH_SIZE) > SCRATCH_HALF) return false;
  // The upper half: embedders keep frames in the lower one.
  const memberships: usize = SCRATCH_BASE + SCRATCH_HALF;
  const members = regionBase(RegionId.SETS) + ((<usize>set) << 2);
  for (let i: u32 = 0; i < n; i++) {
    const backend = load<u32>(members + ((<usize>i) << 2));
    if (backend >= regionCapacity(RegionId.BACKENDS)) return false;
    const row = regionBase(RegionId.BACKENDS) + backend * BACKEND_SIZE;
    const member = memberships + i * MAGLEV_MEMBER_SIZE;
    store<u32>(member, load<u32>(row, BACKEND_ID_OFF));
    store<u32>(member, load<u32>(row, BACKEND_WEIGHT_OFF), 4);
    store<u32>(member, i, 8);
  }
  const table = regionBase(RegionId.MAGLEV) + ((<usize>first) << 1);
  maglevBuild(table, m, memberships, n, memberships + n * MAGLEV_MEMBER_SIZE);
  return true;
}
