/**
 * CRC32c, the checksum of SCTP: the polynomial 0x1edc6f41, bits reflected, all ones before and
 * after. A value is stored little-endian: its bytes then lie as RFC 9260 appendix A wants them.
 *
 * A CRC is linear: when bytes change, it changes by the CRC of the difference, whatever the other
 * bytes are. So a rewrite needs no sum over the packet, and one that came in damaged stays so.
 *
 * Spec: RFC 9260 appendix A; RFC 3385 (the polynomial and its reasons)
 */

/** The polynomial, reflected: bit 31 is the coefficient of x^0. */
const POLYNOMIAL: u32 = 0x82f63b78;

/** What four bits become on their way out of the register. */
// prettier-ignore
const NIBBLES = memory.data<u32>([
  0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
  0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
]);

/** x^(8 * 2^k) modulo the polynomial: what 2^k bytes do to the register. */
// prettier-ignore
const POWERS = memory.data<u32>([
  0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
  0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
]);

/** The CRC of a range; the checksum field in it must hold 0. */
export function crc32c(ptr: usize, len: u32): u32 {
  const end = ptr + len;
  let crc: u32 = 0xffffffff;
  while (ptr < end) {
    crc ^= load<u8>(ptr);
    crc = (crc >> 4) ^ load<u32>(NIBBLES + ((crc & 15) << 2));
    crc = (crc >> 4) ^ load<u32>(NIBBLES + ((crc & 15) << 2));
    ptr++;
  }
  return ~crc;
}

/** Product of two polynomials modulo the polynomial. */
function multiply(a: u32, b: u32): u32 {
  let product: u32 = 0;
  for (let bit: u32 = 0; bit < 32; bit++) {
    product ^= b & (0 - (a >> 31));
    a <<= 1;
    b = (b >> 1) ^ (POLYNOMIAL & (0 - (b & 1)));
  }
  return product;
}

/**
 * How the CRC of a range changes with its first four bytes.
 *
 * @param difference  old bytes XOR new bytes, as loaded
 * @param len         bytes of the range, 4 to 65535
 * @returns           what to XOR the CRC with
 * Cost               32 steps for every bit set in `len`, no look at the range
 */
export function crc32cDelta(difference: u32, len: u32): u32 {
  let delta = difference;
  for (let k: u32 = 0; k < 16; k++) {
    if (len & (1 << k)) delta = multiply(delta, load<u32>(POWERS + (k << 2)));
  }
  return delta;
}
