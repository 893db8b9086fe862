/**
 * SCTP common header, and the chunks behind it as far as they say what a packet is for.
 *
 *    0               2               4
 *   +---------------+---------------+
 *   |  source port  |   dest port   |  0
 *   +---------------+---------------+
 *   |       verification tag        |  4
 *   +-------------------------------+
 *   |    checksum (CRC32c)          |  8
 *   +-------+-------+---------------+
 *   | type  | flags |    length     | 12   chunk: padded to a multiple of 4
 *   +-------+-------+---------------+
 *   |  value ...                    | 16
 *   +-------------------------------+
 *
 * Spec: RFC 9260 3, chunk types 3.2, bundling 6.10
 */
import { Drop } from '../abi';
import { be16 } from '../mem/be';
import { crc32c, crc32cDelta } from './crc32c';

export const SCTP_SRC_PORT_OFF: usize = 0;
export const SCTP_DST_PORT_OFF: usize = 2;
export const SCTP_TAG_OFF: usize = 4;
export const SCTP_CHECKSUM_OFF: usize = 8;
export const SCTP_CHUNK_OFF: usize = 12;
/** Within a chunk. */
export const SCTP_CHUNK_LENGTH_OFF: usize = 2;

export const SCTP_HLEN: u32 = 12;
export const SCTP_CHUNK_HLEN: u32 = 4;
/** Chunks looked at: those that steer an association stand in front, and are few. */
export const SCTP_CHUNKS_MAX: u32 = 8;

export const SCTP_DATA: u32 = 0;
export const SCTP_INIT: u32 = 1;
export const SCTP_INIT_ACK: u32 = 2;
export const SCTP_HEARTBEAT: u32 = 4;
export const SCTP_HEARTBEAT_ACK: u32 = 5;
export const SCTP_ABORT: u32 = 6;
export const SCTP_SHUTDOWN: u32 = 7;
export const SCTP_SHUTDOWN_ACK: u32 = 8;
export const SCTP_COOKIE_ECHO: u32 = 10;
export const SCTP_COOKIE_ACK: u32 = 11;
export const SCTP_SHUTDOWN_COMPLETE: u32 = 14;

/** Chunk types that have a bit in `sctpChunks`; the rest concern data that is already flowing. */
const SCTP_TYPES: u32 = 16;
/** Beside the bits of the types: a chunk is too short to be one, or longer than the packet. */
export const SCTP_CHUNKS_F_CUT: u32 = 1 << 16;

@unmanaged
@final
export class Sctp {
  @inline static at(ptr: usize): Sctp {
    return changetype<Sctp>(ptr);
  }

  /**
   * Bounds proof of the common header and of the chunks that `sctpChunks` looks at.
   *
   * @param avail  bytes from `ptr` to the end of the IP datagram
   * @returns      `Drop.NONE` or `SHORT_SCTP`
   */
  static check(ptr: usize, avail: u32): Drop {
    const drop = Sctp.checkHeader(ptr, avail);
    if (drop != Drop.NONE) return drop;
    return sctpChunks(ptr, avail) & SCTP_CHUNKS_F_CUT ? Drop.SHORT_SCTP : Drop.NONE;
  }

  /** Bounds proof of the common header and the first chunk's alone: a first fragment. */
  static checkHeader(ptr: usize, avail: u32): Drop {
    return avail < SCTP_HLEN + SCTP_CHUNK_HLEN ? Drop.SHORT_SCTP : Drop.NONE;
  }

  @inline get ptr(): usize {
    return changetype<usize>(this);
  }
  @inline get srcPortBe(): u16 {
    return load<u16>(this.ptr, SCTP_SRC_PORT_OFF);
  }
  @inline get dstPortBe(): u16 {
    return load<u16>(this.ptr, SCTP_DST_PORT_OFF);
  }
  /** Both ports as one word: `FLOW_PORTS_OFF` of abi.ts. */
  @inline get portsBe(): u32 {
    return load<u32>(this.ptr, SCTP_SRC_PORT_OFF);
  }
  @inline setPortsBe(v: u32): void {
    store<u32>(this.ptr, v, SCTP_SRC_PORT_OFF);
  }
  @inline get tagBe(): u32 {
    return load<u32>(this.ptr, SCTP_TAG_OFF);
  }
  /** As `crc32c` computes it: no swap (RFC 9260 appendix A). */
  @inline get checksum(): u32 {
    return load<u32>(this.ptr, SCTP_CHECKSUM_OFF);
  }
  @inline setChecksum(v: u32): void {
    store<u32>(this.ptr, v, SCTP_CHECKSUM_OFF);
  }
}

/**
 * Which chunks stand before the data.
 *
 * @param ptr    the common header, checked
 * @param avail  bytes from there to the end of the datagram
 * @returns      bit t for a chunk of type t < 16, SCTP_CHUNKS_F_CUT
 */
export function sctpChunks(ptr: usize, avail: u32): u32 {
  let chunks: u32 = 0;
  let off = SCTP_HLEN;
  for (let i: u32 = 0; i < SCTP_CHUNKS_MAX && off + SCTP_CHUNK_HLEN <= avail; i++) {
    const type = <u32>load<u8>(ptr + off);
    const length = <u32>be16(load<u16>(ptr + off, SCTP_CHUNK_LENGTH_OFF));
    if (type < SCTP_TYPES) chunks |= 1 << type;
    if (length < SCTP_CHUNK_HLEN || off + length > avail) return chunks | SCTP_CHUNKS_F_CUT;
    if (type == SCTP_DATA) break;
    off += (length + 3) & ~3;
  }
  return chunks;
}

/** Whether a chunk of a type is among `sctpChunks`. */
export function sctpHas(chunks: u32, type: u32): bool {
  return ((chunks >> type) & 1) != 0;
}

/**
 * Rewrite the ports, and the checksum by as much as they change it.
 *
 * @param len  bytes of the whole SCTP packet
 */
export function sctpTranslate(sctp: Sctp, portsBe: u32, len: u32): void {
  const difference = sctp.portsBe ^ portsBe;
  if (difference == 0) return;
  sctp.setPortsBe(portsBe);
  sctp.setChecksum(sctp.checksum ^ crc32cDelta(difference, len));
}

/** Write the checksum of a packet of `len` bytes. */
export function sctpComplete(sctp: Sctp, len: u32): void {
  sctp.setChecksum(0);
  sctp.setChecksum(crc32c(sctp.ptr, len));
}
