/**
 * TCP header.
 *
 *    0               2               4
 *   +---------------+---------------+
 *   |  source port  |   dest port   |  0
 *   +---------------+---------------+
 *   |       sequence number         |  4
 *   +-------------------------------+
 *   |    acknowledgment number      |  8
 *   +----+----+-----+---------------+
 *   |offs|rsrv|flags|    window     | 12
 *   +----+----+-----+---------------+
 *   |   checksum    | urgent pointer| 16
 *   +---------------+---------------+
 *
 * Spec: RFC 9293 3.1
 */
import { Drop } from '../abi';
import { be32 } from '../mem/be';

export const TCP_SRC_PORT_OFF: usize = 0;
export const TCP_DST_PORT_OFF: usize = 2;
export const TCP_SEQ_OFF: usize = 4;
export const TCP_ACK_OFF: usize = 8;
export const TCP_DATA_OFFSET_OFF: usize = 12;
export const TCP_FLAGS_OFF: usize = 13;
export const TCP_WINDOW_OFF: usize = 14;
export const TCP_CHECKSUM_OFF: usize = 16;
export const TCP_URGENT_OFF: usize = 18;

/** Header without options. */
export const TCP_HLEN: u32 = 20;

export const TCP_FLAG_FIN: u8 = 0x01;
export const TCP_FLAG_SYN: u8 = 0x02;
export const TCP_FLAG_RST: u8 = 0x04;
export const TCP_FLAG_PSH: u8 = 0x08;
export const TCP_FLAG_ACK: u8 = 0x10;
export const TCP_FLAG_URG: u8 = 0x20;
export const TCP_FLAG_ECE: u8 = 0x40;
export const TCP_FLAG_CWR: u8 = 0x80;

/** Flags that open or close: a segment with one of these is the lane's, not the kernel's. */
export const TCP_FLAGS_STATE: u8 = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;

/** Flags that combine; PSH, ECE and CWR go with anything. */
const TCP_FLAGS_COMBINE: u8 = TCP_FLAGS_STATE | TCP_FLAG_ACK | TCP_FLAG_URG;

/** Bit f set: the flags f (of `TCP_FLAGS_COMBINE`) may stand together. */
const TCP_FLAGS_VALID: u64 =
  ((<u64>1) << TCP_FLAG_SYN) |
  ((<u64>1) << (TCP_FLAG_SYN | TCP_FLAG_URG)) |
  ((<u64>1) << (TCP_FLAG_SYN | TCP_FLAG_ACK)) |
  ((<u64>1) << TCP_FLAG_RST) |
  ((<u64>1) << (TCP_FLAG_RST | TCP_FLAG_ACK)) |
  ((<u64>1) << (TCP_FLAG_FIN | TCP_FLAG_ACK)) |
  ((<u64>1) << (TCP_FLAG_FIN | TCP_FLAG_ACK | TCP_FLAG_URG)) |
  ((<u64>1) << TCP_FLAG_ACK) |
  ((<u64>1) << (TCP_FLAG_ACK | TCP_FLAG_URG));

@unmanaged
@final
export class Tcp {
  @inline static at(ptr: usize): Tcp {
    return changetype<Tcp>(ptr);
  }

  /**
   * Bounds proof of the header with its options.
   *
   * @param avail  bytes from `ptr` to the end of the datagram
   * @returns      `Drop.NONE`, `SHORT_TCP`, or `BAD_TCP_OFFSET` when the options do not fit
   */
  static check(ptr: usize, avail: u32): Drop {
    if (avail < TCP_HLEN) return Drop.SHORT_TCP;
    const hlen = Tcp.at(ptr).hlen;
    return hlen < TCP_HLEN || hlen > avail ? Drop.BAD_TCP_OFFSET : Drop.NONE;
  }

  @inline get srcPortBe(): u16 {
    return load<u16>(changetype<usize>(this), TCP_SRC_PORT_OFF);
  }
  @inline setSrcPortBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, TCP_SRC_PORT_OFF);
  }
  @inline get dstPortBe(): u16 {
    return load<u16>(changetype<usize>(this), TCP_DST_PORT_OFF);
  }
  @inline setDstPortBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, TCP_DST_PORT_OFF);
  }
  /** Both ports as one word: `FLOW_PORTS_OFF` of abi.ts. */
  @inline get portsBe(): u32 {
    return load<u32>(changetype<usize>(this), TCP_SRC_PORT_OFF);
  }
  @inline setPortsBe(v: u32): void {
    store<u32>(changetype<usize>(this), v, TCP_SRC_PORT_OFF);
  }
  /** Host order. */
  @inline get seq(): u32 {
    return be32(load<u32>(changetype<usize>(this), TCP_SEQ_OFF));
  }
  /** Host order; valid with `TCP_FLAG_ACK`. */
  @inline get ack(): u32 {
    return be32(load<u32>(changetype<usize>(this), TCP_ACK_OFF));
  }
  /** Header bytes, options included. */
  @inline get hlen(): u32 {
    return (<u32>(load<u8>(changetype<usize>(this), TCP_DATA_OFFSET_OFF) >> 4)) << 2;
  }
  @inline get flags(): u8 {
    return load<u8>(changetype<usize>(this), TCP_FLAGS_OFF);
  }
  @inline get windowBe(): u16 {
    return load<u16>(changetype<usize>(this), TCP_WINDOW_OFF);
  }
  @inline get checksumBe(): u16 {
    return load<u16>(changetype<usize>(this), TCP_CHECKSUM_OFF);
  }
  @inline setChecksumBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, TCP_CHECKSUM_OFF);
  }
}

/**
 * Whether the flags can stand together: false for none, SYN+FIN, SYN+RST, FIN without ACK...
 *
 * Spec  Linux `tcp_valid_flags` (net/netfilter/nf_conntrack_proto_tcp.c), the same nine sets
 */
export function tcpFlagsValid(flags: u8): bool {
  return ((TCP_FLAGS_VALID >> (flags & TCP_FLAGS_COMBINE)) & 1) != 0;
}

/**
 * Write a header without options, ports and checksum left 0: window 0, no urgent data.
 *
 * @param seqBe, ackBe  sequence and acknowledgment number, network order
 */
export function tcpBegin(tcp: Tcp, seqBe: u32, ackBe: u32, flags: u8): void {
  const ptr = changetype<usize>(tcp);
  store<u32>(ptr, 0, TCP_SRC_PORT_OFF);
  store<u32>(ptr, seqBe, TCP_SEQ_OFF);
  store<u32>(ptr, ackBe, TCP_ACK_OFF);
  store<u8>(ptr, <u8>(TCP_HLEN << 2), TCP_DATA_OFFSET_OFF);
  store<u8>(ptr, flags, TCP_FLAGS_OFF);
  store<u16>(ptr, 0, TCP_WINDOW_OFF);
  store<u32>(ptr, 0, TCP_CHECKSUM_OFF);
}
