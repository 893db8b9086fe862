/**
 * Zones of a plugin: which one a name is in, and below which of them a miss is for the next plugin.
 */
import { readZones } from '../chain/directives.js';
import type { Arguments } from '../corefile/arguments.js';
import type { Claims, WireName } from '../plugin.js';
import { foldName, isWithin } from '../wire/name.js';

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
  return zoneOf(name, zones) !== undefined;
}

/**
 * Read the rest of a line `fallthrough [ZONES...]`.
 *
 * @returns all names, if it names no zones
 * @throws  DataplaneError ERR_CONFIG
 */
export function readFallthrough(line: Arguments): WireName[] {
  return readZones(line.rest(), [ROOT]);
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
