/**
 * Host ports of attachments: which of them cannot be had at the same time.
 *
 * An address that is left out or unspecified is every address of the node, the latter of its family
 * only, as in the portmap plugin.
 */
import { formatAddressPort } from '../addr.js';
import type { Address, Family } from '../addr.js';
import type { AttachmentRecord, HostPort } from './attachments.js';

/** Whether an address is 0.0.0.0 or ::. */
export function isUnspecified({ family, bytes }: Address): boolean {
  return bytes.subarray(family === 4 ? 12 : 0).every((byte) => byte === 0);
}

/** Whether a mapping is there for a family at all. */
export function servesFamily({ hostIP }: HostPort, family: Family): boolean {
  return hostIP === undefined || hostIP.family === family;
}

/** The only address a mapping is on; undefined: every one of the families it serves. */
export function onlyAddress({ hostIP }: HostPort): Address | undefined {
  return hostIP === undefined || isUnspecified(hostIP) ? undefined : hostIP;
}

function overlaps(a: HostPort, b: HostPort): boolean {
  if (a.protocol !== b.protocol || a.hostPort !== b.hostPort) return false;
  if (!([4, 6] as const).some((family) => servesFamily(a, family) && servesFamily(b, family))) {
    return false;
  }
  const [one, other] = [onlyAddress(a), onlyAddress(b)];
  if (one === undefined || other === undefined) return true;
  return formatAddressPort(one, 0) === formatAddressPort(other, 0);
}

/** `8080/TCP`, `192.0.2.1:8080/TCP` */
export function formatHostPort(mapping: HostPort): string {
  const { hostPort, protocol } = mapping;
  const only = onlyAddress(mapping);
  return `${only ? formatAddressPort(only, hostPort) : String(hostPort)}/${protocol}`;
}

/** Whether two attachments want the same port of the node. */
export function competes(a: AttachmentRecord, b: AttachmentRecord): boolean {
  return a.hostPorts.some((mine) => b.hostPorts.some((theirs) => overlaps(mine, theirs)));
}

/** A mapping that cannot be had, and who has its port. */
export interface HostPortConflict {
  readonly mapping: HostPort;
  readonly text: string;
}

/**
 * Mappings of an attachment whose ports others have, or that it names twice itself.
 *
 * @param others  those that came before it
 */
export function conflicts(
  { key, hostPorts }: Pick<AttachmentRecord, 'key' | 'hostPorts'>,
  others: Iterable<AttachmentRecord>,
): HostPortConflict[] {
  const taken = [...others].filter((other) => other.key !== key);
  return hostPorts.flatMap((mapping, i) => {
    const owner = taken.find((other) => other.hostPorts.some((their) => overlaps(their, mapping)));
    const isTwice = hostPorts.slice(0, i).some((earlier) => overlaps(earlier, mapping));
    if (owner === undefined && !isTwice) return [];
    const who = owner === undefined ? 'the same attachment' : (owner.pod ?? owner.key);
    const text = `hostPort ${formatHostPort(mapping)}: taken by ${who}`;
    return [{ mapping, text }];
  });
}
