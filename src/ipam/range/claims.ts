/**
 * Whether the ranges still hold what was given out of them.
 *
 * A range that has moved away from under its pods is somebody else's by now, or will be: nothing is
 * given out before it is settled who has what.
 */
import { formatAddress } from '../../addr.js';
import { IpamError } from '../ipam.js';
import type { AddressRange, Owner } from '../ipam.js';
import { addressOf } from '../number.js';
import type { Holding } from './book.js';
import { formatRangeSet, isWithin, parseRangeSets } from './ranges.js';

export interface ClaimsOptions {
  readonly holdings: () => readonly Holding[];
  /** Whether an owner's addresses may be anywhere: somebody else than the node said the ranges. */
  readonly isFree: (owner: Owner) => boolean;
}

/** @returns throws IpamError unavailable as long as there is an address outside the ranges */
export function createClaims({ holdings, isFree }: ClaimsOptions) {
  let checked = '';
  let strays: readonly Holding[] = [];

  return (ranges: readonly (readonly AddressRange[])[]): void => {
    const text = JSON.stringify(ranges);
    if (text !== checked) {
      const sets = parseRangeSets(ranges);
      const isStray = (holding: Holding): boolean =>
        !isFree(holding) && !sets.some((set) => isWithin(set, holding.number));
      strays = holdings().filter(isStray);
      checked = text;
    }
    if (strays.length === 0) return;
    const held = new Set(holdings());
    strays = strays.filter((stray) => held.has(stray));
    const [first] = strays;
    if (first === undefined) return;
    const others = strays.length > 1 ? ` and ${strays.length - 1} more` : '';
    const shown = parseRangeSets(ranges).map(formatRangeSet).join(' ');
    const what = `${formatAddress(addressOf(first.number))} of container ${first.containerId} in network ${first.network}${others}`;
    const why = `in no range of this node (${shown}): delete their pods, or bring the range back`;
    throw new IpamError('unavailable', `${what}: given out, but ${why}`);
  };
}
