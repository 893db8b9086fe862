/** Many queries in one call: what `recvmmsg` put into memory, or a test. */
import {
  BATCH_FLAGS_OFF,
  BATCH_LENGTH_OFF,
  BATCH_LISTENER_OFF,
  BATCH_MESSAGE_OFF,
  BATCH_RESULT_OFF,
  BATCH_ROOM_OFF,
  BATCH_SIZE,
} from '../abi-dns';
import { dnsAnswer } from './answer';
import { noteBatch } from './query-log';

/**
 * Answer the queries of `count` descriptors; each gets its own result. The record at DNS_BASE is the
 * last one's.
 *
 * @returns how many have a reply
 */
export function dnsBatch(descriptors: usize, count: u32, nowMs: f64): u32 {
  let replies: u32 = 0;
  for (let i: u32 = 0; i < count; i++, descriptors += BATCH_SIZE) {
    const result = dnsAnswer(
      load<u16>(descriptors, BATCH_LISTENER_OFF),
      load<u32>(descriptors, BATCH_MESSAGE_OFF),
      load<u32>(descriptors, BATCH_LENGTH_OFF),
      load<u32>(descriptors, BATCH_ROOM_OFF),
      load<u16>(descriptors, BATCH_FLAGS_OFF),
      nowMs,
    );
    store<i32>(descriptors, result, BATCH_RESULT_OFF);
    noteBatch(i);
    if (result > 0) replies++;
  }
  return replies;
}
