/**
 * Source ports for flows whose own port would make two flows' replies indistinguishable.
 *
 * A bounded walk over the range from a scattered start: with half the range taken, all 64
 * attempts fail once in 2^64 times.
 */
import { be16 } from '../mem/be';

/**
 * Kept away from the host's own ephemeral range (net.ipv4.ip_local_port_range starts at 32768) and
 * from node ports (30000 to 32767).
 */
export const SNAT_PORT_FIRST: u32 = 16384;
export const SNAT_PORT_COUNT: u32 = 8192;
export const SNAT_PORT_TRIES: u32 = 64;

if (SNAT_PORT_COUNT & (SNAT_PORT_COUNT - 1)) ERROR('the port range must be a power of two');

/** The `i`-th candidate from a start, in network order; the step is odd and so visits all. */
export function candidatePortBe(start: u32, i: u32): u16 {
  return be16(<u16>(SNAT_PORT_FIRST + ((start + i * 9973) & (SNAT_PORT_COUNT - 1))));
}
