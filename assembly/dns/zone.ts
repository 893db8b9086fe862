/**
 * What the names of a zone say to a question: records, no data, no name, an address that the name
 * itself says, a CNAME, or that somebody else has to be asked.
 */
import {
  CUT_FLAGS_OFF,
  CUT_F_ANY,
  CUT_F_FALLTHROUGH,
  CUT_F_SHOW_CNAME,
  CUT_F_UNSYNCED,
  CUT_SOA_OFF,
  CUT_SPACE_OFF,
  DNS_HOST,
  DnsWhy,
} from '../abi-dns';
import {
  COUNT_ANSWER,
  COUNT_AUTHORITY,
  DNS_AA,
  POINTER_QNAME_BE,
  RCODE_NOERROR,
  RCODE_NXDOMAIN,
  RCODE_SERVFAIL,
  TYPE_A,
  TYPE_AAAA,
  TYPE_ANY,
  TYPE_CNAME,
  TYPE_SOA,
} from '../wire/dns';
import { putHinfo } from './any';
import {
  ChainEnd,
  Pods,
  chainAddressLen,
  chainCount,
  chainLast,
  chainLink,
  followChain,
} from './chain';
import { FoldedName } from './fold';
import { Names, entryOf, valueOf } from './names';
import { POD_ADDRESS, QNAME, Query } from './record';
import { Reply, beginAnswer, finish, isTruncated } from './reply';
import { RR_HLEN, Rrset, findRrset, pointerBe } from './rrset';
import { Sections, putAddress, putAnswers, putGlue } from './sections';
import { putSoa } from './soa';

/** MINIMUM within the numbers of an SOA record; CoreDNS has the zone's TTL there. */
const SOA_MINIMUM_OFF = 16;
const A_LENGTH: u32 = 4;

function cutFlags(q: Query): u32 {
  return load<u16>(q.cut, CUT_FLAGS_OFF);
}

/** No answer, and the SOA record that says for how long (RFC 2308). */
function negative(r: Reply, q: Query, rcode: u32): i32 {
  if (putSoa(r, q)) r.counts += COUNT_AUTHORITY;
  return finish(r, q, rcode);
}

/** One HINFO instead of everything (RFC 8482 4.2). */
function anyReply(q: Query, msg: usize, room: u32, high: u8): i32 {
  q.setWhy(DnsWhy.ANY);
  const r = beginAnswer(q, msg, room, high);
  putHinfo(r);
  return finish(r, q, RCODE_NOERROR);
}

/** TTL of what is computed. */
function zoneTtlBe(q: Query): u32 {
  return load<u32>(q.cut, CUT_SOA_OFF + SOA_MINIMUM_OFF);
}

function soaReply(q: Query, msg: usize, room: u32): i32 {
  const r = beginAnswer(q, msg, room, DNS_AA);
  if (putSoa(r, q)) r.counts += COUNT_ANSWER;
  return finish(r, q, RCODE_NOERROR);
}

/** No such name: the pod it says, the next plugin, or NXDOMAIN. */
function missing(q: Query, msg: usize, room: u32): i32 {
  const length = Pods.find(load<u16>(q.cut, CUT_SPACE_OFF), QNAME, POD_ADDRESS);
  if (length) return podReply(q, msg, room, length);
  const flags = cutFlags(q);
  if (flags & CUT_F_FALLTHROUGH) {
    q.setWhy(DnsWhy.FALLTHROUGH);
    return DNS_HOST;
  }
  const r = Reply.ofZone(q, msg, room, DNS_AA, flags);
  if (putSoa(r, q)) r.counts += COUNT_AUTHORITY;
  return r.finish(q, flags & CUT_F_UNSYNCED ? RCODE_SERVFAIL : RCODE_NXDOMAIN);
}

function podReply(q: Query, msg: usize, room: u32, length: u32): i32 {
  if (q.qtype == TYPE_ANY) return anyReply(q, msg, room, DNS_AA);
  q.setWhy(DnsWhy.POD);
  const r = beginAnswer(q, msg, room, DNS_AA);
  if (q.qtype != (length == A_LENGTH ? TYPE_A : TYPE_AAAA)) return negative(r, q, RCODE_NOERROR);
  putAddress(r, POINTER_QNAME_BE, zoneTtlBe(q), POD_ADDRESS, length);
  return finish(r, q, RCODE_NOERROR);
}

