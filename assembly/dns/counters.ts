/** What is counted of queries and replies: u64 words by zone, which only the core writes. */
import {
  DNS_COUNTERS_BASE,
  DNS_COUNTERS_BYTES,
  DNS_F_DO,
  DNS_F_IPV6,
  DNS_F_TCP,
  DNS_F_UNCOUNTED,
  DNS_HOST,
  DNS_SIZE_SLOTS,
  DNS_TYPE_SLOTS,
  DNS_ZONE_MAX,
  DNS_ZONE_NONE,
  DNS_ZONE_WORDS,
  CUT_ZONE_OFF,
  DnsTypeSlot,
  ZONE_DO_WORD,
  ZONE_HOST_WORD,
  ZONE_REPLIES_WORD,
  ZONE_REPLY_BYTES_WORD,
  ZONE_REPLY_SIZES_WORD,
  ZONE_REQUESTS_WORD,
  ZONE_REQUEST_BYTES_WORD,
  ZONE_REQUEST_SIZES_WORD,
  ZONE_TRAILING_WORD,
} from '../abi-dns';
import { isTraced } from '../mem/trace';
import * as wire from '../wire/dns';
import { Query } from './record';

if (DNS_ZONE_MAX * DNS_ZONE_WORDS * 8 > DNS_COUNTERS_BYTES) ERROR('DNS COUNTERS is too small');
if (ZONE_REQUESTS_WORD + DNS_TYPE_SLOTS * 4 > ZONE_REPLIES_WORD) ERROR('types overlap RCODEs');
if (ZONE_REQUEST_SIZES_WORD + DNS_SIZE_SLOTS > ZONE_REPLY_SIZES_WORD) ERROR('sizes overlap');
if (ZONE_TRAILING_WORD >= DNS_ZONE_WORDS) ERROR('a zone has too many words');

/** RCODEs that have a word; BADVERS counts as the last. */
const RCODE_LAST: u32 = 15;

function bump(zone: usize, word: u32, by: u64): void {
  const at = zone + <usize>(word << 3);
  store<u64>(at, load<u64>(at) + by);
}

function typeSlot(type: u32): DnsTypeSlot {
  switch (type) {
    case wire.TYPE_A:
      return DnsTypeSlot.A;
    case wire.TYPE_NS:
      return DnsTypeSlot.NS;
    case wire.TYPE_CNAME:
      return DnsTypeSlot.CNAME;
    case wire.TYPE_SOA:
      return DnsTypeSlot.SOA;
    case wire.TYPE_PTR:
      return DnsTypeSlot.PTR;
    case wire.TYPE_MX:
      return DnsTypeSlot.MX;
    case wire.TYPE_TXT:
      return DnsTypeSlot.TXT;
    case wire.TYPE_AAAA:
      return DnsTypeSlot.AAAA;
    case wire.TYPE_SRV:
      return DnsTypeSlot.SRV;
    case wire.TYPE_DS:
      return DnsTypeSlot.DS;
    case wire.TYPE_RRSIG:
      return DnsTypeSlot.RRSIG;
    case wire.TYPE_NSEC:
      return DnsTypeSlot.NSEC;
    case wire.TYPE_DNSKEY:
      return DnsTypeSlot.DNSKEY;
    case wire.TYPE_NSEC3:
      return DnsTypeSlot.NSEC3;
    case wire.TYPE_HTTPS:
      return DnsTypeSlot.HTTPS;
    case wire.TYPE_IXFR:
      return DnsTypeSlot.IXFR;
    case wire.TYPE_AXFR:
      return DnsTypeSlot.AXFR;
    case wire.TYPE_ANY:
      return DnsTypeSlot.ANY;
    default:
      return DnsTypeSlot.OTHER;
  }
}

/** The first bound that a size does not exceed: buckets of CoreDNS's coredns_dns_*_size_bytes. */
function sizeSlot(n: u32): u32 {
  if (n <= 400) return n <= 200 ? (n <= 100 ? 0 : 1) : n <= 300 ? 2 : 3;
  if (n <= 4095) return n <= 1023 ? (n <= 511 ? 4 : 5) : n <= 2047 ? 6 : 7;
  if (n <= 32000) return n <= 8291 ? 8 : n <= 16000 ? 9 : 10;
  return n <= 48000 ? 11 : n <= 64000 ? 12 : 13;
}

@unmanaged
@final
export class Counters {
  /**
   * Count a query and what became of it.
   *
   * @param result  bytes of the reply, DNS_HOST or DNS_DROP: who is not answered is not counted
   */
  @inline static count(q: Query, result: i32): void {
    const flags = q.flags;
    if (result == 0 || (flags & DNS_F_UNCOUNTED) != 0 || isTraced()) return;
    const idx: u32 = q.cut ? load<u8>(q.cut, CUT_ZONE_OFF) : DNS_ZONE_NONE;
    const zone: usize = <usize>DNS_COUNTERS_BASE + ((<usize>idx * DNS_ZONE_WORDS) << 3);
    const way: u32 = (flags & DNS_F_IPV6 ? 2 : 0) | (flags & DNS_F_TCP ? 1 : 0);
    bump(zone, ZONE_REQUESTS_WORD + (((<u32>typeSlot(q.qtype)) << 2) | way), 1);
    bump(zone, ZONE_REQUEST_BYTES_WORD, q.length);
    bump(zone, ZONE_REQUEST_SIZES_WORD + sizeSlot(q.length), 1);
    if (flags & DNS_F_DO) bump(zone, ZONE_DO_WORD, 1);
    if (q.hasTrailing) bump(zone, ZONE_TRAILING_WORD, 1);
    if (result == DNS_HOST) {
      bump(zone, ZONE_HOST_WORD, 1);
      return;
    }
    bump(zone, ZONE_REPLIES_WORD + min<u32>(q.rcode, RCODE_LAST), 1);
    bump(zone, ZONE_REPLY_BYTES_WORD, result);
    bump(zone, ZONE_REPLY_SIZES_WORD + sizeSlot(result), 1);
  }
}
