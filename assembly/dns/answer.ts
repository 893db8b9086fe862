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
  RCODE_BADVERS,
  RCODE_FORMERR,
  RCODE_NOTIMP,
  RCODE_REFUSED,
  TYPE_AXFR,
  TYPE_IXFR,
  TYPE_OPT,
} from '../wire/dns';
import { cacheAnswer } from './cache-answer';
import { countQuery } from './counters';
import { findCut } from './cuts';
import { Parsed, isInternet, parseQuery } from './query';
import { logQuery } from './query-log';
import { Query } from './record';
import { errorReply, headerReply } from './reply';
import { zoneReply } from './zone';

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
  const result = answer(q, listener, msg, len, room, nowMs);
  countQuery(q, result);
  logQuery(q, result, nowMs);
  return result;
}

function answer(q: Query, listener: u32, msg: usize, len: u32, room: u32, nowMs: f64): i32 {
  const parsed = parseQuery(q, msg, len);
  if (parsed != Parsed.QUERY) return refuse(q, msg, parsed);
  const type = q.qtype;
  if (type == TYPE_OPT) return errorReply(q, msg, room, RCODE_FORMERR, DnsWhy.MALFORMED);
  const cut = findCut(q, listener);
  const flags: u32 = cut ? load<u16>(cut, CUT_FLAGS_OFF) : CUT_F_REFUSE;
  if (!isInternet(q) && !(q.qclass == CLASS_CH && (flags & CUT_F_CHAOS) != 0)) {
    return errorReply(q, msg, room, RCODE_REFUSED, DnsWhy.REFUSED);
  }
  if (q.ednsVersion) return errorReply(q, msg, room, RCODE_BADVERS, DnsWhy.MALFORMED);
  const isTransfer = type == TYPE_AXFR || type == TYPE_IXFR;
  if (isTransfer || (flags & CUT_F_REFUSE) != 0) {
    return errorReply(q, msg, room, RCODE_REFUSED, DnsWhy.REFUSED);
  }
  return serve(q, msg, room, flags, nowMs);
}

/** What is no question. */
function refuse(q: Query, msg: usize, parsed: Parsed): i32 {
  if (parsed == Parsed.DROP) {
    q.setWhy(DnsWhy.NOT_A_QUERY);
    return DNS_DROP;
  }
  return headerReply(q, msg, parsed == Parsed.NOTIMP ? RCODE_NOTIMP : RCODE_FORMERR);
}

/** What the cut says, once there is nothing wrong with the question. */
function serve(q: Query, msg: usize, room: u32, flags: u32, nowMs: f64): i32 {
  if ((flags & CUT_F_HOST) != 0 || !isInternet(q)) {
    q.setWhy(DnsWhy.HOST_FIRST);
    return DNS_HOST;
  }
  if (load<u16>(q.cut, CUT_SPACE_OFF)) return zoneReply(q, msg, room);
  const cache: u32 = load<u16>(q.cut, CUT_CACHE_OFF);
  if (cache) return cacheAnswer(q, cache, msg, room, nowMs);
  q.setWhy(DnsWhy.NO_NAMES);
  return DNS_HOST;
}
