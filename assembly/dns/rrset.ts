/**
 * RRsets as they lie in an entry, and what becomes of each record's head in a reply. Every one was
 * checked when it came (check.ts): sums and names in it are right.
 */
import {
  RRSET_BYTES_OFF,
  RRSET_COUNT_OFF,
  RRSET_GLUE_OFF,
  RRSET_HLEN,
  RRSET_TTL_BE_OFF,
  RRSET_TYPE_OFF,
} from '../abi-dns';
import { be16 } from '../mem/be';
import { CLASS_IN, POINTER_TAG, RR_FIXED } from '../wire/dns';

/** An owner that is a pointer, and the fixed part behind it. */
export const RR_HLEN: u32 = RR_FIXED + 2;
/** RRsets of a value begin behind their number. */
export const VALUE_HLEN: usize = 4;

@unmanaged
@final
export class Rrset {
  @inline static at(ptr: usize): Rrset {
    return changetype<Rrset>(ptr);
  }

  @inline get type(): u32 {
    return load<u16>(changetype<usize>(this), RRSET_TYPE_OFF);
  }
  /** Records. */
  @inline get count(): u32 {
    return load<u16>(changetype<usize>(this), RRSET_COUNT_OFF);
  }
  @inline get ttlBe(): u32 {
    return load<u32>(changetype<usize>(this), RRSET_TTL_BE_OFF);
  }
  /** Bytes of the records: RDLENGTH and RDATA each. */
  @inline get bytes(): u32 {
    return load<u32>(changetype<usize>(this), RRSET_BYTES_OFF);
  }
  @inline get glueBytes(): u32 {
    return load<u32>(changetype<usize>(this), RRSET_GLUE_OFF);
  }
  @inline get records(): usize {
    return changetype<usize>(this) + RRSET_HLEN;
  }
  /** Bytes of all of it, to where the next one begins. */
  @inline get size(): u32 {
    return (RRSET_HLEN + this.bytes + this.glueBytes + 3) & ~3;
  }

  /** @returns the value's RRset of a type, 0 = it has none */
  @inline static find(value: usize, type: u32): usize {
    const sets: u32 = load<u16>(value);
    let at = value + VALUE_HLEN;
    for (let i: u32 = 0; i < sets; i++) {
      const set = Rrset.at(at);
      if (set.type == type) return at;
      at += set.size;
    }
    return 0;
  }
}

/** `Rrset.find`, called. */
export function findRrset(value: usize, type: u32): usize {
  return Rrset.find(value, type);
}

/** A pointer as an owner, and TYPE. */
export function headOf(ownerBe: u16, type: u32): u32 {
  return ((<u32>be16(<u16>type)) << 16) | ownerBe;
}

/** The fixed part of a record of class IN, all but RDLENGTH. @param head  `headOf` */
export function putHead(rr: usize, head: u32, ttlBe: u32): void {
  store<u32>(rr, head);
  store<u16>(rr, be16(<u16>CLASS_IN), 4);
  store<u32>(rr, ttlBe, 6);
}

/** A pointer to an offset of the message, as it lies in it. @param off  at most POINTER_MAX */
export function pointerBe(off: u32): u16 {
  return be16(<u16>((POINTER_TAG << 8) | off));
}
