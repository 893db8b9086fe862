/**
 * Frames that were never on a wire: the first packet of a conversation, as its sender would have
 * built it, with every checksum right.
 *
 * Spec  RFC 791, 8200 (IP); 9293 (TCP); 768 (UDP); 9260 (SCTP INIT); 792, 4443 (echo); 1071, 3309
 */
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '../../assembly/abi.js';
import { formatAddressPort, parseAddress, parseMac } from '../addr.js';
import type { Address } from '../addr.js';
import { DataplaneError } from '../errors.js';

export const PROBE_PROTOCOLS = ['TCP', 'UDP', 'SCTP', 'ICMP'] as const;
export type ProbeProtocol = (typeof PROBE_PROTOCOLS)[number];

export interface ProbeEnd {
  readonly address: Address;
  /** ICMP: of the source, the identifier. */
  readonly port: number;
}

export interface Probe {
  readonly protocol: ProbeProtocol;
  readonly from: ProbeEnd;
  readonly to: ProbeEnd;
}

const TTL = 64;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** Source when `--from` names none: of the ephemeral range (RFC 6335 6). */
const DEFAULT_PORT = 50_000;
const TO_MAC = parseMac('02:53:00:00:00:01');
const FROM_MAC = parseMac('02:00:00:00:00:01');
/** CRC32c, reflected (RFC 3309). */
const CRC32C_POLY = 0x82f63b78;

const usage = (what: string): never => {
  throw new DataplaneError('ERR_USAGE', what);
};

/** `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1`, `fd00::1` */
function parseEnd(text: string, option: string): { address: Address; port: number | undefined } {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? text.replace(/^\[(.*)\]$/, '$1');
  const port = match === null ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > 65535)) {
    return usage(`${option}: ${JSON.stringify(text)}: expected a port from 1 to 65535`);
  }
  try {
    return { address: parseAddress(host), port };
  } catch (cause) {
    const what = `${option}: ${JSON.stringify(text)}: expected IP:PORT such as 10.0.0.1:80 or [fd00::1]:80`;
    throw new DataplaneError('ERR_USAGE', what, { cause });
  }
}

/**
 * Read the two ends as the command line gives them: `IP[:PORT]` and `IP[:PORT]/PROTO`.
 *
 * @throws DataplaneError ERR_USAGE
 */
export function parseProbe(fromText: string, toText: string): Probe {
  const [ends = '', name = 'TCP', more] = toText.split('/');
  const protocol = PROBE_PROTOCOLS.find((known) => known === name.toUpperCase());
  if (protocol === undefined || more !== undefined) {
    const expected = `IP:PORT/PROTO, PROTO one of ${PROBE_PROTOCOLS.join(', ')}`;
    return usage(`--to: ${JSON.stringify(toText)}: expected ${expected}`);
  }
  const from = parseEnd(fromText, '--from');
  const to = parseEnd(ends, '--to');
  if (from.address.family !== to.address.family) {
    return usage('--from and --to: expected addresses of one family');
  }
  if (to.port === undefined && protocol !== 'ICMP') {
    return usage(`--to: ${JSON.stringify(toText)}: expected a port`);
  }
  return {
    protocol,
    from: { address: from.address, port: from.port ?? DEFAULT_PORT },
    to: { address: to.address, port: to.port ?? 0 },
  };
}

export function formatEnd(end: ProbeEnd): string {
  return formatAddressPort(end.address, end.port);
}

/** The 4 or 16 bytes that stand in a packet. */
function wire({ family, bytes }: Address): Uint8Array {
  return family === 4 ? bytes.subarray(12) : bytes;
}

/** RFC 1071, over the parts one after another; each but the last of even length. */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    part.forEach((byte, i) => {
      sum += i % 2 === 0 ? byte << 8 : byte;
    });
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CRC32C_POLY : 0);
  }
  return ~crc >>> 0;
}

function pseudoHeader({ from, to }: Probe, proto: number, length: number): Uint8Array {
  const tail = new Uint8Array(8);
  new DataView(tail.buffer).setUint32(0, length);
  tail[7] = proto;
  return Uint8Array.from([...wire(from.address), ...wire(to.address), ...tail]);
}

