/**
 * The Internet checksum as RFC 1071 1 words it, in network order and with no shortcut: the
 * 16-bit one's complement of the one's-complement sum of all 16-bit words, the last odd byte
 * padded with zero. Written from the RFC, not from `assembly/wire/checksum.ts`.
 */
export function rfc1071(...parts: Uint8Array[]): number {
  let total = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) {
      total += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0);
      if (total > 0xffff) total = (total & 0xffff) + 1;
    }
  }
  return ~total & 0xffff;
}

/** The same two bytes the other way round. */
export function swap16(x: number): number {
  return ((x & 0xff) << 8) | (x >>> 8);
}

/** Pseudo-header of RFC 9293 3.1 (4-byte addresses) or RFC 8200 8.1 (16-byte addresses). */
export function pseudoHeader(addresses: Uint8Array, proto: number, length: number): Uint8Array {
  const tail =
    addresses.length === 8
      ? [0, proto, length >>> 8, length & 0xff]
      : [0, 0, length >>> 8, length & 0xff, 0, 0, 0, proto];
  return Uint8Array.from([...addresses, ...tail]);
}

/**
 * CRC32c as RFC 9260 appendix A words it, a bit at a time: every byte enters with its lowest bit
 * first, the register is not reflected, and its four bytes are mirrored on their way out. Written
 * from the polynomial, not from `assembly/wire/crc32c.ts`.
 *
 * @returns the four bytes of the checksum field, in the order of transmission
 */
export function crc32c(...parts: Uint8Array[]): Uint8Array {
  const POLYNOMIAL = 0x1edc6f41;
  let register = 0xffffffff;
  for (const byte of parts.flatMap((part) => [...part])) {
    for (let i = 0; i < 8; i++) {
      const feedback = (register >>> 31) ^ ((byte >>> i) & 1);
      register = ((register << 1) ^ (feedback === 1 ? POLYNOMIAL : 0)) >>> 0;
    }
  }
  const complement = ~register >>> 0;
  const mirrored = (byte: number): number =>
    Array.from({ length: 8 }, (_, i) => ((byte >>> i) & 1) << (7 - i)).reduce((a, b) => a | b);
  return Uint8Array.from([24, 16, 8, 0], (shift) => mirrored((complement >>> shift) & 0xff));
}
