/** The time of the current turn, set once by whoever calls into the core. */
import { CONTROL_BASE, CONTROL_HEARTBEAT_NS_OFF, CONTROL_NOW_MS_OFF } from '../abi';

const NS_PER_MS: u64 = 1_000_000;

/** Milliseconds of CLOCK_MONOTONIC, wrapping after 49 days: compare by difference only. */
export function nowMs(): u32 {
  return load<u32>(CONTROL_BASE + CONTROL_NOW_MS_OFF);
}

/**
 * Begin a turn.
 *
 * @param ms  CLOCK_MONOTONIC in milliseconds; the kernel programs compare the heartbeat with
 *            their own monotonic clock
 */
export function setClock(ms: f64): void {
  store<u32>(CONTROL_BASE + CONTROL_NOW_MS_OFF, <u32>(<u64>ms));
  store<u64>(CONTROL_BASE + CONTROL_HEARTBEAT_NS_OFF, <u64>ms * NS_PER_MS);
}

/** The part of a kernel time stamp that compares with `nowMs`. */
export function msOfNs(ns: u64): u32 {
  return <u32>(ns / NS_PER_MS);
}
