/**
 * Captures: pcapng read (draft-ietf-opsawg-pcapng), either byte order, several sections and
 * interfaces. Blocks that hold no packet are passed over; all packets have to be Ethernet.
 */
import type { DataplaneError } from '../errors.js';
import type { CapturedFrame, Refuse } from './captured-frame.js';

/** Block types (section 11.1). The first reads the same in either byte order. */
const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
/** Type and length in front, length again behind. */
const BLOCK_MIN = 12;
const BLOCK_BODY_OFF = 8;
const OPTIONS_OFF = 16;
const OPTION_END = 0;
const OPTION_TSRESOL = 9;
const OPTION_TSOFFSET = 14;
const NS_PER_S = 1_000_000_000n;
/** Of an interface that says nothing: microseconds. */
const DEFAULT_UNITS = 1_000_000n;

interface Interface {
  readonly linkType: number;
  readonly snapLen: number;
  /** Units of a second. */
  readonly units: bigint;
  readonly offsetSec: bigint;
}

/** One block; offsets in `words` are from its start. */
interface Block {
  readonly type: number;
  readonly words: DataView;
  readonly little: boolean;
}

export function isPcapng(bytes: Uint8Array): boolean {
  const [a, b, c, d] = bytes;
  return a === 0x0a && b === 0x0d && c === 0x0d && d === 0x0a;
}

function* blocksOf(bytes: Uint8Array, refuse: Refuse): Generator<Block> {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let little = true;
  for (let at = 0, number = 1; at < bytes.length; number++) {
    const cutOff = (): DataplaneError => refuse(`block ${number} is cut off`);
    if (at + BLOCK_MIN > bytes.length) throw cutOff();
    const isSection = words.getUint32(at, true) === SECTION_HEADER;
    if (isSection) little = words.getUint32(at + BLOCK_BODY_OFF, true) === BYTE_ORDER_MAGIC;
    if (isSection && words.getUint32(at + BLOCK_BODY_OFF, little) !== BYTE_ORDER_MAGIC) {
      throw refuse(`block ${number} has no byte-order magic number`);
    }
    const length = words.getUint32(at + 4, little);
    if (length < BLOCK_MIN || length % 4 !== 0) {
      throw refuse(`block ${number} says it has ${length} bytes`);
    }
    if (at + length > bytes.length) throw cutOff();
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
    yield { type: words.getUint32(at, little), words: view, little };
    at += length;
  }
}

/** Ten to a power, or two to one (section 4.2, if_tsresol). */
function unitsOf(resolution: number): bigint {
  return resolution & 0x80 ? 2n ** BigInt(resolution & 0x7f) : 10n ** BigInt(resolution);
}

function readInterface({ words, little }: Block): Interface {
  let units = DEFAULT_UNITS;
  let offsetSec = 0n;
  for (let at = OPTIONS_OFF; at + 4 <= words.byteLength - 4;) {
    const code = words.getUint16(at, little);
    const length = words.getUint16(at + 2, little);
    if (code === OPTION_END || at + 4 + length > words.byteLength) break;
    if (code === OPTION_TSRESOL && length === 1) units = unitsOf(words.getUint8(at + 4));
    if (code === OPTION_TSOFFSET && length === 8) offsetSec = words.getBigInt64(at + 4, little);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  const linkType = words.getUint16(8, little);
  return { linkType, snapLen: words.getUint32(12, little), units, offsetSec };
}

/** Where the parts of a block with a packet are. */
interface PacketAt {
  readonly id: number;
  /** Where the time is, upper half first; undefined: it has none. */
  readonly timeOff?: number;
  readonly capturedLen: number | undefined;
  readonly wireLen: number;
  readonly dataOff: number;
}

function packetAt({ type, words, little }: Block): PacketAt | undefined {
  const u32 = (at: number): number => words.getUint32(at, little);
  if (type === SIMPLE_PACKET && words.byteLength >= BLOCK_MIN + 4) {
    return { id: 0, capturedLen: undefined, wireLen: u32(8), dataOff: 12 };
  }
  if ((type !== ENHANCED_PACKET && type !== PACKET) || words.byteLength < BLOCK_MIN + 20) {
    return undefined;
  }
  const id = type === PACKET ? words.getUint16(8, little) : u32(8);
  return { id, timeOff: 12, capturedLen: u32(20), wireLen: u32(24), dataOff: 28 };
}

/**
 * @param refuse  makes an error of a reason
 * @throws        what `refuse` makes, when it is no Ethernet capture or ends within a block
 */
export function* readPcapng(bytes: Uint8Array, refuse: Refuse): Generator<CapturedFrame> {
  let interfaces: Interface[] = [];
  for (const block of blocksOf(bytes, refuse)) {
    const { type, words, little } = block;
    if (type === SECTION_HEADER) interfaces = [];
    if (type === INTERFACE && words.byteLength >= BLOCK_MIN + 8) {
      interfaces.push(readInterface(block));
    }
    const packet = packetAt(block);
    if (packet === undefined) continue;
    const from = interfaces[packet.id];
    if (from === undefined)
      throw refuse(`a packet of interface ${packet.id}, which nobody described`);
    if (from.linkType !== LINKTYPE_ETHERNET) {
      throw refuse(`link type ${from.linkType}, expected 1, Ethernet`);
    }
    const { timeOff, wireLen, dataOff } = packet;
    const limit = from.snapLen === 0 ? wireLen : Math.min(from.snapLen, wireLen);
    const length = packet.capturedLen ?? limit;
    if (dataOff + length + 4 > words.byteLength) throw refuse('a packet is longer than its block');
    const time =
      timeOff === undefined
        ? 0n
        : (BigInt(words.getUint32(timeOff, little)) << 32n) |
          BigInt(words.getUint32(timeOff + 4, little));
    yield {
      timeNs: from.offsetSec * NS_PER_S + (time * NS_PER_S) / from.units,
      bytes: new Uint8Array(words.buffer, words.byteOffset + dataOff, length),
      wireLen,
    };
  }
}
