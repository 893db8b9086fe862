/**
 * Frames for tests: a builder and a reader that know the wire formats from their RFCs alone. All
 * checksums come from the oracles of test/wire, none from the core.
 */
import { parseAddress } from '../../src/addr.js';
import { crc32c, pseudoHeader, rfc1071 } from '../wire/oracle.js';

export const ETH_HLEN = 14;
export const PROTO = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;
const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const;
const FLAG_BITS = { F: 0x01, S: 0x02, R: 0x04, P: 0x08, A: 0x10, U: 0x20 } as const;

/** SCTP chunk types by name (RFC 9260 3.2). */
export const CHUNK = {
  DATA: 0,
  INIT: 1,
  INIT_ACK: 2,
  SACK: 3,
  HEARTBEAT: 4,
  HEARTBEAT_ACK: 5,
  ABORT: 6,
  SHUTDOWN: 7,
  SHUTDOWN_ACK: 8,
  ERROR: 9,
  COOKIE_ECHO: 10,
  COOKIE_ACK: 11,
  SHUTDOWN_COMPLETE: 14,
} as const;
export type ChunkName = keyof typeof CHUNK;

export type Transport = 'tcp' | 'udp' | 'icmp' | 'sctp';

export interface PacketSpec {
  readonly proto: Transport;
  readonly src: string;
  readonly dst: string;
  readonly sport?: number;
  readonly dport?: number;
  /** Letters of FSRPAU. */
  readonly flags?: string;
  /** SCTP chunks; the last one holds the payload. Default: DATA. */
  readonly chunks?: readonly ChunkName[];
  /** Echo identifier. */
  readonly id?: number;
  /** An echo reply instead of a request. */
  readonly isReply?: boolean;
  readonly payload?: Uint8Array | string;
  readonly ttl?: number;
  readonly vlan?: number;
  readonly dstMac?: string;
  readonly srcMac?: string;
  /** UDP over IPv4 without a checksum. */
  readonly noChecksum?: boolean;
  /** CHECKSUM_PARTIAL: the field holds the folded sum of the pseudo-header; SCTP's holds 0. */
  readonly partial?: boolean;
  /** IPv4 and IPv6 fragment: offset in units of 8 bytes. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  /** IPv4 options, a multiple of four bytes. */
  readonly options?: Uint8Array;
}

const bytes = (...parts: (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
const u16 = (x: number): number[] => [(x >>> 8) & 0xff, x & 0xff];
const u32 = (x: number): number[] => [...u16(x >>> 16), ...u16(x)];

export function mac(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));
}

/** The 4 or 16 bytes that stand in a packet. */
export function wireAddress(text: string): Uint8Array {
  const { family, bytes: address } = parseAddress(text);
  return family === 4 ? address.slice(12) : address;
}

function ethernet(spec: Pick<PacketSpec, 'dstMac' | 'srcMac' | 'vlan'>, type: number): Uint8Array {
  const { dstMac = '02:53:00:00:00:01', srcMac = '02:00:00:00:00:0a', vlan } = spec;
  const tag = vlan === undefined ? [] : [...u16(ETHERTYPE.vlan), ...u16(vlan)];
  return bytes(mac(dstMac), mac(srcMac), tag, u16(type));
}

/** @param at  offset of the checksum field, which holds 0 */
function withChecksum(part: Uint8Array, at: number, value: number): Uint8Array {
  const done = part.slice();
  done.set(u16(value), at);
  return done;
}

