/**
 * Names in replies, with pointers. A pointer leads to where a label of an earlier name begins, and
 * strictly back: so no walk goes in circles, and what a pointer means changes only with that name.
 *
 * Where labels begin is a bit each in a map of the message, CACHE_REPLY_MAX bytes at most.
 *
 * Spec: RFC 1035 4.1.4 ("a prior occurance of the same name"); common mistakes RFC 9267 2
 */
import { CACHES_BASE, CACHES_BYTES, CACHE_REPLY_MAX } from '../abi-cache';
import { DNS_HLEN, DNS_LABEL_MAX, DNS_NAME_MAX } from '../abi-dns';
import { LABEL_LEN_MAX, POINTER_MAX, POINTER_TAG, u16At } from '../wire/dns';

const STARTS: usize = CACHES_BASE + 6144;
const STARTS_BYTES: usize = (CACHE_REPLY_MAX + 1) / 8;
/** Labels and pointers that one name may take. */
const STEPS_MAX: u32 = DNS_LABEL_MAX * 2;

if (6144 + (CACHE_REPLY_MAX + 1) / 8 > CACHES_BYTES) ERROR('the map of labels is too small');

/** Begin a message of `len` bytes. */
export function resetStarts(len: u32): void {
  memory.fill(STARTS, 0, min<usize>(STARTS_BYTES, <usize>((len + 7) >> 3)));
}

function bitOf(at: u32): u8 {
  return <u8>((<u32>1) << (at & 7));
}

function markStart(at: u32): void {
  const ptr = STARTS + <usize>(at >> 3);
  store<u8>(ptr, load<u8>(ptr) | bitOf(at));
}

/** A name is not kept: nothing may point to it. */
export function dropStart(at: u32): void {
  const ptr = STARTS + <usize>(at >> 3);
  store<u8>(ptr, load<u8>(ptr) & ~bitOf(at));
}

function isStart(at: u32): bool {
  return ((load<u8>(STARTS + <usize>(at >> 3)) >> (at & 7)) & 1) != 0;
}

/**
 * Check a name and note where its labels begin.
 *
 * @param from      offset in the message
 * @param end       offset that it may not pass
 * @param mayPoint  whether a pointer may stand in it
 * @returns         offset behind it; 0 when it is none
 */
export function readName(msg: usize, from: u32, end: u32, mayPoint: bool): u32 {
  let at = from;
  let first = from;
  let after: u32 = 0;
  let total: u32 = 1;
  for (let i: u32 = 0; i <= STEPS_MAX && at < end; i++) {
    const n: u32 = load<u8>(msg + at);
    if (after == 0) markStart(at);
    if (n == 0) return after ? after : at + 1;
    if (n <= LABEL_LEN_MAX) {
      at += n + 1;
      total += n + 1;
      if (total > <u32>DNS_NAME_MAX) return 0;
      continue;
    }
    if (!mayPoint || n < POINTER_TAG || at + 2 > end) return 0;
    const target = u16At(msg + at) & POINTER_MAX;
    if (target < <u32>DNS_HLEN || target >= first || !isStart(target)) return 0;
    if (after == 0) after = at + 2;
    first = target;
    at = target;
  }
  return 0;
}

/** Offset behind a name that was checked. */
export function skipName(msg: usize, at: u32): u32 {
  for (let i: u32 = 0; i <= <u32>DNS_LABEL_MAX; i++) {
    const n: u32 = load<u8>(msg + at);
    if (n > LABEL_LEN_MAX) return at + 2;
    if (n == 0) return at + 1;
    at += n + 1;
  }
  return at;
}

/** Where the next label is: pointers lead there at last. */
export function followPointers(msg: usize, at: u32): u32 {
  for (let i: u32 = 0; i <= STEPS_MAX && load<u8>(msg + at) > LABEL_LEN_MAX; i++) {
    at = u16At(msg + at) & POINTER_MAX;
  }
  return at;
}

/** An octet in lower case (RFC 4343). */
function lower(octet: u32): u32 {
  return octet - 0x41 < 26 ? octet | 0x20 : octet;
}

function sameLabel(a: usize, b: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    if (lower(load<u8>(a + i)) != lower(load<u8>(b + i))) return false;
  }
  return true;
}

/** Whether two names of the message that were checked are the same. */
export function sameNames(msg: usize, a: u32, b: u32): bool {
  for (let i: u32 = 0; i <= <u32>DNS_LABEL_MAX; i++) {
    a = followPointers(msg, a);
    b = followPointers(msg, b);
    if (a == b) return true;
    const n: u32 = load<u8>(msg + a);
    if (load<u8>(msg + b) != n) return false;
    if (n == 0) return true;
    if (!sameLabel(msg + a + 1, msg + b + 1, n)) return false;
    a += n + 1;
    b += n + 1;
  }
  return false;
}

function countLabels(msg: usize, at: u32): u32 {
  let labels: u32 = 0;
  for (; labels <= <u32>DNS_LABEL_MAX; labels++) {
    at = followPointers(msg, at);
    const n: u32 = load<u8>(msg + at);
    if (n == 0) return labels;
    at += n + 1;
  }
  return labels;
}

/** Whether a name is `above` or below it. Both were checked. */
export function isAtOrBelow(msg: usize, name: u32, above: u32): bool {
  const labels = countLabels(msg, name);
  const kept = countLabels(msg, above);
  for (let i = kept; i < labels; i++) {
    name = followPointers(msg, name);
    name += load<u8>(msg + name) + 1;
  }
  return labels >= kept && sameNames(msg, name, above);
}
