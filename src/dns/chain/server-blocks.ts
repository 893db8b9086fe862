/**
 * Which server block answers: that of the longest zone the name is in, of several the first whose view
 * has the query.
 *
 * Spec  CoreDNS, core/dnsserver/server.go: ServeDNS
 */
import type { Next, Query, WireName } from '../plugin.js';
import { RecordType } from '../wire/header.js';
import { labelOffsets, nameKey } from '../wire/name.js';
import type { ChainPlugin } from './setup.js';

/** Which queries for its zones a server block has. */
export interface View {
  /** What metrics call it. */
  readonly name: string;
  readonly has: (query: Query) => boolean;
}

/** A server block of one listener, set up. */
export interface Block {
  /** Zones that it has on this listener, in lower case. */
  readonly zones: readonly WireName[];
  /** In the order of the chain; empty: every query is refused. */
  readonly plugins: readonly ChainPlugin[];
  readonly handle: Next;
  /** undefined: every query is the block's. */
  readonly view: View | undefined;
}

export type BlocksByZone = ReadonlyMap<string, readonly Block[]>;

/** Blocks by the keys of their zones (`nameKey`), in file order. */
export function blocksByZone(blocks: readonly Block[]): BlocksByZone {
  const byZone = new Map<string, Block[]>();
  for (const block of blocks) {
    for (const zone of block.zones) {
      const key = nameKey(zone);
      byZone.set(key, [...(byZone.get(key) ?? []), block]);
    }
  }
  return byZone;
}

/** The zone that has a name, and its blocks; undefined when no zone has it. */
export function zoneOf(byZone: BlocksByZone, name: WireName) {
  const key = nameKey(name);
  for (const at of labelOffsets(name)) {
    const blocks = byZone.get(key.slice(at));
    if (blocks !== undefined) return { zone: name.subarray(at), blocks };
  }
  return undefined;
}

/** The block that answers a query; undefined: it is refused. */
export function blockFor(byZone: BlocksByZone, query: Query): Block | undefined {
  const { name, type } = query;
  const own = zoneOf(byZone, name);
  // DS of a zone is in its parent (RFC 4035 3.1.4.1), if we have that one, too.
  const isApex = own?.zone.length === name.length && name.length > 1;
  const parent =
    type === RecordType.DS && isApex
      ? zoneOf(byZone, name.subarray((name[0] ?? 0) + 1))
      : undefined;
  const { blocks = [] } = parent ?? own ?? {};
  return blocks.find(({ view }) => view?.has(query) ?? true);
}
