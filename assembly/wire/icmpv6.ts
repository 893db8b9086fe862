/**
 * ICMPv6. Every message has these eight bytes; what the second word means depends on the
 * type. Neighbour discovery continues in nd.ts.
 *
 *    0       1       2       3
 *   +-------+-------+---------------+
 *   | type  | code  |   checksum    |  0   with pseudo-header (RFC 4443 2.3)
 *   +-------+-------+---------------+
 *   |  identifier   |   sequence    |  4   echo
 *   |           MTU, u32            |  4   packet too big
 *   |            unused             |  4   unreachable, time exceeded
 *   +-------------------------------+
 *   |      quoted IPv6 packet       |  8   all errors
 *
 * Spec: RFC 4443; types 130-143 RFC 2710, RFC 4861, RFC 3810
 */
import { Drop } from '../abi';
import { be32 } from '../mem/be';

export const ICMPV6_TYPE_OFF: usize = 0;
export const ICMPV6_CODE_OFF: usize = 1;
export const ICMPV6_CHECKSUM_OFF: usize = 2;
export const ICMPV6_REST_OFF: usize = 4;
export const ICMPV6_ID_OFF: usize = 4;
export const ICMPV6_SEQ_OFF: usize = 6;
export const ICMPV6_MTU_OFF: usize = 4;
export const ICMPV6_QUOTE_OFF: usize = 8;

export const ICMPV6_HLEN: u32 = 8;

export const ICMPV6_UNREACHABLE: u8 = 1;
export const ICMPV6_PACKET_TOO_BIG: u8 = 2;
export const ICMPV6_TIME_EXCEEDED: u8 = 3;
export const ICMPV6_PARAMETER_PROBLEM: u8 = 4;
export const ICMPV6_ECHO: u8 = 128;
export const ICMPV6_ECHO_REPLY: u8 = 129;
export const ICMPV6_MLD_QUERY: u8 = 130;
export const ICMPV6_NS: u8 = 135;
export const ICMPV6_NA: u8 = 136;
export const ICMPV6_ND_REDIRECT: u8 = 137;
export const ICMPV6_MLD2_REPORT: u8 = 143;
/** Types below this are errors (RFC 4443 2.1). */
const ICMPV6_INFORMATIONAL: u8 = 128;

// Codes of ICMPV6_UNREACHABLE and ICMPV6_TIME_EXCEEDED (RFC 4443 3.1, 3.3).
export const ICMPV6_CODE_NO_ROUTE: u8 = 0;
export const ICMPV6_CODE_PROHIBITED: u8 = 1;
export const ICMPV6_CODE_ADDRESS: u8 = 3;
export const ICMPV6_CODE_PORT: u8 = 4;
export const ICMPV6_CODE_HOP_LIMIT: u8 = 0;

@unmanaged
@final
export class Icmpv6 {
  @inline static at(ptr: usize): Icmpv6 {
    return changetype<Icmpv6>(ptr);
  }

  /** Bounds proof of the eight bytes every message has: `Drop.NONE` or `SHORT_ICMPV6`. */
  static check(ptr: usize, avail: u32): Drop {
    return avail < ICMPV6_HLEN ? Drop.SHORT_ICMPV6 : Drop.NONE;
  }

  @inline get type(): u8 {
    return load<u8>(changetype<usize>(this), ICMPV6_TYPE_OFF);
  }
  @inline get code(): u8 {
    return load<u8>(changetype<usize>(this), ICMPV6_CODE_OFF);
  }
  @inline setTypeCode(type: u8, code: u8): void {
    store<u8>(changetype<usize>(this), type, ICMPV6_TYPE_OFF);
    store<u8>(changetype<usize>(this), code, ICMPV6_CODE_OFF);
  }
  @inline get checksumBe(): u16 {
    return load<u16>(changetype<usize>(this), ICMPV6_CHECKSUM_OFF);
  }
  @inline setChecksumBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, ICMPV6_CHECKSUM_OFF);
  }
  /** Echo only. */
  @inline get idBe(): u16 {
    return load<u16>(changetype<usize>(this), ICMPV6_ID_OFF);
  }
  @inline setIdBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, ICMPV6_ID_OFF);
  }
  /** Bytes, host order; packet too big only. */
  @inline get mtu(): u32 {
    return be32(load<u32>(changetype<usize>(this), ICMPV6_MTU_OFF));
  }
  /** The second word of an error: the MTU in bytes, 0 where the type has none. */
  @inline setMtu(v: u32): void {
    store<u32>(changetype<usize>(this), be32(v), ICMPV6_MTU_OFF);
  }
  /** Address of the quoted IPv6 header; errors only. */
  @inline get quotePtr(): usize {
    return changetype<usize>(this) + ICMPV6_QUOTE_OFF;
  }
}

/** Echo request or reply, whose identifier stands for both ports. */
export function icmpv6IsEcho(type: u8, code: u8): bool {
  return (type == ICMPV6_ECHO || type == ICMPV6_ECHO_REPLY) && code == 0;
}

/** An error about another packet; never answered with an error (RFC 4443 2.4 e.1). */
export function icmpv6IsError(type: u8): bool {
  return type < ICMPV6_INFORMATIONAL;
}

/** Link business that no router forwards: MLD and neighbour discovery. */
export function icmpv6IsLinkLocal(type: u8): bool {
  return (type >= ICMPV6_MLD_QUERY && type <= ICMPV6_ND_REDIRECT) || type == ICMPV6_MLD2_REPORT;
}
