/**
 * dnsAnswer: a query becomes its reply where it lies, or is left as it is for the host.
 *
 * Order (spec/dns.md 3.1): the message itself, class, EDNS version, the longest cut, and what the cut
 * says about names.
 */
import {
  CUT_CACHE_OFF,
  CUT_FLAGS_OFF,
  CUT_F_CHAOS,
  CUT_F_HOST,
  CUT_F_REFUSE,
  CUT_SPACE_OFF,
  DNS_DROP,
  DNS_HOST,
  DnsWhy,
} from '../abi-dns';
import {
  CLASS_CH,
  CLASS_IN,
  RCODE_BADVERS,
  RCODE_FORMERR,
  RCODE_NOTIMP,
  RCODE_REFUSED,
  TYPE_AXFR,
  TYPE_IXFR,
  TYPE_OPT,
} from '../wire/dns';
import { cacheAnswer } from './cache-answer';
import { Counters } from './counters';
import { Cuts } from './cuts';
import { Parsed, Parser, isInternet } from './query';
import { logQuery } from './query-log';
import { Query } from './record';
import { errorReply, headerReply } from './reply';
import { Zone } from './zone';

/**
 * Answer a query in place.
 *
 * @param listener  1 to LISTENER_MAX: whose cuts are looked at
 * @param msg       the message, without what its transport puts in front of it
 * @param len       its bytes
 * @param room      bytes from `msg` on that a reply may take, at least `len`
 * @param flags     DNS_F_TCP, DNS_F_IPV6, DNS_F_UNCOUNTED
 * @param nowMs     what the wire cache goes by
 * @returns         bytes of the reply; DNS_DROP: send nothing; DNS_HOST: the message is untouched
 *                  and the record at DNS_BASE says what it asks and why it is the host's
 */
export function dnsAnswer(
  listener: u32,
  msg: usize,
  len: u32,
  room: u32,
  flags: u32,
  nowMs: f64,
): i32 {
  const q = Query.begin(listener, len, flags);
  const result = Answer.make(q, listener, msg, len, room, nowMs);
  Counters.count(q, result);
  logQuery(q, result, nowMs);
  return result;
}

@unmanaged
@final
class Answer {
  /** What `dnsAnswer` does but for counting. */
  @inline static make(q: Query, listener: u32, msg: usize, len: u32, room: u32, nowMs: f64): i32 {
    const parsed = Parser.run(q, msg, len);
    if (parsed != Parsed.QUERY) return refuse(q, msg, parsed);
    const type = q.qtype;
    if (type == TYPE_OPT) return errorReply(q, msg, room, RCODE_FORMERR, DnsWhy.MALFORMED);
    const cut = Cuts.find(q, listener, type);
    const flags: u32 = cut ? load<u16>(cut, CUT_FLAGS_OFF) : CUT_F_REFUSE;
    // What is neither refused nor the host's is seen at once.
    const isRare =
      (q.qclass ^ CLASS_IN) |
      (flags & (CUT_F_REFUSE | CUT_F_HOST)) |
      q.ednsVersion |
      (<u32>(type == TYPE_AXFR || type == TYPE_IXFR));
    if (isRare != 0) return answerRare(q, msg, room, flags);
    const space: u32 = load<u16>(cut, CUT_SPACE_OFF);
    if (space) return Zone.reply(q, msg, room, space, flags);
    const cache: u32 = load<u16>(cut, CUT_CACHE_OFF);
    if (cache) return cacheAnswer(q, cache, msg, room, nowMs);
    return leave(q, DnsWhy.NO_NAMES);
  }
}

/** A question that no names are looked up for. @param flags  of its cut, CUT_F_REFUSE if it has none */
function answerRare(q: Query, msg: usize, room: u32, flags: u32): i32 {
  const isOfInternet = isInternet(q);
  if (!isOfInternet && !(q.qclass == CLASS_CH && (flags & CUT_F_CHAOS) != 0)) {
    return errorReply(q, msg, room, RCODE_REFUSED, DnsWhy.REFUSED);
  }
  if (q.ednsVersion) return errorReply(q, msg, room, RCODE_BADVERS, DnsWhy.MALFORMED);
  const isTransfer = q.qtype == TYPE_AXFR || q.qtype == TYPE_IXFR;
  if (isTransfer || (flags & CUT_F_REFUSE) != 0) {
    return errorReply(q, msg, room, RCODE_REFUSED, DnsWhy.REFUSED);
  }
  return leave(q, DnsWhy.HOST_FIRST);
}

/** What is no question. */
function refuse(q: Query, msg: usize, parsed: Parsed): i32 {
  if (parsed == Parsed.DROP) {
    q.setWhy(DnsWhy.NOT_A_QUERY);
    return DNS_DROP;
  }
  return headerReply(q, msg, parsed == Parsed.NOTIMP ? RCODE_NOTIMP : RCODE_FORMERR);
}

/** To the host. */
function leave(q: Query, why: DnsWhy): i32 {
  q.setWhy(why);
  return DNS_HOST;
}
