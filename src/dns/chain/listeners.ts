/**
 * Where server blocks listen: addresses that have the same blocks are one listener.
 */
import { isIP } from 'node:net';
import { formatAddress, joinHostPort, parseAddress } from '../../addr.js';
import { failAt, placeOf, shown } from '../corefile/complaint.js';
import type { Corefile, Scheme, ServerAddress, ServerBlock } from '../corefile/corefile.js';
import type { WireName } from '../plugin.js';
import { readBind } from '../plugins/bind.js';
import type { Interfaces } from '../plugins/bind.js';
import { parseName } from '../wire/name.js';

/** Where listeners listen whose server blocks have no `bind`. */
export interface DefaultBind {
  /** Texts of addresses; empty: all there are. */
  readonly hosts: readonly string[];
  /** Ports instead of those of the Corefile. */
  readonly ports: Readonly<Record<number, number>>;
}

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
  /** Of the Corefile. */
  readonly port: number;
  /** What metrics call it, as the Corefile has it: `dns://:53`, `dns://192.0.2.1:53`. */
  readonly server: string;
  /** It is where blocks are that have no `bind`. */
  readonly isDefault: boolean;
  readonly blocks: readonly ListenerBlock[];
}

interface Place {
  readonly scheme: Scheme;
  /** Empty: all there are. */
  readonly host: string;
  /** Of the Corefile. */
  port: number;
  /** `host`, if a `bind` leads here. */
  boundBy: string | undefined;
  /** The command line leads here. */
  isDefault: boolean;
  readonly zones: Map<ServerBlock, ServerAddress[]>;
}

/** Resolvers ask here, and so do the frames of an agent's lane. */
const DNS_PORT = 53;
const SCHEMES: ReadonlySet<Scheme> = new Set(['dns', 'tls']);

/** One spelling of each address. */
function spelled(host: string): string {
  return isIP(host) === 0 || host.includes('%') ? host : formatAddress(parseAddress(host));
}

/** Text of a listener: `dns://[::1]:53`. */
function labelOf({ scheme, port }: Pick<Place, 'scheme' | 'port'>, host = ''): string {
  return `${scheme}://${joinHostPort(host, port)}`;
}

/** The port that is opened for one of the Corefile. */
export function openPort(ports: DefaultBind['ports'], port: number): number {
  return ports[port] ?? port;
}

/** All addresses there are, for sockets that have one each. */
export const ANY_HOSTS: readonly string[] = ['0.0.0.0', '::'];

/**
 * Where a block is asked by plain DNS, `IP:port`. A port that the kernel is still to choose is nobody's
 * upstream.
 */
export function ownAddresses(
  plans: readonly ListenerPlan[],
  block: ServerBlock,
  bind: DefaultBind,
): string[] {
  return plans
    .filter(({ scheme, blocks }) => scheme === 'dns' && blocks.some((each) => each.block === block))
    .map(({ hosts, port }) => ({ hosts, port: openPort(bind.ports, port) }))
    .filter(({ port }) => port !== 0)
    .flatMap(({ hosts, port }) =>
      (hosts.length === 0 ? ANY_HOSTS : hosts).map((host) => joinHostPort(host, port)),
    );
}

/** Whether a block has all queries for its zones, and leaves none to those behind it. */
function hasAll({ directives }: ServerBlock): boolean {
  return directives.every(({ name }) => name.text !== 'view');
}

/** @throws DataplaneError ERR_CONFIG  another block of the place has the zone for itself */
function claim({ zones }: Place, block: ServerBlock, address: ServerAddress): void {
  for (const [other, taken] of zones) {
    const same = taken.find(({ zone }) => zone === address.zone);
    if (other === block || same === undefined || !hasAll(other)) continue;
    const what = `zone ${address.zone} is served at the same address already`;
    failAt(address.token, `${what}, by ${placeOf(same.token)}`);
  }
  zones.set(block, [...(zones.get(block) ?? []), address]);
}

/** Where a block listens: by `bind`, or else as the command line says. */
function hostsOf({ directives }: ServerBlock, interfaces: Interfaces, bind: DefaultBind) {
  const binds = readBind(
    directives.filter(({ name }) => name.text === 'bind'),
    interfaces,
  );
  const isBound = binds.length > 0;
  const fallback = bind.hosts.length === 0 ? [''] : bind.hosts;
  return { isBound, hosts: [...new Set((isBound ? binds : fallback).map(spelled))] };
}

/** Everybody who serves at one address, in file order. */
function placesOf({ blocks }: Corefile, interfaces: Interfaces, bind: DefaultBind): Place[] {
  const places = new Map<string, Place>();
  const placeAt = ({ scheme, port, token }: ServerAddress, host: string): Place => {
    if (!SCHEMES.has(scheme)) {
      failAt(token, `${shown(token.text)}: expected dns:// or tls://, others are not served`);
    }
    // Ports that the kernel is to choose are as many as the Corefile has.
    const opened = openPort(bind.ports, port) || `any for ${port}`;
    const key = `${scheme} ${opened} ${host}`;
    const place: Place = places.get(key) ?? {
      ...{ scheme, host, port, zones: new Map(), boundBy: undefined, isDefault: false },
    };
    if (port === DNS_PORT) place.port = port;
    places.set(key, place);
    return place;
  };
  for (const block of blocks) {
    const { isBound, hosts } = hostsOf(block, interfaces, bind);
    for (const address of block.addresses) {
      for (const place of hosts.map((host) => placeAt(address, host))) {
        place.isDefault ||= !isBound;
        place.boundBy ??= isBound ? place.host : undefined;
        claim(place, block, address);
      }
    }
  }
  return [...places.values()];
}

function rankOf({ scheme, port, isDefault }: ListenerPlan): number {
  if (scheme !== 'dns' || port !== DNS_PORT) return 2;
  return isDefault ? 0 : 1;
}

/**
 * The first one is the main one: by plain DNS on port 53 if there is any, where the command line says
 * if it may be; the others come in file order. A lane names the main one by its number, which is the
 * same in every Corefile.
 *
 * @throws DataplaneError ERR_CONFIG  an interface that is not there
 */
export function planListeners(
  corefile: Corefile,
  interfaces: Interfaces,
  bind: DefaultBind,
): ListenerPlan[] {
  const merged = new Map<string, { plan: ListenerPlan; hosts: string[] }>();
  for (const place of placesOf(corefile, interfaces, bind)) {
    const { scheme, port, host, zones, boundBy, isDefault } = place;
    const ids = [...zones.keys()].map((block) => corefile.blocks.indexOf(block)).join(' ');
    const key = `${scheme} ${port} ${host === '' ? 'all' : 'some'} ${ids}`;
    const known = merged.get(key);
    const hosts = known?.hosts ?? [];
    if (host !== '') hosts.push(host);
    if (known) continue;
    const blocks = [...zones].map(([block, own]) => ({
      block,
      zones: own.map(({ zone }) => parseName(zone)),
    }));
    const server = labelOf(place, boundBy);
    merged.set(key, { plan: { scheme, port, hosts, server, isDefault, blocks }, hosts });
  }
  return [...merged.values()].map(({ plan }) => plan).sort((a, b) => rankOf(a) - rankOf(b));
}
