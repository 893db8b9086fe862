/**
 * Datagrams in pieces, and errors that quote them: built from the RFCs and the RFC 1071 oracle
 * alone, as frames.ts.
 */
import { pseudoHeader, rfc1071 } from '../wire/oracle.js';
import { ETH_HLEN, wireAddress } from './frames.js';

const u16 = (x: number): number[] => [(x >>> 8) & 0xff, x & 0xff];
const u32 = (x: number): number[] => [...u16(x >>> 16), ...u16(x)];
const join = (...parts: (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

function patched(part: Uint8Array, at: number, value: number): Uint8Array {
  const done = part.slice();
  done.set(u16(value), at);
  return done;
}

function ethernet(isIpv4: boolean): Uint8Array {
  return join([2, 0x53, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x0a], u16(isIpv4 ? 0x0800 : 0x86dd));
}

function ipv4(fields: {
  src: Uint8Array;
  dst: Uint8Array;
  ttl: number;
  proto: number;
  id: number;
  word: number;
  body: Uint8Array;
}): Uint8Array {
  const { src, dst, ttl, proto, id, word, body } = fields;
  const length = 20 + body.length;
  const head = join([0x45, 0], u16(length), u16(id), u16(word), [ttl, proto, 0, 0], src, dst);
  return join(patched(head, 10, rfc1071(head)), body);
}

/** The IP packet of a frame without a VLAN tag. */
export function l3(frame: Uint8Array): Uint8Array {
  return frame.slice(ETH_HLEN);
}

export interface ErrorSpec {
  readonly src: string;
  readonly dst: string;
  readonly type: number;
  readonly code?: number;
  /** The second word of the message: the MTU, for one. */
  readonly rest?: number;
  readonly ttl?: number;
  /** The packet it is about, from its IP header on, as much of it as is quoted. */
  readonly quote: Uint8Array;
}

/** A frame with an ICMP or ICMPv6 error; the family is that of the addresses. */
export function icmpError(spec: ErrorSpec): Uint8Array {
  const { type, code = 0, rest = 0, ttl = 64, quote } = spec;
  const src = wireAddress(spec.src);
  const dst = wireAddress(spec.dst);
  const message = join([type, code, 0, 0], u32(rest), quote);
  if (src.length === 4) {
    const body = patched(message, 2, rfc1071(message));
    return join(ethernet(true), ipv4({ src, dst, ttl, proto: 1, id: 0x4242, word: 0, body }));
  }
  const pseudo = pseudoHeader(join(src, dst), 58, message.length);
  const body = patched(message, 2, rfc1071(pseudo, message));
  return join(ethernet(false), u32(0x60000000), u16(body.length), [58, ttl], src, dst, body);
}

/**
 * A frame cut into fragments, in order.
 *
 * @param frame  without VLAN tag, IP options or extension headers
 * @param size   payload bytes of each but the last, a multiple of 8
 */
export function fragmentsOf(frame: Uint8Array, size: number, id: number): Uint8Array[] {
  const packet = l3(frame);
  const isIpv4 = (packet[0] ?? 0) >>> 4 === 4;
  const hlen = isIpv4 ? 20 : 40;
  const payload = packet.subarray(hlen);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const part = payload.slice(at, at + size);
    const isMore = at + size < payload.length;
    pieces.push(
      isIpv4 ? piece4(packet, part, at, isMore, id) : piece6(packet, part, at, isMore, id),
    );
  }
  return pieces;
}

function piece4(packet: Uint8Array, body: Uint8Array, at: number, isMore: boolean, id: number) {
  const [ttl = 0, proto = 0] = packet.subarray(8);
  const [src, dst] = [packet.subarray(12, 16), packet.subarray(16, 20)];
  const word = (isMore ? 0x2000 : 0) | (at / 8);
  return join(ethernet(true), ipv4({ src, dst, ttl, proto, id, word, body }));
}

function piece6(packet: Uint8Array, body: Uint8Array, at: number, isMore: boolean, id: number) {
  const [proto = 0, ttl = 0] = packet.subarray(6);
  const extension = join([proto, 0], u16(at | Number(isMore)), u32(id));
  const length = u16(extension.length + body.length);
  const head = join(u32(0x60000000), length, [44, ttl], packet.subarray(8, 40));
  return join(ethernet(false), head, extension, body);
}

/**
 * Put fragments together again (RFC 791 3.2, RFC 8200 4.5): the receiver's side of it.
 *
 * @returns the frame of the whole datagram, or undefined while a piece is missing
 */
export function reassemble(fragments: readonly Uint8Array[]): Uint8Array | undefined {
  const pieces = fragments.map(pieceOf).sort((a, b) => a.at - b.at);
  const first = pieces[0];
  if (first === undefined) return undefined;
  let end = 0;
  for (const { at, body } of pieces) {
    if (at !== end) return undefined;
    end += body.length;
  }
  if (pieces.at(-1)?.isMore !== false) return undefined;
  const body = join(...pieces.map((piece) => piece.body));
  const { frame, isIpv4, proto } = first;
  const packet = l3(frame);
  if (isIpv4) {
    const [ttl = 0] = packet.subarray(8);
    const [src, dst] = [packet.slice(12, 16), packet.slice(16, 20)];
    return join(frame.subarray(0, 14), ipv4({ src, dst, ttl, proto, id: 0, word: 0, body }));
  }
  const head = join(u32(0x60000000), u16(body.length), [proto, packet[7] ?? 0]);
  return join(frame.subarray(0, 14), head, packet.subarray(8, 40), body);
}

function pieceOf(frame: Uint8Array) {
  const packet = l3(frame);
  const view = new DataView(packet.buffer);
  const isIpv4 = (packet[0] ?? 0) >>> 4 === 4;
  const word = view.getUint16(isIpv4 ? 6 : 42);
  const at = isIpv4 ? (word & 0x1fff) * 8 : word & 0xfff8;
  const isMore = (word & (isIpv4 ? 0x2000 : 1)) !== 0;
  const body = packet.slice(isIpv4 ? 20 : 48);
  return { frame, isIpv4, at, isMore, body, proto: packet[isIpv4 ? 9 : 40] ?? 0 };
}
