/**
 * Source ports for flows whose own port would make two flows' replies indistinguishable.
 *
 * A bounded walk over the range from a scattered start: with half the range taken, all 64
 * attempts fail once in 2^50 times.
 */
import {
  CONTROL_BASE,
  CONTROL_TAKEN_PORTS_OFF,
  SNAT_PORT_END,
  SNAT_PORT_FIRST,
  TAKEN_PORTS_BYTES,
  TAKEN_PORTS_SHIFT,
} from '../abi';

export const SNAT_PORT_TRIES: u32 = 64;
/**
 * So many attempts for a port that nobody has; then that of a connection that is over will do. The
 * other end may not have forgotten it yet, and refuse (RFC 7323 5): the last resort.
 */
export const SNAT_PORT_FREE_TRIES: u32 = 32;
const RANGE: u32 = SNAT_PORT_END - SNAT_PORT_FIRST;
/** Has no divisor in common with the range, so that a walk of this step visits every port. */
const STEP: u32 = 9973;

if (SNAT_PORT_END >> TAKEN_PORTS_SHIFT > TAKEN_PORTS_BYTES << 3) ERROR('a bit for each group');

/** The `i`-th candidate from a start. A division, but once a flow. */
export function candidatePort(start: u32, i: u32): u32 {
  const first = <u32>((<u64>start * RANGE) >> 32);
  return SNAT_PORT_FIRST + ((first + i * STEP) % RANGE);
}

/** Whether a port may be given to a flow. */
export function isSnatPort(port: u32): bool {
  return port >= <u32>SNAT_PORT_FIRST && port < <u32>SNAT_PORT_END;
}

/** Whether a socket of the host has a port, or one beside it. */
export function isPortTaken(port: u32): bool {
  const group = port >> TAKEN_PORTS_SHIFT;
  const bits: usize = CONTROL_BASE + CONTROL_TAKEN_PORTS_OFF;
  return ((load<u8>(bits + (group >> 3)) >> (group & 7)) & 1) != 0;
}
