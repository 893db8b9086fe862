/**
 * Reverse zones of a prefix.
 *
 * A zone can be cut at whole labels only: every 8 bits in `in-addr.arpa`, every 4 in `ip6.arpa`.
 * A prefix in between is all the zones of the next length that it covers: 10.0.0.0/15 is
 * `0.10.in-addr.arpa` and `1.10.in-addr.arpa`.
 *
 * Spec  RFC 1035 3.5, RFC 3596 2.5; CoreDNS, plugin/pkg/cidr
 */
import type { Cidr } from '../../addr.js';

const FAMILIES = {
  4: { labelBits: 8, radix: 10, off: 12, suffix: 'in-addr.arpa.' },
  6: { labelBits: 4, radix: 16, off: 0, suffix: 'ip6.arpa.' },
} as const;

/** @returns absolute names, at most 128 for IPv4 and 8 for IPv6, in the order of addresses */
export function reverseZones(cidr: Cidr): string[] {
  const { labelBits, radix, off, suffix } = FAMILIES[cidr.family];
  const labelCount = Math.ceil(cidr.prefixLen / labelBits);
  if (labelCount === 0) return [suffix];
  const zoneCount = 2 ** (labelCount * labelBits - cidr.prefixLen);
  const digits = Array.from(cidr.bytes.subarray(off)).flatMap((byte) =>
    labelBits === 8 ? [byte] : [byte >> 4, byte & 0xf],
  );
  const shared = digits.slice(0, labelCount - 1).reverse();
  const first = digits[labelCount - 1] ?? 0;
  return Array.from({ length: zoneCount }, (_, i) =>
    [first + i, ...shared]
      .map((digit) => `${digit.toString(radix)}.`)
      .join('')
      .concat(suffix),
  );
}
