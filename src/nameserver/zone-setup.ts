/** What a `kubernetes` plugin was told, as the compiler of names takes it. */
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { parseLabelSelector } from '../compile/dns/label-selector.js';
import type { ZoneOptions } from '../compile/dns/options.js';
import type { ZoneInstance } from '../dns/chain/setup.js';
import { formatName } from '../dns/wire/name.js';
import type { Named } from '../model/named.js';
import type { FedZone } from './zone-feed.js';

export function zoneSetup(
  { space, options }: ZoneInstance,
  named: Named,
  servers: readonly Address[],
): FedZone {
  const { ttl, ttlMax } = options;
  const selector = (text: string | undefined) =>
    text === undefined ? undefined : parseLabelSelector(text);
  const zoneOptions: ZoneOptions = {
    ttl,
    ttlMax: Number.isFinite(ttlMax) ? ttlMax : undefined,
    pods: options.pods,
    endpointPodNames: options.isEndpointPodNames,
    ignoreEmptyService: options.isEmptyServiceHidden,
    noEndpoints: options.isWithoutEndpoints,
    namespaces: options.namespaces ?? [],
    namespaceLabels: selector(options.namespaceLabels),
    labels: selector(options.labels),
    servers,
  };
  const zones = options.zones.map((zone) => formatName(zone).replace(/\.$/, ''));
  const key = JSON.stringify([space, zones, options, servers.map(formatAddress)]);
  return { space, key, zones, options: zoneOptions, named, negativeTtl: Math.min(ttl, ttlMax) };
}
