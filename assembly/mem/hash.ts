/**
 * Hashes. Three kinds, for three purposes.
 *
 * `nh*` index tables. NH (RFC 4418 5.2) is universal: whoever does not know the twelve secret
 * words in CONTROL cannot make rows collide. The kernel programs compute the same function.
 *
 * `name*` hash DNS names word by word. Each word goes through one NH product; what went in before
 * decides what the product is of.
 *
 * `pickHash` chooses backends. It must give the same answer on every node, so its only key is
 * the cluster's seed.
 */
import { CONTROL_BASE, CONTROL_HASH_KEYS_OFF, CONTROL_PICK_SEED_OFF } from '../abi';

/** 2^64 / golden ratio, odd: spreads the NH sum over all bits (Knuth 6.4). */
const SPREAD: u64 = 0x9e3779b97f4a7c15;
/** Multiplier of splitmix64's second step (Steele, Lea, Flood 2014). */
const STIR: u64 = 0xbf58476d1ce4e5b9;

function key(i: u32): u32 {
  return load<u32>(CONTROL_BASE + CONTROL_HASH_KEYS_OFF + (i << 2));
}

/** One NH step: words `a` and `b` with keys `i` and `i + 1`. */
function nhPair(a: u32, b: u32, i: u32): u64 {
  return <u64>(a + key(i)) * <u64>(b + key(i + 1));
}

/** From the NH sum to the number whose low bits index a table. */
function finish(sum: u64): u32 {
  let h = sum ^ (sum >> 32);
  h *= SPREAD;
  h ^= h >> 29;
  return <u32>(h >> 16);
}

/** @param kind protocol | scope << 8; all words as loaded from memory */
export function nhFlow4(src: u32, dst: u32, ports: u32, kind: u32): u32 {
  return finish(nhPair(src, dst, 0) + nhPair(ports, kind, 2));
}

/** @param src, dst addresses of 16 bytes */
export function nhFlow6(src: usize, dst: usize, ports: u32, kind: u32): u32 {
  const sum =
    nhPair(load<u32>(src), load<u32>(src, 4), 0) +
    nhPair(load<u32>(src, 8), load<u32>(src, 12), 2) +
    nhPair(load<u32>(dst), load<u32>(dst, 4), 4) +
    nhPair(load<u32>(dst, 8), load<u32>(dst, 12), 6) +
    nhPair(ports, kind, 8);
  return finish(sum);
}

/** Three 64-bit words, the widest key of a hash table. */
export function nhWords(w0: u64, w1: u64, w2: u64): u32 {
  const sum =
    nhPair(<u32>w0, <u32>(w0 >> 32), 0) +
    nhPair(<u32>w1, <u32>(w1 >> 32), 2) +
    nhPair(<u32>w2, <u32>(w2 >> 32), 4);
  return finish(sum);
}

/** The hash of nothing: half of the secret. */
export function nameSeed(): u64 {
  return load<u64>(CONTROL_BASE + CONTROL_HASH_KEYS_OFF, 8);
}

/**
 * One more word. Two words that differ give sums that differ by a known number for one pair of
 * secret keys in 2^32 (NH, RFC 4418 5.2), and the rotation keeps what a factor of 0 would swallow.
 */
export function nameStep(h: u64, word: u64): u64 {
  const x = h ^ word;
  return nhPair(<u32>x, <u32>(x >> 32), 0) + rotl<u64>(x, 29);
}

/** From the state to the number whose low bits index a table. */
export function nameFinish(h: u64): u32 {
  return finish(h);
}

/** Hash of a name whose last word is filled up with zeros: no name is the beginning of another. */
export function nameHash(name: usize, length: u32): u32 {
  let h = nameSeed();
  for (let i: u32 = 0; i < length; i += 8) h = nameStep(h, load<u64>(name + i));
  return finish(h);
}

/** A bijection of 64 bits in which every input bit reaches every output bit. */
export function mix64(x: u64): u64 {
  let h = (x ^ (x >> 32)) * SPREAD;
  h = (h ^ (h >> 29)) * STIR;
  return h ^ (h >> 32);
}

/** A bijection of 32 bits (MurmurHash3's finaliser, Appleby 2008). */
export function mix32(x: u32): u32 {
  x = (x ^ (x >> 16)) * 0x85ebca6b;
  x = (x ^ (x >> 13)) * 0xc2b2ae35;
  return x ^ (x >> 16);
}

/** The 5-tuple as 32 even bits; the same on every node with the same seed. */
export function pickHash(src: usize, dst: usize, ports: u32, proto: u32): u32 {
  const seed = <u64>load<u32>(CONTROL_BASE + CONTROL_PICK_SEED_OFF);
  let h = mix64(load<u64>(src) ^ seed);
  h = mix64(h ^ load<u64>(src, 8));
  h = mix64(h ^ load<u64>(dst));
  h = mix64(h ^ load<u64>(dst, 8));
  h = mix64(h ^ (((<u64>proto) << 32) | ports));
  return <u32>(h >> 32);
}
