/**
 * Which backends a service port has lost since the last flush, so that the flows they leave behind
 * are forgotten (UDP) or reset (TCP). The previous state is kept per service port: nothing is
 * scanned.
 *
 * UDP, as kube-proxy: an endpoint stays while it serves, whatever the traffic policy, readiness or
 * termination. A port that nobody serves is left alone until somebody does; then the flows of all
 * who have left meanwhile go at once. Unlike kube-proxy, an endpoint that is ready without serving
 * (publishNotReadyAddresses) stays too: new flows are led to it.
 *
 * TCP, only on demand: an endpoint stays while a slice names it.
 *
 * A host port ends with its pod, and its flows end with it: the port may have been given away.
 *
 * Spec  kube-proxy, pkg/proxy/conntrack/cleanup.go
 */
import type { Protocol } from '../model/services.js';
import type { Endpoint } from '../model/slices.js';
import { backendId } from './backends.js';
import { PROTOCOL_NUMBER } from './frontends.js';
import type { RowKey } from './rows.js';

/** The endpoints of a service port whose flows stay. */
export interface Presence {
  readonly service: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** When it is gone its flows are, too: it has one endpoint, which does not come back. */
  readonly endsAtOnce?: boolean;
}

/** Flows to forget: the argument of a PURGE record. */
export interface Purge {
  readonly service: number;
  readonly backend: number;
  readonly proto: number;
}

export interface Departures {
  /**
   * What a Service has now, by the key of each service row. One that is not there is gone, which
   * purges nothing.
   */
  note(owner: string, presences: ReadonlyMap<RowKey, Presence>): void;
  /** @param isSettled  whether the tables name what is wanted; what is not settled waits */
  take(isSettled: (key: RowKey) => boolean): Purge[];
}

/** Deleted service ports whose endpoints are remembered in case they come back. */
const GONE_MAX = 1024;

/** @returns undefined for a port whose flows are left alone */
export function presenceOf(
  { id, protocol }: { readonly id: number; readonly protocol: Protocol },
  endpoints: readonly Endpoint[],
  resetsTcp: boolean,
): Presence | undefined {
  if (protocol === 'SCTP' || (protocol === 'TCP' && !resetsTcp)) return undefined;
  const staying = protocol === 'UDP' ? endpoints.filter((e) => e.serving || e.ready) : endpoints;
  return { service: id, protocol, endpoints: new Map(staying.map((e) => [e.key, e])) };
}

export function createDepartures(): Departures {
  const owned = new Map<string, readonly RowKey[]>();
  /** Those that may have flows, by service port. */
  const known = new Map<RowKey, Presence>();
  /** The same of ports that are gone, the one that went first in front. */
  const gone = new Map<RowKey, Presence>();
  const owed = new Map<RowKey, Map<string, Purge>>();

  const owe = (key: RowKey, before: Presence | undefined, now: Presence): void => {
    const purges = owed.get(key) ?? new Map<string, Purge>();
    for (const [name, endpoint] of before?.endpoints ?? []) {
      if (now.endpoints.has(name)) continue;
      const { service, protocol } = now;
      const backend = backendId(endpoint, protocol);
      purges.set(name, { service, backend, proto: PROTOCOL_NUMBER[protocol] });
    }
    for (const name of now.endpoints.keys()) purges.delete(name);
    if (purges.size > 0) owed.set(key, purges);
    else owed.delete(key);
  };

  const forget = (key: RowKey): void => {
    const presence = known.get(key);
    known.delete(key);
    owed.delete(key);
    if (presence?.endsAtOnce === true) {
      owe(key, presence, { ...presence, endpoints: new Map() });
      return;
    }
    if (presence?.protocol !== 'UDP') return;
    gone.set(key, presence);
    const [oldest] = gone.keys();
    if (gone.size > GONE_MAX && oldest !== undefined) gone.delete(oldest);
  };

  const see = (key: RowKey, presence: Presence): void => {
    const before = known.get(key) ?? gone.get(key);
    gone.delete(key);
    const isUnserved = presence.protocol === 'UDP' && presence.endpoints.size === 0;
    if (!isUnserved) owe(key, before, presence);
    known.set(key, isUnserved ? (before ?? presence) : presence);
  };

  return {
    note: (owner, presences) => {
      for (const key of owned.get(owner) ?? []) if (!presences.has(key)) forget(key);
      for (const [key, presence] of presences) see(key, presence);
      if (presences.size > 0) owned.set(owner, [...presences.keys()]);
      else owned.delete(owner);
    },
    take: (isSettled) => {
      const taken: Purge[] = [];
      for (const [key, purges] of owed) {
        if (!isSettled(key)) continue;
        owed.delete(key);
        taken.push(...purges.values());
      }
      return taken;
    },
  };
}
