/**
 * Session affinity: a client's new flows to a service go to the backend its last one went to, until
 * it has opened none for the service's time-out (sessionAffinity ClientIP).
 *
 * Keyed by client address and service port, not by frontend: who came through the ClusterIP finds
 * the same backend through a node port. An entry counts only while its backend is in the set that
 * is asked; when a backend leaves the service, its entries go at once (`dropStaleAffinity`).
 */
import {
  AFFINITY_BACKEND_OFF,
  AFFINITY_POSITION_OFF,
  AFFINITY_SEEN_MS_OFF,
  AFFINITY_SERVICE_OFF,
  AFFINITY_SIZE,
  CONTROL_AFFINITY_STALE_OFF,
  CONTROL_BASE,
  CONTROL_SWEEP_AFFINITY_OFF,
  LaneCounter,
  ROW_STATE_OFF,
  RegionId,
  RowState,
} from '../abi';
import { nowMs } from '../mem/clock';
import { regionBase, regionCapacity } from '../mem/region';
import { count } from '../table/counters';
import { WORDS_3, tableDeleteRow, tableFind, tablePut } from '../table/hash-table';
import { NO_INDEX, Service, memberAt } from './rows';

const MS_PER_SEC: u32 = 1000;

function isFresh(row: usize, service: Service): bool {
  const age = nowMs() - load<u32>(row, AFFINITY_SEEN_MS_OFF);
  // A stamp from the future is one of this turn.
  return age > <u32>i32.MAX_VALUE || <u64>age <= <u64>service.affinitySec * MS_PER_SEC;
}

/** Where a backend is in a set. @returns position within the run, NO_INDEX = not there */
function positionOf(service: Service, local: bool, backend: u32, hint: u32): u32 {
  const first = service.first(local);
  const end = first + service.count(local);
  if (hint >= first && hint < end && memberAt(service, hint) == backend) return hint;
  for (let i = first; i < end; i++) if (memberAt(service, i) == backend) return i;
  return NO_INDEX;
}

/**
 * The member a client is bound to.
 *
 * @param client  its 16-byte address
 * @returns       position within the service's run; NO_INDEX: none, or not of this set
 */
export function affinityFind(idx: u32, service: Service, local: bool, client: usize): u32 {
  const row = tableFind(RegionId.AFFINITY, WORDS_3, load<u64>(client), load<u64>(client, 8), idx);
  if (!row || !isFresh(row, service)) return NO_INDEX;
  const backend = load<u32>(row, AFFINITY_BACKEND_OFF);
  return positionOf(service, local, backend, load<u32>(row, AFFINITY_POSITION_OFF));
}

/** Bind a client to a member from now on. Without room it stays free. */
export function affinityPut(idx: u32, service: Service, position: u32, client: usize): void {
  const row = tablePut(RegionId.AFFINITY, WORDS_3, load<u64>(client), load<u64>(client, 8), idx);
  if (!row) {
    count(LaneCounter.AFFINITY_FULL, 1);
    return;
  }
  store<u32>(row, memberAt(service, position), AFFINITY_BACKEND_OFF);
  store<u32>(row, nowMs(), AFFINITY_SEEN_MS_OFF);
  store<u32>(row, position, AFFINITY_POSITION_OFF);
}

/** Say that a service has lost members or its affinity: entries may name what is gone. */
export function staleAffinity(): void {
  store<u32>(CONTROL_BASE + CONTROL_AFFINITY_STALE_OFF, 1);
}

function rowAt(i: u32): usize {
  return regionBase(RegionId.AFFINITY) + i * AFFINITY_SIZE;
}

/** Whether an entry still means something. */
function isSound(row: usize): bool {
  const service = Service.of(load<u32>(row, AFFINITY_SERVICE_OFF));
  if (service.affinitySec == 0) return false;
  const backend = load<u32>(row, AFFINITY_BACKEND_OFF);
  const hint = load<u32>(row, AFFINITY_POSITION_OFF);
  return (
    positionOf(service, true, backend, hint) != NO_INDEX ||
    positionOf(service, false, backend, hint) != NO_INDEX
  );
}

/** Once a batch of deltas: forget entries of backends that have left their service. */
export function dropStaleAffinity(): void {
  const stale: usize = CONTROL_BASE + CONTROL_AFFINITY_STALE_OFF;
  if (load<u32>(stale) == 0) return;
  store<u32>(stale, 0);
  const capacity = regionCapacity(RegionId.AFFINITY);
  for (let i: u32 = 0; i < capacity; i++) {
    const row = rowAt(i);
    if (load<u32>(row + ROW_STATE_OFF) != RowState.LIVE || isSound(row)) continue;
    tableDeleteRow(RegionId.AFFINITY, row);
  }
}

/** Forget expired entries among the next `budget` slots. */
export function sweepAffinity(budget: u32): void {
  const cursor: usize = CONTROL_BASE + CONTROL_SWEEP_AFFINITY_OFF;
  const mask = regionCapacity(RegionId.AFFINITY) - 1;
  let i = load<u32>(cursor) & mask;
  for (let n = min<u32>(budget, mask + 1); n > 0; n--, i = (i - 1) & mask) {
    const row = rowAt(i);
    if (load<u32>(row + ROW_STATE_OFF) != RowState.LIVE) continue;
    const service = Service.of(load<u32>(row, AFFINITY_SERVICE_OFF));
    if (!isFresh(row, service)) tableDeleteRow(RegionId.AFFINITY, row);
  }
  store<u32>(cursor, i);
}
