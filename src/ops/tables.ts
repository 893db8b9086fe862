/**
 * The pinned tables read from outside the agent, whether it runs or not: mapped, never locked,
 * never written.
 */
import { existsSync } from 'node:fs';
import {
  CONTROL_BYTES,
  CONTROL_FLAGS_OFF,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_FLOWS6_LIVE_OFF,
  CONTROL_F_OFFLOAD,
  CONTROL_HEARTBEAT_NS_OFF,
  CONTROL_MAGIC,
  CONTROL_MAGIC_OFF,
  CONTROL_STALE_MS_OFF,
  COUNTERS_BYTES,
  COUNTER_DROP_BASE,
  COUNTER_KERNEL_BASE,
  COUNTER_LANE_BASE,
  DROP_COUNT,
  Drop,
  KernelCounter,
  LaneCounter,
} from '../../assembly/abi.js';
import { DataplaneError } from '../errors.js';
import { mapPin } from '../kernel/maps.js';
import type { MapName } from '../kernel/maps.js';
import * as native from '../native.js';
import type { RowArray } from './flow-rows.js';

const NS_PER_MS = 1_000_000n;
const WASM_PAGE = 65536;

/**
 * Map a pinned array.
 *
 * @throws DataplaneError ERR_STATE when nothing is pinned there
 */
export function mapPinned(pinDir: string, name: MapName): RowArray {
  const pin = mapPin(pinDir, name);
  if (!existsSync(pin)) {
    const message = `no table ${name} under ${pinDir}: no agent has run on this node, or it was cleaned up`;
    throw new DataplaneError('ERR_STATE', message);
  }
  const fd = native.objGet(pin);
  try {
    const { maxEntries, valueSize } = native.mapInfo(fd);
    const length = maxEntries * valueSize;
    // A WebAssembly memory is the one buffer of Node's that begins on a page.
    const pages = Math.ceil(length / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const all = new Uint8Array(memory.buffer);
    native.mapFd(fd, all, 0, length);
    const words = new DataView(memory.buffer, 0, length);
    return { bytes: all.subarray(0, length), words, rows: maxEntries, rowSize: valueSize };
  } finally {
    native.closeFd(fd);
  }
}

export interface LaneState {
  /** Whether the kernel programs take the lane for alive. */
  readonly alive: boolean;
  readonly heartbeatAgeMs: number;
  readonly offload: boolean;
  /** Live rows; two a flow. */
  readonly rows4: number;
  readonly rows6: number;
}

export function readLaneState(pinDir: string): LaneState {
  const { words } = mapPinned(pinDir, 'control');
  if (
    words.byteLength < CONTROL_BYTES ||
    words.getUint32(CONTROL_MAGIC_OFF, true) !== CONTROL_MAGIC
  ) {
    throw new DataplaneError('ERR_STATE', `the tables under ${pinDir} were never used by a lane`);
  }
  return laneStateOf(words);
}

/** @param words  CONTROL, mapped */
export function laneStateOf(words: DataView): LaneState {
  const u32 = (offset: number): number => words.getUint32(offset, true);
  const beat = Number(words.getBigUint64(CONTROL_HEARTBEAT_NS_OFF, true) / NS_PER_MS);
  const heartbeatAgeMs = Math.max(0, Math.round(native.monotonicMs() - beat));
  return {
    alive: heartbeatAgeMs <= u32(CONTROL_STALE_MS_OFF),
    heartbeatAgeMs,
    offload: (u32(CONTROL_FLAGS_OFF) & CONTROL_F_OFFLOAD) !== 0,
    rows4: u32(CONTROL_FLOWS4_LIVE_OFF),
    rows6: u32(CONTROL_FLOWS6_LIVE_OFF),
  };
}

export interface Counters {
  readonly lane: Readonly<Record<string, number>>;
  readonly kernel: Readonly<Record<string, number>>;
  /** Reasons that occurred. */
  readonly drops: Readonly<Record<string, number>>;
}

/** Names of an enum's members with their values. */
export function members(enumeration: object): [string, number][] {
  return Object.entries(enumeration).flatMap(([name, value]) =>
    typeof value === 'number' ? [[name, value] as [string, number]] : [],
  );
}

export function readCounters(pinDir: string): Counters {
  const { words } = mapPinned(pinDir, 'counters');
  const word = (at: number): number => Number(words.getBigUint64(at * 8, true));
  const from = (base: number, enumeration: object): Record<string, number> =>
    Object.fromEntries(members(enumeration).map(([name, value]) => [name, word(base + value)]));
  if (words.byteLength < COUNTERS_BYTES)
    throw new DataplaneError('ERR_STATE', 'counters are short');
  const drops = Object.entries(from(COUNTER_DROP_BASE, Drop)).slice(0, DROP_COUNT);
  return {
    lane: from(COUNTER_LANE_BASE, LaneCounter),
    kernel: from(COUNTER_KERNEL_BASE, KernelCounter),
    drops: Object.fromEntries(drops.filter(([, count]) => count !== 0)),
  };
}
