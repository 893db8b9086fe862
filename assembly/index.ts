/**
 * The exports of the core, and nothing else. All arguments are numbers and linear addresses; the
 * only import is `env.memory`.
 */
import {
  ABI_VERSION,
  CONTROL_BASE,
  CONTROL_LAYOUT_OFF,
  CONTROL_MAGIC,
  CONTROL_MAGIC_OFF,
} from './abi';
import { errorsReset } from './answer/icmp-error';
import { V4, V6 } from './flow/row';
import { sweepAffinity } from './balance/affinity';
import { cachesReset } from './dns/cache';
import { namesReset } from './dns/update';
import { adoptTable } from './flow/adopt';
import { fragmentsReset, sweepFragments } from './flow/fragments';
import { takeStaleRoutes } from './flow/follow';
import { sweepTable } from './flow/sweep';
import { defaultTimeouts } from './flow/timeouts';
import { isAttached, portAt, refill, Port, framesAccounted } from './io/port';
import { setClock } from './mem/clock';
import { layoutRegions } from './mem/region';
import { lpmReset } from './table/lpm';
import { poolReset } from './table/pool';

export { applyDelta } from './delta';
export { dnsAnswer } from './dns/answer';
export { cacheClose, cacheOpen } from './dns/cache';
export { cacheGet } from './dns/cache-answer';
export { cacheDue } from './dns/cache-due';
export { cacheFailed, cachePut } from './dns/cache-put';
export { dnsBatch } from './dns/batch';
export { applyNames } from './dns/update';
export { parseFrame, processBatch, processFrame, traceFrame } from './embed';
export { runBurst } from './engine';
export { checksum } from './wire/checksum';
export { lpmFind } from './table/lpm';
export { maglevBuild, maglevPick } from './table/maglev';

/** @returns the version of this contract; hosts compare it with the one they were built for */
export function abiVersion(): u32 {
  return ABI_VERSION;
}

/**
 * Lay the tables out for the capacities in CAPS.
 *
 * @returns 64 KiB pages of linear memory needed; 0 when the capacities are impossible. May be called
 *          on an instance with the fixed part of memory only.
 */
export function layout(): u32 {
  return <u32>(layoutRegions() >> 16);
}

/**
 * Make the tables usable. Call `layout` before, with the full memory in place; flow tables that an
 * earlier agent left behind are mapped by then, and are not touched.
 *
 * @param layoutHash  identity of the row layout, kept in CONTROL for whoever maps the tables next
 */
export function init(layoutHash: u32): void {
  store<u32>(CONTROL_BASE + CONTROL_MAGIC_OFF, CONTROL_MAGIC);
  store<u32>(CONTROL_BASE + CONTROL_LAYOUT_OFF, layoutHash);
  defaultTimeouts();
  errorsReset();
  lpmReset();
  poolReset();
  fragmentsReset();
  namesReset();
  cachesReset();
}

/** Begin to receive on port `idx`, whose record the host has filled in. */
export function attachPort(idx: u32): void {
  if (isAttached(idx)) refill(Port.at(portAt(idx)));
}

/**
 * Forget silent flows in the next `budget` slots of each table.
 *
 * @returns flows forgotten
 */
export function sweep(nowMs: f64, budget: u32): u32 {
  setClock(nowMs);
  sweepAffinity(budget);
  sweepFragments(budget);
  const slots = takeStaleRoutes() ? u32.MAX_VALUE : budget;
  return sweepTable<V4>(slots) + sweepTable<V6>(slots);
}

/**
 * Check every row of tables that were mapped with content; unsound rows are deleted.
 *
 * @returns rows kept
 */
export function adopt(nowMs: f64): u32 {
  setClock(nowMs);
  return adoptTable<V4>() + adoptTable<V6>();
}

/** Frames that have an owner; all of UMEM's, or a frame was lost or doubled. */
export function census(): u32 {
  return framesAccounted();
}
