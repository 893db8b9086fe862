/**
 * What of the replies of upstreams is kept, and for how long.
 *
 * Spec: RFC 2308 (negative answers), RFC 8767 (stale ones); TTLs as of CoreDNS plugin/cache: the least
 * of all records, within the bounds of the options
 */
import { RegionId } from '../abi';
import {
  CACHE_PUT_NO_DENIAL,
  CACHE_PUT_NO_SUCCESS,
  CACHE_REPLY_MAX,
  CACHE_R_AD,
  CACHE_R_RA,
  CHUNK_NAME_OFF,
  CacheCounter,
  CachePut,
  CacheSide,
} from '../abi-cache';
import { DNS_HLEN } from '../abi-dns';
import { copyBytes } from '../mem/copy';
import { regionBase } from '../mem/region';
import { arenaGive } from '../table/arena';
import {
  CLASS_ANY,
  CLASS_NONE,
  DNS_AD,
  DNS_OPCODE_MASK,
  DNS_QDCOUNT_OFF,
  DNS_QR,
  DNS_RA,
  DNS_TC,
  Dns,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_NXDOMAIN,
  RCODE_SERVFAIL,
  TYPE_ANY,
  TYPE_META_FIRST,
  TYPE_OPT,
  u16At,
} from '../wire/dns';
import { dropCached, evict, makeChunk, makeRow } from './cache-evict';
import { Cache, isCache } from './cache-record';
import { CacheRow, findCached, keyOf, openCached, vacantSlot } from './cache-row';
import { FoldedName, readFolded } from './fold';
import { sameName } from './names';
import { Parsed, parseQuery } from './query';
import { OTHER_NAME, QNAME, Query } from './record';
import { Upstream, walkReply } from './upstream';
import { Reach, reachOf } from './upstream-chain';
import { bodyLength, copyReply, recordCount, ttlsOff } from './upstream-copy';

/** TTL of a reply without records, as far as there is one (CoreDNS dnsutil.MinimalDefaultTTL). */
const TTL_OF_NOTHING: u32 = 5;

/** Whether replies to a question may be kept at all. */
function isKeepable(q: Query): bool {
  const type = q.qtype;
  const qclass = q.qclass;
  if (type == 0 || type == TYPE_OPT) return false;
  if (type >= TYPE_META_FIRST && type < TYPE_ANY) return false;
  return qclass != 0 && qclass != CLASS_NONE && qclass != CLASS_ANY;
}

/** Whether the reply's question, in any case, is the query's. */
function isOfQuestion(q: Query, reply: usize, len: u32): bool {
  if (u16At(reply + DNS_QDCOUNT_OFF) != 1) return false;
  const question = reply + DNS_HLEN;
  const length = readFolded(OTHER_NAME, question, len - DNS_HLEN);
  const name = FoldedName.at(QNAME);
  if (length != name.length || len < q.questionEnd) return false;
  if (!sameName(FoldedName.at(OTHER_NAME).ptr, name.ptr, length)) return false;
  return u16At(question + length) == q.qtype && u16At(question + length + 2) == q.qclass;
}

/** What is wrong with the reply's header or question. */
function checkHead(q: Query, reply: usize, len: u32): CachePut {
  if (len < <u32>DNS_HLEN) return CachePut.MALFORMED;
  const high = Dns.at(reply).flagsHigh;
  if (!(high & DNS_QR) || (high & DNS_OPCODE_MASK) != 0) return CachePut.MALFORMED;
  if (!isOfQuestion(q, reply, len)) return CachePut.WRONG_QUESTION;
  if (high & DNS_TC) return CachePut.TRUNCATED;
  return len > <u32>CACHE_REPLY_MAX ? CachePut.TOO_LONG : CachePut.STORED;
}

function isFailure(rcode: u32): bool {
  return rcode == RCODE_SERVFAIL || rcode == RCODE_NOTIMP;
}

/** What keeps a sound reply from being kept, by what it says. Failures may say anything. */
function checkSense(u: Upstream): CachePut {
  if (u.isSigned) return CachePut.SIGNED;
  const rcode = u.rcode;
  if (isFailure(rcode)) return CachePut.STORED;
  if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN) return CachePut.RCODE;
  if (rcode == RCODE_NXDOMAIN && u.count(0) != 0) return CachePut.NXDOMAIN_WITH_ANSWER;
  const reach = reachOf(u);
  if (reach == Reach.BROKEN) return CachePut.CHAIN;
  if (reach == Reach.OUTSIDE) return CachePut.OUTSIDE;
  if (reach == Reach.RECORDS || u.soaOwner) return CachePut.STORED;
  if (rcode == RCODE_NXDOMAIN) return CachePut.NO_SOA;
  // A delegation, or nothing at all.
  return u.count(0) == 0 ? CachePut.STORED : CachePut.UNREACHED;
}

/** Which side a reply is of, once it makes sense. */
function sideOf(u: Upstream): CacheSide {
  if (u.rcode != RCODE_NOERROR) return CacheSide.DENIAL;
  return u.hasRecords || !u.soaOwner ? CacheSide.SUCCESS : CacheSide.DENIAL;
}

function ttlOf(u: Upstream, c: Cache, side: CacheSide): u32 {
  if (isFailure(u.rcode)) return c.servfailTtl;
  const least = u.minTtl == u32.MAX_VALUE ? TTL_OF_NOTHING : u.minTtl;
  return min<u32>(max<u32>(least, c.minTtl(side)), c.maxTtl(side));
}

