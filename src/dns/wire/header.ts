/**
 * The header of a DNS message and the numbers that occur in messages.
 *
 * Layout   id(16) flags(16) qdcount(16) ancount(16) nscount(16) arcount(16), network order
 * Spec     RFC 1035 4.1.1; AD and CD: RFC 4035 3.2; numbers: IANA DNS parameters
 */

export const HEADER_SIZE = 12;
export const ID_OFF = 0;
export const FLAGS_OFF = 2;
export const QDCOUNT_OFF = 4;
export const ANCOUNT_OFF = 6;
export const NSCOUNT_OFF = 8;
export const ARCOUNT_OFF = 10;

/** Largest message: what a 16-bit length can say (RFC 1035 4.2.2). */
export const MESSAGE_MAX = 0xffff;

export const FLAG_QR = 0x8000;
export const FLAG_AA = 0x0400;
export const FLAG_TC = 0x0200;
export const FLAG_RD = 0x0100;
export const FLAG_RA = 0x0080;
export const FLAG_AD = 0x0020;
export const FLAG_CD = 0x0010;
export const OPCODE_MASK = 0x7800;
export const RCODE_MASK = 0x000f;

/** DO, in the lower half of the TTL of an OPT record (RFC 6891 6.1.4). */
export const EDNS_DO = 0x8000;

export enum Rcode {
  NOERROR = 0,
  FORMERR = 1,
  SERVFAIL = 2,
  NXDOMAIN = 3,
  NOTIMP = 4,
  REFUSED = 5,
  NOTAUTH = 9,
  BADVERS = 16,
}

export enum RecordType {
  A = 1,
  NS = 2,
  MD = 3,
  MF = 4,
  CNAME = 5,
  SOA = 6,
  MB = 7,
  MG = 8,
  MR = 9,
  PTR = 12,
  HINFO = 13,
  MINFO = 14,
  MX = 15,
  TXT = 16,
  RP = 17,
  AFSDB = 18,
  RT = 21,
  SIG = 24,
  PX = 26,
  AAAA = 28,
  SRV = 33,
  NAPTR = 35,
  KX = 36,
  DNAME = 39,
  OPT = 41,
  DS = 43,
  RRSIG = 46,
  NSEC = 47,
  SVCB = 64,
  HTTPS = 65,
  TSIG = 250,
  IXFR = 251,
  AXFR = 252,
  ANY = 255,
}

export enum RecordClass {
  IN = 1,
  CH = 3,
  NONE = 254,
  ANY = 255,
}

/** 16 bits, network order. The caller has checked the bounds. */
export function readU16(bytes: Uint8Array, off: number): number {
  return ((bytes[off] ?? 0) << 8) | (bytes[off + 1] ?? 0);
}

/** 32 bits, network order, unsigned. The caller has checked the bounds. */
export function readU32(bytes: Uint8Array, off: number): number {
  return readU16(bytes, off) * 0x10000 + readU16(bytes, off + 2);
}

export function writeU16(bytes: Uint8Array, off: number, value: number): void {
  bytes[off] = value >>> 8;
  bytes[off + 1] = value;
}

export function writeU32(bytes: Uint8Array, off: number, value: number): void {
  writeU16(bytes, off, value >>> 16);
  writeU16(bytes, off + 2, value & 0xffff);
}

/** The opcode as a number, not shifted bits. */
export function opcodeOf(flags: number): number {
  return (flags & OPCODE_MASK) >>> 11;
}
