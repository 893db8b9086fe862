/**
 * `fallthrough [ZONE...]`: what a plugin does not find is for the next one, in these zones.
 */
import type { Directive } from '../corefile/corefile.js';
import type { WireName } from '../plugin.js';
import { isWithin } from '../wire/name.js';
import { expectNoBlock, readZones } from './directives.js';

/** @param ofPlugin  the plugin's zones: those meant when none is named */
export function readFallthrough(directive: Directive, ofPlugin: readonly WireName[]): WireName[] {
  expectNoBlock(directive);
  return readZones(directive.args, ofPlugin);
}

/** Whether a name is in one of some zones. */
export function isInZones(name: WireName, zones: readonly WireName[]): boolean {
  return zones.some((zone) => isWithin(name, zone));
}
