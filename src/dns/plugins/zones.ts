/**
 * Zones of a plugin: how they are read, which one a name is in, and below which of them a miss is for
 * the next plugin.
 */
import type { Arguments } from '../corefile/arguments.js';
import { readZoneAddress } from '../corefile/zone.js';
import type { Claims, WireName } from '../plugin.js';
import { foldName, isWithin, nameKey, parseName } from '../wire/name.js';

export const ROOT: WireName = Uint8Array.of(0);

/** The zone with the most labels that a name is in. */
export function zoneOf(name: WireName, zones: readonly WireName[]): WireName | undefined {
  let longest: WireName | undefined;
  for (const zone of zones) {
    const isLonger = longest === undefined || zone.length > longest.length;
    if (isLonger && isWithin(name, zone)) longest = zone;
  }
  return longest;
}

export function isInZones(name: WireName, zones: readonly WireName[]): boolean {
  return zones.some((zone) => isWithin(name, zone));
}

/**
 * Take a zone; a prefix may stand for several.
 *
 * @returns wire names in lower case, one at least
 * @throws  DataplaneError ERR_CONFIG
 */
export function needZones(args: Arguments): WireName[] {
  args.need('a zone');
  const { zones } = readZoneAddress(args.token, (complaint) => args.fail(complaint));
  return zones.map(parseName);
}

/**
 * Take the zones that a plugin works on: those it names, else those of its server block.
 *
 * @param behind  how many arguments are not for the zones
 * @returns wire names in lower case, each once
 * @throws  DataplaneError ERR_CONFIG
 */
export function readZones(args: Arguments, ofBlock: readonly WireName[], behind = 0): WireName[] {
  const named: WireName[] = [];
  while (args.left > behind) named.push(...needZones(args));
  const zones = named.length === 0 ? ofBlock : named;
  return [...new Map(zones.map((zone) => [nameKey(zone), zone])).values()];
}

/**
 * Read the rest of a line `fallthrough [ZONES...]`: what a plugin does not find is for the next one.
 *
 * @param otherwise  where, if it names no zones: anywhere
 * @throws  DataplaneError ERR_CONFIG
 */
export function readFallthrough(
  line: Arguments,
  otherwise: readonly WireName[] = [ROOT],
): WireName[] {
  return readZones(line, otherwise);
}

/** Claims on some names and all below them, each once; on everything, if the root is among them. */
export function claimBelow(names: readonly WireName[]): Claims {
  const kept: WireName[] = [];
  for (const name of names.map(foldName).toSorted((a, b) => a.length - b.length)) {
    if (name.length === 1) return { kind: 'all' };
    if (!isInZones(name, kept)) kept.push(name);
  }
  return kept.length === 0 ? { kind: 'none' } : { kind: 'below', names: kept };
}
