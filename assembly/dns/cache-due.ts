/**
 * What is due: keys whose replies were given and should be asked for again, in a ring that the host
 * empties after each batch. The query had its reply at once.
 */
import { RegionId } from '../abi';
import {
  CACHES_BASE,
  CACHE_DUE_CACHE_OFF,
  CACHE_DUE_HEAD_OFF,
  CACHE_DUE_MAX,
  CACHE_DUE_OFF,
  CACHE_DUE_ROWS_OFF,
  CACHE_DUE_TAIL_OFF,
  CACHE_K_CD,
  CACHE_K_DO,
  CACHE_ROW_SIZE,
  CHUNK_NAME_OFF,
} from '../abi-cache';
import { DNS_HLEN, DNS_UDP_MAX } from '../abi-dns';
import { be16 } from '../mem/be';
import { copyBytes } from '../mem/copy';
import { regionBase } from '../mem/region';
import {
  COUNT_ADDITIONAL,
  COUNT_QUESTION,
  DNS_AD,
  DNS_CD,
  DNS_RD,
  Dns,
  OPT_DO_BE,
  OPT_RR_SIZE,
  QUESTION_TAIL,
  TYPE_OPT,
} from '../wire/dns';
import { CacheRow } from './cache-row';

const DUE: usize = CACHES_BASE + CACHE_DUE_OFF;
const MASK: u32 = CACHE_DUE_MAX - 1;

if (CACHE_DUE_MAX & (CACHE_DUE_MAX - 1)) ERROR('places in the ring are found by a mask');

function place(i: u32): usize {
  return DUE + CACHE_DUE_ROWS_OFF + ((<usize>(i & MASK)) << 2);
}

/** Note a row. @returns false when the ring is full: another hit will come */
export function pushDue(row: usize): bool {
  const head = load<u32>(DUE, CACHE_DUE_HEAD_OFF);
  if (head - load<u32>(DUE, CACHE_DUE_TAIL_OFF) >= <u32>CACHE_DUE_MAX) return false;
  store<u32>(place(head), <u32>(row - regionBase(RegionId.CACHE)) / CACHE_ROW_SIZE);
  store<u32>(DUE, head + 1, CACHE_DUE_HEAD_OFF);
  return true;
}

/** A query for a row's key. @returns its bytes */
function writeQuery(row: CacheRow, msg: usize): u32 {
  const head = Dns.at(msg);
  const isDo = (row.wishes & CACHE_K_DO) != 0;
  store<u16>(msg, 0);
  // Whoever asks for AD is told (RFC 6840 5.7), and some of the clients may want it.
  head.setFlagsHigh(DNS_RD);
  head.setFlagsLow(DNS_AD | (row.wishes & CACHE_K_CD ? DNS_CD : 0));
  head.setCounts(COUNT_QUESTION + (isDo ? COUNT_ADDITIONAL : 0));
  const length = row.nameLen;
  let at = msg + DNS_HLEN;
  copyBytes(at, row.chunk + CHUNK_NAME_OFF, length);
  at += length;
  store<u16>(at, be16(<u16>row.qtype));
  store<u16>(at, be16(<u16>row.qclass), 2);
  at += QUESTION_TAIL;
  if (!isDo) return <u32>(at - msg);
  store<u8>(at, 0);
  store<u16>(at, be16(<u16>TYPE_OPT), 1);
  store<u16>(at, be16(<u16>DNS_UDP_MAX), 3);
  store<u32>(at, OPT_DO_BE, 5);
  store<u16>(at, 0, 9);
  return <u32>(at - msg) + OPT_RR_SIZE;
}

/**
 * Take what is due, the oldest first: a query to ask again with. Its cache is at CACHE_DUE_CACHE.
 *
 * @param msg  takes DNS_UDP_MIN bytes
 * @returns    bytes of the query, 0 = nothing is due
 */
export function cacheDue(msg: usize): u32 {
  const head = load<u32>(DUE, CACHE_DUE_HEAD_OFF);
  let tail = load<u32>(DUE, CACHE_DUE_TAIL_OFF);
  for (let i: u32 = 0; i < <u32>CACHE_DUE_MAX && tail != head; i++) {
    const ptr = regionBase(RegionId.CACHE) + <usize>load<u32>(place(tail)) * CACHE_ROW_SIZE;
    const row = CacheRow.at(ptr);
    tail++;
    store<u32>(DUE, tail, CACHE_DUE_TAIL_OFF);
    // It was evicted meanwhile. Another key in its slot is asked for needlessly, and no harm done.
    if (!row.isLive) continue;
    store<u32>(DUE, row.cache, CACHE_DUE_CACHE_OFF);
    return writeQuery(row, msg);
  }
  return 0;
}