interface Segment {
  readonly proto: number;
  readonly bytes: Uint8Array;
}

/** @param sumAt  offset of the checksum field */
function withSum(probe: Probe, proto: number, bytes: Uint8Array, sumAt: number): Segment {
  const sum = checksum(pseudoHeader(probe, proto, bytes.length), bytes);
  // UDP: 0 would mean that there is none (RFC 768).
  const isZero = sum === 0 && proto === IPPROTO_UDP;
  new DataView(bytes.buffer).setUint16(sumAt, isZero ? 0xffff : sum);
  return { proto, bytes };
}

function ported(size: number, { from, to }: Probe): DataView {
  const view = new DataView(new ArrayBuffer(size));
  view.setUint16(0, from.port);
  view.setUint16(2, to.port);
  return view;
}

function synSegment(probe: Probe): Segment {
  const view = ported(20, probe);
  view.setUint32(4, 1); // sequence number
  view.setUint16(12, 0x5002); // five words, SYN
  view.setUint16(14, 64240);
  return withSum(probe, IPPROTO_TCP, new Uint8Array(view.buffer), 16);
}

function udpDatagram(probe: Probe): Segment {
  const view = ported(8, probe);
  view.setUint16(4, 8);
  return withSum(probe, IPPROTO_UDP, new Uint8Array(view.buffer), 6);
}

/** Common header, verification tag 0, and an INIT chunk. */
function sctpInit(probe: Probe): Segment {
  const view = ported(32, probe);
  view.setUint16(12, 0x0100);
  view.setUint16(14, 20);
  view.setUint32(16, 1); // initiate tag
  view.setUint32(20, 65536); // receiver window
  view.setUint16(24, 1);
  view.setUint16(26, 1);
  view.setUint32(28, 1);
  const bytes = new Uint8Array(view.buffer);
  view.setUint32(8, crc32c(bytes), true);
  return { proto: IPPROTO_SCTP, bytes };
}

function echoRequest(probe: Probe): Segment {
  const { family } = probe.from.address;
  const view = new DataView(new ArrayBuffer(8));
  view.setUint8(0, family === 4 ? 8 : 128);
  view.setUint16(4, probe.from.port);
  view.setUint16(6, 1);
  const bytes = new Uint8Array(view.buffer);
  if (family === 6) return withSum(probe, IPPROTO_ICMPV6, bytes, 2);
  view.setUint16(2, checksum(bytes));
  return { proto: IPPROTO_ICMP, bytes };
}

const SEGMENTS: Readonly<Record<ProbeProtocol, (probe: Probe) => Segment>> = {
  TCP: synSegment,
  UDP: udpDatagram,
  SCTP: sctpInit,
  ICMP: echoRequest,
};

function ipv4Header({ from, to }: Probe, { proto, bytes }: Segment, ttl: number): Uint8Array {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, header.length + bytes.length);
  view.setUint16(6, 0x4000); // don't fragment
  view.setUint8(8, ttl);
  view.setUint8(9, proto);
  header.set(wire(from.address), 12);
  header.set(wire(to.address), 16);
  view.setUint16(10, checksum(header));
  return header;
}

function ipv6Header({ from, to }: Probe, { proto, bytes }: Segment, ttl: number): Uint8Array {
  const header = new Uint8Array(40);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0x60000000);
  view.setUint16(4, bytes.length);
  view.setUint8(6, proto);
  view.setUint8(7, ttl);
  header.set(wire(from.address), 8);
  header.set(wire(to.address), 24);
  return header;
}

/** TCP SYN, empty UDP datagram, SCTP INIT or echo request, behind an Ethernet header. */
export function buildProbe(probe: Probe, ttl = TTL): Uint8Array {
  const segment = SEGMENTS[probe.protocol](probe);
  const isIpv4 = probe.from.address.family === 4;
  const header = isIpv4 ? ipv4Header(probe, segment, ttl) : ipv6Header(probe, segment, ttl);
  const type = isIpv4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  const ethernet = [...TO_MAC, ...FROM_MAC, type >>> 8, type & 0xff];
  return Uint8Array.from([...ethernet, ...header, ...segment.bytes]);
}
