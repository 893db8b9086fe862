/**
 * The strict parser: a message is one well-formed question, with at most two records in Additional,
 * or it is refused before anything is looked up. Records are walked only to find OPT; counts allocate
 * nothing, and no pointer is followed.
 *
 * Spec: RFC 1035 4.1; RFC 6891 6.1; RFC 9619 (one question); common mistakes RFC 9267
 */
import { DNS_F_AD, DNS_F_CD, DNS_F_DO, DNS_F_RD, DNS_HLEN, DNS_NAME_MAX } from '../abi-dns';
import { be16s } from '../mem/be';
import {
  CLASS_IN,
  COUNT_ADDITIONAL,
  COUNT_ADDITIONAL_SHIFT,
  COUNT_QUESTION,
  DNS_AD,
  DNS_CD,
  DNS_OPCODE_MASK,
  DNS_QR,
  DNS_RD,
  Dns,
  LABEL_LEN_MAX,
  OPT_DO_BE,
  OPT_OPTION_HLEN,
  POINTER_MAX,
  POINTER_TAG,
  QUESTION_TAIL,
  RR_FIXED,
  RR_RDLENGTH_OFF,
  RR_TTL_OFF,
  TYPE_OPT,
  TYPE_SIG,
  TYPE_TSIG,
  u16At,
} from '../wire/dns';
import { FoldedName } from './fold';
import { QNAME, Query } from './record';

export enum Parsed {
  /** The record is filled in. */
  QUERY = 0,
  /** Not to be answered. */
  DROP = 1,
  /** To be answered with a header alone. */
  FORMERR = 2,
  NOTIMP = 3,
}

/** Records in Additional: an OPT, and one more that is ignored. */
const ADDITIONAL_MAX: u32 = 2;
/** From the bits of a message to those of the record. */
const LOW_SHIFT: u32 = 3;

if (DNS_F_RD != DNS_RD) ERROR('RD is another bit');
if (DNS_F_CD << LOW_SHIFT != DNS_CD || DNS_F_AD << LOW_SHIFT != DNS_AD) ERROR('CD and AD are');

@unmanaged
@final
export class Parser {
  /**
   * Read a message into the query's record, its name folded.
   *
   * @param len  bytes of the message; nothing behind them is read
   */
  @inline static run(q: Query, msg: usize, len: u32): Parsed {
    if (len < <u32>DNS_HLEN) return Parsed.DROP;
    const head = Dns.at(msg);
    const high: u32 = head.flagsHigh;
    if (high & DNS_QR) return Parsed.DROP;
    if (high & DNS_OPCODE_MASK) {
      q.addFlags(high & DNS_RD);
      return Parsed.NOTIMP;
    }
    q.addFlags((high & DNS_RD) | (((<u32>head.flagsLow) >> LOW_SHIFT) & (DNS_F_CD | DNS_F_AD)));
    const counts = head.counts;
    const additional = <u32>(counts >> COUNT_ADDITIONAL_SHIFT);
    const others = counts & (COUNT_ADDITIONAL - 1);
    if (others != COUNT_QUESTION || additional > ADDITIONAL_MAX) return Parsed.FORMERR;
    const question = msg + DNS_HLEN;
    const name = FoldedName.at(QNAME);
    const length = name.readLabels(question, len - DNS_HLEN);
    if (length == 0) return Parsed.FORMERR;
    const tail = DNS_HLEN + length;
    if (len - tail < QUESTION_TAIL) return Parsed.FORMERR;
    const end = tail + QUESTION_TAIL;
    if (additional != 0) {
      const at = readRecords(q, msg, end, len, additional);
      if (at == 0) return Parsed.FORMERR;
      if (at != len) q.setTrailing();
    } else if (end != len) {
      q.setTrailing();
    }
    q.setQuestion(<u32>be16s(load<u32>(msg + tail)), end);
    name.fold(question, length);
    return Parsed.QUERY;
  }
}

/** `Parser.run`, called. */
export function parseQuery(q: Query, msg: usize, len: u32): Parsed {
  return Parser.run(q, msg, len);
}

/** Where an owner ends: labels up to the root or one pointer to something before it. 0 = nowhere. */
function ownerEnd(msg: usize, from: u32, len: u32): u32 {
  let at = from;
  const limit = min<u32>(len, from + DNS_NAME_MAX);
  // Every turn takes an octet at least.
  while (at < limit) {
    const n: u32 = load<u8>(msg + at);
    if (n == 0) return at + 1;
    if (n > LABEL_LEN_MAX) {
      if (n < POINTER_TAG || at + 2 > len) return 0;
      const target = u16At(msg + at) & POINTER_MAX;
      return target >= <u32>DNS_HLEN && target < from ? at + 2 : 0;
    }
    at += n + 1;
  }
  return 0;
}

/** Step over all records of Additional. @returns offset behind them, 0 = one of them is not sound */
function readRecords(q: Query, msg: usize, at: u32, len: u32, count: u32): u32 {
  for (let i: u32 = 0; i < count && at != 0; i++) at = readRecord(q, msg, at, len);
  return at;
}

/**
 * Step over a record of Additional; what an OPT says goes into the query's record.
 *
 * @returns offset behind it; 0 when it is malformed, a second OPT, or a signature: we check none
 */
function readRecord(q: Query, msg: usize, at: u32, len: u32): u32 {
  const fixed = ownerEnd(msg, at, len);
  if (fixed == 0 || len - fixed < RR_FIXED) return 0;
  const rr = msg + fixed;
  const type = u16At(rr);
  const rdata = fixed + RR_FIXED;
  const rdlength = u16At(rr + RR_RDLENGTH_OFF);
  if (len - rdata < rdlength) return 0;
  if (type == TYPE_TSIG || type == TYPE_SIG) return 0;
  if (type == TYPE_OPT) {
    const isRoot = fixed == at + 1;
    if (!isRoot || q.hasOpt || !optionsFit(msg + rdata, rdlength)) return 0;
    // CLASS is the payload size; TTL is the upper bits of RCODE, the version and the flags.
    q.setEdns(u16At(rr + 2), load<u8>(rr, RR_TTL_OFF + 1));
    if (load<u32>(rr, RR_TTL_OFF) & OPT_DO_BE) q.addFlags(DNS_F_DO);
  }
  return rdata + rdlength;
}

/** Whether the options of an OPT record end where it does. */
export function optionsFit(rdata: usize, rdlength: u32): bool {
  let at: u32 = 0;
  // Every turn takes an option's header at least.
  while (at < rdlength) {
    if (rdlength - at < OPT_OPTION_HLEN) return false;
    at += OPT_OPTION_HLEN + u16At(rdata + at + 2);
  }
  return at == rdlength;
}

/** Whether the question is of the Internet. */
export function isInternet(q: Query): bool {
  return q.qclass == CLASS_IN;
}
