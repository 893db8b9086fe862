/**
 * The reply, written over its query: the question stays as it came, so does its letter case (RFC 1035
 * 4.1.2), and owners are pointers into it. What was behind the question is in the query's record.
 */
import {
  CUT_FLAGS_OFF,
  CUT_F_RA,
  CUT_UDP_MAX_OFF,
  DNS_F_CD,
  DNS_F_RD,
  DNS_HLEN,
  DNS_UDP_MAX,
  DNS_UDP_MIN,
  DnsWhy,
} from '../abi-dns';
import { be16 } from '../mem/be';
import {
  COUNT_ADDITIONAL,
  COUNT_ANSWER,
  COUNT_AUTHORITY,
  COUNT_QUESTION,
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
/** The header's flags as one number: its low byte is above the high one. */
export const LOW_SHIFT: u32 = 8;
const RA: u32 = (<u32>DNS_RA) << LOW_SHIFT;
const CD_SHIFT: u32 = LOW_SHIFT + 3;

if (DNS_F_RD != DNS_RD) ERROR('RD is another bit');
if (DNS_F_CD << CD_SHIFT != (<u32>DNS_CD) << LOW_SHIFT) ERROR('CD is another bit');

/** A reply that is being written. */
@unmanaged
@final
export class Reply {
  msg: usize;
  /** Offset of the next record. */
  at: u32;
  /** Offset that records may not pass: the limit less what OPT takes. */
  limit: u32;
  /** DNS_AA and DNS_TC; DNS_RA and DNS_AD above them. */
  flags: u32;
  /** Of the header: COUNT_*. */
  counts: u64;

  /** Behind the question, as long as the requestor and the cut allow. @param flags  DNS_AA, DNS_RA, ... */
  @inline static begin(q: Query, msg: usize, room: u32, flags: u32): Reply {
    const r = changetype<Reply>(REPLY);
    // Neither OPT nor TCP: most queries there are.
    const isPlain = !q.hasOpt && !q.isTcp;
    r.msg = msg;
    r.at = q.questionEnd;
    r.limit = isPlain ? min<u32>(DNS_UDP_MIN, room) : limitOf(q, room);
    r.flags = flags;
    r.counts = COUNT_QUESTION;
    return r;
  }

  /** Begin a reply of the zone's server: RA as the cut has it. @param flags  of the cut */
  @inline static ofZone(q: Query, msg: usize, room: u32, high: u8, flags: u32): Reply {
    return Reply.begin(q, msg, room, high | (flags & CUT_F_RA ? RA : 0));
  }

  /** Header and OPT. @returns bytes of the reply */
  @inline finish(q: Query, rcode: u32): u32 {
    q.setRcode(rcode);
    if (q.hasOpt) putOpt(this, q, rcode);
    const head = Dns.at(this.msg);
    const asked = q.flags;
    const kept = (asked & DNS_F_RD) | ((asked & DNS_F_CD) << CD_SHIFT);
    head.setFlags(DNS_QR | this.flags | kept | ((rcode & RCODE_LOW_MASK) << LOW_SHIFT));
    head.setCounts(this.counts);
    return this.at;
  }

  @inline addCounts(an: u32, ns: u32, ar: u32): void {
    this.counts += an * COUNT_ANSWER + ns * COUNT_AUTHORITY + ar * COUNT_ADDITIONAL;
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

/** The same, less what OPT takes. */
function limitOf(q: Query, room: u32): u32 {
  return min<u32>(sizeLimit(q), room) - (q.hasOpt ? OPT_RR_SIZE : 0);
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
  r.counts += COUNT_ADDITIONAL;
}

/** `Reply.finish`, called. */
export function finish(r: Reply, q: Query, rcode: u32): u32 {
  return r.finish(q, rcode);
}

/** An error of ours: the question, no records, neither AA nor RA. @returns bytes of the reply */
export function errorReply(q: Query, msg: usize, room: u32, rcode: u32, why: DnsWhy): u32 {
  q.setWhy(why);
  return finish(Reply.begin(q, msg, room, 0), q, rcode);
}

/** A header alone, to what is not a question. OPCODE is copied for NOTIMP. @returns its bytes */
export function headerReply(q: Query, msg: usize, rcode: u32): u32 {
  q.setWhy(DnsWhy.MALFORMED);
  q.setRcode(rcode);
  const head = Dns.at(msg);
  const opcode = rcode == RCODE_NOTIMP ? head.flagsHigh & DNS_OPCODE_MASK : 0;
  head.setFlagsHigh(DNS_QR | opcode | (q.isRd ? DNS_RD : 0));
  head.setFlagsLow((<u8>rcode) | (q.isCd ? DNS_CD : 0));
  head.setCounts(0);
  return DNS_HLEN;
}

/** `Reply.ofZone`, called. */
export function beginAnswer(q: Query, msg: usize, room: u32, high: u8): Reply {
  return Reply.ofZone(q, msg, room, high, load<u16>(q.cut, CUT_FLAGS_OFF));
}

/** Records are missing. */
export function setTruncated(r: Reply): void {
  r.flags |= DNS_TC;
}

export function isTruncated(r: Reply): bool {
  return (r.flags & DNS_TC) != 0;
}
