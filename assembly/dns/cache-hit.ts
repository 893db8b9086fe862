/**
 * A kept reply as the reply to a query: copied behind the question, with the TTL that is left.
 *
 * Header: AA always, since old resolvers drop what has it not; RA as the upstream had it; AD for whom
 * it may concern (RFC 6840 5.8).
 */
import {
  CACHE_R_AD,
  CACHE_R_RA,
  CHUNK_ADDRESSES_OFF,
  CHUNK_ADDRESS_COUNT_OFF,
  CHUNK_ADDRESS_SIZE_OFF,
  CHUNK_BODY_LEN_OFF,
  CHUNK_COUNTS_OFF,
} from '../abi-cache';
import { CUT_F_SHUFFLE } from '../abi-dns';
import { be32 } from '../mem/be';
import { copyBytes } from '../mem/copy';
import { DNS_AA, DNS_AD, DNS_RA, u16At } from '../wire/dns';
import { CacheRow } from './cache-row';
import { Query } from './record';
import { LOW_SHIFT, Reply, finish, setTruncated } from './reply';
import { below, swapRecords } from './shuffle';
import { ttlsOff } from './upstream-copy';

/** From here on a call into the engine costs less than the words one by one. */
const COPY_CALL: u32 = 512;
/** From a TTL to RDLENGTH, and to RDATA. */
const TO_RDLENGTH: usize = 4;
const TO_RDATA: u32 = 6;

function copy(dst: usize, src: usize, n: u32): void {
  if (n < COPY_CALL) copyBytes(dst, src, n);
  else memory.copy(dst, src, n);
}

function countOf(chunk: usize, section: u32): u32 {
  return load<u16>(chunk + <usize>(section << 1), CHUNK_COUNTS_OFF);
}

function ttlOff(ttls: usize, i: u32): u32 {
  return load<u16>(ttls + ((<usize>i) << 1));
}

/** Offset behind a record that lies in the message. */
function recordEnd(msg: usize, ttl: u32): u32 {
  return ttl + TO_RDATA + u16At(msg + ttl + TO_RDLENGTH);
}

/** Copy the body with its addresses in turn: another one first each time. */
function copyTurned(r: Reply, chunk: usize, body: usize, length: u32): void {
  const size: u32 = load<u16>(chunk, CHUNK_ADDRESS_SIZE_OFF);
  const before: u32 = load<u16>(chunk, CHUNK_ADDRESSES_OFF) - r.at;
  const bytes: u32 = <u32>load<u16>(chunk, CHUNK_ADDRESS_COUNT_OFF) * size;
  const turn = below(load<u16>(chunk, CHUNK_ADDRESS_COUNT_OFF)) * size;
  const to = r.ptr;
  copy(to, body, before);
  copy(to + before, body + before + turn, bytes - turn);
  copy(to + before + (bytes - turn), body + before, turn);
  const behind = before + bytes;
  copy(to + behind, body + behind, length - behind);
}

/** Change the places of the first `count` addresses: each order is as likely (Knuth 3.4.2 P). */
function shuffleAddresses(msg: usize, chunk: usize, count: u32): void {
  const size: u32 = load<u16>(chunk, CHUNK_ADDRESS_SIZE_OFF);
  const first = msg + load<u16>(chunk, CHUNK_ADDRESSES_OFF);
  for (let i = count; i > 1; i--) {
    swapRecords(first + <usize>((i - 1) * size), first + <usize>(below(i) * size), size);
  }
}

/** All of the body. @returns its records */
function putWhole(r: Reply, chunk: usize, body: usize, length: u32, isTurned: bool): u32 {
  if (isTurned) copyTurned(r, chunk, body, length);
  else copy(r.ptr, body, length);
  r.at += length;
  const an = countOf(chunk, 0);
  const ns = countOf(chunk, 1);
  const ar = countOf(chunk, 2);
  r.addCounts(an, ns, ar);
  return an + ns + ar;
}

/**
 * Whole records from the front, as many as fit. Pointers lead back, so what is left out is missed by
 * none. TC unless only Additional is cut (RFC 2181 9).
 *
 * @param from  address of the whole message as it is kept; its header is not there
 * @param room  offset that may be written up to before records are cut off
 * @returns     records
 */
function putPart(r: Reply, chunk: usize, ttls: usize, from: usize, room: u32, isTurned: bool): u32 {
  const an = countOf(chunk, 0);
  const ns = countOf(chunk, 1);
  const records = an + ns + countOf(chunk, 2);
  const begin = r.at;
  let inRoom = begin;
  for (let i: u32 = 0; i < records; i++) {
    const end = recordEnd(from, ttlOff(ttls, i));
    if (end > room) break;
    inRoom = end;
  }
  copy(r.msg + begin, from + begin, inRoom - begin);
  if (isTurned) {
    const first: u32 = load<u16>(chunk, CHUNK_ADDRESSES_OFF);
    const size: u32 = load<u16>(chunk, CHUNK_ADDRESS_SIZE_OFF);
    const inside = inRoom > first ? (inRoom - first) / size : 0;
    shuffleAddresses(r.msg, chunk, min<u32>(inside, load<u16>(chunk, CHUNK_ADDRESS_COUNT_OFF)));
  }
  let kept: u32 = 0;
  for (; kept < records; kept++) {
    const end = recordEnd(from, ttlOff(ttls, kept));
    if (end > r.limit) break;
    r.at = end;
  }
  const answers = min<u32>(kept, an);
  const authority = min<u32>(kept - answers, ns);
  r.addCounts(answers, authority, kept - answers - authority);
  if (kept < an + ns) setTruncated(r);
  return kept;
}

/**
 * Write a kept reply over its query.
 *
 * @param room      bytes from `msg` on, at least those of the query
 * @param ttlSec    of its records
 * @param cutFlags  CUT_F_SHUFFLE: addresses in another order each time
 * @returns         bytes of the reply
 */
export function putCached(
  q: Query,
  row: CacheRow,
  msg: usize,
  room: u32,
  ttlSec: u32,
  cutFlags: u32,
): u32 {
  const flags = row.flags;
  const low: u32 =
    (flags & CACHE_R_RA ? DNS_RA : 0) | (flags & CACHE_R_AD && q.wantsAd ? DNS_AD : 0);
  const r = Reply.begin(q, msg, room, DNS_AA | (low << LOW_SHIFT));
  const chunk = row.chunk;
  const ttls = chunk + ttlsOff(row.nameLen);
  const all = countOf(chunk, 0) + countOf(chunk, 1) + countOf(chunk, 2);
  const body = ttls + ((<usize>all) << 1);
  const length: u32 = load<u16>(chunk, CHUNK_BODY_LEN_OFF);
  const isTurned = (cutFlags & CUT_F_SHUFFLE) != 0 && load<u16>(chunk, CHUNK_ADDRESS_COUNT_OFF) > 1;
  const records = r.fits(length)
    ? putWhole(r, chunk, body, length, isTurned)
    : putPart(r, chunk, ttls, body - r.at, room, isTurned);
  const ttlBe = be32(ttlSec);
  for (let i: u32 = 0; i < records; i++) store<u32>(msg + ttlOff(ttls, i), ttlBe);
  return finish(r, q, row.rcode);
}