function transport(spec: PacketSpec, addresses: Uint8Array): Uint8Array {
  const isIpv4 = addresses.length === 8;
  const { sport = 40000, dport = 80, id = 1 } = spec;
  const text = spec.payload ?? '';
  const payload = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const fill = (head: Uint8Array, at: number, proto: number, hasPseudo = true): Uint8Array => {
    const part = bytes(head, payload);
    const pseudo = hasPseudo ? pseudoHeader(addresses, proto, part.length) : new Uint8Array();
    if (spec.partial) return withChecksum(part, at, ~rfc1071(pseudo) & 0xffff);
    const sum = rfc1071(pseudo, part);
    return withChecksum(part, at, sum === 0 && proto === PROTO.udp ? 0xffff : sum);
  };
  switch (spec.proto) {
    case 'tcp': {
      const letters = Array.from(spec.flags ?? 'A') as (keyof typeof FLAG_BITS)[];
      const flags = letters.reduce((sum, letter) => sum | FLAG_BITS[letter], 0);
      const head = [...u16(sport), ...u16(dport), ...u32(0x01020304), ...u32(0x0a0b0c0d)];
      return fill(bytes(head, [0x50, flags], u16(64240), u16(0), u16(0)), 16, PROTO.tcp);
    }
    case 'udp': {
      const head = bytes(u16(sport), u16(dport), u16(8 + payload.length), u16(0));
      return spec.noChecksum ? bytes(head, payload) : fill(head, 6, PROTO.udp);
    }
    case 'sctp':
      return sctp(spec, payload);
    case 'icmp': {
      const type = isIpv4 ? (spec.isReply ? 0 : 8) : spec.isReply ? 129 : 128;
      const head = bytes([type, 0], u16(0), u16(id), u16(7));
      return fill(head, 2, isIpv4 ? PROTO.icmp : PROTO.icmpv6, !isIpv4);
    }
  }
}

/** RFC 9260 3: common header and chunks, each padded to a multiple of four bytes. */
function sctp(spec: PacketSpec, payload: Uint8Array): Uint8Array {
  const { sport = 40000, dport = 80, chunks = ['DATA'] } = spec;
  const body = chunks.map((name, i) => {
    const value = i === chunks.length - 1 ? payload : new Uint8Array();
    const padding = new Uint8Array(-value.length & 3);
    return bytes([CHUNK[name], 3], u16(4 + value.length), value, padding);
  });
  const tag = chunks.includes('INIT') ? 0 : 0x5eed1e55;
  const whole = bytes(u16(sport), u16(dport), u32(tag), u32(0), ...body);
  if (!spec.partial) whole.set(crc32c(whole), 8);
  return whole;
}

function ipv4(spec: PacketSpec, src: Uint8Array, dst: Uint8Array): Uint8Array {
  const { ttl = 64, fragment, options = new Uint8Array() } = spec;
  const whole = transport(spec, bytes(src, dst));
  const body = fragment && fragment.offset > 0 ? whole.slice(8) : whole;
  const words = 5 + options.length / 4;
  const word = fragment ? (fragment.more ? 0x2000 : 0) | fragment.offset : 0x4000;
  const head = bytes(
    [0x40 | words, 0],
    u16(words * 4 + body.length),
    [...u16(0x1234), ...u16(word), ttl, PROTO[spec.proto]],
    [...u16(0), ...src, ...dst],
    options,
  );
  return bytes(withChecksum(head, 10, rfc1071(head)), body);
}

function ipv6(spec: PacketSpec, src: Uint8Array, dst: Uint8Array): Uint8Array {
  const { ttl = 64, fragment } = spec;
  const proto = spec.proto === 'icmp' ? PROTO.icmpv6 : PROTO[spec.proto];
  const whole = transport(spec, bytes(src, dst));
  const tail = fragment && fragment.offset > 0 ? whole.slice(8) : whole;
  const extension = fragment
    ? [proto, 0, ...u16((fragment.offset << 3) | Number(fragment.more)), ...u32(99)]
    : [];
  const body = bytes(extension, tail);
  const next = fragment ? 44 : proto;
  return bytes(u32(0x60000000), u16(body.length), [next, ttl], src, dst, body);
}

/** A whole frame; the family is that of the addresses. */
export function packet(spec: PacketSpec): Uint8Array {
  const src = wireAddress(spec.src);
  const dst = wireAddress(spec.dst);
  return src.length === 4
    ? bytes(ethernet(spec, ETHERTYPE.ipv4), ipv4(spec, src, dst))
    : bytes(ethernet(spec, ETHERTYPE.ipv6), ipv6(spec, src, dst));
}

export interface ArpSpec {
  readonly op?: number;
  readonly srcMac?: string;
  readonly sender: string;
  readonly target: string;
  readonly vlan?: number;
}

