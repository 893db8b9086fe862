/**
 * The reply, written over its query: the question stays as it came, so does its letter case (RFC 1035
 * 4.1.2), and owners are pointers into it. What was behind the question is in the query's record.
 */
import {
  CUT_FLAGS_OFF,
  CUT_F_RA,
  CUT_UDP_MAX_OFF,
  DNS_HLEN,
  DNS_UDP_MAX,
  DNS_UDP_MIN,
  DnsWhy,
} from '../abi-dns';
import { be16 } from '../mem/be';
import {
  DNS_CD,
  DNS_OPCODE_MASK,
  DNS_QR,
  DNS_RA,
  DNS_RD,
  DNS_TC,
  Dns,
  OPT_DO_BE,
  OPT_RR_SIZE,
  RCODE_NOTIMP,
  TYPE_OPT,
} from '../wire/dns';
import { Query, REPLY } from './record';

/** Longest message by TCP (RFC 1035 4.2.2). */
const TCP_MAX: u32 = 0xffff;
const RCODE_LOW_BITS: u32 = 4;
const RCODE_LOW_MASK: u32 = 15;

/** A reply that is being written. */
@unmanaged
@final
export class Reply {
  msg: usize;
  /** Offset of the next record. */
  at: u32;
  /** Offset that records may not pass: the limit less what OPT takes. */
  limit: u32;
  ancount: u32;
  nscount: u32;
  arcount: u32;
  /** DNS_AA and DNS_TC; DNS_RA and DNS_AD. */
  high: u8;
  low: u8;

  /** Behind the question, as long as the requestor and the cut allow. */
  @inline static begin(q: Query, msg: usize, room: u32): Reply {
    const r = changetype<Reply>(REPLY);
    r.msg = msg;
    r.at = q.questionEnd;
    r.limit = min<u32>(sizeLimit(q), room) - (q.hasOpt ? OPT_RR_SIZE : 0);
    r.ancount = 0;
    r.nscount = 0;
    r.arcount = 0;
    r.high = 0;
    r.low = 0;
    return r;
  }

  /** Whether `n` more bytes fit. */
  @inline fits(n: u32): bool {
    return this.at + n <= this.limit;
  }
  @inline get ptr(): usize {
    return this.msg + this.at;
  }
}

/** Bytes of the longest reply that the requestor takes and the cut lets go (RFC 6891 6.2.3, 6.2.5). */
function sizeLimit(q: Query): u32 {
  if (q.isTcp) return TCP_MAX;
  if (!q.hasOpt) return DNS_UDP_MIN;
  const cut = q.cut;
  const cutMax: u32 = cut ? load<u16>(cut, CUT_UDP_MAX_OFF) : 0;
  const most = cutMax ? cutMax : <u32>DNS_UDP_MAX;
  return max<u32>(DNS_UDP_MIN, min<u32>(q.ednsSize, most));
}

/** Append the OPT record, which every reply to a query that has one ends with (RFC 6891 6.1.1). */
function putOpt(r: Reply, q: Query, rcode: u32): void {
  const rr = r.ptr;
  // Root and TYPE; CLASS: what we take; TTL: the upper bits of RCODE, version 0, DO; no options.
  store<u8>(rr, 0);
  store<u16>(rr, be16(<u16>TYPE_OPT), 1);
  store<u16>(rr, be16(<u16>DNS_UDP_MAX), 3);
  store<u32>(rr, (rcode >> RCODE_LOW_BITS) | (q.isDo ? OPT_DO_BE : 0), 5);
  store<u16>(rr, 0, 9);
  r.at += OPT_RR_SIZE;
  r.arcount++;
}

/** Header and OPT. @returns bytes of the reply */
export function finish(r: Reply, q: Query, rcode: u32): u32 {
  q.setRcode(rcode);
  if (q.hasOpt) putOpt(r, q, rcode);
  const head = Dns.at(r.msg);
  head.setFlagsHigh(DNS_QR | r.high | (q.isRd ? DNS_RD : 0));
  head.setFlagsLow((<u8>(rcode & RCODE_LOW_MASK)) | (q.isCd ? DNS_CD : 0) | r.low);
  head.setCounts(1, r.ancount, r.nscount, r.arcount);
  return r.at;
}

/** An error of ours: the question, no records, neither AA nor RA. @returns bytes of the reply */
export function errorReply(q: Query, msg: usize, room: u32, rcode: u32, why: DnsWhy): u32 {
  q.setWhy(why);
  return finish(Reply.begin(q, msg, room), q, rcode);
}

/** A header alone, to what is not a question. OPCODE is copied for NOTIMP. @returns its bytes */
export function headerReply(q: Query, msg: usize, rcode: u32): u32 {
  q.setWhy(DnsWhy.MALFORMED);
  q.setRcode(rcode);
  const head = Dns.at(msg);
  const opcode = rcode == RCODE_NOTIMP ? head.flagsHigh & DNS_OPCODE_MASK : 0;
  head.setFlagsHigh(DNS_QR | opcode | (q.isRd ? DNS_RD : 0));
  head.setFlagsLow((<u8>rcode) | (q.isCd ? DNS_CD : 0));
  head.setCounts(0, 0, 0, 0);
  return DNS_HLEN;
}

/** Begin a reply of the zone's server: RA as the cut has it. @param high  DNS_AA or 0 */
export function beginAnswer(q: Query, msg: usize, room: u32, high: u8): Reply {
  const r = Reply.begin(q, msg, room);
  r.high = high;
  if (load<u16>(q.cut, CUT_FLAGS_OFF) & CUT_F_RA) r.low = DNS_RA;
  return r;
}

/** Records are missing. */
export function setTruncated(r: Reply): void {
  r.high |= DNS_TC;
}

export function isTruncated(r: Reply): bool {
  return (r.high & DNS_TC) != 0;
}
