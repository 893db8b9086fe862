/**
 * What is inside RDATA, as far as names and fixed lengths go: octets, strings, names, octets.
 *
 * Only the types of RFC 1035 may point in their names (RFC 3597 4). SRV may not (RFC 2782), but old
 * servers do, so it is read. Types that are not named here are octets.
 */
import { CLASS_IN, TYPE_A, TYPE_AAAA } from '../wire/dns';
import { readName } from './upstream-name';

/** Bits of a shape: octets in front, strings, names, octets behind; then what else there may be. */
const STRINGS_SHIFT: u32 = 8;
const NAMES_SHIFT: u32 = 12;
const BEHIND_SHIFT: u32 = 16;
const COUNT_MASK: u32 = 15;
const OCTETS_MASK: u32 = 255;
/** Names may point. */
const POINTS: u32 = 1 << 24;
/** More may follow. */
const OPEN: u32 = 1 << 25;

/** Strings to the end, one at least. */
const FILLED: u32 = 1 << 26;

const ONE_NAME: u32 = 1 << NAMES_SHIFT;
const TWO_NAMES: u32 = 2 << NAMES_SHIFT;
/** SERIAL, REFRESH, RETRY, EXPIRE and MINIMUM (RFC 1035 3.3.13). */
const SOA_NUMBERS: u32 = 20 << BEHIND_SHIFT;
/** Priority, weight and port (RFC 2782). */
const SRV_NUMBERS: u32 = 6;
/** In front of the signer's name (RFC 4034 3.1). */
const RRSIG_NUMBERS: u32 = 18;

/** The shape of a type's RDATA; addresses have theirs in class IN only (RFC 1035 3.4.1). */
export function shapeOf(type: u32, qclass: u32): u32 {
  switch (type) {
    case TYPE_A:
      return qclass == CLASS_IN ? 4 : OPEN;
    case 2: // NS
    case 3: // MD
    case 4: // MF
    case 5: // CNAME
    case 7: // MB
    case 8: // MG
    case 9: // MR
    case 12: // PTR
      return ONE_NAME | POINTS;
    case 6: // SOA
      return TWO_NAMES | SOA_NUMBERS | POINTS;
    case 13: // HINFO
      return 2 << STRINGS_SHIFT;
    case 14: // MINFO
      return TWO_NAMES | POINTS;
    case 15: // MX
      return 2 | ONE_NAME | POINTS;
    case 16: // TXT
    case 99: // SPF (RFC 7208 3.1)
      return FILLED;
    case 17: // RP (RFC 1183 2.2)
      return TWO_NAMES;
    case 18: // AFSDB (RFC 1183 1)
    case 21: // RT (RFC 1183 3.3)
    case 36: // KX (RFC 2230 3.1)
      return 2 | ONE_NAME;
    case 26: // PX (RFC 2163 4)
      return 2 | TWO_NAMES;
    case TYPE_AAAA:
      return qclass == CLASS_IN ? 16 : OPEN;
    case 33: // SRV
      return SRV_NUMBERS | ONE_NAME | POINTS;
    case 35: // NAPTR (RFC 3403 4.1)
      return 4 | (3 << STRINGS_SHIFT) | ONE_NAME;
    case 39: // DNAME (RFC 6672 2.1)
      return ONE_NAME;
    case 43: // DS (RFC 4034 5.1), DNSKEY (2.1)
    case 48:
      return 4 | OPEN;
    case 44: // SSHFP (RFC 4255 3.1)
      return 2 | OPEN;
    case 46: // RRSIG
      return RRSIG_NUMBERS | ONE_NAME | OPEN;
    case 47: // NSEC (RFC 4034 4.1)
      return ONE_NAME | OPEN;
    case 64: // SVCB and HTTPS (RFC 9460 2.2)
    case 65:
      return 2 | ONE_NAME | OPEN;
    case 52: // TLSA (RFC 6698 2.1)
      return 3 | OPEN;
    case 257: // CAA (RFC 8659 4.1)
      return 1 | (1 << STRINGS_SHIFT) | OPEN;
    default:
      return OPEN;
  }
}

/** Names in a shape, and whether they may point. */
export function namesOf(shape: u32): u32 {
  return (shape >> NAMES_SHIFT) & COUNT_MASK;
}
export function mayPoint(shape: u32): bool {
  return (shape & POINTS) != 0;
}

/** Offset of the first name, behind octets and strings; more than `end` when they lead out. */
export function skipToNames(msg: usize, shape: u32, at: u32, end: u32): u32 {
  at += shape & OCTETS_MASK;
  const strings = (shape >> STRINGS_SHIFT) & COUNT_MASK;
  for (let i: u32 = 0; i < strings; i++) {
    if (at >= end) return end + 1;
    at += load<u8>(msg + at) + 1;
  }
  return at;
}

/** Whether strings go from `at` to `end`. */
function areStrings(msg: usize, at: u32, end: u32): bool {
  if (at >= end) return false;
  // Every turn takes an octet at least.
  while (at < end) at += load<u8>(msg + at) + 1;
  return at == end;
}

/** Whether RDATA from `at` to `end` has its shape; names in it are noted. */
export function readRdata(msg: usize, shape: u32, at: u32, end: u32): bool {
  if (shape & FILLED) return areStrings(msg, at, end);
  at = skipToNames(msg, shape, at, end);
  if (at > end) return false;
  const names = namesOf(shape);
  for (let i: u32 = 0; i < names; i++) {
    at = readName(msg, at, end, mayPoint(shape));
    if (at == 0) return false;
  }
  at += (shape >> BEHIND_SHIFT) & OCTETS_MASK;
  return at == end || (at < end && (shape & OPEN) != 0);
}
