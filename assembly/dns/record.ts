/**
 * The query that is being answered, at DNS_BASE: the fields that abi-dns.ts declares for everybody,
 * and behind them what only the answer path needs.
 *
 *   0       64     336      464  1024      2048      2560    2624    2640
 *   +-------+------+--------+----+---------+---------+-------+-------+-------+
 *   | query | name | label  |    | another | depths  | chain | pod   | reply |
 *   |       |      | starts |    | name    | of cuts |       |       |       |
 *   +-------+------+--------+----+---------+---------+-------+-------+-------+
 *
 * The name with its hash and starts is a folded name (fold.ts), and so is the one at 1024, which
 * lends its place to targets of CNAMEs and to names of updates.
 */
import {
  DNS_BASE,
  DNS_BYTES,
  DNS_CACHE_HIT_OFF,
  DNS_CACHE_TTL_OFF,
  DNS_CHAIN_MAX,
  DNS_CUT_OFF,
  DNS_EDNS_SIZE_OFF,
  DNS_FLAGS_OFF,
  DNS_HASH_OFF,
  DNS_F_AD,
  DNS_F_CD,
  DNS_F_DO,
  DNS_F_IPV6,
  DNS_F_RD,
  DNS_F_TCP,
  DNS_F_UNCOUNTED,
  DNS_LISTENER_OFF,
  DNS_NAME_OFF,
  DNS_QCLASS_OFF,
  DNS_QTYPE_OFF,
  DNS_QUERY_LEN_OFF,
  DNS_QUESTION_END_OFF,
  DNS_RCODE_OFF,
  DNS_WHY_OFF,
  DNS_ZONE_LABELS_OFF,
  DNS_ZONE_OFF,
  DnsWhy,
  LISTENER_MAX,
} from '../abi-dns';

/** u8: version of the OPT record; u8: it is there; u8: octets behind the last record. */
const VERSION_OFF: usize = 38;
const HAS_OPT_OFF: usize = 39;
const TRAILING_OFF: usize = 40;

/** Places within the words at 8 and at 32. */
const FLAGS_SHIFT: u64 = (DNS_FLAGS_OFF - 8) << 3;
const LISTENER_SHIFT: u64 = (DNS_LISTENER_OFF - 8) << 3;
const QUERY_LEN_SHIFT: u64 = (DNS_QUERY_LEN_OFF - 32) << 3;

/** Folded names. */
export const QNAME: usize = DNS_BASE;
export const OTHER_NAME: usize = DNS_BASE + 1024;
/** Two u64 for each listener: bit n set = it has a cut of n labels. */
export const CUT_DEPTHS: usize = DNS_BASE + 2048;
/** The CNAME RRsets that were followed, and what is behind them (chain.ts). */
export const CHAIN: usize = DNS_BASE + 2560;
/** 16 bytes: the address that a pod's name says. */
export const POD_ADDRESS: usize = DNS_BASE + 2624;
export const REPLY: usize = DNS_BASE + 2640;

if (2048 + (LISTENER_MAX + 1) * 16 > 2560) ERROR('the depths of cuts overlap the chain');
if (2560 + DNS_CHAIN_MAX * 4 + 12 > 2624) ERROR('the chain overlaps the address');
if (DNS_NAME_OFF != 64) ERROR('a record begins with eight words');
if (2640 + 64 > DNS_BYTES) ERROR('the DNS record is too small');

if (DNS_QCLASS_OFF != DNS_QTYPE_OFF + 2) ERROR('QTYPE and QCLASS are written together');
if (DNS_ZONE_LABELS_OFF != DNS_ZONE_OFF + 2) ERROR("a zone's offset and labels, too");

const GIVEN_FLAGS: u32 = DNS_F_TCP | DNS_F_IPV6 | DNS_F_UNCOUNTED;

@unmanaged
@final
export class Query {
  @inline static get(): Query {
    return changetype<Query>(QNAME);
  }

  /** A record that says nothing yet but by whom, how and how long. */
  @inline static begin(listener: u32, len: u32, flags: u32): Query {
    // One word after the other: a loop takes three times as long.
    const given = (<u64>(flags & GIVEN_FLAGS)) << FLAGS_SHIFT;
    store<u64>(QNAME, 0);
    store<u64>(QNAME, given | ((<u64>listener) << LISTENER_SHIFT), 8);
    store<u64>(QNAME, 0, 16);
    store<u64>(QNAME, 0, 24);
    store<u64>(QNAME, (<u64>min<u32>(len, 0xffff)) << QUERY_LEN_SHIFT, 32);
    store<u64>(QNAME, 0, 40);
    store<u64>(QNAME, 0, 48);
    store<u64>(QNAME, 0, 56);
    return Query.get();
  }

