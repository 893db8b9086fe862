/**
 * Addresses back to names: who has an address, across Services, and the PTR records that follow.
 *
 * An address that is a ClusterIP is its Service's; any other one is called by every endpoint that has
 * it (CoreDNS `kubernetes`, Reverse).
 */
import type { NamedService } from '../../model/named.js';
import type { ObjectKey } from '../../model/keys.js';
import { byText } from '../../model/keys.js';
import type { NamedEndpoint } from './endpoints.js';
import { addressId } from './wire-names.js';

/** Labels of one Service's endpoints with an address, dots between them; empty: its ClusterIP. */
export type Holdings = ReadonlyMap<string, string>;

export interface Reverse {
  /** State what addresses a Service has. @returns the addresses of which anything has changed */
  hold(service: ObjectKey, before: Holdings, after: Holdings): string[];
  /** Services with an address, in the order of their names. */
  holders(id: string): readonly ObjectKey[];
}

/** By `addressId`. @returns what PTR records a Service is good for */
export function holdingsOf(
  service: NamedService,
  endpoints: readonly NamedEndpoint[],
): Map<string, string> {
  const holdings = new Map<string, string>();
  if (service.externalName !== undefined) return holdings;
  for (const { label, address } of endpoints) {
    const id = addressId(address);
    const known = holdings.get(id);
    if (known === undefined) holdings.set(id, label);
    else if (!known.split('.').includes(label)) holdings.set(id, `${known}.${label}`);
  }
  for (const address of service.clusterIPs) holdings.set(addressId(address), '');
  return holdings;
}

export function createReverse(): Reverse {
  const holders = new Map<string, readonly ObjectKey[]>();

  const join = (id: string, service: ObjectKey, alone: readonly ObjectKey[]): void => {
    const others = (holders.get(id) ?? []).filter((key) => key !== service);
    holders.set(id, others.length === 0 ? alone : [...others, service].sort(byText));
  };
  const leave = (id: string, service: ObjectKey): void => {
    const others = (holders.get(id) ?? []).filter((key) => key !== service);
    if (others.length === 0) holders.delete(id);
    else holders.set(id, others);
  };

  return {
    hold: (service, before, after) => {
      const changed: string[] = [];
      // One list for all addresses that nobody else has: most of them.
      const alone = [service];
      for (const [id, labels] of after) {
        if (before.get(id) === labels) continue;
        join(id, service, alone);
        changed.push(id);
      }
      for (const id of before.keys()) {
        if (after.has(id)) continue;
        leave(id, service);
        changed.push(id);
      }
      return changed;
    },
    holders: (id) => holders.get(id) ?? [],
  };
}
