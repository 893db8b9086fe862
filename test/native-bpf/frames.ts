/**
 * Frames for the kernel programs, built and judged without a line of the project's own code:
 * headers from the RFCs' diagrams, checksums by full recomputation (RFC 1071).
 */

export type Proto = 'tcp' | 'udp' | 'icmp' | 'sctp';

/** One packet in the terms of its tuple. Ports of an echo: both are its identifier. */
export interface Tuple {
  readonly v6: boolean;
  readonly proto: Proto;
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly sport: number;
  readonly dport: number;
}

export interface FrameOptions {
  readonly dstMac?: Uint8Array;
  readonly srcMac?: Uint8Array;
  readonly ttl?: number;
  readonly tcpFlags?: number;
  readonly payload?: Uint8Array;
  /** Leave the UDP checksum 0: not computed. */
  readonly noChecksum?: boolean;
}

export const TCP_FIN = 1;
export const TCP_SYN = 2;
export const TCP_RST = 4;
export const TCP_ACK = 16;

export const ETH_HLEN = 14;
export const MAC_LOOPBACK = new Uint8Array(6);
export const MAC_CLIENT = Uint8Array.of(0x0a, 1, 2, 3, 4, 5);

const IP_PROTO = {
  v4: { tcp: 6, udp: 17, icmp: 1, sctp: 132 },
  v6: { tcp: 6, udp: 17, icmp: 58, sctp: 132 },
} as const;
const CHECKSUM_AT = { tcp: 16, udp: 6, icmp: 2 } as const;

export function addr4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number);
}

/** An IPv6 address of eight groups, none left out. */
export function addr6(text: string): Uint8Array {
  const groups = text.split(':').map((group) => parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

export function protoNumber(tuple: Tuple): number {
  return IP_PROTO[tuple.v6 ? 'v6' : 'v4'][tuple.proto];
}

/** RFC 1071: the complement of the one's-complement sum of all 16-bit words. */
export function fullChecksum(...parts: readonly Uint8Array[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function transport(tuple: Tuple, options: FrameOptions): Buffer {
  const payload = options.payload ?? Buffer.from('sluice');
  const ports = [u16(tuple.sport), u16(tuple.dport)];
  if (tuple.proto === 'udp') {
    return Buffer.concat([...ports, u16(8 + payload.length), u16(0), payload]);
  }
  if (tuple.proto === 'tcp') {
    const rest = Buffer.alloc(16);
    rest[8] = 5 << 4; // data offset
    rest[9] = options.tcpFlags ?? TCP_ACK;
    rest[10] = 0x20; // window
    return Buffer.concat([...ports, rest, payload]);
  }
  if (tuple.proto === 'sctp') {
    // Verification tag, CRC and a COOKIE ACK: nothing here looks behind the ports.
    const rest = Buffer.alloc(12, 0x5a);
    rest.set([11, 0, 0, 4], 8);
    return Buffer.concat([...ports, rest]);
  }
  // Echo request: type, code, checksum, identifier, sequence number 1.
  return Buffer.concat([
    Uint8Array.of(tuple.v6 ? 128 : 8, 0, 0, 0),
    u16(tuple.sport),
    u16(1),
    payload,
  ]);
}

/** What the transport checksum covers in front of the segment (RFC 793 3.1, RFC 8200 8.1). */
function pseudoHeader(tuple: Tuple, length: number): Uint8Array {
  if (tuple.proto === 'icmp' && !tuple.v6) return new Uint8Array(0);
  const proto = protoNumber(tuple);
  const tail = tuple.v6
    ? Uint8Array.of(0, 0, length >> 8, length & 0xff, 0, 0, 0, proto)
    : Uint8Array.of(0, proto, length >> 8, length & 0xff);
  return Buffer.concat([tuple.src, tuple.dst, tail]);
}

function ipHeader(tuple: Tuple, length: number, ttl: number): Buffer {
  const proto = protoNumber(tuple);
  if (tuple.v6) {
    const head = Uint8Array.of(0x60, 0, 0, 0, length >> 8, length & 0xff, proto, ttl);
    return Buffer.concat([head, tuple.src, tuple.dst]);
  }
  const total = length + 20;
  const head = Uint8Array.of(0x45, 0, total >> 8, total & 0xff, 0x12, 0x34, 0, 0, ttl, proto, 0, 0);
  const header = Buffer.concat([head, tuple.src, tuple.dst]);
  header.writeUInt16BE(fullChecksum(header), 10);
  return header;
}

/** A whole Ethernet frame, every checksum computed over all it covers. */
export function frameOf(tuple: Tuple, options: FrameOptions = {}): Buffer {
  const segment = transport(tuple, options);
  if (options.noChecksum !== true && tuple.proto !== 'sctp') {
    let sum = fullChecksum(pseudoHeader(tuple, segment.length), segment);
    if (sum === 0 && tuple.proto === 'udp') sum = 0xffff;
    segment.writeUInt16BE(sum, CHECKSUM_AT[tuple.proto]);
  }
  return Buffer.concat([
    options.dstMac ?? MAC_LOOPBACK,
    options.srcMac ?? MAC_CLIENT,
    u16(tuple.v6 ? 0x86dd : 0x0800),
    ipHeader(tuple, segment.length, options.ttl ?? 64),
    segment,
  ]);
}

/** An Ethernet frame with some other payload. */
export function rawFrame(etherType: number, payload: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.max(46, payload.length));
  padded.set(payload);
  return Buffer.concat([MAC_LOOPBACK, MAC_CLIENT, u16(etherType), padded]);
}