  @inline get qtype(): u32 {
    return load<u16>(QNAME, DNS_QTYPE_OFF);
  }
  @inline get qclass(): u32 {
    return load<u16>(QNAME, DNS_QCLASS_OFF);
  }
  /** @param typeClass  QTYPE, and QCLASS above it */
  @inline setQuestion(typeClass: u32, end: u32): void {
    store<u32>(QNAME, typeClass, DNS_QTYPE_OFF);
    store<u16>(QNAME, <u16>end, DNS_QUESTION_END_OFF);
  }
  /** Bytes of header and question. */
  @inline get questionEnd(): u32 {
    return load<u16>(QNAME, DNS_QUESTION_END_OFF);
  }
  @inline get length(): u32 {
    return load<u16>(QNAME, DNS_QUERY_LEN_OFF);
  }

  /** DNS_F_*. */
  @inline get flags(): u32 {
    return load<u16>(QNAME, DNS_FLAGS_OFF);
  }
  @inline addFlags(flags: u32): void {
    store<u16>(QNAME, <u16>(this.flags | flags), DNS_FLAGS_OFF);
  }
  @inline get isTcp(): bool {
    return (this.flags & DNS_F_TCP) != 0;
  }
  @inline get isDo(): bool {
    return (this.flags & DNS_F_DO) != 0;
  }
  @inline get isRd(): bool {
    return (this.flags & DNS_F_RD) != 0;
  }
  @inline get isCd(): bool {
    return (this.flags & DNS_F_CD) != 0;
  }
  /** Whoever sets AD or DO understands AD (RFC 6840 5.7). */
  @inline get wantsAd(): bool {
    return (this.flags & (DNS_F_AD | DNS_F_DO)) != 0;
  }

  @inline get hasOpt(): bool {
    return load<u8>(QNAME, HAS_OPT_OFF) != 0;
  }
  @inline get ednsSize(): u32 {
    return load<u16>(QNAME, DNS_EDNS_SIZE_OFF);
  }
  @inline get ednsVersion(): u8 {
    return load<u8>(QNAME, VERSION_OFF);
  }
  @inline setEdns(size: u32, version: u8): void {
    store<u8>(QNAME, 1, HAS_OPT_OFF);
    store<u16>(QNAME, <u16>size, DNS_EDNS_SIZE_OFF);
    store<u8>(QNAME, version, VERSION_OFF);
  }
  @inline get hasTrailing(): bool {
    return load<u8>(QNAME, TRAILING_OFF) != 0;
  }
  @inline setTrailing(): void {
    store<u8>(QNAME, 1, TRAILING_OFF);
  }

  /** Of the whole name. */
  @inline get hash(): u32 {
    return load<u32>(QNAME, DNS_HASH_OFF);
  }

  /** Address of the cut's value, 0 = none. */
  @inline get cut(): usize {
    return load<u32>(QNAME, DNS_CUT_OFF);
  }
  /** @param zoneOff  of the zone's name in the message */
  @inline setCut(cut: usize, zoneOff: u32, labels: u32): void {
    store<u32>(QNAME, <u32>cut, DNS_CUT_OFF);
    store<u32>(QNAME, zoneOff | (labels << 16), DNS_ZONE_OFF);
  }
  @inline get zoneOff(): u32 {
    return load<u16>(QNAME, DNS_ZONE_OFF);
  }
  @inline get zoneLabels(): u32 {
    return load<u16>(QNAME, DNS_ZONE_LABELS_OFF);
  }

  /** @param flags  CACHE_HIT_* */
  @inline setCacheHit(flags: u32, ttlSec: u32): void {
    store<u16>(QNAME, <u16>flags, DNS_CACHE_HIT_OFF);
    store<u32>(QNAME, ttlSec, DNS_CACHE_TTL_OFF);
  }
  /** CACHE_HIT_*. */
  @inline get cacheHit(): u32 {
    return load<u16>(QNAME, DNS_CACHE_HIT_OFF);
  }

  @inline get rcode(): u32 {
    return load<u16>(QNAME, DNS_RCODE_OFF);
  }
  @inline setRcode(rcode: u32): void {
    store<u16>(QNAME, <u16>rcode, DNS_RCODE_OFF);
  }
  @inline setWhy(why: DnsWhy): void {
    store<u32>(QNAME, why, DNS_WHY_OFF);
  }
}
