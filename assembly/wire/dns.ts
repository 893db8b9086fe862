/**
 * DNS message header, and the numbers of its fields.
 *
 *    0               1               2               3
 *   +---------------+---------------+--+----+--+--+--+--+--+--+--+----+
 *   |              ID               |QR|OPC |AA|TC|RD|RA|Z |AD|CD|RC  |  0
 *   +---------------+---------------+--+----+--+--+--+--+--+--+--+----+
 *   |            QDCOUNT            |            ANCOUNT              |  4
 *   +-------------------------------+---------------------------------+
 *   |            NSCOUNT            |            ARCOUNT              |  8
 *   +-------------------------------+---------------------------------+
 *
 * Spec: RFC 1035 4.1.1; AD and CD RFC 4035 3.2; types of the IANA registry
 */
import { be16, be16s } from '../mem/be';

export const DNS_FLAGS_HIGH_OFF: usize = 2;
export const DNS_FLAGS_LOW_OFF: usize = 3;
export const DNS_QDCOUNT_OFF: usize = 4;
export const DNS_ANCOUNT_OFF: usize = 6;
export const DNS_NSCOUNT_OFF: usize = 8;
export const DNS_ARCOUNT_OFF: usize = 10;

/** Of the byte at DNS_FLAGS_HIGH_OFF. */
export const DNS_QR: u8 = 0x80;
export const DNS_OPCODE_MASK: u8 = 0x78;
export const DNS_AA: u8 = 0x04;
export const DNS_TC: u8 = 0x02;
export const DNS_RD: u8 = 0x01;
/** Of the byte at DNS_FLAGS_LOW_OFF. */
export const DNS_RA: u8 = 0x80;
export const DNS_AD: u8 = 0x20;
export const DNS_CD: u8 = 0x10;

/** One of each, in what `Dns.counts` is: four numbers of 16 bits. */
export const COUNT_QUESTION: u64 = 1;
export const COUNT_ANSWER: u64 = 1 << 16;
export const COUNT_AUTHORITY: u64 = 1 << 32;
export const COUNT_ADDITIONAL: u64 = 1 << 48;
export const COUNT_ADDITIONAL_SHIFT: u64 = 48;

export const RCODE_NOERROR: u32 = 0;
export const RCODE_FORMERR: u32 = 1;
export const RCODE_SERVFAIL: u32 = 2;
export const RCODE_NXDOMAIN: u32 = 3;
export const RCODE_NOTIMP: u32 = 4;
export const RCODE_REFUSED: u32 = 5;
/** RFC 6891 9; its upper bits are the OPT record's. */
export const RCODE_BADVERS: u32 = 16;

export const TYPE_A: u32 = 1;
export const TYPE_NS: u32 = 2;
export const TYPE_CNAME: u32 = 5;
export const TYPE_SOA: u32 = 6;
export const TYPE_PTR: u32 = 12;
export const TYPE_HINFO: u32 = 13;
export const TYPE_MX: u32 = 15;
export const TYPE_TXT: u32 = 16;
/** With root as its owner: SIG(0) (RFC 2931). */
export const TYPE_SIG: u32 = 24;
export const TYPE_AAAA: u32 = 28;
export const TYPE_SRV: u32 = 33;
export const TYPE_DNAME: u32 = 39;
export const TYPE_OPT: u32 = 41;
export const TYPE_DS: u32 = 43;
export const TYPE_RRSIG: u32 = 46;
export const TYPE_NSEC: u32 = 47;
export const TYPE_DNSKEY: u32 = 48;
export const TYPE_NSEC3: u32 = 50;
export const TYPE_HTTPS: u32 = 65;
/** From here on types are of questions and of transactions, not of records (RFC 6895 3.1). */
export const TYPE_META_FIRST: u32 = 249;
export const TYPE_TKEY: u32 = 249;
export const TYPE_TSIG: u32 = 250;
export const TYPE_IXFR: u32 = 251;
export const TYPE_AXFR: u32 = 252;
export const TYPE_MAILB: u32 = 253;
export const TYPE_MAILA: u32 = 254;
export const TYPE_ANY: u32 = 255;

export const CLASS_IN: u32 = 1;
export const CLASS_CH: u32 = 3;
/** Of updates and of questions only (RFC 2136 1.3, RFC 1035 3.2.5). */
export const CLASS_NONE: u32 = 254;
export const CLASS_ANY: u32 = 255;

/** Longest label; above it are pointers and types nobody has (RFC 1035 4.1.4, RFC 6891 5). */
export const LABEL_LEN_MAX: u32 = 63;
/** First byte of a pointer, and the offsets that one reaches. */
export const POINTER_TAG: u32 = 0xc0;
export const POINTER_MAX: u32 = 0x3fff;
/** A pointer to the question's name, as it lies in the message. */
export const POINTER_QNAME_BE: u16 = 0x0cc0;

/** QTYPE and QCLASS. */
export const QUESTION_TAIL: u32 = 4;
/** TYPE, CLASS, TTL and RDLENGTH of a record, behind its owner. */
export const RR_FIXED: u32 = 10;
export const RR_TTL_OFF: usize = 4;
export const RR_RDLENGTH_OFF: usize = 8;
/** An OPT record without options, its owner included (RFC 6891 6.1.2). */
export const OPT_RR_SIZE: u32 = 11;
/** Code and length of an option (RFC 6891 6.1.2). */
export const OPT_OPTION_HLEN: u32 = 4;
/** DO, in the OPT record's TTL as it lies in the message (RFC 3225 3). */
export const OPT_DO_BE: u32 = 0x00800000;

@unmanaged
@final
export class Dns {
  @inline static at(ptr: usize): Dns {
    return changetype<Dns>(ptr);
  }

  /** QR, OPCODE, AA, TC and RD. */
  @inline get flagsHigh(): u8 {
    return load<u8>(changetype<usize>(this), DNS_FLAGS_HIGH_OFF);
  }
  @inline setFlagsHigh(v: u8): void {
    store<u8>(changetype<usize>(this), v, DNS_FLAGS_HIGH_OFF);
  }
  /** Both bytes of flags, the one at the lower address lower. */
  @inline setFlags(v: u32): void {
    store<u16>(changetype<usize>(this), <u16>v, DNS_FLAGS_HIGH_OFF);
  }
  /** RA, Z, AD, CD and RCODE. */
  @inline get flagsLow(): u8 {
    return load<u8>(changetype<usize>(this), DNS_FLAGS_LOW_OFF);
  }
  @inline setFlagsLow(v: u8): void {
    store<u8>(changetype<usize>(this), v, DNS_FLAGS_LOW_OFF);
  }
  /** All four counts, as `COUNT_*` has them. */
  @inline get counts(): u64 {
    return be16s(load<u64>(changetype<usize>(this), DNS_QDCOUNT_OFF));
  }
  @inline setCounts(counts: u64): void {
    store<u64>(changetype<usize>(this), be16s(counts), DNS_QDCOUNT_OFF);
  }
}

/** Big-endian u16 of a message, at any address. */
export function u16At(ptr: usize): u32 {
  return be16(load<u16>(ptr));
}