/** Whether a reply that is there and says more than a denial, or than a failure, stands in its way. */
function isBetterKept(q: Query, key: u64, c: Cache, rcode: u32, nowMs: f64): bool {
  const success = c.prefersPositive ? findCached(q, key, CacheSide.SUCCESS) : 0;
  if (success != 0 && CacheRow.at(success).isOfUse(nowMs, c.staleMs)) return true;
  if (!isFailure(rcode)) return false;
  const denial = findCached(q, key, CacheSide.DENIAL);
  if (denial == 0) return false;
  const row = CacheRow.at(denial);
  return !row.isFailure && row.isOfUse(nowMs, c.staleMs);
}

/** The row for a reply: the one that is there, or a new one. 0 = there can be none. */
function rowFor(q: Query, key: u64, cache: u32, side: CacheSide, nowMs: f64): usize {
  const found = findCached(q, key, side);
  if (found) {
    arenaGive(RegionId.REPLIES, CacheRow.at(found).chunkOff);
    return found;
  }
  if (!makeRow(cache, side, nowMs)) return 0;
  const ptr = vacantSlot(q, key);
  if (CacheRow.at(ptr).isLive) evict(ptr);
  openCached(ptr, q, key, side);
  Cache.at(cache).addUsed(side, 1);
  return ptr;
}

function storeReply(
  q: Query,
  key: u64,
  cache: u32,
  side: CacheSide,
  ttl: u32,
  nowMs: f64,
): CachePut {
  const u = Upstream.get();
  const name = FoldedName.at(QNAME);
  const bytes = ttlsOff(name.length) + (recordCount(u) << 1) + bodyLength(u);
  const offset = makeChunk(cache, side, bytes, nowMs);
  if (!offset) return CachePut.FULL;
  const ptr = rowFor(q, key, cache, side, nowMs);
  if (!ptr) {
    arenaGive(RegionId.REPLIES, offset);
    return CachePut.FULL;
  }
  const row = CacheRow.at(ptr);
  const low = Dns.at(u.msg).flagsLow;
  row.setFlags((low & DNS_RA ? CACHE_R_RA : 0) | (low & DNS_AD ? CACHE_R_AD : 0));
  row.setRcode(u.rcode);
  row.setChunkOff(offset);
  row.setTime(nowMs, ttl);
  // Who was asked for often goes on being so.
  row.setHits(row.hits, 0);
  row.setAskAfterMs(0);
  const chunk = row.chunk;
  copyReply(u, chunk, name.length, ttl);
  copyBytes(chunk + CHUNK_NAME_OFF, name.ptr, name.length);
  return CachePut.STORED;
}

/** Asking has failed: what is stale is not due for a while. */
function delayAsking(q: Query, key: u64, c: Cache, nowMs: f64): void {
  for (let side: i32 = CacheSide.SUCCESS; side <= CacheSide.DENIAL; side++) {
    const ptr = findCached(q, key, side);
    if (!ptr) continue;
    const row = CacheRow.at(ptr);
    row.setAskAfterMs(row.sinceMs(nowMs) + c.recheckMs);
  }
}

/**
 * Keep the reply to a query if it may be kept. Its TTLs are then those that it is kept with.
 *
 * @param query  what was asked; its DO and CD are part of the key
 * @param reply  what came, read strictly; who sent it was checked by whoever received it
 * @param flags  CACHE_PUT_*
 */
export function cachePut(
  cache: u32,
  query: usize,
  queryLen: u32,
  reply: usize,
  replyLen: u32,
  flags: u32,
  nowMs: f64,
): CachePut {
  if (!isCache(cache)) return CachePut.NO_CACHE;
  const q = Query.begin(0, queryLen, 0);
  if (parseQuery(q, query, queryLen) != Parsed.QUERY) return CachePut.QUERY_MALFORMED;
  if (!isKeepable(q)) return CachePut.QUERY_EXCLUDED;
  const c = Cache.at(cache);
  const head = checkHead(q, reply, replyLen);
  if (head == CachePut.WRONG_QUESTION) c.count(CacheCounter.DROPS);
  if (head != CachePut.STORED) return head;
  if (!walkReply(reply, replyLen)) return CachePut.MALFORMED;
  const u = Upstream.get();
  const sense = checkSense(u);
  if (sense != CachePut.STORED) return sense;
  return keep(q, cache, flags, nowMs);
}

/** Keep a walked reply that makes sense. */
function keep(q: Query, cache: u32, flags: u32, nowMs: f64): CachePut {
  const u = Upstream.get();
  const c = Cache.at(cache);
  const key = keyOf(q, cache);
  const side = sideOf(u);
  const isDenial = side == CacheSide.DENIAL;
  if (flags & (isDenial ? CACHE_PUT_NO_DENIAL : CACHE_PUT_NO_SUCCESS)) return CachePut.SWITCHED_OFF;
  if (isFailure(u.rcode)) delayAsking(q, key, c, nowMs);
  const ttl = ttlOf(u, c, side);
  if (ttl == 0) return CachePut.TTL_ZERO;
  if (isDenial && isBetterKept(q, key, c, u.rcode, nowMs)) return CachePut.BETTER_KEPT;
  const result = storeReply(q, key, cache, side, ttl, nowMs);
  if (result != CachePut.STORED || isDenial) return result;
  const denial = findCached(q, key, CacheSide.DENIAL);
  if (denial) dropCached(denial);
  return result;
}

/** Nobody answered a query: a stale reply to it is not due for the recheck time of its cache. */
export function cacheFailed(cache: u32, query: usize, queryLen: u32, nowMs: f64): void {
  if (!isCache(cache)) return;
  const q = Query.begin(0, queryLen, 0);
  if (parseQuery(q, query, queryLen) != Parsed.QUERY) return;
  delayAsking(q, keyOf(q, cache), Cache.at(cache), nowMs);
}
