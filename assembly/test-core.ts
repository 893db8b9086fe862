/**
 * Third entry point, for tests only and never shipped: everything the core exports, and the inner
 * functions that tests hold against models of their own.
 */
import {
  deleteRow,
  findFlow,
  openRow,
  publish,
  reclaimDeleted,
  vacantFlow,
  NO_ROW,
} from './flow/flow-table';
import { Row, Tally, V4, V6, dstOff, rowAt, srcOff } from './flow/row';
import { settledState } from './flow/settled';
import { passedFrom } from './flow/sweep';
import { addrCopy } from './flow/tuple';
import { setClock } from './mem/clock';

/** The state of a flow from the addresses of its two tallies. */
export function flowSettled(original: usize, reply: usize): u8 {
  return settledState(Tally.at(original), Tally.at(reply));
}

export * from './index';
export { candidatePort } from './flow/ports';
export { nextRandom } from './mem/random';
export { isSctpClosing, nextSctpState, sctpTimeoutMs } from './flow/sctp-state';
export { isTcpClosed, nextTcpState } from './flow/tcp-state';
export { tcpTimeoutMs } from './flow/timeouts';
export { nhFlow4, nhFlow6, pickHash } from './mem/hash';
export { arenaGive, arenaReset, arenaTake } from './table/arena';
export { podAddress } from './dns/pods';
export { tableDelete, tableFind, tablePut } from './table/hash-table';
export { lpmDelete, lpmPut } from './table/lpm';

export function flowFind4(src: usize, dst: usize, ports: u32, kind: u32): usize {
  return findFlow<V4>(src, dst, ports, kind);
}

export function flowFind6(src: usize, dst: usize, ports: u32, kind: u32): usize {
  return findFlow<V6>(src, dst, ports, kind);
}

/** A live row with this tuple, which must not be in the table. @returns address, 0 = no vacancy */
export function flowInsert4(src: usize, dst: usize, ports: u32, kind: u32): usize {
  return insert<V4>(src, dst, ports, kind);
}

export function flowInsert6(src: usize, dst: usize, ports: u32, kind: u32): usize {
  return insert<V6>(src, dst, ports, kind);
}

export function flowDelete4(row: usize): void {
  deleteRow<V4>(Row.at(row));
}

export function flowDelete6(row: usize): void {
  deleteRow<V6>(Row.at(row));
}

/** What the sweep does with a deleted slot. */
export function flowReclaim4(idx: u32, nowMs: f64): void {
  setClock(nowMs);
  if (rowAt<V4>(idx).seq & 1 && passedFrom<V4>(idx) == 0) reclaimDeleted<V4>(idx);
}

export function flowReclaim6(idx: u32, nowMs: f64): void {
  setClock(nowMs);
  if (rowAt<V6>(idx).seq & 1 && passedFrom<V6>(idx) == 0) reclaimDeleted<V6>(idx);
}

function insert<F>(src: usize, dst: usize, ports: u32, kind: u32): usize {
  const idx = vacantFlow<F>(src, dst, ports, kind);
  if (idx == NO_ROW) return 0;
  const row = openRow<F>(idx);
  row.setPorts(ports);
  row.setKind(kind);
  addrCopy<F>(row.ptr + srcOff<F>(), src);
  addrCopy<F>(row.ptr + dstOff<F>(), dst);
  publish<F>(row);
  return row.ptr;
}
