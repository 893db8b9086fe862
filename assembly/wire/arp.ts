/**
 * ARP for IPv4 over Ethernet.
 *
 *   0     2     4  5  6     8            14          18           24          28
 *   +-----+-----+--+--+-----+------------+-----------+------------+-----------+
 *   | hrd | pro |hl|pl| op  | sender MAC | sender IP | target MAC | target IP |
 *   +-----+-----+--+--+-----+------------+-----------+------------+-----------+
 *
 * Spec: RFC 826 (fields ar$hrd .. ar$tpa); RFC 5227 for probes and announcements
 */
import { Drop } from '../abi';
import { be16, be64 } from '../mem/be';

export const ARP_HARDWARE_OFF: usize = 0;
export const ARP_PROTOCOL_OFF: usize = 2;
export const ARP_HLEN_OFF: usize = 4;
export const ARP_PLEN_OFF: usize = 5;
export const ARP_OP_OFF: usize = 6;
export const ARP_SENDER_MAC_OFF: usize = 8;
export const ARP_SENDER_IP_OFF: usize = 14;
export const ARP_TARGET_MAC_OFF: usize = 18;
export const ARP_TARGET_IP_OFF: usize = 24;

export const ARP_HLEN: u32 = 28;

// Operations in host order.
export const ARP_OP_REQUEST: u16 = 1;
export const ARP_OP_REPLY: u16 = 2;

/** Hardware Ethernet (1), protocol 0x0800, lengths 6 and 4: the first six bytes. */
const ARP_SHAPE: u64 = 0x0001_0800_0604_0000;
const ARP_SHAPE_MASK: u64 = 0xffff_ffff_ffff_0000;
const ARP_MAC_TAIL_OFF: usize = 2;

@unmanaged
@final
export class Arp {
  @inline static at(ptr: usize): Arp {
    return changetype<Arp>(ptr);
  }

  /**
   * Bounds proof, and proof that the fields are where the diagram has them.
   *
   * @param avail  bytes from `ptr` to the end of the frame
   * @returns      `Drop.NONE`, `SHORT_ARP`, or `BAD_ARP` for other hardware or protocols
   */
  static check(ptr: usize, avail: u32): Drop {
    if (avail < ARP_HLEN) return Drop.SHORT_ARP;
    const shape = load<u64>(ptr) & be64(ARP_SHAPE_MASK);
    return shape == be64(ARP_SHAPE) ? Drop.NONE : Drop.BAD_ARP;
  }

  /** Host order. */
  @inline get op(): u16 {
    return be16(load<u16>(changetype<usize>(this), ARP_OP_OFF));
  }
  /** Host order. */
  @inline setOp(v: u16): void {
    store<u16>(changetype<usize>(this), be16(v), ARP_OP_OFF);
  }
  @inline get senderMacPtr(): usize {
    return changetype<usize>(this) + ARP_SENDER_MAC_OFF;
  }
  @inline get senderIpBe(): u32 {
    return load<u32>(changetype<usize>(this), ARP_SENDER_IP_OFF);
  }
  @inline setSenderIpBe(v: u32): void {
    store<u32>(changetype<usize>(this), v, ARP_SENDER_IP_OFF);
  }
  @inline get targetMacPtr(): usize {
    return changetype<usize>(this) + ARP_TARGET_MAC_OFF;
  }
  @inline get targetIpBe(): u32 {
    return load<u32>(changetype<usize>(this), ARP_TARGET_IP_OFF);
  }
  @inline setTargetIpBe(v: u32): void {
    store<u32>(changetype<usize>(this), v, ARP_TARGET_IP_OFF);
  }
  /** First two and last four bytes of an Ethernet address. */
  @inline setSenderMacBe(head: u16, tail: u32): void {
    store<u16>(changetype<usize>(this), head, ARP_SENDER_MAC_OFF);
    store<u32>(changetype<usize>(this), tail, ARP_SENDER_MAC_OFF + ARP_MAC_TAIL_OFF);
  }
  /** First two and last four bytes of an Ethernet address. */
  @inline setTargetMacBe(head: u16, tail: u32): void {
    store<u16>(changetype<usize>(this), head, ARP_TARGET_MAC_OFF);
    store<u32>(changetype<usize>(this), tail, ARP_TARGET_MAC_OFF + ARP_MAC_TAIL_OFF);
  }
  /** Write hardware, protocol and lengths: what `check` asks for. Leaves `op` alone. */
  @inline setShape(): void {
    const op = load<u16>(changetype<usize>(this), ARP_OP_OFF);
    store<u64>(changetype<usize>(this), be64(ARP_SHAPE));
    store<u16>(changetype<usize>(this), op, ARP_OP_OFF);
  }
}
