/**
 * UDP header.
 *
 *    0               2               4
 *   +---------------+---------------+
 *   |  source port  |   dest port   |  0
 *   +---------------+---------------+
 *   |    length     |   checksum    |  4
 *   +---------------+---------------+
 *
 * Spec: RFC 768; over IPv6 RFC 8200 8.1
 */
import { Drop } from '../abi';
import { be16 } from '../mem/be';

export const UDP_SRC_PORT_OFF: usize = 0;
export const UDP_DST_PORT_OFF: usize = 2;
export const UDP_LENGTH_OFF: usize = 4;
export const UDP_CHECKSUM_OFF: usize = 6;

export const UDP_HLEN: u32 = 8;

@unmanaged
@final
export class Udp {
  @inline static at(ptr: usize): Udp {
    return changetype<Udp>(ptr);
  }

  /**
   * Bounds proof of the header and of the whole datagram.
   *
   * @param avail  bytes from `ptr` to the end of the IP datagram
   * @returns      `Drop.NONE`, `SHORT_UDP` or `BAD_UDP_LENGTH`
   * Voided by     `setLength`
   */
  static check(ptr: usize, avail: u32): Drop {
    const drop = Udp.checkHeader(ptr, avail);
    if (drop != Drop.NONE) return drop;
    return <u32>Udp.at(ptr).length > avail ? Drop.BAD_UDP_LENGTH : Drop.NONE;
  }

  /** Bounds proof of the header alone: a first fragment, or what an ICMP error quotes. */
  static checkHeader(ptr: usize, avail: u32): Drop {
    if (avail < UDP_HLEN) return Drop.SHORT_UDP;
    return <u32>Udp.at(ptr).length < UDP_HLEN ? Drop.BAD_UDP_LENGTH : Drop.NONE;
  }

  @inline get srcPortBe(): u16 {
    return load<u16>(changetype<usize>(this), UDP_SRC_PORT_OFF);
  }
  @inline setSrcPortBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, UDP_SRC_PORT_OFF);
  }
  @inline get dstPortBe(): u16 {
    return load<u16>(changetype<usize>(this), UDP_DST_PORT_OFF);
  }
  @inline setDstPortBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, UDP_DST_PORT_OFF);
  }
  /** Both ports as one word: `FLOW_PORTS_OFF` of abi.ts. */
  @inline get portsBe(): u32 {
    return load<u32>(changetype<usize>(this), UDP_SRC_PORT_OFF);
  }
  @inline setPortsBe(v: u32): void {
    store<u32>(changetype<usize>(this), v, UDP_SRC_PORT_OFF);
  }
  /** Header and payload bytes, host order. */
  @inline get length(): u16 {
    return be16(load<u16>(changetype<usize>(this), UDP_LENGTH_OFF));
  }
  /** Header and payload bytes, host order. */
  @inline setLength(v: u16): void {
    store<u16>(changetype<usize>(this), be16(v), UDP_LENGTH_OFF);
  }
  /** 0 = none, which only IPv4 allows. */
  @inline get checksumBe(): u16 {
    return load<u16>(changetype<usize>(this), UDP_CHECKSUM_OFF);
  }
  @inline setChecksumBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, UDP_CHECKSUM_OFF);
  }
}
