/**
 * Neighbour discovery: solicitation (NS) and advertisement (NA), ICMPv6 types 135 and 136.
 *
 *    0       1       2       3
 *   +-------+-------+---------------+
 *   | type  | code  |   checksum    |  0
 *   |R|S|O|        unused           |  4   flags in NA only
 *   |   target address, 16 bytes    |  8
 *   +-------+-------+---------------+
 *   | type  | units |  MAC, 6 bytes | 24   options, each in units of 8 bytes
 *
 * Spec: RFC 4861 4.3, 4.4, 4.6, 7.1
 */
import { Drop } from '../abi';

export const ND_FLAGS_OFF: usize = 4;
export const ND_TARGET_OFF: usize = 8;
export const ND_OPTIONS_OFF: usize = 24;
export const ND_OPTION_UNITS_OFF: usize = 1;
export const ND_OPTION_MAC_OFF: usize = 2;
const ND_MAC_TAIL_OFF: usize = 2;

/** NS or NA without options. */
export const ND_HLEN: u32 = 24;
/** NS or NA with one Ethernet address. */
export const ND_MAC_HLEN: u32 = 32;
/** Options of one message that are looked at. */
export const ND_OPTIONS_MAX: u32 = 8;
/** ND is believed only with this hop limit: it cannot have crossed a router (7.1). */
export const ND_HOP_LIMIT: u8 = 255;

// First byte of the flags of an NA.
export const NA_FLAG_ROUTER: u8 = 0x80;
export const NA_FLAG_SOLICITED: u8 = 0x40;
export const NA_FLAG_OVERRIDE: u8 = 0x20;

export const ND_OPTION_SOURCE_MAC: u8 = 1;
export const ND_OPTION_TARGET_MAC: u8 = 2;
const ND_OPTION_UNIT: u32 = 8;

@unmanaged
@final
export class Nd {
  @inline static at(ptr: usize): Nd {
    return changetype<Nd>(ptr);
  }

  /**
   * Bounds proof of the message without its options.
   *
   * @param avail  bytes from `ptr` to the end of the datagram
   * @returns      `Drop.NONE` or `SHORT_ICMPV6`
   */
  static check(ptr: usize, avail: u32): Drop {
    return avail < ND_HLEN ? Drop.SHORT_ICMPV6 : Drop.NONE;
  }

  /** `NA_FLAG_*`; advertisements only. */
  @inline get flags(): u8 {
    return load<u8>(changetype<usize>(this), ND_FLAGS_OFF);
  }
  /** The second word: flags, and zeros. */
  @inline setFlags(v: u8): void {
    store<u32>(changetype<usize>(this), v, ND_FLAGS_OFF);
  }
  /** Address of the 16 bytes asked about. */
  @inline get targetPtr(): usize {
    return changetype<usize>(this) + ND_TARGET_OFF;
  }
  /** Write the first option: an Ethernet address, its first two and last four bytes. */
  @inline setMacOptionBe(type: u8, head: u16, tail: u32): void {
    const option = changetype<usize>(this) + ND_OPTIONS_OFF;
    store<u8>(option, type);
    store<u8>(option, 1, ND_OPTION_UNITS_OFF);
    store<u16>(option, head, ND_OPTION_MAC_OFF);
    store<u32>(option, tail, ND_OPTION_MAC_OFF + ND_MAC_TAIL_OFF);
  }
}

/**
 * Find the Ethernet address an NS or NA carries.
 *
 * @param ptr    the message; `Nd.check` must have passed
 * @param avail  bytes from `ptr` to the end of the datagram
 * @param type   `ND_OPTION_SOURCE_MAC` or `ND_OPTION_TARGET_MAC`
 * @returns      address of its six bytes; 0 when absent, cut off, or the options are malformed
 */
export function ndFindMac(ptr: usize, avail: u32, type: u8): usize {
  let off = ND_HLEN;
  for (let i: u32 = 0; i < ND_OPTIONS_MAX; i++) {
    if (off + ND_OPTION_UNIT > avail) return 0;
    const option = ptr + off;
    const len = <u32>load<u8>(option, ND_OPTION_UNITS_OFF) * ND_OPTION_UNIT;
    if (len == 0) return 0; // the whole message is to be ignored (RFC 4861 4.6)
    if (load<u8>(option) == type) {
      return len == ND_OPTION_UNIT ? option + ND_OPTION_MAC_OFF : 0;
    }
    off += len;
  }
  return 0;
}
