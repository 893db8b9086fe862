/** Types of records as metrics tell them apart. */
import { DnsTypeSlot } from '../../../assembly/abi-dns.js';
import { formatType } from '../message/types.js';

/** CoreDNS's word for all the others. */
const OTHER = 'other';

/** The type of a slot of the core's counters. */
export function slotLabel(slot: DnsTypeSlot): string {
  return slot === DnsTypeSlot.OTHER ? OTHER : DnsTypeSlot[slot];
}

/** The slot of a type. */
export function typeSlot(type: number): DnsTypeSlot {
  const name = formatType(type);
  return Object.hasOwn(DnsTypeSlot, name)
    ? DnsTypeSlot[name as keyof typeof DnsTypeSlot]
    : DnsTypeSlot.OTHER;
}

/** The label `type`: one of as many as there are slots. */
export const typeLabel = (type: number): string => slotLabel(typeSlot(type));
