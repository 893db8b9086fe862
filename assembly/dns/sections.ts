/**
 * Sections of a reply: whole records from the front, as many as fit (RFC 2181 9).
 */
import {
  CUT_F_MINIMAL,
  CUT_F_SHUFFLE,
  DNS_NAME_MAX,
  GLUE_HLEN,
  GLUE_NAME_OFF,
  GLUE_RDLENGTH_BE_OFF,
  GLUE_RECORD_OFF,
  GLUE_TYPE_OFF,
} from '../abi-dns';
import { be16 } from '../mem/be';
import { copyBytes } from '../mem/copy';
import { COUNT_ADDITIONAL, COUNT_ANSWER, POINTER_MAX, TYPE_A, TYPE_AAAA, u16At } from '../wire/dns';
import { nameLength } from './fold';
import { Reply, setTruncated } from './reply';
import { RR_HLEN, Rrset, headOf, pointerBe, putHead } from './rrset';
import { putShuffled } from './shuffle';

@unmanaged
@final
export class Sections {
  /**
   * Append the records of a set to Answer. Those that do not fit are left out, with TC.
   *
   * @param ownerBe  a pointer
   * @param flags    of the cut
   */
  @inline static putAnswers(r: Reply, rrset: usize, ownerBe: u16, flags: u32): void {
    const set = Rrset.at(rrset);
    const type = set.type;
    const isAddress = type == TYPE_A || type == TYPE_AAAA;
    const isWhole =
      isAddress && (flags & CUT_F_SHUFFLE) != 0 && set.count > 1
        ? putShuffled(r, rrset, ownerBe)
        : Sections.putInOrder(r, set, ownerBe);
    if (!isWhole) setTruncated(r);
  }

  /** @returns whether all of them fit; records longer than the reply has room for are passed over */
  @inline static putInOrder(r: Reply, set: Rrset, ownerBe: u16): bool {
    const head = headOf(ownerBe, set.type);
    const ttlBe = set.ttlBe;
    let from = set.records;
    let put: u32 = 0;
    let left = set.count;
    const count = left;
    let rr = r.ptr;
    const end = r.msg + r.limit;
    do {
      const length = 2 + u16At(from);
      const next = rr + (RR_HLEN - 2) + length;
      if (next <= end) {
        putHead(rr, head, ttlBe);
        Sections.putRdata(rr + (RR_HLEN - 2), from, length, end);
        rr = next;
        put++;
      } else if (put != 0) {
        // From the front on: what follows a gap is not looked at.
        break;
      }
      from += length;
    } while (--left != 0);
    r.at = <u32>(rr - r.msg);
    r.counts += <u64>put * COUNT_ANSWER;
    return put == count;
  }

  /**
   * RDLENGTH and RDATA: in whole words where there is room behind them, which the next record or nobody
   * takes.
   *
   * @param end  address that nothing may pass
   */
  @inline static putRdata(dst: usize, src: usize, length: u32, end: usize): void {
    if (dst + length + 7 > end) {
      copyBytes(dst, src, length);
      return;
    }
    store<u64>(dst, load<u64>(src));
    for (let i: u32 = 8; i < length; i += 8) store<u64>(dst + i, load<u64>(src + i));
  }
}

/** `Sections.putAnswers`, called. */
export function putAnswers(r: Reply, rrset: usize, ownerBe: u16, flags: u32): void {
  Sections.putAnswers(r, rrset, ownerBe, flags);
}

/**
 * Write an owner that is a name in the reply already: a pointer to it, or where none reaches, deep in
 * a reply by TCP, all of it.
 *
 * @param rest  bytes of the record behind its owner
 * @returns     bytes of the owner, 0 = the record does not fit
 */
function putOwner(r: Reply, nameOff: u32, rest: u32): u32 {
  if (nameOff <= POINTER_MAX) {
    if (!r.fits(2 + rest)) return 0;
    store<u16>(r.ptr, pointerBe(nameOff));
    return 2;
  }
  const name = r.msg + nameOff;
  const length = nameLength(name, DNS_NAME_MAX);
  if (!r.fits(length + rest)) return 0;
  copyBytes(r.ptr, name, length);
  return length;
}

/**
 * Append the addresses of names in a set whose records are all in Answer. What does not fit is left
 * out, and nothing is missing for it (RFC 2181 9).
 *
 * @param answers  offset of the set's first record in the reply
 * @param flags    of the cut
 */
export function putGlue(r: Reply, rrset: usize, answers: u32, flags: u32): void {
  const set = Rrset.at(rrset);
  if (flags & CUT_F_MINIMAL) return;
  const ttlBe = set.ttlBe;
  let glue = set.records + set.bytes;
  const end = glue + set.glueBytes;
  const limit = r.msg + r.limit;
  let record: u32 = 0;
  let rdata = answers + RR_HLEN;
  // Every turn takes a glue record's header at least.
  while (glue < end) {
    const wanted: u32 = load<u16>(glue, GLUE_RECORD_OFF);
    for (; record < wanted; record++) rdata += u16At(r.msg + rdata - 2) + RR_HLEN;
    const nameOff = rdata + load<u16>(glue, GLUE_NAME_OFF);
    const length = 2 + u16At(glue + GLUE_RDLENGTH_BE_OFF);
    const owner = putOwner(r, nameOff, RR_HLEN - 4 + length);
    if (owner == 0) return;
    // The last two octets of the owner are written once more, as they are.
    const head = r.ptr + owner - 2;
    putHead(head, headOf(load<u16>(head), load<u16>(glue, GLUE_TYPE_OFF)), ttlBe);
    Sections.putRdata(head + RR_HLEN - 2, glue + GLUE_RDLENGTH_BE_OFF, length, limit);
    r.at += owner + RR_HLEN - 4 + length;
    r.counts += COUNT_ADDITIONAL;
    glue += GLUE_HLEN - 2 + length;
  }
}

/** Append an A or AAAA record that is in no set to Answer. @param length  4 or 16 */
export function putAddress(r: Reply, ownerBe: u16, ttlBe: u32, addr: usize, length: u32): void {
  if (!r.fits(RR_HLEN + length)) {
    setTruncated(r);
    return;
  }
  putHead(r.ptr, headOf(ownerBe, length == 4 ? TYPE_A : TYPE_AAAA), ttlBe);
  store<u16>(r.ptr, be16(<u16>length), RR_HLEN - 2);
  copyBytes(r.ptr + RR_HLEN, addr, length);
  r.at += RR_HLEN + length;
  r.counts += COUNT_ANSWER;
}
