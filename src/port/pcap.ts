/**
 * Captures: classic pcap read and written (draft-ietf-opsawg-pcap), either byte order, micro- and
 * nanoseconds. One link type: Ethernet.
 */
import type { CapturedFrame, Refuse } from './captured-frame.js';

/** Magic numbers, written by whoever's byte order they show. */
const MAGIC_US = 0xa1b2c3d4;
const MAGIC_NS = 0xa1b23c4d;
const LINKTYPE_ETHERNET = 1;
const HEADER_SIZE = 24;
const RECORD_HEADER_SIZE = 16;
const LINKTYPE_OFF = 20;
const SNAPLEN = 262144;
const NS_PER_US = 1000;
const NS_PER_S = 1_000_000_000n;

/**
 * @param refuse  makes an error of a reason
 * @throws        what `refuse` makes, when it is no Ethernet pcap, or ends within a record
 */
export function* readPcap(bytes: Uint8Array, refuse: Refuse): Generator<CapturedFrame> {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE) throw refuse(`${String(bytes.length)} bytes are no pcap header`);
  const magics = [words.getUint32(0, true), words.getUint32(0, false)];
  const little = magics[0] === MAGIC_US || magics[0] === MAGIC_NS;
  const magic = little ? magics[0] : magics[1];
  if (magic !== MAGIC_US && magic !== MAGIC_NS) {
    throw refuse('no pcap magic number, and no pcapng section header');
  }
  const linkType = words.getUint32(LINKTYPE_OFF, little);
  if (linkType !== LINKTYPE_ETHERNET)
    throw refuse(`link type ${String(linkType)}, expected 1, Ethernet`);
  const unitNs = magic === MAGIC_NS ? 1 : NS_PER_US;
  let at = HEADER_SIZE;
  for (let number = 1; at < bytes.length; number++) {
    if (at + RECORD_HEADER_SIZE > bytes.length) throw refuse(`record ${String(number)} is cut off`);
    const length = words.getUint32(at + 8, little);
    const start = at + RECORD_HEADER_SIZE;
    if (start + length > bytes.length) throw refuse(`record ${String(number)} is cut off`);
    const seconds = BigInt(words.getUint32(at, little));
    const fraction = BigInt(words.getUint32(at + 4, little) * unitNs);
    yield {
      timeNs: seconds * NS_PER_S + fraction,
      bytes: bytes.subarray(start, start + length),
      wireLen: words.getUint32(at + 12, little),
    };
    at = start + length;
  }
}

/** The file header: little-endian, nanoseconds. */
export function pcapHeader(): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const words = new DataView(bytes.buffer);
  words.setUint32(0, MAGIC_NS, true);
  words.setUint16(4, 2, true);
  words.setUint16(6, 4, true);
  words.setUint32(16, SNAPLEN, true);
  words.setUint32(LINKTYPE_OFF, LINKTYPE_ETHERNET, true);
  return bytes;
}

/** One record behind a `pcapHeader`. */
export function pcapRecord(timeNs: bigint, frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_SIZE + frame.length);
  const words = new DataView(bytes.buffer);
  words.setUint32(0, Number(timeNs / NS_PER_S), true);
  words.setUint32(4, Number(timeNs % NS_PER_S), true);
  words.setUint32(8, frame.length, true);
  words.setUint32(12, frame.length, true);
  bytes.set(frame, RECORD_HEADER_SIZE);
  return bytes;
}
