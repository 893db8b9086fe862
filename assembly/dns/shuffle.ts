/**
 * Addresses in another order each time (CoreDNS `loadbalance`): a random one first when all fit, and a
 * random choice in random order when they do not, so that every one of them is seen by somebody.
 */
import { copyBytes } from '../mem/copy';
import { nextRandom } from '../mem/random';
import { COUNT_ANSWER, u16At } from '../wire/dns';
import { Reply } from './reply';
import { RR_HLEN, Rrset, headOf, putHead } from './rrset';

/** Below `bound`, each as likely as the next but for 2^-32 (Lemire 2019, without his rejection). */
export function below(bound: u32): u32 {
  return <u32>((<u64>nextRandom() * <u64>bound) >> 32);
}

/** One record of a set whose records are all as long as the first. */
function putRecord(rr: usize, set: Rrset, ownerBe: u16, from: usize, length: u32): void {
  putHead(rr, headOf(ownerBe, set.type), set.ttlBe);
  copyBytes(rr + RR_HLEN - 2, from, length);
}

/**
 * Append a set of A or AAAA records.
 *
 * @returns whether all of them fit
 */
export function putShuffled(r: Reply, rrset: usize, ownerBe: u16): bool {
  const set = Rrset.at(rrset);
  const length = 2 + u16At(set.records);
  const size = RR_HLEN - 2 + length;
  const count = set.count;
  if (!r.fits(count * size)) {
    putSample(r, set, ownerBe, length);
    return false;
  }
  const end = set.records + set.bytes;
  let from = set.records + <usize>(below(count) * length);
  let rr = r.ptr;
  for (let i: u32 = 0; i < count; i++) {
    putRecord(rr, set, ownerBe, from, length);
    rr += size;
    from += length;
    if (from == end) from = set.records;
  }
  r.at += count * size;
  r.counts += <u64>count * COUNT_ANSWER;
  return true;
}

/**
 * As many as fit: each of the set is as likely to be among them as any other (Vitter 1985, algorithm
 * R), and each order of them as likely as any other (Knuth 3.4.2 P).
 */
function putSample(r: Reply, set: Rrset, ownerBe: u16, length: u32): void {
  const size = RR_HLEN - 2 + length;
  const first = r.ptr;
  const count = set.count;
  let from = set.records;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++, from += length) {
    let place = i;
    if (r.fits(size)) {
      kept++;
      r.at += size;
      r.counts += COUNT_ANSWER;
    } else {
      place = below(i + 1);
    }
    if (place < kept) putRecord(first + <usize>(place * size), set, ownerBe, from, length);
  }
  for (let i = kept; i > 1; i--) {
    swapRecords(first + <usize>((i - 1) * size), first + <usize>(below(i) * size), size);
  }
}

/** Two records of 16 or 28 bytes. */
export function swapRecords(a: usize, b: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i += 4) {
    const word = load<u32>(a + i);
    store<u32>(a + i, load<u32>(b + i));
    store<u32>(b + i, word);
  }
}
