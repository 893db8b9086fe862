/**
 * Where server blocks listen: addresses that have the same blocks are one listener.
 */
import type { Corefile, Scheme, ServerBlock } from '../corefile/corefile.js';
import type { WireName } from '../plugin.js';
import { readBind } from '../plugins/bind.js';
import type { Interfaces } from '../plugins/bind.js';
import { parseName } from '../wire/name.js';

/** A server block as one listener has it. */
export interface ListenerBlock {
  readonly block: ServerBlock;
  /** In lower case. */
  readonly zones: readonly WireName[];
}

export interface ListenerPlan {
  readonly scheme: Scheme;
  /** Addresses; empty: all there are. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly blocks: readonly ListenerBlock[];
}

interface Place {
  readonly scheme: Scheme;
  readonly host: string;
  readonly port: number;
  readonly zones: Map<ServerBlock, WireName[]>;
}

/** Everybody who serves at one address, in file order. */
function placesOf({ blocks }: Corefile, interfaces: Interfaces): Place[] {
  const places = new Map<string, Place>();
  for (const block of blocks) {
    const binds = readBind(
      block.directives.filter(({ name }) => name.text === 'bind'),
      interfaces,
    );
    for (const { scheme, port, zone } of block.addresses) {
      for (const host of binds.length === 0 ? [''] : binds) {
        const key = `${scheme} ${port} ${host}`;
        const place: Place = places.get(key) ?? { scheme, host, port, zones: new Map() };
        place.zones.set(block, [...(place.zones.get(block) ?? []), parseName(zone)]);
        places.set(key, place);
      }
    }
  }
  return [...places.values()];
}

/** Resolvers ask here, and so do the frames of an agent's lane. */
const DNS_PORT = 53;

function rankOf({ scheme, port, hosts }: ListenerPlan): number {
  if (scheme !== 'dns' || port !== DNS_PORT) return 2;
  return hosts.length === 0 ? 0 : 1;
}

/**
 * The first one is the main one: by plain DNS on port 53 if there is any, on all addresses if it may
 * be; the others come in file order. A lane names the main one by its number, which is the same in
 * every Corefile.
 *
 * @throws DataplaneError ERR_CONFIG  an interface that is not there
 */
export function planListeners(corefile: Corefile, interfaces: Interfaces): ListenerPlan[] {
  const merged = new Map<string, { plan: ListenerPlan; hosts: string[] }>();
  for (const { scheme, port, host, zones } of placesOf(corefile, interfaces)) {
    const blocks = [...zones].map(([block, own]) => ({ block, zones: own }));
    const ids = blocks.map(({ block }) => corefile.blocks.indexOf(block)).join(' ');
    const key = `${scheme} ${port} ${host === '' ? 'all' : 'some'} ${ids}`;
    const hosts = merged.get(key)?.hosts ?? [];
    if (host !== '') hosts.push(host);
    if (!merged.has(key)) merged.set(key, { plan: { scheme, port, hosts, blocks }, hosts });
  }
  return [...merged.values()].map(({ plan }) => plan).sort((a, b) => rankOf(a) - rankOf(b));
}
