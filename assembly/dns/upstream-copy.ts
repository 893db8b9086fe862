/**
 * A walked reply as it is kept: without OPT, owners that are the question's name as pointers to it
 * (whatever the case of the next question), all records with one TTL. What is left out moves what is
 * behind it, so every pointer is written anew.
 */
import {
  CHUNK_ADDRESSES_OFF,
  CHUNK_ADDRESS_COUNT_OFF,
  CHUNK_ADDRESS_SIZE_OFF,
  CHUNK_BODY_LEN_OFF,
  CHUNK_COUNTS_OFF,
  CHUNK_NAME_OFF,
} from '../abi-cache';
import { DNS_HLEN } from '../abi-dns';
import { be32 } from '../mem/be';
import { copyBytes } from '../mem/copy';
import {
  LABEL_LEN_MAX,
  POINTER_MAX,
  POINTER_QNAME_BE,
  RR_FIXED,
  RR_RDLENGTH_OFF,
  RR_TTL_OFF,
  TYPE_A,
  TYPE_AAAA,
  TYPE_OPT,
  u16At,
} from '../wire/dns';
import { RR_HLEN, pointerBe } from './rrset';
import { ADDITIONAL, ANSWER, Upstream } from './upstream';
import { skipName } from './upstream-name';
import { mayPoint, namesOf, shapeOf, skipToNames } from './upstream-rdata';

/** Bytes of the message behind its question, as it is kept. */
export function bodyLength(u: Upstream): u32 {
  return u.end - u.questionEnd - u.saved - (u.optEnd - u.optStart);
}

/** Records that are kept. */
export function recordCount(u: Upstream): u32 {
  return u.count(0) + u.count(1) + u.count(2) - (u.optStart ? 1 : 0);
}

/** Offset of the TTL offsets in a chunk whose name has `length` octets. */
export function ttlsOff(length: u32): u32 {
  return CHUNK_NAME_OFF + ((length + 1) & ~1);
}

/** Where in the kept message something is that lay at `at`. */
function movedTo(u: Upstream, at: u32): u32 {
  let moved = at;
  if (u.optStart && at >= u.optEnd) moved -= u.optEnd - u.optStart;
  for (let i: u32 = 0; i < u.owners; i++) {
    const start = u.ownerStart(i);
    if (at < start) break;
    const end = u.ownerEnd(i);
    // A label of an owner that is gone is the same one of the question.
    if (at < end) return DNS_HLEN + (at - start);
    moved -= end - start - 2;
  }
  return moved;
}

/** Copy a name, its pointer for its new place. @returns bytes of it */
function copyName(u: Upstream, dst: usize, at: u32): u32 {
  const end = skipName(u.msg, at);
  const length = end - at;
  copyBytes(dst, u.msg + at, length);
  if (length < 2) return length;
  // A name without a pointer ends in 0, and in front of that is the last octet of a label.
  let label = at;
  while (load<u8>(u.msg + label) <= LABEL_LEN_MAX && load<u8>(u.msg + label) != 0) {
    label += load<u8>(u.msg + label) + 1;
  }
  if (load<u8>(u.msg + label) == 0) return length;
  const target = u16At(u.msg + label) & POINTER_MAX;
  store<u16>(dst + <usize>(label - at), pointerBe(movedTo(u, target)));
  return length;
}

/** Copy RDATA, whose length does not change. */
function copyRdata(u: Upstream, dst: usize, type: u32, at: u32, end: u32): void {
  memory.copy(dst, u.msg + at, end - at);
  const shape = shapeOf(type, u.qclass);
  if (!mayPoint(shape)) return;
  const names = namesOf(shape);
  let name = skipToNames(u.msg, shape, at, end);
  for (let i: u32 = 0; i < names; i++) name += copyName(u, dst + <usize>(name - at), name);
}

/** Addresses of one owner that follow one another may change places. */
function noteAddress(chunk: usize, type: u32, at: u32, size: u32, base: usize): void {
  const first: u32 = load<u16>(chunk, CHUNK_ADDRESSES_OFF);
  const count: u32 = load<u16>(chunk, CHUNK_ADDRESS_COUNT_OFF);
  const isNext = count != 0 && at == first + count * load<u16>(chunk, CHUNK_ADDRESS_SIZE_OFF);
  // Owner, type and class.
  const before = base + first;
  const rr = base + at;
  const isSame = load<u32>(before) == load<u32>(rr) && load<u16>(before, 4) == load<u16>(rr, 4);
  if (isNext && isSame) {
    store<u16>(chunk, <u16>(count + 1), CHUNK_ADDRESS_COUNT_OFF);
    return;
  }
  if (count > 1) return;
  store<u16>(chunk, <u16>at, CHUNK_ADDRESSES_OFF);
  store<u16>(chunk, 1, CHUNK_ADDRESS_COUNT_OFF);
  store<u16>(chunk, <u16>size, CHUNK_ADDRESS_SIZE_OFF);
}

/**
 * Write a chunk but for its name, and the TTL into the reply itself, so that whoever asked first gets
 * what the others get.
 *
 * @param length  octets of the name
 */
export function copyReply(u: Upstream, chunk: usize, length: u32, ttlSec: u32): void {
  const msg = u.msg;
  const ttlBe = be32(ttlSec);
  let ttls = chunk + ttlsOff(length);
  // The message as it is kept, were its header and question there.
  const base = ttls + <usize>(recordCount(u) << 1) - u.questionEnd;
  store<u64>(chunk, 0);
  store<u64>(chunk, 0, 8);
  store<u16>(chunk, <u16>bodyLength(u), CHUNK_BODY_LEN_OFF);
  let from = u.questionEnd;
  let to = u.questionEnd;
  let owner: u32 = 0;
  for (let section: u32 = ANSWER; section <= ADDITIONAL; section++) {
    let kept = u.count(section);
    for (let i = u.count(section); i > 0; i--) {
      const fixed = skipName(msg, from);
      const type = u16At(msg + fixed);
      const rdata = fixed + RR_FIXED;
      const end = rdata + u16At(msg + fixed + RR_RDLENGTH_OFF);
      if (type == TYPE_OPT) {
        kept--;
        from = end;
        continue;
      }
      const first = to;
      if (owner < u.owners && u.ownerStart(owner) == from) {
        store<u16>(base + to, POINTER_QNAME_BE);
        to += 2;
        owner++;
      } else {
        to += copyName(u, base + to, from);
      }
      store<u32>(msg + fixed, ttlBe, RR_TTL_OFF);
      copyBytes(base + to, msg + fixed, RR_FIXED);
      store<u16>(ttls, <u16>(to + <u32>RR_TTL_OFF));
      ttls += 2;
      to += RR_FIXED;
      copyRdata(u, base + to, type, rdata, end);
      to += end - rdata;
      const isAddress = type == TYPE_A || type == TYPE_AAAA;
      if (section == ANSWER && isAddress && to - first == RR_HLEN + end - rdata) {
        noteAddress(chunk, type, first, to - first, base);
      }
      from = end;
    }
    store<u16>(chunk + <usize>(section << 1), <u16>kept, CHUNK_COUNTS_OFF);
  }
}
