import { readFileSync } from 'node:fs';
import type { Drop } from '../../assembly/abi.js';

/** A frame and what scapy reads from it; addresses are hex, numbers are in host order. */
export interface Vector {
  name: string;
  hex: string;
  drop: keyof typeof Drop;
  eth: { dst: string; src: string; type: number; vlan: number | null; hlen: number };
  arp?: {
    op: number;
    senderMac: string;
    senderIp: string;
    targetMac: string;
    targetIp: string;
  };
  ipv4?: {
    hlen: number;
    totalLength: number;
    ttl: number;
    proto: number;
    fragment: number;
    checksum: number;
    src: string;
    dst: string;
  };
  ipv6?: {
    payloadLength: number;
    nextHeader: number;
    hopLimit: number;
    src: string;
    dst: string;
  };
  /** Where the transport header is; `flags` as `IPV6_WALK_F_*`. */
  walk?: { offset: number; proto: number; flags: number };
  tcp?: {
    srcPort: number;
    dstPort: number;
    seq: number;
    ack: number;
    hlen: number;
    flags: number;
    window: number;
    checksum: number;
  };
  udp?: { srcPort: number; dstPort: number; length: number; checksum: number };
  /** `checksum`: its four bytes as they lie in the packet; `chunks`: as `sctpChunks` says. */
  sctp?: { srcPort: number; dstPort: number; tag: number; checksum: string; chunks: number };
  icmp?: {
    type: number;
    code: number;
    checksum: number;
    id: number | null;
    seq: number | null;
    mtu: number | null;
  };
  icmpv6?: {
    type: number;
    code: number;
    checksum: number;
    id: number | null;
    mtu: number | null;
  };
  nd?: { target: string; flags: number; mac: string | null };
}

/** One packet before and after NAT, each with its pseudo-header sum. */
export interface Rewrite {
  name: string;
  before: string;
  after: string;
  partialBefore: number;
  partialAfter: number;
}

interface Vectors {
  packets: Vector[];
  rewrites: Rewrite[];
}

/** Written by `test/support/make-wire-vectors.py`. */
export const { packets, rewrites } = JSON.parse(
  readFileSync(new URL('vectors.json', import.meta.url), 'utf8'),
) as Vectors;

/** A vector by name. */
export function packet(name: string): Vector {
  const found = packets.find((vector) => vector.name === name);
  if (!found) throw new Error(`vectors.json has no packet "${name}"`);
  return found;
}

/** Bytes of a hex string. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** Hex of bytes. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
