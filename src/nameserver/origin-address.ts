/** Whose address a name below in-addr.arpa or ip6.arpa is. */
import { canonicalAddress, formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { readyEndpoints } from '../compile/dns/endpoints.js';
import { addressId } from '../compile/dns/wire-names.js';
import type { FedZone } from './zone-feed.js';

export interface Origin {
  /** `Service default/web`; empty: none. */
  readonly objects: readonly string[];
  /** Half a sentence: what it is there, or why there is none. */
  readonly reason: string;
}

const V4_LABELS = 4;
const V6_LABELS = 32;
const GROUP = 4;

/** The address that a reverse name spells (RFC 1035 3.5, RFC 3596 2.5). */
function addressOf(labels: readonly string[]): Address | undefined {
  const parts = labels.slice(0, -2).reverse();
  if (labels.at(-2) === 'in-addr') {
    return parts.length === V4_LABELS ? canonicalAddress(parts.join('.')) : undefined;
  }
  if (parts.length !== V6_LABELS || !parts.every((part) => /^[0-9a-f]$/.test(part)))
    return undefined;
  const groups = Array.from({ length: V6_LABELS / GROUP }, (_, i) =>
    parts.slice(i * GROUP, (i + 1) * GROUP).join(''),
  );
  return canonicalAddress(groups.join(':'));
}

/** @param labels  of the whole name, in lower case */
export function originOfAddress(labels: readonly string[], { named, options }: FedZone): Origin {
  const address = addressOf(labels);
  if (address === undefined) return { objects: [], reason: 'the name spells no whole address' };
  const id = addressId(address);
  const text = formatAddress(address);
  const holders = [...named.services.values()].filter(({ clusterIPs }) =>
    clusterIPs.some((each) => addressId(each) === id),
  );
  if (holders.length > 0) {
    return {
      objects: holders.map(({ key }) => `Service ${key}`),
      reason: `${text} is a ClusterIP`,
    };
  }
  const slices = [...named.services.keys()].flatMap((key) =>
    [...named.slicesOf(key)].filter((slice) =>
      readyEndpoints([slice], options).some((endpoint) => addressId(endpoint.address) === id),
    ),
  );
  if (slices.length > 0) {
    return {
      objects: slices.map(({ key }) => `EndpointSlice ${key}`),
      reason: `${text} is a ready endpoint`,
    };
  }
  return { objects: [], reason: `${text} is neither a ClusterIP nor a ready endpoint` };
}
