/** Captures of either format, told by their first bytes. */
import { DataplaneError } from '../errors.js';
import type { CapturedFrame } from './captured-frame.js';
import { readPcap } from './pcap.js';
import { isPcapng, readPcapng } from './pcapng.js';

/**
 * @param file  name for messages
 * @throws DataplaneError ERR_USAGE when it is no Ethernet capture, or ends within a record
 */
export function* readCapture(bytes: Uint8Array, file: string): Generator<CapturedFrame> {
  const refuse = (why: string): DataplaneError =>
    new DataplaneError('ERR_USAGE', `${file}: ${why}`);
  yield* isPcapng(bytes) ? readPcapng(bytes, refuse) : readPcap(bytes, refuse);
}
