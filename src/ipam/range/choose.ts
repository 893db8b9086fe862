/** Which addresses a request gets. Nothing is changed here. */
import { formatAddress } from '../../addr.js';
import { IpamError } from '../ipam.js';
import type { AddressRequest } from '../ipam.js';
import { addressOf, numberOf } from '../number.js';
import type { Book } from './book.js';
import { formatRangeSet, inTurn, isWithin } from './ranges.js';
import type { RangeSet } from './ranges.js';

export interface Choice {
  readonly setIdx: number;
  readonly number: bigint;
  /** Its text, and the name of its file: RFC 5952, as Go prints addresses. */
  readonly name: string;
}

/** A requested address that its set may give. @throws IpamError outside, taken */
function requestedOf(set: RangeSet, number: bigint, book: Book): bigint {
  const text = formatAddress(addressOf(number));
  if (set.some(({ gateway }) => gateway === number)) {
    throw new IpamError('outside', `requested address ${text} is the subnet's gateway`);
  }
  if (set.some(({ unusable }) => unusable.includes(number))) {
    throw new IpamError('outside', `requested address ${text} is the subnet's own or broadcast`);
  }
  if (book.holderOf(number) !== undefined) {
    const where = `range set ${formatRangeSet(set)}`;
    throw new IpamError('taken', `requested address ${text} is not available in ${where}`);
  }
  return number;
}

/** The next free address of a set. @throws IpamError exhausted */
export function nextOf(set: RangeSet, latest: bigint | undefined, book: Book): bigint {
  let resting = 0;
  for (const number of inTurn(set, latest)) {
    if (book.holderOf(number) !== undefined) continue;
    if (!book.isResting(number)) return number;
    resting += 1;
  }
  const rest = resting > 0 ? `; ${resting} were given back too lately` : '';
  const where = formatRangeSet(set);
  throw new IpamError('exhausted', `no IP addresses available in range set: ${where}${rest}`);
}

/**
 * One address of each set: a requested one where the set has it, else the next free one.
 *
 * @param latest  the address given last, by number of the set
 * @throws IpamError  duplicate, outside, taken, exhausted
 */
export function choose(
  request: AddressRequest,
  sets: readonly RangeSet[],
  latest: ReadonlyMap<number, bigint>,
  book: Book,
): readonly Choice[] {
  const { owner } = request;
  const [held] = book.of(owner);
  if (held !== undefined) {
    const what = `${held.name} has been allocated to ${owner.containerId}`;
    throw new IpamError('duplicate', `${what}, duplicate allocation is not allowed`);
  }
  const wanted = request.requested.map(numberOf);
  const asked = sets.map((set) => {
    const at = wanted.findIndex((number) => isWithin(set, number));
    return at < 0 ? undefined : wanted.splice(at, 1)[0];
  });
  if (wanted.length > 0) {
    const left = wanted.map((number) => formatAddress(addressOf(number))).join(' ');
    throw new IpamError('outside', `failed to allocate all requested IPs: ${left}`);
  }
  return sets.map((set, setIdx) => {
    const named = asked[setIdx];
    const number =
      named === undefined ? nextOf(set, latest.get(setIdx), book) : requestedOf(set, named, book);
    return { setIdx, number, name: formatAddress(addressOf(number)) };
  });
}
