/**
 * A sample of the queries that are answered here, for people: who asks for what, and what they get.
 * What is left to the host is the host's to note.
 *
 * The gaps are random. Resolvers ask for A and AAAA in turn, and every 64th of those would always be
 * the same of the two.
 */
import {
  DNS_F_UNCOUNTED,
  DNS_LISTENER_OFF,
  DNS_LOG_BASE,
  DNS_LOG_BYTES,
  DNS_NAME_LEN_OFF,
  DNS_NAME_MAX,
  DNS_NAME_OFF,
  DNS_SAMPLE_OFF,
  DNS_WHY_OFF,
  LOG_BATCH_OFF,
  LOG_CLIENT_OFF,
  LOG_ENTRIES_OFF,
  LOG_ENTRY_SIZE,
  LOG_EVERY_OFF,
  LOG_FLAGS_OFF,
  LOG_IFINDEX_OFF,
  LOG_LEFT_OFF,
  LOG_LISTENER_OFF,
  LOG_NAME_LEN_OFF,
  LOG_NAME_OFF,
  LOG_QTYPE_OFF,
  LOG_RCODE_OFF,
  LOG_REPLY_LEN_OFF,
  LOG_SLOTS,
  LOG_TIME_OFF,
  LOG_WHY_OFF,
  LOG_WRITTEN_OFF,
} from '../abi-dns';
import { nextRandom } from '../mem/random';
import { isTraced } from '../mem/trace';
import { QNAME, Query } from './record';

if (LOG_ENTRIES_OFF + LOG_SLOTS * LOG_ENTRY_SIZE > DNS_LOG_BYTES) ERROR('DNS LOG is too small');
if (LOG_NAME_OFF + ((DNS_NAME_MAX + 7) & ~7) > LOG_ENTRY_SIZE)
  ERROR('a name does not fit an entry');
if ((LOG_SLOTS & (LOG_SLOTS - 1)) != 0) ERROR('LOG_SLOTS is no power of two');

/** Count down, and give an entry to the query whose turn it is. @param result  bytes of its reply */
export function logQuery(q: Query, result: i32, nowMs: f64): void {
  if (result <= 0 || (q.flags & DNS_F_UNCOUNTED) != 0) return;
  const left = load<u32>(DNS_LOG_BASE, LOG_LEFT_OFF);
  if (left > 1) {
    store<u32>(DNS_LOG_BASE, left - 1, LOG_LEFT_OFF);
    return;
  }
  const every = load<u32>(DNS_LOG_BASE, LOG_EVERY_OFF);
  if (every == 0 || isTraced()) return;
  // From 1 to 2 * every - 1, every of them on average.
  const spread = ((<u64>every) << 1) - 1;
  const gap = 1 + <u32>((spread * nextRandom()) >> 32);
  store<u32>(DNS_LOG_BASE, gap, LOG_LEFT_OFF);
  write(q, result, nowMs);
}

function write(q: Query, result: i32, nowMs: f64): void {
  const written = load<u32>(DNS_LOG_BASE, LOG_WRITTEN_OFF);
  const slot: i32 = written & (LOG_SLOTS - 1);
  const entry: usize = DNS_LOG_BASE + LOG_ENTRIES_OFF + slot * LOG_ENTRY_SIZE;
  const nameLen: u32 = q.questionEnd ? load<u8>(QNAME, DNS_NAME_LEN_OFF) : 0;
  store<f64>(entry, nowMs, LOG_TIME_OFF);
  store<u16>(entry, <u16>q.qtype, LOG_QTYPE_OFF);
  store<u16>(entry, <u16>q.rcode, LOG_RCODE_OFF);
  store<u8>(entry, load<u8>(QNAME, DNS_WHY_OFF), LOG_WHY_OFF);
  store<u8>(entry, <u8>nameLen, LOG_NAME_LEN_OFF);
  store<u16>(entry, load<u16>(QNAME, DNS_LISTENER_OFF), LOG_LISTENER_OFF);
  store<u32>(entry, 0, LOG_IFINDEX_OFF);
  store<u16>(entry, <u16>q.flags, LOG_FLAGS_OFF);
  store<u16>(entry, <u16>result, LOG_REPLY_LEN_OFF);
  store<u32>(entry, 0, LOG_BATCH_OFF);
  store<u64>(entry, 0, LOG_CLIENT_OFF);
  store<u64>(entry, 0, LOG_CLIENT_OFF + 8);
  for (let i: usize = 0; i < <usize>nameLen; i += 8) {
    store<u64>(entry + i, load<u64>(QNAME + i, DNS_NAME_OFF), LOG_NAME_OFF);
  }
  store<u32>(DNS_LOG_BASE, written + 1, LOG_WRITTEN_OFF);
  store<u32>(QNAME, <u32>entry, DNS_SAMPLE_OFF);
}

/** Entry of the query that was answered last, 0 = it has none. */
function sample(): usize {
  return load<u32>(QNAME, DNS_SAMPLE_OFF);
}

/** Whose query the last one was. @param client  16 bytes, IPv4 mapped */
export function noteClient(client: usize, ifindex: u32): void {
  const entry = sample();
  if (!entry) return;
  store<u64>(entry, load<u64>(client), LOG_CLIENT_OFF);
  store<u64>(entry, load<u64>(client, 8), LOG_CLIENT_OFF + 8);
  store<u32>(entry, ifindex, LOG_IFINDEX_OFF);
}

/** Where in its batch the last query is: the host knows whose that is. */
export function noteBatch(idx: u32): void {
  const entry = sample();
  if (entry) store<u32>(entry, idx + 1, LOG_BATCH_OFF);
}
