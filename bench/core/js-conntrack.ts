/**
 * Connection tracking with NAT as one would write it in JavaScript: a Map from the tuple as text to
 * what the packet becomes, DataView for the frame, checksums mended by RFC 1624.
 */
import { fold, type UdpTuple } from './inputs.js';
import { parseUdpJs } from './js-twins.js';

/** What a flow's packets become. */
export interface Translation {
  readonly src: number;
  readonly dst: number;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly macs: Uint8Array;
  packets: number;
  bytes: number;
  seenMs: number;
}

const ETH_HLEN = 14;

function keyOf({ src, dst, srcPort, dstPort }: UdpTuple): string {
  return `${src}:${srcPort}>${dst}:${dstPort}`;
}

/** Sum of a 32-bit value's two 16-bit words. */
function words(value: number): number {
  return (value >>> 16) + (value & 0xffff);
}

/** A checksum field after words that summed to `before` sum to `after` (RFC 1624 eqn. 3). */
function mended(field: number, before: number, after: number): number {
  // Words taken away are added as their complements; 0xffff each keeps the sum positive.
  return ~fold((~field & 0xffff) + after + (0x5_fffa - before)) & 0xffff;
}

/** Rewrite one 64-byte UDP frame where it lies, as its flow says. */
export function translateJs(frame: DataView, at: number, to: Translation): boolean {
  const ip = at + ETH_HLEN;
  const udp = ip + 20;
  const ttl = frame.getUint8(ip + 8);
  if (ttl <= 1) return false;
  const from = words(frame.getUint32(ip + 12)) + words(frame.getUint32(ip + 16));
  const becomes = words(to.src) + words(to.dst);
  frame.setUint8(ip + 8, ttl - 1);
  frame.setUint16(ip + 10, mended(frame.getUint16(ip + 10), from + 0x100, becomes));
  frame.setUint32(ip + 12, to.src);
  frame.setUint32(ip + 16, to.dst);
  const check = frame.getUint16(udp + 6);
  if (check !== 0) {
    const ports = words(frame.getUint32(udp));
    const after = mended(check, from + ports, becomes + to.srcPort + to.dstPort);
    frame.setUint16(udp + 6, after === 0 ? 0xffff : after);
  }
  frame.setUint16(udp, to.srcPort);
  frame.setUint16(udp + 2, to.dstPort);
  for (let i = 0; i < 12; i++) frame.setUint8(at + i, to.macs[i] ?? 0);
  return true;
}

/** A table of flows. */
export class ConntrackJs {
  readonly #flows = new Map<string, Translation>();

  add(tuple: UdpTuple, to: Translation): void {
    this.#flows.set(keyOf(tuple), to);
  }

  /** Parse, look up, count, rewrite. @returns whether the frame goes on */
  forward(frame: DataView, at: number, len: number, nowMs: number): boolean {
    const tuple = parseUdpJs(frame, at, len);
    const flow = tuple && this.#flows.get(keyOf(tuple));
    if (!flow) return false;
    flow.packets++;
    flow.bytes += len;
    flow.seenMs = nowMs;
    return translateJs(frame, at, flow);
  }
}

/** Flow i as benchFlowFill stores it: the same backend, the same MACs. */
export function translationOf(tuple: UdpTuple, i: number): Translation {
  return {
    src: tuple.src,
    dst: 0x0af40100 + (i % 100) + 1,
    srcPort: tuple.srcPort,
    dstPort: 5353,
    macs: Uint8Array.of(2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1),
    ...{ packets: 0, bytes: 0, seenMs: 0 },
  };
}
