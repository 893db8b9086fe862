/**
 * ICMP for IPv4. Every message has these eight bytes; what the second word means depends
 * on the type.
 *
 *    0       1       2       3
 *   +-------+-------+---------------+
 *   | type  | code  |   checksum    |  0   no pseudo-header
 *   +-------+-------+---------------+
 *   |  identifier   |   sequence    |  4   echo
 *   |    unused     | next-hop MTU  |  4   unreachable (MTU with code 4)
 *   |            unused             |  4   time exceeded
 *   | ptr   |       unused          |  4   parameter problem
 *   +-------------------------------+
 *   | quoted IPv4 header + 8 bytes  |  8   all errors
 *
 * Spec: RFC 792; next-hop MTU RFC 1191 4; quote RFC 1812 4.3.2.3
 */
import { Drop } from '../abi';
import { be16 } from '../mem/be';

export const ICMP_TYPE_OFF: usize = 0;
export const ICMP_CODE_OFF: usize = 1;
export const ICMP_CHECKSUM_OFF: usize = 2;
export const ICMP_REST_OFF: usize = 4;
export const ICMP_ID_OFF: usize = 4;
export const ICMP_SEQ_OFF: usize = 6;
export const ICMP_MTU_OFF: usize = 6;
export const ICMP_QUOTE_OFF: usize = 8;

export const ICMP_HLEN: u32 = 8;
/** Transport bytes an error is sure to quote behind the quoted IP header. */
export const ICMP_QUOTED_L4_LEN: u32 = 8;

export const ICMP_ECHO_REPLY: u8 = 0;
export const ICMP_UNREACHABLE: u8 = 3;
export const ICMP_SOURCE_QUENCH: u8 = 4;
export const ICMP_REDIRECT: u8 = 5;
export const ICMP_ECHO: u8 = 8;
export const ICMP_TIME_EXCEEDED: u8 = 11;
export const ICMP_PARAMETER_PROBLEM: u8 = 12;

// Codes of ICMP_UNREACHABLE (RFC 792; RFC 1812 5.2.7.1 for 13) and ICMP_TIME_EXCEEDED.
export const ICMP_CODE_NET: u8 = 0;
export const ICMP_CODE_HOST: u8 = 1;
export const ICMP_CODE_PORT: u8 = 3;
export const ICMP_CODE_FRAG_NEEDED: u8 = 4;
export const ICMP_CODE_PROHIBITED: u8 = 13;
export const ICMP_CODE_TTL: u8 = 0;

@unmanaged
@final
export class Icmp {
  @inline static at(ptr: usize): Icmp {
    return changetype<Icmp>(ptr);
  }

  /**
   * Bounds proof of the eight bytes.
   *
   * @param avail  bytes from `ptr` to the end of the datagram
   * @returns      `Drop.NONE` or `SHORT_ICMP`
   */
  static check(ptr: usize, avail: u32): Drop {
    return avail < ICMP_HLEN ? Drop.SHORT_ICMP : Drop.NONE;
  }

  @inline get type(): u8 {
    return load<u8>(changetype<usize>(this), ICMP_TYPE_OFF);
  }
  @inline get code(): u8 {
    return load<u8>(changetype<usize>(this), ICMP_CODE_OFF);
  }
  @inline setTypeCode(type: u8, code: u8): void {
    store<u8>(changetype<usize>(this), type, ICMP_TYPE_OFF);
    store<u8>(changetype<usize>(this), code, ICMP_CODE_OFF);
  }
  @inline get checksumBe(): u16 {
    return load<u16>(changetype<usize>(this), ICMP_CHECKSUM_OFF);
  }
  @inline setChecksumBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, ICMP_CHECKSUM_OFF);
  }
  /** Echo only. */
  @inline get idBe(): u16 {
    return load<u16>(changetype<usize>(this), ICMP_ID_OFF);
  }
  @inline setIdBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, ICMP_ID_OFF);
  }
  /** Echo only. */
  @inline get seqBe(): u16 {
    return load<u16>(changetype<usize>(this), ICMP_SEQ_OFF);
  }
  /** Next-hop MTU in bytes, host order; unreachable with code 4 only. */
  @inline get mtu(): u16 {
    return be16(load<u16>(changetype<usize>(this), ICMP_MTU_OFF));
  }
  /** The second word of an error: zero, and the next-hop MTU in bytes where there is one. */
  @inline setMtu(v: u16): void {
    store<u32>(changetype<usize>(this), (<u32>be16(v)) << 16, ICMP_REST_OFF);
  }
  /** Address of the quoted IPv4 header; errors only. */
  @inline get quotePtr(): usize {
    return changetype<usize>(this) + ICMP_QUOTE_OFF;
  }
}

/** Echo request or reply, whose identifier stands for both ports. */
export function icmpIsEcho(type: u8, code: u8): bool {
  return (type == ICMP_ECHO || type == ICMP_ECHO_REPLY) && code == 0;
}

/** An error about another packet; never answered with an error (RFC 1122 3.2.2). */
export function icmpIsError(type: u8): bool {
  switch (type) {
    case ICMP_UNREACHABLE:
    case ICMP_SOURCE_QUENCH:
    case ICMP_REDIRECT:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
      return true;
    default:
      return false;
  }
}
