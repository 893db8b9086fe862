/**
 * The same work as one would write it in JavaScript: objects, Map, DataView. The rival of the
 * suites that ask what WebAssembly is worth beside plain JavaScript.
 */

/** Internet checksum of a range: the field as it lies in the packet, read little-endian. */
export function checksumJs(bytes: DataView, offset: number, len: number): number {
  let sum = 0;
  let i = 0;
  for (; i + 2 <= len; i += 2) sum += bytes.getUint16(offset + i, true);
  if (i < len) sum += bytes.getUint8(offset + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface ParsedUdp {
  readonly src: number;
  readonly dst: number;
  readonly srcPort: number;
  readonly dstPort: number;
}

/** Headers of an IPv4 UDP frame, every length proven, the header checksum verified. */
export function parseUdpJs(frame: DataView, at: number, len: number): ParsedUdp | undefined {
  if (len < 14 || frame.getUint16(at + 12) !== 0x0800) return undefined;
  const ip = at + 14;
  const avail = len - 14;
  if (avail < 20 || frame.getUint8(ip) >> 4 !== 4) return undefined;
  const hlen = (frame.getUint8(ip) & 15) * 4;
  const total = frame.getUint16(ip + 2);
  if (hlen < 20 || hlen > avail || total < hlen || total > avail) return undefined;
  if (checksumJs(frame, ip, hlen) !== 0) return undefined;
  if (frame.getUint16(ip + 6) & 0x3fff || frame.getUint8(ip + 9) !== 17) return undefined;
  const udp = ip + hlen;
  const length = total - hlen < 8 ? 0 : frame.getUint16(udp + 4);
  if (length < 8 || length > total - hlen) return undefined;
  return {
    src: frame.getUint32(ip + 12),
    dst: frame.getUint32(ip + 16),
    srcPort: frame.getUint16(udp),
    dstPort: frame.getUint16(udp + 2),
  };
}

const OFFSET_KEY = 0x9e3779b9;
const SKIP_KEY = 0x7f4a7c15;

/** MurmurHash3's finaliser. */
export function mix32(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * A Maglev table (Eisenbud et al., NSDI 2016, 3.4).
 *
 * @param ids  identity to position in the set
 */
export function buildMaglevJs(ids: ReadonlyMap<number, number>, m: number): (number | undefined)[] {
  const members = [...ids].map(([id, position]) => ({
    position,
    next: mix32(id ^ OFFSET_KEY) % m,
    skip: m > 1 ? (mix32(id ^ SKIP_KEY) % (m - 1)) + 1 : 0,
  }));
  const table = new Array<number | undefined>(m).fill(undefined);
  let filled = 0;
  for (;;) {
    for (const member of members) {
      while (table[member.next] !== undefined) member.next = (member.next + member.skip) % m;
      table[member.next] = member.position;
      filled++;
      if (filled === m) return table;
    }
  }
}

/** The member for a 32-bit hash: as the core scales it, in floating point. */
export function pickMaglevJs(table: readonly (number | undefined)[], hash: number): number {
  return table[Math.floor((hash / 2 ** 32) * table.length)] ?? 0;
}
