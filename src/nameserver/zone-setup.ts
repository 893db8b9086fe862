/** What a `kubernetes` plugin was told, as the compiler of names takes it. */
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { parseLabelSelector } from '../compile/dns/label-selector.js';
import type { LabelSelector } from '../compile/dns/label-selector.js';
import type { ZoneOptions } from '../compile/dns/options.js';
import type { ZoneInstance } from '../dns/chain/setup.js';
import { DataplaneError } from '../errors.js';
import { formatName } from '../dns/wire/name.js';
import type { Named } from '../model/named.js';
import type { FedZone } from './zone-feed.js';

function selectorOf(property: string, text: string | undefined): LabelSelector | undefined {
  const selector = text === undefined ? undefined : parseLabelSelector(text);
  if (text === undefined || selector !== undefined) return selector;
  const what = `kubernetes ${property}: ${JSON.stringify(text)}: expected a selector of labels`;
  throw new DataplaneError('ERR_CONFIG', what);
}

/** @throws DataplaneError ERR_CONFIG  a selector that is none */
export function zoneSetup(
  { space, options }: ZoneInstance,
  named: Named,
  servers: readonly Address[],
): FedZone {
  const { ttl, ttlMax } = options;
  const zoneOptions: ZoneOptions = {
    ttl,
    ttlMax: Number.isFinite(ttlMax) ? ttlMax : undefined,
    pods: options.pods,
    endpointPodNames: options.isEndpointPodNames,
    ignoreEmptyService: options.isEmptyServiceHidden,
    noEndpoints: options.isWithoutEndpoints,
    namespaces: options.namespaces ?? [],
    namespaceLabels: selectorOf('namespace_labels', options.namespaceLabels),
    labels: selectorOf('labels', options.labels),
    servers,
  };
  const zones = options.zones.map(formatName);
  const key = JSON.stringify([space, zones, options, servers.map(formatAddress)]);
  return { space, key, zones, options: zoneOptions, named, negativeTtl: Math.min(ttl, ttlMax) };
}
