/**
 * Pods by their address: `10-244-1-7.default.pod.cluster.local` is 10.244.1.7 for whoever asks, without
 * a look at any pod (CoreDNS `pods insecure`, spec of kube-dns).
 *
 * Three single dashes are the dots of an IPv4 address; in any other label a dash is a colon of an IPv6
 * address. Addresses are read as Go's netip.ParseAddr reads them, because CoreDNS does.
 */
import { isMapped } from '../mem/addr';

const DASH: u32 = 0x2d;
const ZERO: u32 = 0x30;
const LOWER_A: u32 = 0x61;
const NO_DIGIT: u32 = 255;

const V4_PARTS: u32 = 4;
const V6_BYTES: u32 = 16;
const HEX_DIGITS_MAX: u32 = 4;
/** Longest label that can be an address: eight groups of four and seven dashes. */
const TEXT_MAX: u32 = 39;

function hexDigit(c: u32): u32 {
  if (c - ZERO < 10) return c - ZERO;
  return c - LOWER_A < 6 ? c - LOWER_A + 10 : NO_DIGIT;
}

/** Whether there are three dashes, none next to another. */
function isV4Text(text: usize, length: u32): bool {
  let dashes: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(text + i) != DASH) continue;
    if (i + 1 < length && load<u8>(text + i + 1) == DASH) return false;
    dashes++;
  }
  return dashes == V4_PARTS - 1;
}

/** Four decimal numbers below 256 without leading zeros. @returns whether `out` is an address */
function parseV4(text: usize, length: u32, out: usize): bool {
  let value: u32 = 0;
  let digits: u32 = 0;
  let part: usize = 0;
  for (let i: u32 = 0; i <= length; i++) {
    const c: u32 = i < length ? load<u8>(text + i) : DASH;
    if (c == DASH) {
      if (digits == 0) return false;
      store<u8>(out + part, <u8>value);
      part++;
      value = 0;
      digits = 0;
      continue;
    }
    if (c - ZERO >= 10 || (digits != 0 && value == 0)) return false;
    value = value * 10 + c - ZERO;
    digits++;
    if (value > 255) return false;
  }
  return true;
}

/** What is behind the `::` moves to the end, zeros take its place. */
function expand(out: usize, gap: u32, filled: u32): void {
  const moved = filled - gap;
  for (let i: u32 = 1; i <= moved; i++) {
    store<u8>(out + V6_BYTES - i, load<u8>(out + filled - i));
  }
  for (let i = gap; i < V6_BYTES - moved; i++) store<u8>(out + i, 0);
}

/** Groups of up to four digits, one run of zero groups left out. @returns whether `out` is an address */
function parseV6(text: usize, length: u32, out: usize): bool {
  let at: u32 = 0;
  let filled: u32 = 0;
  let gap: i32 = -1;
  if (length >= 2 && load<u8>(text) == DASH && load<u8>(text, 1) == DASH) {
    gap = 0;
    at = 2;
  }
  // Every turn takes a digit at least.
  while (at < length && filled < V6_BYTES) {
    let value: u32 = 0;
    let digits: u32 = 0;
    for (; at < length && digits <= HEX_DIGITS_MAX; at++, digits++) {
      const digit = hexDigit(load<u8>(text + at));
      if (digit == NO_DIGIT) break;
      value = (value << 4) | digit;
    }
    if (digits == 0 || digits > HEX_DIGITS_MAX) return false;
    store<u8>(out + filled, <u8>(value >> 8));
    store<u8>(out + filled, <u8>value, 1);
    filled += 2;
    if (at == length) break;
    if (load<u8>(text + at) != DASH || ++at == length) return false;
    if (load<u8>(text + at) != DASH) continue;
    if (gap >= 0) return false;
    gap = filled;
    at++;
  }
  if (at != length) return false;
  if (gap < 0) return filled == V6_BYTES;
  if (filled == V6_BYTES) return false;
  expand(out, <u32>gap, filled);
  return true;
}

/**
 * The address in a pod's label.
 *
 * @param text  the label without its length, in lower case
 * @param out   takes 16 bytes; an IPv4 address lies in the first four
 * @returns     4 or 16: bytes of the address; 0 = the label is none
 */
export function podAddress(text: usize, length: u32, out: usize): u32 {
  if (length > TEXT_MAX) return 0;
  if (isV4Text(text, length)) return parseV4(text, length, out) ? V4_PARTS : 0;
  if (!parseV6(text, length, out)) return 0;
  if (!isMapped(out)) return V6_BYTES;
  store<u32>(out, load<u32>(out, 12));
  return V4_PARTS;
}