export function arp({
  op = 1,
  srcMac = '02:00:00:00:00:0a',
  sender,
  target,
  vlan,
}: ArpSpec): Uint8Array {
  const tag = vlan === undefined ? {} : { vlan };
  return bytes(
    ethernet({ dstMac: 'ff:ff:ff:ff:ff:ff', srcMac, ...tag }, ETHERTYPE.arp),
    [...u16(1), ...u16(ETHERTYPE.ipv4), 6, 4, ...u16(op)],
    mac(srcMac),
    wireAddress(sender),
    new Uint8Array(6),
    wireAddress(target),
  );
}

export interface SolicitSpec {
  readonly src: string;
  readonly target: string;
  readonly srcMac?: string;
  readonly hopLimit?: number;
  /** Without the source link-layer address option. */
  readonly bare?: boolean;
  /** ICMPv6 type; default 135, neighbour solicitation. */
  readonly type?: number;
}

/** A neighbour solicitation to the solicited-node group of its target (RFC 4861 4.3). */
export function solicit(spec: SolicitSpec): Uint8Array {
  const { srcMac = '02:00:00:00:00:0a', hopLimit = 255, bare = false, type = 135 } = spec;
  const target = wireAddress(spec.target);
  const src = wireAddress(spec.src);
  const group = bytes(wireAddress('ff02::1:ff00:0').slice(0, 13), target.slice(13));
  const option = bare ? [] : [1, 1, ...mac(srcMac)];
  const message = bytes([type, 0, 0, 0, 0, 0, 0, 0], target, option);
  const pseudo = pseudoHeader(bytes(src, group), PROTO.icmpv6, message.length);
  const body = withChecksum(message, 2, rfc1071(pseudo, message));
  const dstMac = `33:33:${hexOf(group.slice(12)).replace(/(..)(?=.)/g, '$1:')}`;
  return bytes(
    ethernet({ srcMac, dstMac }, ETHERTYPE.ipv6),
    u32(0x60000000),
    [...u16(body.length), PROTO.icmpv6, hopLimit],
    src,
    group,
    body,
  );
}

/** What a reader of the wire sees in a frame. */
export interface Seen {
  readonly dstMac: string;
  readonly srcMac: string;
  readonly vlan?: number;
  readonly etherType: number;
  readonly src?: string;
  readonly dst?: string;
  readonly ttl?: number;
  readonly proto?: number;
  readonly sport?: number;
  readonly dport?: number;
  /** Letters of FSRPAU, in that order. */
  readonly flags?: string;
  readonly id?: number;
  readonly type?: number;
  readonly checksum?: number;
  readonly payload?: string;
  /** SCTP chunks in order. */
  readonly chunks?: readonly ChunkName[];
  /** Every checksum in the frame is what RFC 1071, and for SCTP RFC 9260, say it is. */
  readonly isSound: boolean;
}

export function hexOf(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}

function macText(data: Uint8Array): string {
  return hexOf(data).replace(/(..)(?=.)/g, '$1:');
}

