/**
 * The Maglev table of a service: which slot belongs to which endpoint, as the core has built it, and
 * what it would be without one of them.
 */
import { MAGLEV_ENTRY_SIZE, RegionId, SERVICE_MAGLEV_OFF, SERVICE_SIZE } from '../assembly/abi.js';
import type { ExplainedService } from '../src/compile/explain.js';
import { maglevSize } from '../src/compile/maglev.js';
import type { Core } from '../src/core/core.js';
import { buildMaglev } from '../src/embed/pieces.js';

export interface Member {
  /** `ip:port` */
  readonly endpoint: string;
  /** Stable identity: what its turns are made from. */
  readonly id: number;
  readonly weight: number;
}

export interface Ring {
  readonly members: readonly Member[];
  /** Of each slot, the place of its member. */
  readonly slots: Uint16Array;
  /** Flows are really led by it; else the service chooses in another way. */
  readonly isUsed: boolean;
}

/** The endpoints that new flows may get, in the order of their positions. */
function membersOf({ sets, endpoints }: ExplainedService): Member[] {
  return sets.cluster.endpoints.flatMap((key) => {
    const found = endpoints.find(({ endpoint }) => endpoint === key);
    return found === undefined ? [] : [{ endpoint: key, id: found.id, weight: found.weight }];
  });
}

/** The table that the core leads flows by. */
function tableInUse({ words, view, region }: Core, idx: number, size: number): Uint16Array {
  const row = region(RegionId.SERVICES).base + idx * SERVICE_SIZE;
  const first = words.getUint32(row + SERVICE_MAGLEV_OFF, true);
  const at = region(RegionId.MAGLEV).base + first * MAGLEV_ENTRY_SIZE;
  return new Uint16Array(view.slice(at, at + size * MAGLEV_ENTRY_SIZE).buffer);
}

/** @returns undefined for a service without endpoints */
export function ringOf(core: Core, service: ExplainedService): Ring | undefined {
  const members = membersOf(service);
  if (members.length === 0) return undefined;
  const { idx, sets } = service;
  const { maglevSize: size } = sets.cluster;
  if (size > 0 && idx !== undefined) {
    return { members, slots: tableInUse(core, idx, size), isUsed: true };
  }
  return {
    members,
    slots: buildMaglev(core, members, maglevSize(members.length)).slots,
    isUsed: false,
  };
}

/** What becomes of each slot when one endpoint goes, the table staying as large as it is. */
export interface Departure {
  /** Of each slot, the place of its member among those there were. */
  readonly slots: Uint16Array;
  /** Slots of the one that goes, which have to move. */
  readonly orphaned: number;
  /** Slots of others that move as well. */
  readonly disturbed: number;
}

export function without(core: Core, ring: Ring, gone: number): Departure {
  const left = ring.members.flatMap((member, place) => (place === gone ? [] : [{ member, place }]));
  const members = left.map(({ member }) => member);
  const table = buildMaglev(core, members, ring.slots.length).slots;
  const slots = table.map((position) => left[position]?.place ?? gone);
  let orphaned = 0;
  let disturbed = 0;
  ring.slots.forEach((place, slot) => {
    if (place === gone) orphaned++;
    else if (slots[slot] !== place) disturbed++;
  });
  return { slots, orphaned, disturbed };
}

/** Slots of each member. */
export function sharesOf({ members, slots }: Ring): number[] {
  const shares = members.map(() => 0);
  for (const place of slots) shares[place] = (shares[place] ?? 0) + 1;
  return shares;
}
