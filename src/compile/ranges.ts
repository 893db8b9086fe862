/**
 * RANGES: from where a load balancer's address may be reached.
 *
 *   0                 16                32
 *   +-----------------+-----------------+
 *   | address, mapped | mask            |      a source is in it: source & mask == address
 *   +-----------------+-----------------+
 */
import { RANGE_ADDR_OFF, RANGE_MASK_OFF, RANGE_SIZE } from '../../assembly/abi.js';
import { ADDR_SIZE, contains, maskBytes } from '../addr.js';
import type { Address, Cidr, Family } from '../addr.js';
import type { ServiceRecord } from '../model/services.js';

export interface SourceRanges {
  /** RANGE_SIZE bytes each; none: from everywhere. */
  readonly bytes: Uint8Array;
  /** A node address lies within: the load balancer's address may speak to itself. */
  readonly hasNode: boolean;
}

/** No packet has the source `::`: a service with this range lets nobody in. */
const NOBODY = new Uint8Array(RANGE_SIZE).fill(0xff, RANGE_MASK_OFF, RANGE_MASK_OFF + ADDR_SIZE);

/** The usable ranges of a family; undefined: it is closed, for what was meant cannot be read. */
export function rangesOf(service: ServiceRecord, family: Family): readonly Cidr[] | undefined {
  const own = service.sourceRanges.filter((cidr) => cidr.family === family);
  return own.length === 0 && service.hasBadRanges ? undefined : own;
}

/** Only load-balancer addresses look at ranges: a service without one has none. */
export function compileRanges(
  service: ServiceRecord,
  family: Family,
  nodeAddresses: readonly Address[],
): SourceRanges {
  const isBalanced = service.loadBalancerIPs.some((ip) => ip.family === family);
  if (!isBalanced) return { bytes: new Uint8Array(0), hasNode: false };
  const ranges = rangesOf(service, family);
  if (ranges === undefined) return { bytes: NOBODY, hasNode: false };
  const bytes = new Uint8Array(ranges.length * RANGE_SIZE);
  ranges.forEach((cidr, i) => {
    bytes.set(cidr.bytes, i * RANGE_SIZE + RANGE_ADDR_OFF);
    bytes.set(maskBytes(cidr), i * RANGE_SIZE + RANGE_MASK_OFF);
  });
  const hasNode = ranges.some((cidr) => nodeAddresses.some((address) => contains(cidr, address)));
  return { bytes, hasNode };
}
