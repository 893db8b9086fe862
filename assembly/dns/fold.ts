/**
 * Folded names: a copy in lower case, its hash, and where its labels begin.
 *
 *   0        6     7        20     24   64                        336                464
 *   +--------+-----+--------+------+----+-------------------------+------------------+
 *   |        | len | labels | hash |    | name, then 0: a word at | u8 start of each |
 *   |        |     |        |      |    | any of its octets ends  | label, and of    |
 *   |        |     |        |      |    | in it or in the zeros   | the root         |
 *   +--------+-----+--------+------+----+-------------------------+------------------+
 *
 * Only the 26 letters of ASCII have another case (RFC 4343); a length octet is never one of them, so a
 * name is folded eight octets at a time, lengths and all.
 */
import {
  DNS_HASH_OFF,
  DNS_LABELS_OFF,
  DNS_NAME_LEN_OFF,
  DNS_NAME_MAX,
  DNS_NAME_OFF,
} from '../abi-dns';
import { nameFinish, nameHash, nameSeed, nameStep } from '../mem/hash';
import { LABEL_LEN_MAX } from '../wire/dns';

const STARTS_OFF: usize = 336;

const ONES: u64 = 0x0101010101010101;
const HIGHS: u64 = 0x8080808080808080;
/** Added to an octet below 0x80, these reach 0x80 from 'A' on and from behind 'Z' on. */
const FROM_A: u64 = ONES * (0x80 - 0x41);
const FROM_AFTER_Z: u64 = ONES * (0x80 - 0x5b);

/** Eight octets, those between 'A' and 'Z' in lower case. */
function lower(word: u64): u64 {
  const octets = word & ~HIGHS;
  // What reaches it from behind 'Z' on does so from 'A' on: of two high bits one is set in letters.
  const letters = ((octets + FROM_A) ^ (octets + FROM_AFTER_Z)) & ~word & HIGHS;
  return word | (letters >> 2);
}

/** Sixteen of them. */
function lowerSimd(octets: v128): v128 {
  // Behind 'A' to 'Z' the lowest numbers of eight bits with a sign are.
  const letters = i8x16.lt_s(
    i8x16.add(octets, i8x16.splat(<i8>(0x80 - 0x41))),
    i8x16.splat(<i8>(26 - 0x80)),
  );
  return v128.or(octets, v128.and(letters, i8x16.splat(0x20)));
}

@unmanaged
@final
export class FoldedName {
  @inline static at(ptr: usize): FoldedName {
    return changetype<FoldedName>(ptr);
  }

  /** Octets, with the root's. */
  @inline get length(): u32 {
    return load<u8>(changetype<usize>(this), DNS_NAME_LEN_OFF);
  }
  /** Labels without the root's. */
  @inline get labels(): u32 {
    return load<u8>(changetype<usize>(this), DNS_LABELS_OFF);
  }
  @inline get ptr(): usize {
    return changetype<usize>(this) + DNS_NAME_OFF;
  }
  /** Where the last `depth` labels begin, from the start of the name. */
  @inline suffixStart(depth: u32): u32 {
    return load<u8>(changetype<usize>(this) + <usize>(this.labels - depth), STARTS_OFF);
  }
  /** Hash of all of it. */
  @inline get hash(): u32 {
    return load<u32>(changetype<usize>(this), DNS_HASH_OFF);
  }
  /** Hash of what begins at one of its labels: what that is as a name of its own. */
  @inline hashFrom(start: u32): u32 {
    return nameHash(this.ptr + start, this.length - start);
  }

  /**
   * Find the labels of a wire name without pointers and note where they begin.
   *
   * @param src    the name as it came
   * @param avail  octets that may be read
   * @returns      octets of the name with its root; 0 when it is none: a pointer, a label of another
   *               type, one that leads out, or more than 255 octets
   * Spec          RFC 1035 3.1, 2.3.4
   */
  @inline readLabels(src: usize, avail: u32): u32 {
    const name = changetype<usize>(this);
    const limit = min<u32>(avail, DNS_NAME_MAX);
    let at: u32 = 0;
    let labels: u32 = 0;
    // Every label takes two octets at least, so that there are DNS_LABEL_MAX at most.
    while (at < limit) {
      const n: u32 = load<u8>(src + at);
      store<u8>(name + labels, <u8>at, STARTS_OFF);
      // What wraps is the root.
      if (n - 1 >= LABEL_LEN_MAX) {
        if (n != 0) return 0;
        store<u8>(name, <u8>(at + 1), DNS_NAME_LEN_OFF);
        store<u8>(name, <u8>labels, DNS_LABELS_OFF);
        return at + 1;
      }
      at += n + 1;
      labels++;
    }
    return 0;
  }

  /**
   * Copy a name whose labels have been found, fold it and hash it, all in one pass.
   *
   * @param src     eight octets in front of it are readable: every name has a header before it
   * @param length  what `readLabels` returned
   */
  @inline fold(src: usize, length: u32): void {
    const name = changetype<usize>(this);
    const dst = name + DNS_NAME_OFF;
    const tail: u32 = length & 7;
    const words = length - tail;
    let h = nameSeed();
    let at: u32 = 0;
    if (ASC_FEATURE_SIMD) {
      for (; at + 16 <= words; at += 16) {
        const octets = lowerSimd(v128.load(src + at));
        v128.store(dst + at, octets);
        h = nameStep(h, i64x2.extract_lane(octets, 0));
        h = nameStep(h, i64x2.extract_lane(octets, 1));
      }
    }
    for (; at < words; at += 8) {
      const word = lower(load<u64>(src + at));
      store<u64>(dst + at, word);
      h = nameStep(h, word);
    }
    let last: u64 = 0;
    if (tail != 0) {
      // The last word ends with the name: nothing behind it is read.
      last = lower(load<u64>(src + length - 8) >> ((8 - tail) << 3));
      h = nameStep(h, last);
    }
    store<u64>(dst + words, last);
    store<u64>(dst + words, 0, 8);
    store<u32>(name, nameFinish(h), DNS_HASH_OFF);
  }
}

/** `FoldedName.readLabels` and, if it is a name, `fold`. @returns octets of the name, 0 = it is none */
export function readFolded(name: usize, src: usize, avail: u32): u32 {
  const folded = FoldedName.at(name);
  const length = folded.readLabels(src, avail);
  if (length != 0) folded.fold(src, length);
  return length;
}

/** Octets of a wire name within `avail`, 0 = there is none: `readLabels` that notes nothing. */
export function nameLength(src: usize, avail: u32): u32 {
  const limit = min<u32>(avail, DNS_NAME_MAX);
  let at: u32 = 0;
  // Every turn takes an octet at least.
  while (at < limit) {
    const n: u32 = load<u8>(src + at);
    if (n == 0) return at + 1;
    if (n > LABEL_LEN_MAX) return 0;
    at += n + 1;
  }
  return 0;
}
