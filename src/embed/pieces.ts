/** Pieces of a core that stand alone: no tables but their own, no cluster. */
import {
  Action,
  MAGLEV_ENTRY_SIZE,
  Op,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_PREFIX_LEN_OFF,
  ROUTE_SIZE,
  SCRATCH_BASE,
  SCRATCH_BYTES,
  TableId,
} from '../../assembly/abi.js';
import { MAPPED_PREFIX_BITS, formatCidr, parseAddress, parseCidr } from '../addr.js';
import type { Core } from '../core/core.js';
import { createDeltaWriter } from '../core/delta-writer.js';
import { DataplaneError } from '../errors.js';

/** Bytes of one member: identity, weight, position; and of what the build needs for it. */
const MEMBER_SIZE = 12;
const U16_MAX = 0xffff;
const HALF = SCRATCH_BYTES / 2;

/** A Maglev table: a slot names a member by its place. */
export interface Maglev {
  readonly slots: Uint16Array;
  /** @returns the place of the member for a 32-bit hash */
  pick(hash: number): number;
}

/** A member: 32 bits that stay the same whatever the others are, and its share. */
export interface MaglevMember {
  readonly id: number;
  /** Default 1; 0 takes no slots. */
  readonly weight?: number;
}

const isWhole = (n: number): boolean => Number.isInteger(n) && n >= 0 && n <= 0xffffffff;

/** As many members as the memory of a build has room for. */
const MEMBERS_MAX = Math.floor(HALF / (2 * MEMBER_SIZE));

/**
 * @throws DataplaneError ERR_CONFIG for a size that is no prime or smaller than the members are many,
 *         for too many members, and for an identity or a weight that is not 32 bits
 */
export function buildMaglev(
  { exports, view, words }: Core,
  members: readonly MaglevMember[],
  size: number,
): Maglev {
  const isPrime =
    size === 1 ||
    Array.from({ length: 256 }, (_, i) => i + 2).every((d) => d >= size || size % d !== 0);
  const table = SCRATCH_BASE;
  const at = table + HALF;
  const scratch = at + members.length * MEMBER_SIZE;
  if (members.length > MEMBERS_MAX) {
    const message = `a Maglev table for ${String(members.length)} members: expected at most ${String(MEMBERS_MAX)}`;
    throw new DataplaneError('ERR_CONFIG', message);
  }
  for (const { id, weight = 1 } of members) {
    if (isWhole(id) && isWhole(weight)) continue;
    const message = `a member of a Maglev table with id ${String(id)} and weight ${String(weight)}: expected whole numbers of 32 bits`;
    throw new DataplaneError('ERR_CONFIG', message);
  }
  if (!isPrime || !isWhole(size) || size < Math.max(1, members.length) || size > U16_MAX) {
    const message = `a Maglev table of ${String(size)} slots for ${String(members.length)} members: expected a prime up to ${String(U16_MAX)}, no smaller than the members are many`;
    throw new DataplaneError('ERR_CONFIG', message);
  }
  members.forEach(({ id, weight = 1 }, i) => {
    words.setUint32(at + i * MEMBER_SIZE, id, true);
    words.setUint32(at + i * MEMBER_SIZE + 4, weight, true);
    words.setUint32(at + i * MEMBER_SIZE + 8, i, true);
  });
  exports.maglevBuild(table, size, at, members.length, scratch);
  const slots = Uint16Array.from({ length: size }, (_, slot) =>
    words.getUint16(table + slot * MAGLEV_ENTRY_SIZE, true),
  );
  const bytes = view.slice(table, table + size * MAGLEV_ENTRY_SIZE);
  return {
    slots,
    pick: (hash) => {
      view.set(bytes, table);
      return exports.maglevPick(table, size, hash >>> 0);
    },
  };
}

/**
 * The Internet checksum (RFC 1071) as it stands in a packet, big-endian.
 *
 * @param bytes  as much as fits SCRATCH; a checksum field within them holds 0
 * @throws       DataplaneError ERR_CONFIG for more
 */
export function checksumOf({ exports, view }: Core, bytes: Uint8Array): number {
  if (bytes.length > SCRATCH_BYTES) {
    const message = `a checksum over ${String(bytes.length)} bytes: expected at most ${String(SCRATCH_BYTES)}`;
    throw new DataplaneError('ERR_CONFIG', message);
  }
  view.set(bytes, SCRATCH_BASE);
  const value = exports.checksum(SCRATCH_BASE, bytes.length);
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

/** Where a route leads. */
export interface Route {
  /** As `10.244.0.0/16`; host bits are not allowed. */
  readonly cidr: string;
  readonly ifindex: number;
  readonly action?: keyof typeof Action;
}

/** Longest-prefix match: the table that `process` routes by. */
export interface Routes {
  /** Insert a route, or overwrite the one with its prefix. @throws DataplaneError when there is no room */
  put(route: Route): void;
  /** @returns false when there was none */
  delete(cidr: string): boolean;
  /** @returns the route whose prefix covers the address best */
  lookup(address: string): Required<Route> | undefined;
}

function routeRow({ cidr, ifindex, action = 'UPLINK' }: Route): Uint8Array {
  const { bytes, family, prefixLen } = parseCidr(cidr);
  const row = new Uint8Array(ROUTE_SIZE);
  const view = new DataView(row.buffer);
  row.set(bytes, ROUTE_ADDR_OFF);
  view.setUint8(ROUTE_ACTION_OFF, Action[action]);
  view.setUint32(ROUTE_PREFIX_LEN_OFF, prefixLen + (family === 4 ? MAPPED_PREFIX_BITS : 0), true);
  view.setUint32(ROUTE_IFINDEX_OFF, ifindex, true);
  return row;
}

export function createRoutes(core: Core): Routes {
  const { exports, view, words } = core;
  const apply = (op: Op.PUT | Op.DELETE, route: Route): boolean => {
    const writer = createDeltaWriter();
    writer.keyed(op, TableId.ROUTE, routeRow(route));
    return core.apply(writer.take()) === 1;
  };
  return {
    put: (route) => {
      if (apply(Op.PUT, route)) return;
      throw new DataplaneError('ERR_TABLE_FULL', `no room for a route to ${route.cidr}`);
    },
    delete: (cidr) => apply(Op.DELETE, { cidr, ifindex: 0 }),
    lookup: (address) => {
      const { family, bytes } = parseAddress(address);
      view.set(bytes, SCRATCH_BASE);
      const row = exports.lpmFind(SCRATCH_BASE);
      if (row === 0) return undefined;
      const length = words.getUint32(row + ROUTE_PREFIX_LEN_OFF, true);
      const prefixLen = length - (family === 4 ? MAPPED_PREFIX_BITS : 0);
      const at = row + ROUTE_ADDR_OFF;
      return {
        cidr: formatCidr({ family, bytes: view.slice(at, at + bytes.length), prefixLen }),
        ifindex: words.getUint32(row + ROUTE_IFINDEX_OFF, true),
        action: Action[words.getUint8(row + ROUTE_ACTION_OFF)] as keyof typeof Action,
      };
    },
  };
}
