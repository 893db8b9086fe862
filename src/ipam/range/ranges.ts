/**
 * Ranges of a subnet, checked: what may be given out of them.
 *
 * Rules and defaults are those of the reference plugin host-local (allocator/range.go), so that a
 * configuration means the same here; but the subnet's own address and IPv4 broadcast are never
 * given, even where a range names them.
 */
import { formatAddress, parseAddress } from '../../addr.js';
import type { Family } from '../../addr.js';
import { messageOf } from '../../errors.js';
import { parsePoolCidr } from '../../pool-prefix.js';
import { IpamError } from '../ipam.js';
import type { AddressRange } from '../ipam.js';
import { addressOf, hostBits, lastOf, numberOf } from '../number.js';

export interface Range {
  readonly family: Family;
  /** Bounds of what is given, both included. */
  readonly first: bigint;
  readonly last: bigint;
  /** Never given, whatever the bounds say: gateway, network, broadcast. */
  readonly gateway: bigint;
  readonly unusable: readonly bigint[];
}

/** Alternatives: an attachment gets one address of each set. Never empty, one family. */
export type RangeSet = readonly Range[];

const SMALLEST_HOST_BITS = 2;

const textOf = (number: bigint): string => formatAddress(addressOf(number));

function invalid(message: string): never {
  throw new IpamError('invalid', message);
}

function parsedOr<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (cause) {
    return invalid(messageOf(cause));
  }
}

const parseNumber = (text: string): bigint => numberOf(parsedOr(parseAddress, text));

/** @throws IpamError invalid */
export function parseRange(given: AddressRange): Range {
  const subnet = parsedOr(parsePoolCidr, given.subnet);
  if (hostBits(subnet) < SMALLEST_HOST_BITS)
    invalid(`${given.subnet} is too small to allocate from`);
  const network = numberOf(subnet);
  const end = lastOf(subnet);
  const isWithin = (number: bigint) => number >= network && number <= end;
  const bound = (key: 'rangeStart' | 'rangeEnd', initial: bigint): bigint => {
    const text = given[key];
    if (text === undefined) return initial;
    const number = parseNumber(text);
    return isWithin(number) ? number : invalid(`${key} ${text} is not in ${given.subnet}`);
  };
  const first = bound('rangeStart', network + 1n);
  const last = bound('rangeEnd', subnet.family === 4 ? end - 1n : end);
  if (first > last) invalid(`rangeStart ${textOf(first)} is after rangeEnd ${textOf(last)}`);
  return {
    family: subnet.family,
    first,
    last,
    gateway: given.gateway === undefined ? network + 1n : parseNumber(given.gateway),
    unusable: subnet.family === 4 ? [network, end] : [network],
  };
}

export function formatRange({ first, last }: Range): string {
  return `${textOf(first)}-${textOf(last)}`;
}

/** As host-local prints it: `10.1.2.1-10.1.2.254,10.1.3.1-10.1.3.254`. */
export function formatRangeSet(set: RangeSet): string {
  return set.map(formatRange).join(',');
}

export function isWithin(set: RangeSet, number: bigint): boolean {
  return set.some(({ first, last }) => number >= first && number <= last);
}

/** The first pair that shares an address. */
function overlap(ranges: readonly Range[]): [Range, Range] | undefined {
  const inOrder = [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1));
  for (const [i, range] of inOrder.entries()) {
    const next = inOrder[i + 1];
    if (next !== undefined && next.first <= range.last) return [range, next];
  }
  return undefined;
}

function parseRangeSet(given: readonly AddressRange[]): RangeSet {
  const [head, ...rest] = given.map(parseRange);
  if (head === undefined) return invalid('a range set is empty');
  const set = [head, ...rest];
  if (rest.some(({ family }) => family !== head.family)) {
    invalid(`range set ${formatRangeSet(set)} mixes address families`);
  }
  return set;
}

/**
 * Read the sets an address each is taken from.
 *
 * @throws IpamError invalid  a subnet below /30 (/126) or not for pods, bits behind a prefix, bounds
 *                            outside of it, families mixed in a set or served by two sets, ranges that overlap
 */
export function parseRangeSets(given: readonly (readonly AddressRange[])[]): readonly RangeSet[] {
  const sets = given.map(parseRangeSet);
  if (sets.length === 0) invalid('no address ranges are given');
  const shared = overlap(sets.flat());
  if (shared !== undefined) {
    invalid(`ranges ${formatRange(shared[0])} and ${formatRange(shared[1])} overlap`);
  }
  const families = sets.flatMap(([head]) => (head === undefined ? [] : [head.family]));
  if (new Set(families).size < families.length) {
    invalid('two range sets have the same address family; expected at most one set a family');
  }
  return sets;
}

/** @throws IpamError invalid */
export function familiesOf(sets: readonly (readonly AddressRange[])[]): Family[] {
  return sets.flatMap((set) => set.map(({ subnet }) => parsedOr(parsePoolCidr, subnet).family));
}

/** What may be given of a range from `from` on. */
function* upwards(range: Range, from: bigint, last = range.last): Generator<bigint> {
  const { gateway, unusable } = range;
  for (let number = from; number <= last; number++) {
    if (number !== gateway && !unusable.includes(number)) yield number;
  }
}

/**
 * Everything that may be given, in turn: from behind the one given last to that one itself. What
 * was released last is so met again as late as possible.
 *
 * @param latest  undefined, or in none of the ranges: from the beginning
 */
export function* inTurn(set: RangeSet, latest: bigint | undefined): Generator<bigint> {
  const at = latest === undefined ? -1 : set.findIndex((range) => isWithin([range], latest));
  const current = set[at];
  if (current === undefined || latest === undefined) {
    for (const range of set) yield* upwards(range, range.first);
    return;
  }
  yield* upwards(current, latest + 1n);
  for (const range of [...set.slice(at + 1), ...set.slice(0, at)]) {
    yield* upwards(range, range.first);
  }
  yield* upwards(current, current.first, latest);
}
