/**
 * Inputs that WebAssembly, C and JavaScript share: the same pseudo-random words, the same flows,
 * the same frames. bench/native/twin.h and frame.h make the same in C; a digest proves it.
 */

export const FRAME_LEN = 64;
const ETH_HLEN = 14;
const IP_HLEN = 20;
const UDP_OFF = ETH_HLEN + IP_HLEN;
const UDP_LEN = FRAME_LEN - UDP_OFF;
const TTL = 64;
const IPPROTO_UDP = 17;
const SERVICE_PORT = 53;
/** 10.96.0.1 */
const SERVICE_ADDR = 0x0a600001;

/** The hash keys of every benchmark: reproducible, not secret. */
export function hashKey(i: number): number {
  return Math.imul(0x9e3779b9, i + 1) >>> 0;
}

/** xorshift32 (Marsaglia 2003). */
export function xorshift32(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** FNV-1a over little-endian u32 words. */
export function digestWords(bytes: Uint8Array): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  let h = 0x811c9dc5;
  for (const word of words) h = Math.imul(h ^ word, 0x01000193);
  return h >>> 0;
}

/** 0 .. count-1 in random order (Fisher and Yates). */
export function shuffled(count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const random = xorshift32(seed);
  for (let i = count - 1; i > 0; i--) {
    const j = random() % (i + 1);
    const kept = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = kept;
  }
  return order;
}

/** End-around carry down to 16 bits. */
export function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

/** Sum of big-endian 16-bit words; `len` even. */
export function sumWords(view: DataView, offset: number, len: number): number {
  let sum = 0;
  for (let i = 0; i < len; i += 2) sum += view.getUint16(offset + i);
  return sum;
}

/** Who talks to whom in a UDP frame; addresses and ports as numbers. */
export interface UdpTuple {
  readonly src: number;
  readonly dst: number;
  readonly srcPort: number;
  readonly dstPort: number;
}

/** Client i of the service: its own address, a port that looks random. */
export function clientTuple(i: number): UdpTuple {
  return {
    src: 0x0a000000 + i,
    dst: SERVICE_ADDR,
    srcPort: 1024 + (Math.imul(i, 40503) & 0x7fff),
    dstPort: SERVICE_PORT,
  };
}

/**
 * Write one 64-byte UDP frame with right checksums.
 *
 * @param tag  first payload word, little-endian
 */
export function writeUdpFrame(view: DataView, at: number, tuple: UdpTuple, tag: number): void {
  for (let i = 0; i < FRAME_LEN; i += 4) view.setUint32(at + i, 0);
  view.setUint8(at, 2);
  view.setUint8(at + 5, 9);
  view.setUint8(at + 6, 2);
  view.setUint8(at + 11, 8);
  view.setUint16(at + 12, 0x0800);
  const ip = at + ETH_HLEN;
  view.setUint8(ip, 0x45);
  view.setUint16(ip + 2, FRAME_LEN - ETH_HLEN);
  view.setUint8(ip + 8, TTL);
  view.setUint8(ip + 9, IPPROTO_UDP);
  view.setUint32(ip + 12, tuple.src);
  view.setUint32(ip + 16, tuple.dst);
  view.setUint16(ip + 10, ~fold(sumWords(view, ip, IP_HLEN)) & 0xffff);
  const udp = at + UDP_OFF;
  view.setUint16(udp, tuple.srcPort);
  view.setUint16(udp + 2, tuple.dstPort);
  view.setUint16(udp + 4, UDP_LEN);
  view.setUint32(udp + 8, tag, true);
  const pseudo = sumWords(view, ip + 12, 8) + IPPROTO_UDP + UDP_LEN;
  const checksum = ~fold(pseudo + sumWords(view, udp, UDP_LEN)) & 0xffff;
  view.setUint16(udp + 6, checksum === 0 ? 0xffff : checksum);
}