/** The CNAMEs that were followed. @returns pointer to the last one's target, as it lies in a packet */
function putChain(r: Reply, flags: u32): u16 {
  const count = chainCount();
  let ownerBe = POINTER_QNAME_BE;
  for (let i: u32 = 0; i < count && !isTruncated(r); i++) {
    const targetBe = pointerBe(r.at + RR_HLEN);
    putAnswers(r, chainLink(i), ownerBe, flags);
    ownerBe = targetBe;
  }
  return ownerBe;
}

/** An alias of a name: its records behind the CNAMEs that lead there. */
function aliasReply(q: Query, msg: usize, room: u32, cname: usize): i32 {
  const type = q.qtype;
  const end = followChain(q, cname, type, POD_ADDRESS);
  if (end == ChainEnd.OUTSIDE) {
    q.setWhy(DnsWhy.CNAME_OUTSIDE);
    return DNS_HOST;
  }
  const r = beginAnswer(q, msg, room, DNS_AA);
  const flags = cutFlags(q);
  const isPod = end == ChainEnd.POD && type == (chainAddressLen() == A_LENGTH ? TYPE_A : TYPE_AAAA);
  if (end != ChainEnd.RRSET && !isPod) {
    if (flags & CUT_F_SHOW_CNAME) putChain(r, flags);
    return negative(r, q, RCODE_NOERROR);
  }
  const ownerBe = putChain(r, flags);
  if (isTruncated(r)) return finish(r, q, RCODE_NOERROR);
  if (isPod) putAddress(r, ownerBe, zoneTtlBe(q), POD_ADDRESS, chainAddressLen());
  else putAnswers(r, chainLast(), ownerBe, flags);
  return finish(r, q, RCODE_NOERROR);
}

/** A name that has no records of the type. */
function otherReply(q: Query, msg: usize, room: u32, value: usize): i32 {
  const type = q.qtype;
  if (type == TYPE_ANY) return anyReply(q, msg, room, DNS_AA);
  if (type == TYPE_SOA && FoldedName.at(QNAME).labels == q.zoneLabels) {
    return soaReply(q, msg, room);
  }
  // As CoreDNS: an alias has nothing for other types, and shows itself only when asked for.
  if (type == TYPE_A || type == TYPE_AAAA) {
    const cname = findRrset(value, TYPE_CNAME);
    if (cname) return aliasReply(q, msg, room, cname);
  }
  return negative(beginAnswer(q, msg, room, DNS_AA), q, RCODE_NOERROR);
}

@unmanaged
@final
export class Zone {
  /**
   * Answer from the names of a space.
   *
   * @param space  of the query's cut
   * @param flags  of the query's cut
   * @returns      bytes of the reply, or DNS_HOST with the reason in the record
   */
  @inline static reply(q: Query, msg: usize, room: u32, space: u32, flags: u32): i32 {
    const type = q.qtype;
    const name = FoldedName.at(QNAME);
    const length = name.length;
    q.setWhy(DnsWhy.ZONE);
    // As the plugin `any`, which does not look whether the name exists.
    if (type == TYPE_ANY && (flags & CUT_F_ANY) != 0) return anyReply(q, msg, room, 0);
    const row = Names.find(space, name.hash, name.ptr, length);
    if (!row) return missing(q, msg, room);
    const value = valueOf(entryOf(row), length);
    const rrset = Rrset.find(value, type);
    if (!rrset) return otherReply(q, msg, room, value);
    const r = Reply.ofZone(q, msg, room, DNS_AA, flags);
    const answers = r.at;
    Sections.putAnswers(r, rrset, POINTER_QNAME_BE, flags);
    if (Rrset.at(rrset).glueBytes != 0 && !isTruncated(r)) putGlue(r, rrset, answers, flags);
    return r.finish(q, RCODE_NOERROR);
  }
}
