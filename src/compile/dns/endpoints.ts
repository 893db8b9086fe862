/** The endpoints of a Service as names see them: what is ready, under its own name. */
import type { Address } from '../../addr.js';
import { byText } from '../../model/keys.js';
import type { NamedPort } from '../../model/named.js';
import type { SliceEndpointRecord, SliceRecord } from '../../model/slices.js';
import type { ZoneOptions } from './options.js';
import { dashedLabel, isLabel } from './wire-names.js';

export interface NamedEndpoint {
  /** Its label below the Service. */
  readonly label: string;
  readonly address: Address;
  /** Of its slice; empty: it has none. */
  readonly ports: readonly NamedPort[];
}

/**
 * Hostname, or the pod's name where that is asked for, or the address. What no query could spell is
 * no name.
 */
function labelOf(
  { hostname, targetName }: SliceEndpointRecord,
  address: Address,
  { endpointPodNames }: ZoneOptions,
): string {
  if (hostname !== undefined && isLabel(hostname)) return hostname.toLowerCase();
  if (endpointPodNames && targetName !== undefined && isLabel(targetName)) {
    return targetName.toLowerCase();
  }
  return dashedLabel(address);
}

/** Ready endpoints of all slices, in the order of the slices' keys; an address may be in several. */
export function readyEndpoints(
  slices: Iterable<SliceRecord>,
  options: ZoneOptions,
): NamedEndpoint[] {
  if (options.noEndpoints) return [];
  return [...slices]
    .sort((a, b) => byText(a.key, b.key))
    .flatMap(({ endpoints, ports }) =>
      endpoints
        .filter(({ ready }) => ready)
        .flatMap((endpoint) =>
          [endpoint.address, ...endpoint.moreAddresses].map((address) => ({
            label: labelOf(endpoint, address, options),
            address,
            ports,
          })),
        ),
    );
}
