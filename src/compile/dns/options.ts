/** What a `kubernetes` plugin of a Corefile asks for, as far as it changes the names. */
import type { Address } from '../../addr.js';
import type { LabelSelector } from './label-selector.js';

export type PodsMode = 'disabled' | 'insecure' | 'verified';

export interface ZoneOptions {
  /** Seconds, of all records but the version's. */
  readonly ttl: number;
  /** `cache N` in front of the zone: no TTL is above it, nor below 5 as far as it allows that. */
  readonly ttlMax?: number | undefined;
  readonly pods: PodsMode;
  /** Endpoints without a hostname are called as their pods. */
  readonly endpointPodNames: boolean;
  /** Services with a ClusterIP and no ready endpoint do not exist. */
  readonly ignoreEmptyService: boolean;
  /** Endpoints are not looked at: no headless Services, no names of endpoints. */
  readonly noEndpoints: boolean;
  /** The only namespaces there are; empty: all. */
  readonly namespaces: readonly string[];
  readonly namespaceLabels?: LabelSelector | undefined;
  /** Of Services and pods. */
  readonly labels?: LabelSelector | undefined;
  /** Where this server is reached, for NS records: the DNS Service's ClusterIPs, or else its own. */
  readonly servers: readonly Address[];
}

/** As a Corefile's `kubernetes` without a block. */
export const ZONE_DEFAULTS: ZoneOptions = {
  ttl: 5,
  pods: 'disabled',
  endpointPodNames: false,
  ignoreEmptyService: false,
  noEndpoints: false,
  namespaces: [],
  servers: [],
};

/** What a cache of CoreDNS raises lower TTLs to. */
const CACHE_TTL_MIN = 5;

/** A record's TTL with a cache in front of it. */
export function shownTtl(ttl: number, { ttlMax }: ZoneOptions): number {
  return ttlMax === undefined ? ttl : Math.min(Math.max(ttl, CACHE_TTL_MIN), ttlMax);
}
