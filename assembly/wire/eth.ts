/**
 * Ethernet II header with at most one 802.1Q tag.
 *
 *   0             6             12    14    16    18
 *   +-------------+-------------+-----+
 *   | destination | source      |type | payload
 *   +-------------+-------------+-----+-----+-----+
 *   | destination | source      |8100 | TCI |type | payload
 *   +-------------+-------------+-----+-----+-----+
 *
 * An address is read as its first two bytes (`Head`) and its last four (`Tail`): that is
 * how the stamps of the trunk divide it, see `STAMP_PREFIX_0` in abi.ts.
 *
 * Spec: IEEE 802.3 3.1.1; RFC 894; IEEE 802.1Q 9.3, 9.6
 */
import { Drop } from '../abi';
import { be16 } from '../mem/be';

export const ETH_DST_OFF: usize = 0;
export const ETH_SRC_OFF: usize = 6;
export const ETH_TYPE_OFF: usize = 12;
export const ETH_VLAN_TCI_OFF: usize = 14;
export const ETH_VLAN_TYPE_OFF: usize = 16;
const ETH_TAIL_OFF: usize = 2;

export const ETH_ALEN: u32 = 6;
export const ETH_HLEN: u32 = 14;
export const ETH_VLAN_HLEN: u32 = 18;

// EtherTypes in host order (IANA ieee-802-numbers).
export const ETHERTYPE_IPV4: u16 = 0x0800;
export const ETHERTYPE_ARP: u16 = 0x0806;
export const ETHERTYPE_VLAN: u16 = 0x8100;
export const ETHERTYPE_IPV6: u16 = 0x86dd;

/** Bit of the first address byte that marks a group address. */
const ETH_GROUP_BIT: u8 = 1;
/** VLAN identifier within the TCI, host order. */
const ETH_VLAN_ID_MASK: u16 = 0x0fff;

@unmanaged
@final
export class Eth {
  @inline static at(ptr: usize): Eth {
    return changetype<Eth>(ptr);
  }

  /**
   * Bounds proof of the header and its tag.
   *
   * @param avail  bytes of the frame
   * @returns      `Drop.NONE`, `SHORT_ETHERNET` or `SHORT_VLAN`
   * Voided by     `setTypeBe`
   */
  static check(ptr: usize, avail: u32): Drop {
    if (avail < ETH_HLEN) return Drop.SHORT_ETHERNET;
    if (Eth.at(ptr).isTagged && avail < ETH_VLAN_HLEN) return Drop.SHORT_VLAN;
    return Drop.NONE;
  }

  @inline get isTagged(): bool {
    return this.typeBe == be16(ETHERTYPE_VLAN);
  }
  /** Bytes to the payload: 14, or 18 with a tag. */
  @inline get hlen(): u32 {
    return this.isTagged ? ETH_VLAN_HLEN : ETH_HLEN;
  }
  /** The type directly behind the addresses: 802.1Q when tagged. */
  @inline get typeBe(): u16 {
    return load<u16>(changetype<usize>(this), ETH_TYPE_OFF);
  }
  @inline setTypeBe(v: u16): void {
    store<u16>(changetype<usize>(this), v, ETH_TYPE_OFF);
  }
  /** What the payload is, host order: the type behind the tag when there is one. */
  @inline get etherType(): u16 {
    return be16(
      this.isTagged ? load<u16>(changetype<usize>(this), ETH_VLAN_TYPE_OFF) : this.typeBe,
    );
  }
  /** 802.1Q identifier; only when `isTagged`. */
  @inline get vlanId(): u16 {
    return be16(load<u16>(changetype<usize>(this), ETH_VLAN_TCI_OFF)) & ETH_VLAN_ID_MASK;
  }

  @inline get dstHeadBe(): u16 {
    return load<u16>(changetype<usize>(this), ETH_DST_OFF);
  }
  @inline get dstTailBe(): u32 {
    return load<u32>(changetype<usize>(this), ETH_DST_OFF + ETH_TAIL_OFF);
  }
  @inline get srcHeadBe(): u16 {
    return load<u16>(changetype<usize>(this), ETH_SRC_OFF);
  }
  @inline get srcTailBe(): u32 {
    return load<u32>(changetype<usize>(this), ETH_SRC_OFF + ETH_TAIL_OFF);
  }
  @inline setDstBe(head: u16, tail: u32): void {
    store<u16>(changetype<usize>(this), head, ETH_DST_OFF);
    store<u32>(changetype<usize>(this), tail, ETH_DST_OFF + ETH_TAIL_OFF);
  }
  @inline setSrcBe(head: u16, tail: u32): void {
    store<u16>(changetype<usize>(this), head, ETH_SRC_OFF);
    store<u32>(changetype<usize>(this), tail, ETH_SRC_OFF + ETH_TAIL_OFF);
  }
  /** Copy the six bytes at `macPtr`, which may lie in this header. */
  @inline copyDst(macPtr: usize): void {
    this.setDstBe(load<u16>(macPtr), load<u32>(macPtr, ETH_TAIL_OFF));
  }
  /** Copy the six bytes at `macPtr`, which may lie in this header. */
  @inline copySrc(macPtr: usize): void {
    this.setSrcBe(load<u16>(macPtr), load<u32>(macPtr, ETH_TAIL_OFF));
  }

  /** Multicast or broadcast destination. */
  @inline get isGroup(): bool {
    return (load<u8>(changetype<usize>(this), ETH_DST_OFF) & ETH_GROUP_BIT) != 0;
  }
}