function addressText(data: Uint8Array): string {
  if (data.length === 4) return data.join('.');
  const groups = hexOf(data).match(/..../g) ?? [];
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

export function see(frame: Uint8Array): Seen {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const isTagged = view.getUint16(12) === ETHERTYPE.vlan;
  const l3 = isTagged ? ETH_HLEN + 4 : ETH_HLEN;
  const etherType = view.getUint16(l3 - 2);
  const link = {
    dstMac: macText(frame.subarray(0, 6)),
    srcMac: macText(frame.subarray(6, 12)),
    ...(isTagged ? { vlan: view.getUint16(14) & 0x0fff } : {}),
    etherType,
  };
  if (etherType === ETHERTYPE.ipv4) {
    const hlen = (view.getUint8(l3) & 15) * 4;
    const end = l3 + view.getUint16(l3 + 2);
    const head = rfc1071(frame.subarray(l3, l3 + hlen)) === 0;
    const addresses = frame.subarray(l3 + 12, l3 + 20);
    const proto = view.getUint8(l3 + 9);
    const upper = seeTransport(frame.subarray(l3 + hlen, end), addresses, proto);
    const ttl = view.getUint8(l3 + 8);
    return { ...link, ...ends(addresses), ttl, proto, ...upper, isSound: head && upper.isSound };
  }
  if (etherType === ETHERTYPE.ipv6) {
    const end = l3 + 40 + view.getUint16(l3 + 4);
    const addresses = frame.subarray(l3 + 8, l3 + 40);
    const proto = view.getUint8(l3 + 6);
    const upper = seeTransport(frame.subarray(l3 + 40, end), addresses, proto);
    return { ...link, ...ends(addresses), ttl: view.getUint8(l3 + 7), proto, ...upper };
  }
  return { ...link, isSound: true };
}

function ends(addresses: Uint8Array): { src: string; dst: string } {
  const half = addresses.length / 2;
  return { src: addressText(addresses.slice(0, half)), dst: addressText(addresses.slice(half)) };
}

type Upper = Pick<
  Seen,
  'sport' | 'dport' | 'flags' | 'chunks' | 'id' | 'type' | 'checksum' | 'payload' | 'isSound'
>;

function seeTransport(part: Uint8Array, addresses: Uint8Array, proto: number): Upper {
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
  const text = (from: number): string => new TextDecoder().decode(part.subarray(from));
  const whole = rfc1071(pseudoHeader(addresses, proto, part.length), part) === 0;
  if (proto === PROTO.tcp) {
    const bits = view.getUint8(13);
    const flags = Object.entries(FLAG_BITS).flatMap(([name, bit]) => (bits & bit ? name : []));
    const checksum = view.getUint16(16);
    const ports = { sport: view.getUint16(0), dport: view.getUint16(2) };
    const hlen = (view.getUint8(12) >>> 4) * 4;
    return { ...ports, flags: flags.join(''), checksum, payload: text(hlen), isSound: whole };
  }
  if (proto === PROTO.udp) {
    const checksum = view.getUint16(6);
    const ports = { sport: view.getUint16(0), dport: view.getUint16(2) };
    const none = checksum === 0 && addresses.length === 8;
    return { ...ports, checksum, payload: text(8), isSound: none || whole };
  }
  if (proto === PROTO.sctp) return seeSctp(part);
  if (proto !== PROTO.icmp && proto !== PROTO.icmpv6) return { isSound: true };
  const isSound = proto === PROTO.icmp ? rfc1071(part) === 0 : whole;
  const checksum = view.getUint16(2);
  return { type: view.getUint8(0), id: view.getUint16(4), checksum, payload: text(8), isSound };
}

function seeSctp(part: Uint8Array): Upper {
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
  const ports = { sport: view.getUint16(0), dport: view.getUint16(2) };
  const chunks: ChunkName[] = [];
  const names = Object.keys(CHUNK) as ChunkName[];
  let payload = '';
  for (let at = 12; at + 4 <= part.length;) {
    const length = view.getUint16(at + 2);
    chunks.push(...names.filter((name) => CHUNK[name] === part[at]));
    payload = new TextDecoder().decode(part.subarray(at + 4, at + length));
    // A chunk is at least its own header: a fuzzed one may say less.
    at += Math.max(4, (length + 3) & ~3);
  }
  const blank = part.slice();
  blank.set([0, 0, 0, 0], 8);
  const isSound = hexOf(crc32c(blank)) === hexOf(part.subarray(8, 12));
  return { ...ports, chunks, checksum: view.getUint32(8), payload, isSound };
}

export interface SeenArp {
  readonly op: number;
  readonly senderMac: string;
  readonly sender: string;
  readonly targetMac: string;
  readonly target: string;
}

export function seeArp(frame: Uint8Array): SeenArp {
  const at = frame[12] === 0x81 ? ETH_HLEN + 4 : ETH_HLEN;
  const part = frame.subarray(at);
  return {
    op: ((part[6] ?? 0) << 8) | (part[7] ?? 0),
    senderMac: macText(part.subarray(8, 14)),
    sender: addressText(part.slice(14, 18)),
    targetMac: macText(part.subarray(18, 24)),
    target: addressText(part.slice(24, 28)),
  };
}
