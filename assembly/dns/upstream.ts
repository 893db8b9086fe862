/**
 * The strict walker of replies: every name, every length and every count is right, or nothing of the
 * message is kept. What it finds out is a record of its own, behind the ring of what is due:
 *
 *   0        64                     128                            1024
 *   +--------+----------------------+------------------------------+
 *   | fields | names of the chain   | owners that become pointers  |
 *   +--------+----------------------+------------------------------+
 *
 * Spec: RFC 1035 4.1; RFC 6891 6.1 (OPT); TTL RFC 2181 8; mistakes RFC 9267
 */
import { CACHES_BASE, CACHE_DUE_MAX, CACHE_DUE_OFF, CACHE_DUE_ROWS_OFF } from '../abi-cache';
import { DNS_HLEN } from '../abi-dns';
import { be32 } from '../mem/be';
import {
  DNS_ANCOUNT_OFF,
  Dns,
  QUESTION_TAIL,
  RR_FIXED,
  RR_RDLENGTH_OFF,
  RR_TTL_OFF,
  TYPE_NS,
  TYPE_OPT,
  TYPE_SIG,
  TYPE_SOA,
  TYPE_TSIG,
  u16At,
} from '../wire/dns';
import { optionsFit } from './query';
import { dropStart, readName, resetStarts, sameNames } from './upstream-name';
import { readRdata, shapeOf } from './upstream-rdata';

const WORK: usize = CACHES_BASE + 5120;
/** u16 each: offsets of the names of the chain. */
export const CHAIN_NAMES: usize = WORK + 64;
/** u16 each: where an owner begins and ends. */
const OWNERS: usize = WORK + 128;
const OWNERS_MAX: u32 = (1024 - 128) / 4;

if (CACHE_DUE_OFF + CACHE_DUE_ROWS_OFF + CACHE_DUE_MAX * 4 > 5120)
  ERROR('the ring overlaps the walk');

export const ANSWER: u32 = 0;
export const AUTHORITY: u32 = 1;
export const ADDITIONAL: u32 = 2;
const SECTIONS: u32 = 3;

/** A TTL that looks negative is 0 (RFC 2181 8). */
const TTL_MAX: u32 = 0x7fffffff;
const RCODE_MASK: u32 = 15;
const RCODE_UPPER_SHIFT: u32 = 4;

/** A reply that was walked. */
@unmanaged
@final
export class Upstream {
  msg: usize;
  len: u32;
  qtype: u32;
  qclass: u32;
  /** Offsets: behind the question, behind Answer, behind the last record. */
  questionEnd: u32;
  answerEnd: u32;
  end: u32;
  /** Of the OPT record; 0 = there is none. */
  optStart: u32;
  optEnd: u32;
  rcode: u32;
  /** Least TTL of all records, u32.MAX_VALUE = there are none. */
  minTtl: u32;
  /** Offset of the owner of the SOA record in Authority, 0 = there is none. */
  soaOwner: u32;
  isSigned: bool;
  hasNs: bool;
  /** Owners that become pointers, and bytes that this saves. */
  owners: u16;
  saved: u32;
  /** Its answer reaches a record of the type (upstream-chain.ts). */
  hasRecords: bool;

  @inline static get(): Upstream {
    return changetype<Upstream>(WORK);
  }
  /** Records of a section, as the header has them. */
  @inline count(section: u32): u32 {
    return u16At(this.msg + DNS_ANCOUNT_OFF + <usize>(section << 1));
  }
  /** Where the i-th owner begins, and where it ends. */
  @inline ownerStart(i: u32): u32 {
    return load<u16>(OWNERS + ((<usize>i) << 2));
  }
  @inline ownerEnd(i: u32): u32 {
    return load<u16>(OWNERS + ((<usize>i) << 2), 2);
  }
}

if (offsetof<Upstream>() > 64) ERROR('Upstream overlaps the names of the chain');

/** Whether the owner of a record is the question's name spelled once more, and can be a pointer. */
function noteOwner(u: Upstream, at: u32, end: u32): void {
  if (end - at <= 2 || u.owners >= <u16>OWNERS_MAX) return;
  if (!sameNames(u.msg, at, DNS_HLEN)) return;
  const entry = OWNERS + ((<usize>u.owners) << 2);
  store<u16>(entry, <u16>at);
  store<u16>(entry, <u16>end, 2);
  u.owners++;
  u.saved += end - at - 2;
}

function readOpt(u: Upstream, at: u32, fixed: u32, rdata: u32, end: u32): bool {
  const rr = u.msg + fixed;
  if (fixed != at + 1 || u.optStart != 0 || !optionsFit(u.msg + rdata, end - rdata)) return false;
  dropStart(at);
  u.optStart = at;
  u.optEnd = end;
  u.rcode |= (<u32>load<u8>(rr, RR_TTL_OFF)) << RCODE_UPPER_SHIFT;
  return true;
}

/** @returns offset behind the record, 0 = it is malformed */
function readRecord(u: Upstream, section: u32, at: u32): u32 {
  const msg = u.msg;
  const fixed = readName(msg, at, u.len, true);
  if (fixed == 0 || u.len - fixed < RR_FIXED) return 0;
  const rr = msg + fixed;
  const type = u16At(rr);
  const rdata = fixed + RR_FIXED;
  const rdlength = u16At(rr + RR_RDLENGTH_OFF);
  if (u.len - rdata < rdlength) return 0;
  const end = rdata + rdlength;
  if (type == TYPE_OPT) {
    return section == ADDITIONAL && readOpt(u, at, fixed, rdata, end) ? end : 0;
  }
  if (type == TYPE_TSIG || type == TYPE_SIG) {
    u.isSigned = true;
    return end;
  }
  if (u16At(rr + 2) != u.qclass || !readRdata(msg, shapeOf(type, u.qclass), rdata, end)) return 0;
  noteOwner(u, at, fixed);
  const ttl = be32(load<u32>(rr, RR_TTL_OFF));
  u.minTtl = min<u32>(u.minTtl, ttl > TTL_MAX ? 0 : ttl);
  if (section == AUTHORITY && type == TYPE_SOA) u.soaOwner = at;
  if (section == AUTHORITY && type == TYPE_NS) u.hasNs = true;
  return end;
}

/**
 * Walk a reply whose header is there.
 *
 * @param len  at most CACHE_REPLY_MAX
 * @returns    whether it is sound; the record says what is in it
 */
export function walkReply(msg: usize, len: u32): bool {
  const u = Upstream.get();
  memory.fill(WORK, 0, 64);
  u.msg = msg;
  u.len = len;
  u.minTtl = u32.MAX_VALUE;
  u.rcode = (<u32>Dns.at(msg).flagsLow) & RCODE_MASK;
  resetStarts(len);
  let at = readName(msg, DNS_HLEN, len, false);
  if (at == 0 || len - at < QUESTION_TAIL) return false;
  u.qtype = u16At(msg + at);
  u.qclass = u16At(msg + at + 2);
  at += QUESTION_TAIL;
  u.questionEnd = at;
  for (let section: u32 = 0; section < SECTIONS; section++) {
    const count = u.count(section);
    // Every record takes octets of the message.
    for (let i: u32 = 0; i < count; i++) {
      at = readRecord(u, section, at);
      if (at == 0) return false;
    }
    if (section == ANSWER) u.answerEnd = at;
  }
  u.end = at;
  return true;
}
